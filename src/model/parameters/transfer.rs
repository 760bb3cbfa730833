//! Parameters to and from the device, in `state_dict` order: whole, or a tensor piece by piece.

use super::{ParameterTensor, Parameters, Piece};
use crate::gpu::Gpu;
use crate::ops::masks::TensorPart;
use crate::{Error, Result};

/// Values that are neighbours both in `state_dict` order and on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterRun {
    /// The place of the first of them in `state_dict` order.
    pub first: usize,
    /// The arena that they lie in.
    pub arena: usize,
    /// The place of the first of them among those of a replica there.
    pub offset: usize,
    /// How many.
    pub count: usize,
}

/// Columns of a transposed tensor that are gathered together: a cache line of them.
const TOGETHER: usize = 16;

impl ParameterTensor {
    /// Hands the values of its rows from `first` on, as they lie on the device, out in PyTorch's order: runs of
    /// neighbours, each with the place of its first value in the tensor.
    fn scatter(
        &self,
        first: usize,
        values: &[f32],
        take: &mut dyn FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<()> {
        if !self.transposed {
            return take(first * self.columns, values);
        }
        let rows = values.len() / self.columns;
        let mut runs = vec![0.0; rows * TOGETHER.min(self.columns)];
        for from in (0..self.columns).step_by(TOGETHER) {
            let to = self.columns.min(from + TOGETHER);
            for (row, line) in values.chunks_exact(self.columns).enumerate() {
                for (run, value) in line[from..to].iter().enumerate() {
                    runs[run * rows + row] = *value;
                }
            }
            for (column, run) in (from..to).zip(runs.chunks_exact(rows)) {
                take(column * self.rows + first, run)?;
            }
        }
        Ok(())
    }

    /// The way back: `give` fills runs of neighbours in PyTorch's order.
    fn gather(
        &self,
        first: usize,
        values: &mut [f32],
        give: &mut dyn FnMut(usize, &mut [f32]) -> Result<()>,
    ) -> Result<()> {
        if !self.transposed {
            return give(first * self.columns, values);
        }
        let rows = values.len() / self.columns;
        let mut runs = vec![0.0; rows * TOGETHER.min(self.columns)];
        for from in (0..self.columns).step_by(TOGETHER) {
            let to = self.columns.min(from + TOGETHER);
            for (column, run) in (from..to).zip(runs.chunks_exact_mut(rows)) {
                give(column * self.rows + first, run)?;
            }
            for (row, line) in values.chunks_exact_mut(self.columns).enumerate() {
                for (run, value) in line[from..to].iter_mut().enumerate() {
                    *value = runs[run * rows + row];
                }
            }
        }
        Ok(())
    }
}

impl Parameters {
    /// Reads all replicas, `[R][P]` in `state_dict` order.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        let arenas =
            self.arenas.iter().map(|arena| gpu.read(&arena.buffer)).collect::<Result<Vec<Vec<f32>>>>()?;
        let mut replicas = vec![vec![0.0; self.count()]; self.replicas];
        for (replica, flat) in replicas.iter_mut().enumerate() {
            self.each_piece(|start, tensor, piece| {
                let offset = replica * self.arenas[piece.arena].stride + piece.offset;
                let values = &arenas[piece.arena][offset..offset + piece.range.len * tensor.columns];
                tensor.scatter(piece.range.start, values, &mut |place, run| {
                    flat[start + place..][..run.len()].copy_from_slice(run);
                    Ok(())
                })
            })?;
        }
        Ok(replicas)
    }

    /// Writes one replica from its `P` values in `state_dict` order.
    pub fn write(&self, gpu: &Gpu, replica: usize, flat: &[f32]) {
        for (arena, values) in self.arenas.iter().zip(self.laid_out(flat)) {
            gpu.write(&arena.buffer, replica * arena.stride, &values);
        }
    }

    /// `P` values in `state_dict` order as a replica has them in each arena, with zeros in between.
    pub fn laid_out(&self, flat: &[f32]) -> Vec<Vec<f32>> {
        assert_eq!(flat.len(), self.count(), "a replica is laid out whole");
        let mut arenas: Vec<_> = self.arenas.iter().map(|arena| vec![0f32; arena.stride]).collect();
        let filled = self.each_piece(|start, tensor, piece| {
            let values = &mut arenas[piece.arena][piece.offset..][..piece.range.len * tensor.columns];
            tensor.gather(piece.range.start, values, &mut |place, run| {
                run.copy_from_slice(&flat[start + place..][..run.len()]);
                Ok(())
            })
        });
        debug_assert!(filled.is_ok(), "copying does not fail");
        arenas
    }

