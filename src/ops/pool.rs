//! Max and average pooling.

use super::{Activated, Activation};
use crate::Result;
use crate::gpu::{Dispatch, Gpu, Grid, Kernel, Tensor, immediates};

immediates! {
    struct PoolWindows {
        u32: planes, height, width, output_height, output_width, window, stride, activation;
    }
}

/// How a window becomes one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// Its largest value.
    Max,
    /// Its mean.
    Average,
}

/// A pooling layer, without padding.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// How a window becomes one value.
    pub kind: PoolKind,
    /// C
    pub channels: usize,
    /// H and W of what goes in.
    pub input_size: [usize; 2],
    /// Rows and columns of a window.
    pub window: usize,
    /// Rows and columns from one window to the next.
    pub stride: usize,
}

impl Pool {
    /// H and W of what comes out.
    pub fn output_size(&self) -> [usize; 2] {
        self.input_size.map(|size| (size - self.window) / self.stride + 1)
    }

    /// Values that go in.
    pub fn inputs(&self) -> usize {
        self.channels * self.input_size[0] * self.input_size[1]
    }

    /// Values that come out.
    pub fn outputs(&self) -> usize {
        self.channels * self.output_size().iter().product::<usize>()
    }

    fn immediates(&self, planes: usize, activation: Activation) -> PoolWindows {
        let [output_height, output_width] = self.output_size();
        PoolWindows {
            planes: planes as u32,
            height: self.input_size[0] as u32,
            width: self.input_size[1] as u32,
            output_height: output_height as u32,
            output_width: output_width as u32,
            window: self.window as u32,
            stride: self.stride as u32,
            activation: activation.code(),
        }
    }

    /// A lane takes a pixel of every `y`-th plane, where there are more planes than workgroups.
    fn grid(&self, gpu: &Gpu, pixels: usize, planes: usize) -> Grid {
        Grid(pixels as u32, (planes as u32).min(gpu.max_workgroups()), 1)
    }

    /// `output [R, B, C, OH, OW]` of `input [R, B, C, H, W]`
    pub fn forward(&self, gpu: &Gpu, input: &Tensor, output: &Tensor) -> Result<Dispatch> {
        let planes = input.replicas * input.batch * self.channels;
        let entry = match self.kind {
            PoolKind::Max => "max_pool_forward",
            PoolKind::Average => "average_pool_forward",
        };
        let dispatch = gpu.dispatch(
            &Kernel::new("pool", entry),
            &self.immediates(planes, Activation::Linear),
            &[("inputs", input.single_buffer()?), ("outputs", output.single_buffer()?)],
            self.grid(gpu, self.outputs() / self.channels, planes),
        )?;
        Ok(dispatch.with_traffic(input.replicas * input.batch * (self.inputs() + self.outputs()), 0))
    }

    /// The gradient at `input`, before the activation that `input` came out of.
    pub fn backward_input(
        &self,
        gpu: &Gpu,
        output_gradient: &Tensor,
        input: Activated<'_>,
        input_gradient: &Tensor,
    ) -> Result<Dispatch> {
        let Activated { values: input, activation } = input;
        let planes = input.replicas * input.batch * self.channels;
        let covered =
            self.window == self.stride && self.input_size.iter().all(|s| s.is_multiple_of(self.window));
        let (entry, lanes) = match self.kind {
            PoolKind::Max if covered => ("max_pool_backward_tiled", self.outputs() / self.channels),
            PoolKind::Max => ("max_pool_backward", self.inputs() / self.channels),
            PoolKind::Average => ("average_pool_backward", self.inputs() / self.channels),
        };
        let dispatch = gpu.dispatch(
            &Kernel::new("pool", entry),
            &self.immediates(planes, activation),
            &[
                ("inputs", input.single_buffer()?),
                ("output_gradients", output_gradient.single_buffer()?),
                ("outputs", input_gradient.single_buffer()?),
            ],
            self.grid(gpu, lanes, planes),
        )?;
        Ok(dispatch.with_traffic(input.replicas * input.batch * (2 * self.inputs() + self.outputs()), 0))
    }
}
