//! A convolution on a device, laid out by the test, with memory around it that no kernel may touch.

use crate::support::{values, wide};
use fedfunnel::gpu::{Dispatch, Gpu, Tensor};
use fedfunnel::ops::Activation;
use fedfunnel::ops::conv::{Conv, ConvShape, Part};
use fedfunnel::ops::{Arena, TrainedArena};
use fedfunnel::reference::conv as twin;
use std::collections::BTreeSet;

/// What lies around a layer's parameters, and must still lie there afterwards.
const GUARD: f32 = 77.0;
/// Not a power of two, so that a product with it rounds.
pub const RATE_SCALE: f32 = 0.75;

/// Of all replicas, weights and biases.
pub type Parameters = (Vec<f32>, Vec<f32>);

/// A layer, its batch, and where it lies in its arena.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub replicas: usize,
    pub batch: usize,
    pub shape: ConvShape,
    pub transposed: bool,
    pub activation: Activation,
    /// Elements before the first weight.
    pub lead: usize,
}

impl Case {
    /// `[R, B, C, O]`, the large side's height and width, and for each direction `[kernel, stride, zeros
    /// before, zeros after]`.
    pub const fn new(
        [replicas, batch, inputs, outputs]: [usize; 4],
        input_size: [usize; 2],
        [[kh, sh, top, bottom], [kw, sw, left, right]]: [[usize; 4]; 2],
    ) -> Self {
        let output_size =
            [(input_size[0] + top + bottom - kh) / sh + 1, (input_size[1] + left + right - kw) / sw + 1];
        let (kernel, stride, padding) = ([kh, kw], [sh, sw], [top, left]);
        let shape = ConvShape { inputs, outputs, input_size, output_size, kernel, stride, padding };
        Self { replicas, batch, shape, transposed: false, activation: Activation::Linear, lead: 0 }
    }

    /// The convolution that most networks are made of: 3x3, stride 1, as large after as before.
    pub const fn same(lines_and_channels: [usize; 4], size: [usize; 2]) -> Self {
        Self::new(lines_and_channels, size, [[3, 1, 1, 1]; 2])
    }

    /// The same without zeros around: two pixels smaller after than before.
    pub const fn valid(lines_and_channels: [usize; 4], size: [usize; 2]) -> Self {
        Self::new(lines_and_channels, size, [[3, 1, 0, 0]; 2])
    }

    pub const fn transposed(self) -> Self {
        Self { transposed: true, ..self }
    }

    pub const fn lead(self, lead: usize) -> Self {
        Self { lead, ..self }
    }

    pub const fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    pub fn lines(&self) -> usize {
        self.replicas * self.batch
    }

    /// The layer, at its place.
    pub fn layer(&self) -> Conv {
        Conv {
            shape: self.shape,
            large: Part::whole(self.shape.input_width()),
            small: Part::whole(self.shape.output_width()),
            transposed: self.transposed,
            activation: self.activation,
            rate_scale: RATE_SCALE,
            arena: 0,
            weight_offset: self.lead,
        }
    }

    /// The sizes as the twins take them, and what PyTorch calls the output padding of a transposed layer.
    /// The kernels are told sizes and the zeros before; those after follow.
    fn twin(&self) -> (twin::ConvShape, [usize; 2]) {
        let s = &self.shape;
        let reach: [usize; 2] = std::array::from_fn(|d| (s.output_size[d] - 1) * s.stride[d] + s.kernel[d]);
        let padding =
            std::array::from_fn(|d| [s.padding[d], reach[d].saturating_sub(s.padding[d] + s.input_size[d])]);
        let left_over = std::array::from_fn(|d| (s.padding[d] + s.input_size[d]).saturating_sub(reach[d]));
        let (inputs, outputs, size) = if self.transposed {
            (s.outputs, s.inputs, s.output_size)
        } else {
            (s.inputs, s.outputs, s.input_size)
        };
        let shape = twin::ConvShape {
            replicas: self.replicas,
            batch: self.batch,
            inputs,
            outputs,
            size,
            kernel: s.kernel,
            stride: s.stride,
            padding,
        };
        if self.transposed {
            assert_eq!(shape.transposed_output_size(left_over), s.input_size, "{self:?}")
        } else {
            assert_eq!(shape.output_size(), s.output_size, "{self:?}")
        }
        (shape, left_over)
    }

    pub fn forward(&self, x: &[f64], w: &[f64], bias: &[f64]) -> Vec<f64> {
        let (shape, left_over) = self.twin();
        if self.transposed {
            twin::transposed_forward(x, w, bias, shape, left_over, self.activation)
        } else {
            twin::forward(x, w, bias, shape, self.activation)
        }
    }

