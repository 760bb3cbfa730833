//! A dense layer on a device, laid out by the test, with memory around it that no kernel may touch.

use crate::support::{sharing_gpu, values, wide};
use fedfunnel::gpu::{Buffer, Dispatch, Gpu, RowRange, Tensor, split_rows};
use fedfunnel::model::Moments;
use fedfunnel::ops::Activation;
use fedfunnel::ops::dense::{Dense, DenseShard, RowsAre, variants};
use fedfunnel::ops::{Arena, TrainedArena};
use fedfunnel::reference::dense::DenseShape;
use fedfunnel::reference::moments_bf16;
use std::collections::BTreeSet;

/// What lies around a layer's parameters, and must still lie there afterwards.
const GUARD: f32 = 77.0;

/// A layer, and how it is to lie on the device.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub replicas: usize,
    pub batch: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub rows_are: RowsAre,
    pub activation: Activation,
    /// Elements before the first weight; one that is no multiple of four rules the vec4 kernels out.
    pub lead: usize,
    /// Rows of a shard; as many as fit one binding where it is not given.
    pub shard_rows: Option<usize>,
}

impl Case {
    pub const fn new([replicas, batch, inputs, outputs]: [usize; 4], rows_are: RowsAre) -> Self {
        let activation = Activation::Linear;
        Self { replicas, batch, inputs, outputs, rows_are, activation, lead: 0, shard_rows: None }
    }

    pub const fn lead(self, lead: usize) -> Self {
        Self { lead, ..self }
    }

    pub const fn shard_rows(self, rows: usize) -> Self {
        Self { shard_rows: Some(rows), ..self }
    }

    pub const fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    pub fn shape(&self) -> DenseShape {
        let Self { replicas, batch, inputs, outputs, .. } = *self;
        DenseShape { replicas, batch, inputs, outputs }
    }
}

/// The layer on the device, and its values as the twins take them.
pub struct Rig {
    pub gpu: &'static Gpu,
    pub case: Case,
    pub layer: Dense,
    pub arenas: Vec<TrainedArena>,
    moments: Moments,
    /// `[R, O, I]`
    pub weights: Vec<f32>,
    /// `[R, O]`
    pub biases: Vec<f32>,
    /// The entry points that were run.
    pub reached: BTreeSet<&'static str>,
}

impl Rig {
    pub fn new(gpu: &'static Gpu, case: Case) -> Self {
        Self::with_moments(gpu, case, Moments::F32)
    }

    pub fn with_moments(gpu: &'static Gpu, case: Case, moments: Moments) -> Self {
        let mut layer = Dense {
            inputs: case.inputs,
            outputs: case.outputs,
            rows_are: case.rows_are,
            activation: case.activation,
            rate_scale: 0.75,
            shards: Vec::new(),
        };
        let (rows, columns) = (layer.rows(), layer.columns());
        // Room for the guards and for all biases.
        let room = gpu.max_binding_bytes() - (4 * case.replicas * (case.lead + case.outputs + 16)) as u64;
        let row_bytes = (4 * case.replicas * columns) as u64;
        let limit = case.shard_rows.map_or(room, |rows| rows as u64 * row_bytes);
        let mut arenas = Vec::new();
        for (place, range) in split_rows(rows, row_bytes, limit).unwrap().into_iter().enumerate() {
            let biases = match (case.rows_are, place) {
                (RowsAre::Outputs, _) => range.len,
                (RowsAre::Inputs, 0) => case.outputs,
                (RowsAre::Inputs, _) => 0,
            };
            let end = case.lead + range.len * columns;
            layer.shards.push(DenseShard {
                range,
                arena: place,
                weight_offset: case.lead,
                bias_offset: (biases > 0).then_some(end),
            });
            let stride = (end + biases + 5).next_multiple_of(4);
            let elements = case.replicas * stride;
            let no_moments = || gpu.zeros("moments", moments.words(elements)).unwrap();
            arenas.push(TrainedArena {
                parameters: Arena { buffer: gpu.upload("arena", &vec![GUARD; elements]).unwrap(), stride },
                first_moments: no_moments(),
                second_moments: Some(no_moments()),
            });
        }
        let weights = values(case.replicas * case.outputs * case.inputs, 1);
        let biases = values(case.replicas * case.outputs, 2);
        let rig = Self { gpu, case, layer, arenas, moments, weights, biases, reached: BTreeSet::new() };
        rig.each_place(|arena, element, source| {
            let value = match source {
                Source::Weight(at) => rig.weights[at],
                Source::Bias(at) => rig.biases[at],
            };
            gpu.write(&rig.arenas[arena].parameters.buffer, element, &[value]);
        });
        rig
    }