    /// All values of a replica in `state_dict` order, as the fewest runs of neighbours. Errors where a tensor lies
    /// transposed.
    pub fn runs(&self) -> Result<Vec<ParameterRun>> {
        let mut runs: Vec<ParameterRun> = Vec::new();
        self.each_piece(|start, tensor, piece| {
            if tensor.transposed {
                return Err(Error::fault(format!("{} lies transposed and has no runs", tensor.name)));
            }
            let next = ParameterRun {
                first: start + piece.range.start * tensor.columns,
                arena: piece.arena,
                offset: piece.offset,
                count: piece.range.len * tensor.columns,
            };
            let follows = |run: &ParameterRun| {
                let end = (run.arena, run.first + run.count, run.offset + run.count);
                end == (next.arena, next.first, next.offset)
            };
            match runs.last_mut() {
                Some(last) if follows(last) => last.count += next.count,
                _ => runs.push(next),
            }
            Ok(())
        })?;
        Ok(runs)
    }

    /// What of each tensor lies in an arena.
    pub fn parts_of(&self, arena: usize) -> Vec<TensorPart> {
        let of = |(number, tensor): (usize, &ParameterTensor)| {
            let own = tensor.pieces.iter().filter(|piece| piece.arena == arena && piece.range.len > 0);
            let count = |piece: &Piece| piece.range.len * tensor.columns;
            let part =
                |piece: &Piece| TensorPart { tensor: number, offset: piece.offset, count: count(piece) };
            own.map(part).collect::<Vec<_>>()
        };
        self.tensors.iter().enumerate().flat_map(of).collect()
    }

    /// Writes the same values to every replica.
    pub fn write_all(&self, gpu: &Gpu, flat: &[f32]) {
        (0..self.replicas).for_each(|replica| self.write(gpu, replica, flat));
    }

    /// Reads a tensor of one replica piece by piece, however large it is: `take` gets runs of neighbours in
    /// PyTorch's order, each with the place of its first value in the tensor.
    pub fn read_tensor(
        &self,
        gpu: &Gpu,
        replica: usize,
        tensor: &ParameterTensor,
        take: &mut dyn FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<()> {
        self.each_block(gpu, replica, tensor, |arena, start, count, row| {
            let values: Vec<f32> = gpu.read_part(&self.arenas[arena].buffer, start, count)?;
            tensor.scatter(row, &values, take)
        })
    }

    /// Writes a tensor of one replica piece by piece: `give` fills runs of neighbours in PyTorch's order,
    /// each with the place of its first value in the tensor.
    pub fn write_tensor(
        &self,
        gpu: &Gpu,
        replica: usize,
        tensor: &ParameterTensor,
        give: &mut dyn FnMut(usize, &mut [f32]) -> Result<()>,
    ) -> Result<()> {
        let mut values = Vec::new();
        self.each_block(gpu, replica, tensor, |arena, start, count, row| {
            values.resize(count, 0.0);
            tensor.gather(row, &mut values, give)?;
            gpu.write(&self.arenas[arena].buffer, start, &values);
            Ok(())
        })
    }

    /// Visits the pieces of all tensors, with the place of each tensor's first value in `state_dict` order.
    fn each_piece(&self, mut visit: impl FnMut(usize, &ParameterTensor, &Piece) -> Result<()>) -> Result<()> {
        let mut start = 0;
        for tensor in &self.tensors {
            tensor.pieces.iter().try_for_each(|piece| visit(start, tensor, piece))?;
            start += tensor.len();
        }
        Ok(())
    }

    /// Visits the rows of a tensor a block at a time: the arena, the place and the number of its values
    /// there, and its first row.
    fn each_block(
        &self,
        gpu: &Gpu,
        replica: usize,
        tensor: &ParameterTensor,
        mut visit: impl FnMut(usize, usize, usize, usize) -> Result<()>,
    ) -> Result<()> {
        let most = (gpu.block_bytes() / (4 * tensor.columns as u64)).max(1) as usize;
        for piece in &tensor.pieces {
            let first = replica * self.arenas[piece.arena].stride + piece.offset;
            for row in (0..piece.range.len).step_by(most) {
                let count = most.min(piece.range.len - row) * tensor.columns;
                visit(piece.arena, first + row * tensor.columns, count, piece.range.start + row)?;
            }
        }
        Ok(())
    }
}
