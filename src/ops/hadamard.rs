//! Randomised Hadamard rotations of lines of values, block by block.

use super::elementwise::STREAM_LANES;
use crate::gpu::{
    Buffer, Dispatch, Gpu, Grid, Kernel, RowRange, Tensor, TensorShard, immediates, split_rows,
};
use crate::{Error, Result};

immediates! {
    struct Rotation {
        u32: width, first, block, lanes_power, distance_power, column, signs, back;
    }
}

/// Values of a block, which is rotated by itself; the last one of a line may have fewer. A block fits the smallest
/// binding that there is, so that what a line is rotated to does not depend on the device.
pub const BLOCK: usize = 1 << 14;

/// What stands in [`Rotation`] where a dispatch leaves signs alone.
const NO_SIGNS: u32 = 2;

/// Which way a rotation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From values to what they are rotated to.
    There,
    /// From there to the values.
    Back,
}

/// Lines that lie on the device to be rotated, `[R, 1, N]`, cut between blocks.
#[derive(Debug)]
pub struct Lines {
    /// The values.
    pub tensor: Tensor,
    /// `[R, 2]`: what the signs of each line are drawn from.
    keys: Buffer,
}

impl Lines {
    /// Zeros for as many lines as there are keys, which are at most [`Self::most`].
    pub fn new(gpu: &Gpu, keys: &[[u32; 2]], width: usize) -> Result<Self> {
        let (blocks, bytes) = (width.div_ceil(BLOCK), (4 * BLOCK * keys.len()) as u64);
        let ranges = split_rows(blocks, bytes, gpu.max_binding_bytes()).ok_or_else(|| {
            let problem = format!("a block of {} lines does not fit one binding", keys.len());
            Error::device(problem, "use a larger --max-binding-bytes")
        })?;
        let values = |range: RowRange| {
            let start = range.start * BLOCK;
            RowRange { start, len: (range.len * BLOCK).min(width - start) }
        };
        let ranges: Vec<_> = ranges.into_iter().map(values).collect();
        Ok(Self {
            tensor: Tensor::zeros_cut(gpu, "rotated lines", keys.len(), 1, &ranges)?,
            keys: gpu.upload("keys of rotations", keys)?,
        })
    }

    /// How many lines fit the device together, which are one at least.
    pub fn most(gpu: &Gpu) -> usize {
        let fitting = gpu.max_binding_bytes() as usize / (4 * BLOCK);
        fitting.min(gpu.max_workgroups() as usize).max(1)
    }

    /// Rotates them in place.
    ///
    /// Values are multiplied by random signs, and those of a block are combined with each other: at all distances that
    /// are powers of two, from the largest on, those that have a partner. Where a block has not as many values as a power
    /// of two, those of its end have few partners, so that the same is done once more with as many of its last values as
    /// the largest power of two that there is room for, by other signs.
    pub fn rotate(&self, gpu: &Gpu, way: Way) -> Result<Vec<Dispatch>> {
        let mut dispatches = Vec::new();
        for shard in &self.tensor.shards {
            let RowRange { start, len } = shard.range;
            let whole = Pass { first: 0, longest: len.min(BLOCK), column: start, number: 0 };
            let last = len - (len - 1) / BLOCK * BLOCK;
            let again = last.next_power_of_two() / 2;
            let again = Pass { first: len - again, longest: again, number: 1, ..whole };
            let mut passes = vec![whole];
            passes.extend(Some(again).filter(|_| !last.is_power_of_two()));
            if way == Way::Back {
                passes.reverse();
            }
            for pass in passes {
                pass.record(gpu, self, shard, way, &mut dispatches)?;
            }
        }
        Ok(dispatches)
    }
}

/// One time over blocks of a shard.
#[derive(Clone, Copy)]
struct Pass {
    /// The first value of them in the shard.
    first: usize,
    /// Values of the longest of them.
    longest: usize,
    /// Values of the line before the shard.
    column: usize,
    /// Which signs.
    number: u32,
}

impl Pass {
    fn record(
        self,
        gpu: &Gpu,
        lines: &Lines,
        shard: &TensorShard,
        way: Way,
        dispatches: &mut Vec<Dispatch>,
    ) -> Result<()> {
        let block = self.longest.next_power_of_two();
        // Three distances each: 1, 2, 4; 8, 16, 32; and so on.
        let groups = (0..).step_by(3).map(|power| 1usize << power);
        // Signs are for values that are alone, too.
        let mut distances: Vec<_> = groups.take_while(|&distance| distance < self.longest.max(2)).collect();
        let farthest = distances.last().copied();
        if way == Way::There {
            distances.reverse();
        }
        for distance in distances {
            let lanes = (block / 8).max(distance);
            let immediates = Rotation {
                width: shard.range.len as u32,
                first: self.first as u32,
                block: block as u32,
                lanes_power: lanes.ilog2(),
                distance_power: distance.ilog2(),
                column: self.column as u32,
                signs: if Some(distance) == farthest { self.number } else { NO_SIGNS },
                back: (way == Way::Back).into(),
            };
            let values = shard.range.len - self.first;
            let all = (values.div_ceil(block) * lanes) as u32;
            let dispatch = gpu.dispatch(
                &Kernel::new("hadamard", "hadamard_rotate"),
                &immediates,
                &[("rotated", &shard.buffer), ("keys", &lines.keys)],
                Grid(all.min(STREAM_LANES), lines.tensor.replicas as u32, 1),
            )?;
            let moved = 2 * values * lines.tensor.replicas;
            dispatches.push(dispatch.with_traffic(moved, 0));
        }
        Ok(())
    }
}
