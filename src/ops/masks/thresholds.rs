//! From which score on weights are kept, so that so many of each tensor are: found on the device, and nothing is read
//! back.

use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};
use crate::ops::Arena;

immediates! {
    struct Tally {
        u32: stride, tensors, pass_number, lanes, batch, every, step;
    }
}

immediates! {
    struct Settle {
        u32: lines, tensors, batch, every, step;
    }
}

/// Passes of four bits, and candidates of each, as in shaders/largest.wgsl.
const PASSES: usize = 8;
const CANDIDATES: usize = 16;

/// Words of a tensor's state.
const STATE: usize = PASSES + 2;

/// Scores that a lane counts at least, so that its sums are worth adding to those of others.
const COUNTED: usize = 512;

/// Lanes that share a part of a tensor at most.
const MOST_LANES: usize = 1 << 16;

/// What of a tensor lies in an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorPart {
    /// The tensor.
    pub tensor: usize,
    /// The place of its first value among those of a replica.
    pub offset: usize,
    /// How many values.
    pub count: usize,
}

/// The scores of an arena, and what lies in it.
#[derive(Clone, Debug)]
pub struct RankedArena<'a> {
    /// The scores.
    pub scores: &'a Arena,
    /// The parts of tensors, none of them empty.
    pub parts: Vec<TensorPart>,
}

/// How many are kept, and when that is found anew.
#[derive(Clone, Copy, Debug)]
pub struct KeptRule<'a> {
    /// Of each tensor: one at least, and not more than it has.
    pub kept: &'a [usize],
    /// Begins with the place in the epoch of the first sample of step 0.
    pub epoch: &'a Buffer,
    /// B
    pub batch: usize,
    /// The number of steps of an epoch between two times; the first step of each epoch is one.
    pub every: usize,
}

/// Before a step: `thresholds` `[R, tensors]` become the largest scores that so many scores of each tensor are as large as,
/// in the order of `f32::total_cmp`.
pub fn find_thresholds(
    gpu: &Gpu,
    arenas: &[RankedArena<'_>],
    replicas: usize,
    rule: KeptRule<'_>,
    thresholds: &Buffer,
) -> Result<Vec<Dispatch>> {
    let KeptRule { kept, epoch, batch, every } = rule;
    let tensors = kept.len();
    let lines = replicas * tensors;
    let wanted: Vec<_> = kept.iter().map(|&kept| kept as u32).collect();
    let wanted = gpu.upload("kept of tensors", &wanted)?;
    let tallies = gpu.zeros("tallies of scores", lines * PASSES * CANDIDATES)?;
    let states = gpu.zeros("states of thresholds", lines * STATE)?;
    let all: Vec<_> = arenas.iter().filter(|arena| !arena.parts.is_empty()).collect();
    let mut parts = Vec::with_capacity(all.len());
    for RankedArena { parts: own, .. } in &all {
        let entry = |part: &TensorPart| {
            [part.offset as u32, part.count as u32, part.tensor as u32, kept[part.tensor] as u32]
        };
        parts.push(gpu.upload("parts of tensors", &own.iter().map(entry).collect::<Vec<_>>())?);
    }
    let (batch, every) = (batch as u32, every as u32);
    let mut plan = Vec::new();
    for pass_number in 0..PASSES as u32 {
        for (RankedArena { scores, parts: own }, parts) in all.iter().zip(&parts) {
            let most = own.iter().map(|part| part.count).max().unwrap_or(0);
            let lanes = most.div_ceil(COUNTED).clamp(1, MOST_LANES) as u32;
            let stride = scores.stride as u32;
            let immediates =
                Tally { stride, tensors: tensors as u32, pass_number, lanes, batch, every, step: 0 };
            let buffers = [
                ("parts", parts),
                ("score_words", &scores.buffer),
                ("epoch", epoch),
                ("tallies", &tallies),
                ("states", &states),
            ];
            let grid = Grid(lanes, replicas as u32, own.len() as u32);
            let dispatch = gpu.dispatch(&Kernel::new("masks", "masks_tally"), &immediates, &buffers, grid)?;
            plan.push(dispatch.with_traffic(replicas * scores.stride, 0));
        }
    }
    let immediates = Settle { lines: lines as u32, tensors: tensors as u32, batch, every, step: 0 };
    let buffers = [
        ("wanted", &wanted),
        ("settled", thresholds),
        ("epoch", epoch),
        ("tallies", &tallies),
        ("states", &states),
    ];
    let kernel = Kernel::new("masks", "masks_settle");
    plan.push(gpu.dispatch(&kernel, &immediates, &buffers, Grid(lines as u32, 1, 1))?);
    Ok(plan)
}