    /// Visits every parameter: its arena, its element there, and its place in `weights` or `biases`.
    fn each_place(&self, mut visit: impl FnMut(usize, usize, Source)) {
        let Case { replicas, inputs, outputs, rows_are, .. } = self.case;
        let columns = self.layer.columns();
        for shard in &self.layer.shards {
            for replica in 0..replicas {
                let base = replica * self.arenas[shard.arena].parameters.stride;
                for row in 0..shard.range.len {
                    for column in 0..columns {
                        let (output, input) = match rows_are {
                            RowsAre::Outputs => (shard.range.start + row, column),
                            RowsAre::Inputs => (column, shard.range.start + row),
                        };
                        let element = base + shard.weight_offset + row * columns + column;
                        let at = (replica * outputs + output) * inputs + input;
                        visit(shard.arena, element, Source::Weight(at));
                    }
                }
                let Some(offset) = shard.bias_offset else { continue };
                let biases = match rows_are {
                    RowsAre::Outputs => shard.range,
                    RowsAre::Inputs => RowRange { start: 0, len: outputs },
                };
                for bias in 0..biases.len {
                    let at = replica * outputs + biases.start + bias;
                    visit(shard.arena, base + offset + bias, Source::Bias(at));
                }
            }
        }
    }

    pub fn parameter_arenas(&self) -> Vec<Arena> {
        self.arenas.iter().map(|arena| arena.parameters.clone()).collect()
    }

    /// `[R, B, width]`; cut as the matrix is where it is the row side and does not fit one binding.
    pub fn tensor(&self, width: usize, content: &[f32]) -> Tensor {
        let Case { replicas, batch, .. } = self.case;
        let fits = (4 * replicas * batch * width) as u64 <= self.gpu.max_binding_bytes();
        let ranges = if fits {
            vec![RowRange { start: 0, len: width }]
        } else {
            self.layer.shards.iter().map(|shard| shard.range).collect()
        };
        let tensor = Tensor::zeros_cut(self.gpu, "test", replicas, batch, &ranges).unwrap();
        assert_eq!(tensor.width, width, "only the row side can be cut");
        tensor.write(self.gpu, content);
        tensor
    }

    /// Runs dispatches and remembers which entry points they reach.
    pub fn run(&mut self, dispatches: &[Dispatch]) {
        self.reached.extend(dispatches.iter().map(Dispatch::name));
        self.gpu.run(dispatches).unwrap();
    }

    /// `[R, O, I]` and `[R, O]` from arenas; whatever lies around them has to be `around`.
    fn collect(&self, arenas: &[Vec<f32>], around: f32) -> (Vec<f32>, Vec<f32>) {
        let mut weights = vec![f32::NAN; self.weights.len()];
        let mut biases = vec![f32::NAN; self.biases.len()];
        let mut others: Vec<Vec<bool>> = arenas.iter().map(|arena| vec![true; arena.len()]).collect();
        self.each_place(|arena, element, source| {
            others[arena][element] = false;
            match source {
                Source::Weight(at) => weights[at] = arenas[arena][element],
                Source::Bias(at) => biases[at] = arenas[arena][element],
            }
        });
        for (arena, others) in arenas.iter().zip(&others) {
            let touched = arena.iter().zip(others).filter(|(value, other)| **other && **value != around);
            assert_eq!(touched.count(), 0, "{:?}: memory around the layer was written", self.case);
        }
        (weights, biases)
    }

    pub fn read_parameters(&self) -> (Vec<f32>, Vec<f32>) {
        let read = |arena: &TrainedArena| self.gpu.read(&arena.parameters.buffer).unwrap();
        self.collect(&self.arenas.iter().map(read).collect::<Vec<_>>(), GUARD)
    }

    fn read_moments(&self, of: impl Fn(&TrainedArena) -> &Buffer) -> (Vec<f32>, Vec<f32>) {
        let read = |arena: &TrainedArena| match self.moments {
            Moments::F32 => self.gpu.read(of(arena)).unwrap(),
            Moments::Bf16 => moments_bf16::widened(&self.gpu.read::<u32>(of(arena)).unwrap()),
        };
        self.collect(&self.arenas.iter().map(read).collect::<Vec<_>>(), 0.0)
    }

    pub fn read_first_moments(&self) -> (Vec<f32>, Vec<f32>) {
        self.read_moments(|arena| &arena.first_moments)
    }

    pub fn read_second_moments(&self) -> (Vec<f32>, Vec<f32>) {
        self.read_moments(|arena| arena.second_moments.as_ref().unwrap())
    }

    pub fn twin_weights(&self) -> (Vec<f64>, Vec<f64>) {
        (wide(&self.weights), wide(&self.biases))
    }
}

/// Whether this adapter can run the kernels of this file, as its own or as those of a class that it poses as.
pub fn can_run(shader: &str) -> bool {
    !shader.ends_with("lanes") || sharing_gpu().is_some()
}

/// Panics unless every listed variant whose name holds this part, tiled, naive and of lanes that share what
/// they load, was reached.
#[track_caller]
pub fn assert_all_reached(reached: &BTreeSet<&'static str>, part: &str) {
    let missed: Vec<_> = variants::ALL
        .iter()
        .filter(|variant| can_run(variant.kernel.shader))
        .map(|variant| variant.kernel.entry)
        .filter(|entry| entry.contains(part) && !reached.contains(entry))
        .collect();
    assert!(missed.is_empty(), "no case reaches {missed:?}");
}

#[derive(Clone, Copy)]
enum Source {
    Weight(usize),
    Bias(usize),
}
