//! Tensors cut into shards.

use super::shard::SMALLER;
use super::{Buffer, Gpu, RowRange, split_rows};
use crate::{Error, Result};
use std::sync::Arc;

/// A piece of a [`Tensor`]: columns `range` of the last axis, stored `[R, B, range.len]`.
#[derive(Clone, Debug)]
pub struct TensorShard {
    /// Its memory.
    pub buffer: Buffer,
    /// Which columns of the whole it holds.
    pub range: RowRange,
}

/// An f32 tensor `[R, B, N]`, cut along `N` where it does not fit one binding.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// R
    pub replicas: usize,
    /// B
    pub batch: usize,
    /// N
    pub width: usize,
    /// The pieces, in order.
    pub shards: Vec<TensorShard>,
}

impl Tensor {
    /// Zeros, cut at the given ranges (which cover `0..width`).
    pub fn zeros_cut(
        gpu: &Gpu,
        label: &str,
        replicas: usize,
        batch: usize,
        ranges: &[RowRange],
    ) -> Result<Self> {
        let shards = ranges
            .iter()
            .map(|&range| Ok(TensorShard { buffer: gpu.zeros(label, replicas * batch * range.len)?, range }))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { replicas, batch, width: ranges.iter().map(|r| r.len).sum(), shards })
    }

    /// Zeros in the fewest shards that fit the device.
    pub fn zeros(gpu: &Gpu, label: &str, replicas: usize, batch: usize, width: usize) -> Result<Self> {
        let (row_bytes, most) = (4 * (replicas * batch) as u64, gpu.max_binding_bytes());
        let ranges = split_rows(width, row_bytes, most).ok_or_else(|| {
            let problem =
                format!("one row of {label} is larger than the {most} bytes that a kernel sees at once");
            Error::device(problem, SMALLER)
        })?;
        Self::zeros_cut(gpu, label, replicas, batch, &ranges)
    }

    /// Writes `values`, `[R, B, N]` row-major.
    pub fn write(&self, gpu: &Gpu, values: &[f32]) {
        let lines = self.replicas * self.batch;
        assert_eq!(values.len(), lines * self.width, "a tensor is written whole");
        if let [only] = self.shards.as_slice() {
            return gpu.write(&only.buffer, 0, values);
        }
        for shard in &self.shards {
            let mut part = Vec::with_capacity(lines * shard.range.len);
            for line in 0..lines {
                let start = line * self.width + shard.range.start;
                part.extend_from_slice(&values[start..start + shard.range.len]);
            }
            gpu.write(&shard.buffer, 0, &part);
        }
    }

    /// Writes line `line` of the R x B, `N` values.
    pub fn write_line(&self, gpu: &Gpu, line: usize, values: &[f32]) {
        assert_eq!(values.len(), self.width, "a line is written whole");
        for shard in &self.shards {
            let RowRange { start, len } = shard.range;
            gpu.write(&shard.buffer, line * len, &values[start..start + len]);
        }
    }

    /// Reads it back as `[R, B, N]` row-major.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.replicas * self.batch * self.width];
        self.read_blocks(gpu, |line, column, block| {
            values[line * self.width + column..][..block.len()].copy_from_slice(block);
        })?;
        Ok(values)
    }

    /// Reads line `line` of the R x B back, `N` values.
    pub fn read_line(&self, gpu: &Gpu, line: usize) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(self.width);
        for TensorShard { buffer, range } in &self.shards {
            values.extend(gpu.read_part::<f32>(buffer, line * range.len, range.len)?);
        }
        Ok(values)
    }

    /// Whether both are handles of the same memory.
    pub fn is_same_memory(&self, other: &Self) -> bool {
        let mut pairs = self.shards.iter().zip(&other.shards);
        self.shards.len() == other.shards.len()
            && pairs.all(|(a, b)| Arc::ptr_eq(&a.buffer.memory, &b.buffer.memory))
    }

    /// The first `batch` lines of each replica's memory as a tensor of its own, for values that are needed at other
    /// times. `None` where they do not fit.
    pub fn reused(&self, batch: usize, ranges: &[RowRange]) -> Option<Self> {
        (batch <= self.batch && self.ranges() == ranges).then(|| Self { batch, ..self.clone() })
    }

    /// Reads it back in blocks of neighbours of one line and hands each out with its line of the R x B and its
    /// first column, lines and columns in order within a shard.
    pub fn read_blocks(&self, gpu: &Gpu, mut take: impl FnMut(usize, usize, &[f32])) -> Result<()> {
        let lines = self.replicas * self.batch;
        for TensorShard { buffer, range } in &self.shards {
            let together = (gpu.block_bytes() as usize / (4 * range.len)).max(1);
            for first in (0..lines).step_by(together) {
                let now = together.min(lines - first);
                let values: Vec<f32> = gpu.read_part(buffer, first * range.len, now * range.len)?;
                for (place, block) in values.chunks_exact(range.len).enumerate() {
                    take(first + place, range.start, block);
                }
            }
        }
        Ok(())
    }

    /// The ranges of its shards.
    pub fn ranges(&self) -> Vec<RowRange> {
        self.shards.iter().map(|s| s.range).collect()
    }

    /// Errors where a tensor of the same width is cut in other places, so that shards do not correspond.
    pub fn expect_cut_as(&self, other: &Self) -> Result<()> {
        if self.ranges() == other.ranges() {
            return Ok(());
        }
        let widths = format!("tensors of {} and {} features", self.width, other.width);
        let shards = format!("{} and {} shards", self.shards.len(), other.shards.len());
        let problem = format!("{widths} that do not fit one binding are cut into {shards}");
        Err(Error::device(problem, SMALLER))
    }

    /// The memory of its only shard. Errors where the tensor had to be cut.
    pub fn single_buffer(&self) -> Result<&Buffer> {
        match self.shards.as_slice() {
            [only] => Ok(&only.buffer),
            _ => {
                let shape =
                    format!("{} replicas x {} samples x {} features", self.replicas, self.batch, self.width);
                let problem = format!("an activation of {shape} is larger than one binding of the device");
                Err(Error::device(problem, SMALLER))
            }
        }
    }
}
