//! Both ways along the directions of a round where updates lie on a GPU.

use super::directions::Directions;
use crate::Result;
use crate::codec::stages::bank;
use crate::codec::stages::seeded::Draws;
use crate::codec::{Incoming, Outgoing, Values};
use crate::gpu::{Gpu, Tensor};
use crate::ops::subspace::{Sums, spread};

/// Values of a batch from which on they are made on the device. The host makes fewer in about a millisecond.
const MANY: usize = 1 << 20;

/// Puts coordinates in the place of a batch whose values are the lines of one tensor on a GPU, and reads no more than
/// these back. Whether it has: otherwise the host is to do it, whose memory it is where a processor poses as a GPU.
pub fn project(gpu: &Gpu, draws: Draws, floats: usize, batch: &mut [Outgoing<'_>]) -> Result<bool> {
    let values: Vec<_> = batch.iter().map(|outgoing| &outgoing.values).collect();
    let Some(tensor) = Values::tensor_of(&values).filter(|_| !gpu.class().is_cpu()) else {
        return Ok(false);
    };
    let directions = Directions::new(draws, tensor.width, floats);
    if directions.floats() == 0 || !directions.drawn().fit(gpu, tensor.replicas, tensor.width) {
        return Ok(false);
    }
    let sums = Sums::new(gpu, &tensor, directions.drawn())?;
    gpu.run(&sums.plan(gpu, &tensor)?)?;
    let sums: Vec<f32> = gpu.read(&sums.sums)?;
    for (outgoing, sums) in batch.iter_mut().zip(sums.chunks_exact(directions.floats())) {
        outgoing.values = Values::Host(directions.coordinates_of(sums.iter().map(|&sum| f64::from(sum))));
    }
    Ok(true)
}

/// Leaves a batch the values that coordinates `[R, Z]` stand for, on a GPU, to the same bits as the host would. Whether
/// it has: few are the host's work, and so are those of updates of several lengths.
pub fn unproject(
    gpu: &Gpu,
    directions: &Directions,
    coordinates: &[Vec<f32>],
    unbiased: bool,
    batch: &mut [Incoming<'_>],
) -> Result<bool> {
    let (lines, width) = (batch.len(), directions.values());
    let is_many = lines.saturating_mul(width) >= MANY;
    let is_alike = batch.iter().all(|incoming| incoming.due == width);
    if gpu.class().is_cpu() || !is_many || !is_alike || !directions.drawn().fit(gpu, lines, width) {
        return Ok(false);
    }
    let shares = coordinates.iter().flat_map(|coordinates| directions.shares(coordinates, unbiased));
    let shares = gpu.upload("shares of directions", &shares.collect::<Vec<_>>())?;
    let tensor = Tensor::zeros(gpu, "values of directions", lines, 1, width)?;
    gpu.run(&spread(gpu, &shares, directions.drawn(), &tensor)?)?;
    bank::put_lines(batch, &tensor);
    Ok(true)
}
