//! A model's parameters on the device: arenas of `[R, stride]`, in `state_dict` order where they fit.

mod transfer;

pub use transfer::ParameterRun;

use super::LayerSpec;
use crate::gpu::{Buffer, Gpu, RowRange, split_rows};
use crate::ops::conv::Conv;
use crate::ops::dense::{Dense, DenseShard, RowsAre};
use crate::ops::random::{self, Draw, Target};
use crate::ops::{Arena, Moments};
use crate::{Error, Result};

/// A run of a tensor's values on the device.
#[derive(Clone, Copy, Debug)]
struct Piece {
    arena: usize,
    offset: usize,
    range: RowRange,
}

/// A named tensor and its pieces.
#[derive(Clone, Debug)]
pub struct ParameterTensor {
    /// Its PyTorch name: "0.weight".
    pub name: String,
    /// Its PyTorch shape.
    pub shape: Vec<usize>,
    /// Rows and columns as it lies on the device.
    rows: usize,
    columns: usize,
    /// Whether PyTorch's order is the transpose.
    transposed: bool,
    /// Initial values are uniform within this.
    bound: f32,
    pieces: Vec<Piece>,
}

impl ParameterTensor {
    /// A tensor of `[rows, columns]` on the device, in PyTorch's order, that has no place yet.
    fn new(name: String, shape: Vec<usize>, [rows, columns]: [usize; 2], bound: f32) -> Self {
        Self { name, shape, rows, columns, transposed: false, bound, pieces: Vec::new() }
    }

    /// How many values.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rows of a tensor of replica 0, where they lie on the device.
#[derive(Clone, Copy, Debug)]
pub struct TensorPiece<'a> {
    /// The memory.
    pub buffer: &'a Buffer,
    /// Element of the first row.
    pub offset: usize,
    /// Which rows.
    pub range: RowRange,
}

/// The parameters of R replicas of a model.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// R
    pub replicas: usize,
    /// The memory.
    pub arenas: Vec<Arena>,
    /// The tensors in `state_dict` order.
    pub tensors: Vec<ParameterTensor>,
}

/// Lays tensors out before any memory is taken.
#[derive(Debug)]
pub struct ParameterPlan {
    replicas: usize,
    /// Samples of a batch, whose values are cut where the matrices are.
    lines: usize,
    limit: u64,
    /// Elements per replica of each arena.
    strides: Vec<usize>,
    tensors: Vec<ParameterTensor>,
}

impl ParameterPlan {
    /// For `replicas` replicas and batches of `lines` samples on this device.
    pub fn new(gpu: &Gpu, replicas: usize, lines: usize) -> Self {
        Self { replicas, lines, limit: gpu.max_binding_bytes(), strides: Vec::new(), tensors: Vec::new() }
    }

    /// The same rows in pieces of which a batch's values fit one binding, in fours, since kernels take weights by
    /// four. Nothing changes where all rows' values fit, or those of the pieces do.
    fn cut_for_lines(&self, rows: usize, pieces: Vec<RowRange>) -> Vec<RowRange> {
        let fitting = (self.limit / (4 * self.replicas * self.lines).max(1) as u64) as usize;
        if rows <= fitting || pieces.iter().all(|piece| piece.len <= fitting) {
            return pieces;
        }
        // Where not even four fit, the allocation of the values is refused.
        let most = (fitting - fitting % 4).max(4);
        let len = rows.div_ceil(rows.div_ceil(most)).next_multiple_of(4);
        (0..rows).step_by(len).map(|start| RowRange { start, len: len.min(rows - start) }).collect()
    }

    fn bytes(&self, elements: usize) -> u64 {
        (elements.next_multiple_of(4) * self.replicas * 4) as u64
    }

    /// The error for tensors that do not fit one binding.
    fn too_wide(&self, what: &str, bytes: u64) -> Error {
        let (of, mend) = match self.replicas {
            1 => (String::new(), "use a narrower layer, or a larger --max-binding-bytes"),
            replicas => (
                format!(" for {replicas} replicas"),
                "train fewer collaborators at a time, or use a narrower layer or a larger --max-binding-bytes",
            ),
        };
        let limit = self.limit;
        let problem =
            format!("{what}{of} takes {bytes} bytes with its biases, and one binding holds {limit}");
        Error::device(problem, mend)
    }

    /// Puts `elements` behind what is there, in the last arena while it fits one binding.
    fn place(&mut self, elements: usize) -> (usize, usize) {
        match self.strides.last() {
            Some(&used) if self.bytes(used + elements) <= self.limit => {}
            _ => self.strides.push(0),
        }
        let arena = self.strides.len() - 1;
        let offset = self.strides[arena];
        self.strides[arena] += elements;
        (arena, offset)
    }

