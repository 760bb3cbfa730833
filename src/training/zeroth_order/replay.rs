//! Slopes along directions back to weights.

use crate::Result;
use crate::gpu::{Gpu, Tensor};
use crate::ops::Arena;
use crate::ops::directions::{DirectionKind, Factors, Stretch};

/// What is gone along the directions of a family.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    /// Its key.
    pub key: [u32; 2],
    /// By the numbers of directions, from zero.
    pub factors: &'a [f32],
}

/// Weights in `state_dict` order, gone from `start` along all directions by their factors, in the order of families and
/// numbers: to the bit the same wherever it is done.
pub fn replay(gpu: &Gpu, start: &[f32], kind: DirectionKind, families: &[Family<'_>]) -> Result<Vec<f32>> {
    let weights = Tensor::zeros(gpu, "weights", 1, 1, start.len())?;
    weights.write(gpu, start);
    let longest = families.iter().map(|family| family.factors.len()).max().unwrap_or(0).max(1);
    // Factors are padded to the longest family's, and to fours.
    let fitting = (gpu.max_binding_bytes() as usize / (4 * longest.next_multiple_of(4))).max(1);
    for together in families.chunks(fitting) {
        let keys: Vec<_> = together.iter().map(|family| family.key).collect();
        let factors = Factors::upload(gpu, &keys, &[together.iter().map(|family| family.factors).collect()])?;
        for shard in &weights.shards {
            let stretch = Stretch { first: shard.range.start, offset: 0, count: shard.range.len };
            let arena = Arena { buffer: shard.buffer.clone(), stride: shard.range.len };
            gpu.run(&factors.replay(gpu, kind, &arena, stretch)?)?;
        }
    }
    weights.read(gpu)
}