    pub fn backward_input(&self, dy: &[f64], w: &[f64]) -> Vec<f64> {
        let (shape, left_over) = self.twin();
        if self.transposed {
            twin::transposed_backward_input(dy, w, shape, left_over)
        } else {
            twin::backward_input(dy, w, shape)
        }
    }

    pub fn backward_weight(&self, dy: &[f64], x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (shape, left_over) = self.twin();
        if self.transposed {
            twin::transposed_backward_weight(dy, x, shape, left_over)
        } else {
            twin::backward_weight(dy, x, shape)
        }
    }
}

/// The layer on the device, and its values as the twins take them.
pub struct Rig {
    pub gpu: &'static Gpu,
    pub case: Case,
    pub layer: Conv,
    pub arenas: Vec<TrainedArena>,
    /// `[R, O, C, KH, KW]`
    pub weights: Vec<f32>,
    /// `[R, channels]`
    pub biases: Vec<f32>,
    /// The entry points that were run.
    pub reached: BTreeSet<&'static str>,
}

impl Rig {
    pub fn new(gpu: &'static Gpu, case: Case) -> Self {
        let layer = case.layer();
        let weights = values(case.replicas * case.shape.weights(), 1);
        let biases = values(case.replicas * layer.output_channels(), 2);
        Self::with(gpu, case, weights, biases)
    }

    pub fn with(gpu: &'static Gpu, case: Case, weights: Vec<f32>, biases: Vec<f32>) -> Self {
        let layer = case.layer();
        let own = case.shape.weights() + layer.output_channels();
        let stride = (case.lead + own + 5).next_multiple_of(4);
        let mut content = vec![GUARD; case.replicas * stride];
        for replica in 0..case.replicas {
            let (weights, biases) = (
                &weights[replica * case.shape.weights()..][..case.shape.weights()],
                &biases[replica * layer.output_channels()..][..layer.output_channels()],
            );
            content[replica * stride + case.lead..][..own].copy_from_slice(&[weights, biases].concat());
        }
        let moments = || gpu.upload("moments", &vec![0.0f32; content.len()]).unwrap();
        let arenas = vec![TrainedArena {
            parameters: Arena { buffer: gpu.upload("arena", &content).unwrap(), stride },
            first_moments: moments(),
            second_moments: Some(moments()),
        }];
        Self { gpu, case, layer, arenas, weights, biases, reached: BTreeSet::new() }
    }

    pub fn parameter_arenas(&self) -> Vec<Arena> {
        self.arenas.iter().map(|arena| arena.parameters.clone()).collect()
    }

    /// `[R, B, width]`
    pub fn tensor(&self, width: usize, content: &[f32]) -> Tensor {
        let Case { replicas, batch, .. } = self.case;
        let tensor = Tensor::zeros(self.gpu, "test", replicas, batch, width).unwrap();
        tensor.write(self.gpu, content);
        tensor
    }

    /// Runs dispatches and remembers which entry points they reach.
    pub fn run(&mut self, dispatches: &[Dispatch]) {
        self.reached.extend(dispatches.iter().map(Dispatch::name));
        self.gpu.run(dispatches).unwrap();
    }

    /// Weights and biases of all replicas from an arena; whatever lies around them has to be `around`.
    fn collect(&self, arena: &[f32], around: f32) -> Parameters {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for replica in arena.chunks(self.arenas[0].parameters.stride) {
            let (before, rest) = replica.split_at(self.case.lead);
            let (own_weights, rest) = rest.split_at(self.case.shape.weights());
            let (own_biases, after) = rest.split_at(self.layer.output_channels());
            let untouched = before.iter().chain(after).all(|&value| value == around);
            assert!(untouched, "{:?}: memory around the layer was written", self.case);
            weights.extend_from_slice(own_weights);
            biases.extend_from_slice(own_biases);
        }
        (weights, biases)
    }

    pub fn read_parameters(&self) -> Parameters {
        self.collect(&self.gpu.read::<f32>(&self.arenas[0].parameters.buffer).unwrap(), GUARD)
    }

    pub fn read_first_moments(&self) -> Parameters {
        self.collect(&self.gpu.read::<f32>(&self.arenas[0].first_moments).unwrap(), 0.0)
    }

    pub fn read_second_moments(&self) -> Parameters {
        let second = self.arenas[0].second_moments.as_ref().unwrap();
        self.collect(&self.gpu.read::<f32>(second).unwrap(), 0.0)
    }

    pub fn twin_weights(&self) -> (Vec<f64>, Vec<f64>) {
        (wide(&self.weights), wide(&self.biases))
    }
}
