//! Updates on the host, and what rules compute of whole updates, in f64.

use crate::Result;
use crate::codec::Values;
use crate::federation::strategy::Arrived;
use crate::gpu::Gpu;
use std::borrow::Cow;

/// An update on the host.
pub(super) type Update<'a> = Cow<'a, [f32]>;

/// Partial sums that a sum over coordinates is kept in, so that additions need not wait for each other. Their number is
/// a part of the result's last bits and does not depend on the machine.
const LANES: usize = 8;

/// Coordinates of all updates that are worked on at a time, so that they stay in a core's memory.
const BLOCK: usize = 64 * LANES;

/// Work on fewer values than this is not worth a thread.
pub(super) const WORTH_A_THREAD: usize = 1 << 16;

/// How many threads work on so many values.
pub(super) fn threads(values: usize) -> usize {
    if values < WORTH_A_THREAD { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

/// All updates, on the host. Those that are the lines of one tensor are read back at once.
pub(super) fn on_host<'a>(gpu: &Gpu, arrived: &'a [Arrived]) -> Result<Vec<Update<'a>>> {
    let all: Vec<_> = arrived.iter().map(|arrived| &arrived.update).collect();
    if let Some(tensor) = Values::tensor_of(&all) {
        let values = tensor.read(gpu)?;
        return Ok(values.chunks_exact(tensor.width.max(1)).map(|line| Cow::Owned(line.to_vec())).collect());
    }
    let host = |values: &'a Values| match values {
        Values::Host(values) => Ok(Cow::Borrowed(values.as_slice())),
        Values::Device { tensor, line } => Ok(Cow::Owned(tensor.read_line(gpu, *line)?)),
    };
    all.into_iter().map(host).collect()
}

/// The part of all images that each one trained on; equal parts where nobody has any.
pub(super) fn shares(arrived: &[Arrived]) -> Vec<f64> {
    let total: usize = arrived.iter().map(|arrived| arrived.samples).sum();
    let part = |samples: usize| match total {
        0 => 1.0 / arrived.len() as f64,
        total => samples as f64 / total as f64,
    };
    arrived.iter().map(|arrived| part(arrived.samples)).collect()
}

/// `sum of weights[i] * updates[i]`
pub(super) fn weighted(updates: &[Update<'_>], weights: &[f64]) -> Vec<f32> {
    let mut sums = vec![0f64; updates.first().map_or(0, |update| update.len())];
    for (update, weight) in updates.iter().zip(weights) {
        sums.iter_mut().zip(update.iter()).for_each(|(sum, value)| *sum += weight * f64::from(*value));
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// `global + sum of factors[i] * (updates[i] - global)`
pub(super) fn moved(global: &[f32], updates: &[Update<'_>], factors: &[f64]) -> Vec<f32> {
    let mut sums: Vec<f64> = global.iter().map(|value| f64::from(*value)).collect();
    for (update, factor) in updates.iter().zip(factors) {
        for ((sum, value), global) in sums.iter_mut().zip(update.iter()).zip(global) {
            *sum += factor * (f64::from(*value) - f64::from(*global));
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// The squared distance of two points.
pub(super) fn distance_squared(a: &[f32], b: &[f32]) -> f64 {
    let term = |a: &f32, b: &f32| (f64::from(*a) - f64::from(*b)).powi(2);
    let (a, b) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0f64; LANES];
    for (a, b) in a.0.iter().zip(b.0) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += term(a, b));
    }
    let rest: f64 = a.1.iter().zip(b.1).map(|(a, b)| term(a, b)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// `sum of term(a_i - origin, b_i - origin)` over the coordinates of each pair of updates, where `term(x, y)` is
/// `term(y, x)` and that of zeros is 0: a symmetric matrix, by rows.
pub(super) fn pairwise(
    origin: &[f32],
    updates: &[Update<'_>],
    term: impl Fn(f64, f64) -> f64 + Sync,
) -> Vec<Vec<f64>> {
    let count = updates.len();
    let workers = threads(origin.len() * count).min(count.max(1));
    // Every worker has rows of its own, so that how many there are makes no difference to a sum.
    let rows_of = |worker: usize| -> Vec<(usize, Vec<f64>)> {
        let mut rows: Vec<_> =
            (worker..count).step_by(workers).map(|row| (row, vec![[0f64; LANES]; row + 1])).collect();
        let mut changes = vec![0f64; count * BLOCK];
        for start in (0..origin.len()).step_by(BLOCK) {
            let range = start..(start + BLOCK).min(origin.len());
            for (update, changes) in updates.iter().zip(changes.chunks_exact_mut(BLOCK)) {
                changes.fill(0.0);
                let values = update[range.clone()].iter().zip(&origin[range.clone()]);
                let each = changes.iter_mut().zip(values);
                each.for_each(|(change, (value, origin))| *change = f64::from(*value) - f64::from(*origin));
            }
            for (row, sums) in &mut rows {
                let own = changes[*row * BLOCK..][..BLOCK].as_chunks::<LANES>().0;
                for (sums, other) in sums.iter_mut().zip(changes.chunks_exact(BLOCK)) {
                    for (a, b) in own.iter().zip(other.as_chunks::<LANES>().0) {
                        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += term(*a, *b));
                    }
                }
            }
        }
        let total = |(row, sums): (usize, Vec<[f64; LANES]>)| {
            (row, sums.iter().map(|lanes| lanes.iter().sum()).collect())
        };
        rows.into_iter().map(total).collect()
    };
    let mut matrix = vec![vec![0.0; count]; count];
    let mut put = |(row, values): (usize, Vec<f64>)| {
        for (other, value) in values.into_iter().enumerate() {
            matrix[row][other] = value;
            matrix[other][row] = value;
        }
    };
    std::thread::scope(|scope| {
        let rows_of = &rows_of;
        let others: Vec<_> = (1..workers).map(|worker| scope.spawn(move || rows_of(worker))).collect();
        rows_of(0).into_iter().for_each(&mut put);
        for other in others {
            // A worker only computes sums; a panic of it would be one of this thread.
            let rows = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            rows.into_iter().for_each(&mut put);
        }
    });
    matrix
}
