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

/// All updates, on the host. Those that are the lines of one tensor are read back at once.
pub(super) fn on_host<'a>(gpu: &Gpu, arrived: &'a [Arrived]) -> Result<Vec<Update<'a>>> {
    let all: Vec<_> = arrived.iter().map(|arrived| &arrived.update).collect();
    if let Some(tensor) = Values::tensor_of(&all) {
        let values = tensor.read(gpu)?;
        return Ok(values.chunks_exact(tensor.width.max(1)).map(|line| Cow::Owned(line.to_vec())).collect());
    }
    let host = |values| match values {
        &Values::Host(ref values) => Ok(Cow::Borrowed(values.as_slice())),
        &Values::Device { ref tensor, line } => Ok(Cow::Owned(tensor.read_line(gpu, line)?)),
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
    summed(a.len().min(b.len()), |at| (f64::from(a[at]) - f64::from(b[at])).powi(2))
}

/// The inner product of what two updates change.
pub(super) fn product(global: &[f32], a: &[f32], b: &[f32]) -> f64 {
    let change = |update: &[f32], at: usize| f64::from(update[at]) - f64::from(global[at]);
    summed(global.len(), |at| change(a, at) * change(b, at))
}

fn summed(count: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0f64; LANES];
    let whole = count - count % LANES;
    for start in (0..whole).step_by(LANES) {
        lanes.iter_mut().enumerate().for_each(|(lane, sum)| *sum += term(start + lane));
    }
    lanes.iter().sum::<f64>() + (whole..count).map(term).sum::<f64>()
}

/// What `of` says of each pair of updates, which is the same both ways: a symmetric matrix, by rows.
pub(super) fn pairwise(updates: &[Update<'_>], of: impl Fn(&[f32], &[f32]) -> f64 + Sync) -> Vec<Vec<f64>> {
    let count = updates.len();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let own_rows = |worker: usize| -> Vec<(usize, Vec<f64>)> {
        let row = |row: usize| updates[..=row].iter().map(|other| of(&updates[row], other)).collect();
        (worker..count).step_by(workers).map(|number| (number, row(number))).collect()
    };
    let mut matrix = vec![vec![0.0; count]; count];
    let mut put = |(number, row): (usize, Vec<f64>)| {
        for (other, value) in row.into_iter().enumerate() {
            matrix[number][other] = value;
            matrix[other][number] = value;
        }
    };
    std::thread::scope(|scope| {
        let own_rows = &own_rows;
        let others: Vec<_> = (1..workers).map(|worker| scope.spawn(move || own_rows(worker))).collect();
        own_rows(0).into_iter().for_each(&mut put);
        for other in others {
            // A worker computes sums and cannot panic; were it to, the panic goes on here.
            other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                .into_iter()
                .for_each(&mut put);
        }
    });
    matrix
}