    /// Adds a dense layer's weight and bias, and gives it its shards.
    pub fn add_dense(&mut self, spec: &LayerSpec) -> Result<Dense> {
        let (prefix, bounds, mut layer) = (&spec.prefix, spec.bounds(), spec.layer.clone());
        let (rows, columns) = (layer.rows(), layer.columns());
        let inputs_are_rows = layer.rows_are == RowsAre::Inputs;
        // A shard holds its rows and a bias with each where they are outputs, or all biases where they are
        // inputs. Room is left for both in either case, so that the two ends of an autoencoder, which are
        // as wide and have as many columns, are cut in the same places.
        let spare = self.bytes(columns);
        // Every replica is padded to a multiple of four elements.
        let pad = self.bytes(1);
        let row = columns + 1;
        let room = self.limit.saturating_sub(spare + pad);
        let row_bytes = (row * self.replicas * 4) as u64;
        let ranges = split_rows(rows, row_bytes, room)
            .ok_or_else(|| self.too_wide(&format!("one row of {prefix}weight"), row_bytes + spare + pad))?;
        let whole = vec![layer.outputs, layer.inputs];
        let mut weight = ParameterTensor::new(format!("{prefix}weight"), whole, [rows, columns], bounds.0);
        weight.transposed = inputs_are_rows;
        let biases = layer.outputs;
        let mut bias = ParameterTensor::new(format!("{prefix}bias"), vec![biases], [biases, 1], bounds.1);
        for (place, range) in self.cut_for_lines(rows, ranges).into_iter().enumerate() {
            let biases = if inputs_are_rows {
                RowRange { start: 0, len: if place == 0 { layer.outputs } else { 0 } }
            } else {
                range
            };
            let weights = range.len * columns;
            let (arena, offset) = self.place(weights + biases.len);
            weight.pieces.push(Piece { arena, offset, range });
            let bias_offset = (biases.len > 0).then_some(offset + weights);
            if let Some(offset) = bias_offset {
                bias.pieces.push(Piece { arena, offset, range: biases });
            }
            layer.shards.push(DenseShard { range, arena, weight_offset: offset, bias_offset });
        }
        self.tensors.extend([weight, bias]);
        Ok(layer)
    }

    /// Adds a convolution's weights and biases, side by side, and says where they are. `bounds` are those
    /// of the uniform initial values of the two.
    pub fn add_conv(&mut self, prefix: &str, layer: &mut Conv, bounds: (f32, f32)) -> Result<()> {
        let shape = &layer.shape;
        let (weights, biases) = (shape.weights(), layer.output_channels());
        if self.bytes(weights + biases) > self.limit {
            return Err(self.too_wide(&format!("{prefix}weight"), self.bytes(weights + biases)));
        }
        let (arena, offset) = self.place(weights + biases);
        (layer.arena, layer.weight_offset) = (arena, offset);
        let columns = weights / shape.outputs;
        let mut tensor = |name: &str, shape: Vec<usize>, size: [usize; 2], offset, bound| {
            let mut tensor = ParameterTensor::new(format!("{prefix}{name}"), shape, size, bound);
            tensor.pieces.push(Piece { arena, offset, range: RowRange { start: 0, len: size[0] } });
            self.tensors.push(tensor);
        };
        let whole = vec![shape.outputs, shape.inputs, shape.kernel[0], shape.kernel[1]];
        tensor("weight", whole, [shape.outputs, columns], offset, bounds.0);
        tensor("bias", vec![biases], [biases, 1], offset + weights, bounds.1);
        Ok(())
    }

    /// Takes the memory, zeroed.
    pub fn allocate(&self, gpu: &Gpu) -> Result<Parameters> {
        let arena = |&used: &usize| {
            let stride = used.next_multiple_of(4);
            Ok(Arena { buffer: gpu.zeros("parameters", stride * self.replicas)?, stride })
        };
        let arenas = self.strides.iter().map(arena).collect::<Result<_>>()?;
        Ok(Parameters { replicas: self.replicas, arenas, tensors: self.tensors.clone() })
    }

    /// Memory for moments of these parameters, each arena as many as that has elements.
    pub fn moments(&self, gpu: &Gpu, label: &str, moments: Moments) -> Result<Vec<Buffer>> {
        let elements = self.strides.iter().map(|&used| used.next_multiple_of(4) * self.replicas);
        elements.map(|elements| gpu.zeros(label, moments.words(elements))).collect()
    }
}

impl Parameters {
    /// P
    pub fn count(&self) -> usize {
        self.tensors.iter().map(ParameterTensor::len).sum()
    }

    /// The pieces of tensor number `place`, for replica 0.
    pub fn pieces(&self, place: usize) -> Vec<TensorPiece<'_>> {
        let piece = |piece: &Piece| TensorPiece {
            buffer: &self.arenas[piece.arena].buffer,
            offset: piece.offset,
            range: piece.range,
        };
        self.tensors[place].pieces.iter().map(piece).collect()
    }

    /// Draws initial values. With `shared_start` all replicas begin alike.
    pub fn initialize(&self, gpu: &Gpu, seed: u32, shared_start: bool) -> Result<()> {
        let mut dispatches = Vec::new();
        for (place, tensor) in self.tensors.iter().enumerate() {
            for piece in &tensor.pieces {
                let arena = &self.arenas[piece.arena];
                let target = Target {
                    buffer: &arena.buffer,
                    replicas: self.replicas,
                    offset: piece.offset,
                    replica_stride: arena.stride,
                    range: piece.range,
                    whole_rows: tensor.rows,
                    columns: tensor.columns,
                    transposed: tensor.transposed,
                };
                let draw = Draw { seed, tensor: place as u32, shared_start, bound: tensor.bound };
                dispatches.push(random::uniform(gpu, &target, &draw)?);
            }
        }
        gpu.run(&dispatches)
    }
}
