//! The geometry of convolutions, and what follows from it.

use crate::gpu::Dispatch;
use crate::ops::elementwise::STREAM_LANES;

/// The geometry of a convolution: its large side (C channels) goes in, its small side (O channels) comes
/// out. A transposed convolution takes the small side in and gives the large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// C
    pub inputs: usize,
    /// O
    pub outputs: usize,
    /// H and W of the large side.
    pub input_size: [usize; 2],
    /// H and W of the small side.
    pub output_size: [usize; 2],
    /// KH and KW
    pub kernel: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Rows of zeros above and columns of zeros on the left; those below and on the right follow from the
    /// sizes.
    pub padding: [usize; 2],
}

impl ConvShape {
    /// Values of the large side.
    pub fn input_width(&self) -> usize {
        self.inputs.saturating_mul(self.input_size[0]).saturating_mul(self.input_size[1])
    }

    /// Values of the small side.
    pub fn output_width(&self) -> usize {
        self.outputs.saturating_mul(self.output_size[0]).saturating_mul(self.output_size[1])
    }

    /// Values of the large side that make one of the small side.
    pub fn fan_in(&self) -> usize {
        self.inputs.saturating_mul(self.kernel[0]).saturating_mul(self.kernel[1])
    }

    /// Rounds of a lane's loops in the direction that takes more of them.
    pub fn rounds(&self) -> usize {
        let all = |pixels: [usize; 2], channels: usize, taps: [usize; 2]| {
            let values = pixels[0].saturating_mul(pixels[1]).div_ceil(STREAM_LANES as usize);
            let window = taps[0].saturating_mul(taps[1] + 1) + 1;
            values.saturating_mul(channels.saturating_mul(window) + 1)
        };
        let reaching = std::array::from_fn(|side| self.kernel[side].div_ceil(self.stride[side]));
        let down = all(self.output_size, self.inputs, self.kernel);
        down.max(all(self.input_size, self.outputs, reaching))
    }

    /// Whether images are as large after a 3x3 kernel as before, with a pixel of zeros around.
    pub(super) fn is_same(&self) -> bool {
        (self.stride, self.padding) == ([1, 1], [1, 1]) && self.output_size == self.input_size
    }

    /// Whether every window lies within the image, one for each pixel that begins one.
    pub(super) fn is_valid(&self) -> bool {
        let Self { kernel, stride, padding, input_size, output_size, .. } = *self;
        let reach: [usize; 2] = std::array::from_fn(|side| output_size[side] + kernel[side] - 1);
        (stride, padding) == ([1, 1], [0, 0]) && input_size == reach
    }

    /// Notes what one pass over `lines` samples of `replicas` replicas costs: both sides and the weights once, a
    /// multiplication and an addition for each value of a window.
    pub(super) fn with_cost(&self, dispatch: Dispatch, replicas: usize, lines: usize) -> Dispatch {
        let sides = lines * (self.input_width() + self.output_width());
        let [height, width] = self.output_size;
        dispatch.with_traffic(sides + replicas * self.weights(), 2 * lines * height * width * self.weights())
    }

    /// Weights, without biases.
    pub fn weights(&self) -> usize {
        self.outputs.saturating_mul(self.fan_in())
    }
}

/// Where one side of a convolution lies in the lines of a tensor `[R, B, N]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its first column.
    pub first: usize,
    /// N
    pub line: usize,
}

impl Part {
    /// All of lines that wide.
    pub fn whole(line: usize) -> Self {
        Self { first: 0, line }
    }
}
