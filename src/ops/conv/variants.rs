//! Which kernels compute a convolution, by class of device and shape.
//!
//! Times are medians of `fedfunnel bench` on lavapipe (Mesa 22.3.6) with vectors of 256 bits, two cores of an Intel Xeon.

use super::conv3x3;
use super::conv3x3_tiles::{self, Chunks};
use super::layer::Conv;
use crate::gpu::Gpu;

/// The kernels of a product.
pub(super) enum Product {
    /// conv.wgsl: any shape, any adapter.
    Reference,
    /// conv3x3.wgsl: lanes of a CPU's subgroup. 32 channels of 32x32 pixels, batch 64, take 59 ms, where the reference
    /// takes 1,530 ms; in fours, at 128 bits, a thirtieth of it. Without padding, 32 channels of 30x30 pixels to
    /// 64 take a twentieth of the reference's time (Mesa 25.0.7).
    Lanes,
    /// conv3x3_tiles.wgsl: workgroup memory of a GPU. Not measured: no GPU at hand.
    Tiles,
}

/// The same for a weight gradient.
pub(super) enum WeightGradient {
    Reference,
    /// The same layer's in 37 ms, where the reference takes 956 ms. Without padding a seventeenth, and a tenth where
    /// three channels come in.
    Lanes,
    /// In chunks that the kernel's workgroups take. Not measured: no GPU at hand.
    Tiles {
        chunks: Chunks,
        /// Whether the gradients of the biases are formed on the way. A transposed layer has its biases on the
        /// other side.
        biases: bool,
    },
}

/// Whether it is a convolution that the fast kernels are for, alone in its lines: as large after as before, or without
/// padding.
fn is_3x3(layer: &Conv) -> bool {
    layer.is_whole() && layer.shape.kernel == [3, 3] && (layer.shape.is_same() || layer.shape.is_valid())
}

/// For a product with a batch of so many samples, that is `upwards` from the small side to the large one.
pub(super) fn product(gpu: &Gpu, layer: &Conv, upwards: bool, batch: usize) -> Product {
    if !is_3x3(layer) {
        Product::Reference
    } else if conv3x3::fits(gpu) {
        Product::Lanes
    } else if conv3x3_tiles::fits(gpu, &layer.shape, upwards, batch) {
        Product::Tiles
    } else {
        Product::Reference
    }
}

/// For the weight gradient of so many replicas and samples of each.
pub(super) fn weight_gradient(gpu: &Gpu, layer: &Conv, lines: [usize; 2]) -> WeightGradient {
    if !is_3x3(layer) {
        return WeightGradient::Reference;
    }
    if conv3x3::gradient_fits(gpu, &layer.shape) {
        return WeightGradient::Lanes;
    }
    match Chunks::new(gpu, &layer.shape, lines) {
        Some(chunks) => WeightGradient::Tiles { chunks, biases: !layer.transposed },
        None => WeightGradient::Reference,
    }
}
