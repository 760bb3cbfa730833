//! The sketches of many updates at a time on a GPU, to the bits that the host comes to one by one.
//!
//! A processor that poses as a GPU has the host's memory, and adds doubles by whole numbers where the host has them:
//! there, and where updates are few, the host is faster.

use crate::Result;
use crate::codec::{Incoming, Outgoing, Values};
use crate::gpu::{Gpu, Tensor};
use crate::ops::largest::Selection;
use crate::ops::sketch::{Hashing, Members, read_sums, tell};

/// Values of a batch that are worth a way to the device, and updates whose sketches are worth sorting places by cell: for
/// the host that is the work of a few sketches.
const MANY_VALUES: usize = 1 << 20;
const MANY_LINES: usize = 8;

/// Words of a line that choosing the largest values takes at most, beside these.
const CHOICE_WORDS: usize = 1 << 14;

/// The tables of the updates of a batch, whose values are taken; None, and nothing is taken, where the host is to make
/// them.
pub fn tables(gpu: &Gpu, hashing: Hashing, batch: &mut [Outgoing<'_>]) -> Result<Option<Vec<Vec<f32>>>> {
    if gpu.class().is_cpu() || !fits(gpu, batch.len(), 2 * hashing.cells()) {
        return Ok(None);
    }
    let Some(tensor) = on_device(gpu, batch)? else { return Ok(None) };
    let members = Members::new(gpu, hashing, &tensor)?;
    let sums = members.sums(gpu, batch.len())?;
    gpu.run(&members.sum(gpu, &tensor, &sums)?)?;
    let sums = read_sums(gpu, &sums, batch.len() * hashing.cells())?;
    let tables = sums.chunks_exact(hashing.cells());
    Ok(Some(tables.map(|sums| sums.iter().map(|&sum| sum as f32).collect()).collect()))
}

/// The lines of a batch on the device: those of one tensor where they lie, and those of the host where they are many of
/// one width.
fn on_device(gpu: &Gpu, batch: &mut [Outgoing<'_>]) -> Result<Option<Tensor>> {
    let values: Vec<_> = batch.iter().map(|outgoing| &outgoing.values).collect();
    if let Some(tensor) = Values::tensor_of(&values) {
        batch.iter_mut().for_each(|outgoing| outgoing.values = Values::default());
        return Ok(Some(tensor));
    }
    let width = values.first().map_or(0, |values| values.len());
    let are_alike = values.iter().all(|values| matches!(values, Values::Host(own) if own.len() == width));
    if !are_alike || values.len() < MANY_LINES || !is_many(gpu, values.len(), width) {
        return Ok(None);
    }
    let tensor = Tensor::zeros(gpu, "values to sketch", batch.len(), 1, width)?;
    for (line, outgoing) in batch.iter_mut().enumerate() {
        tensor.write_line(gpu, line, &outgoing.values.take(gpu)?);
    }
    Ok(Some(tensor))
}

/// The `k` largest values that each of many tables tells of `width`, and zeros elsewhere; None where the host is to tell
/// them.
pub fn told(
    gpu: &Gpu,
    hashing: Hashing,
    tables: &[Vec<f32>],
    width: usize,
    k: usize,
) -> Result<Option<Vec<Vec<f32>>>> {
    let words = hashing.cells().max(k).max(CHOICE_WORDS);
    let is_for_device = !gpu.class().is_cpu() && hashing.is_told_on_device();
    if !is_for_device || !is_many(gpu, tables.len(), width) || !fits(gpu, tables.len(), words) {
        return Ok(None);
    }
    let estimates = Tensor::zeros(gpu, "values of sketches", tables.len(), 1, width)?;
    let tables = gpu.upload("sketches", &tables.concat())?;
    let selection = Selection::new(gpu, &estimates, k)?;
    gpu.run(&tell(gpu, hashing, &tables, &estimates)?)?;
    gpu.run(&selection.plan(gpu, &estimates)?)?;
    let (places, chosen) = (gpu.read::<u32>(&selection.places)?, selection.values.read(gpu)?);
    let lines = places.chunks_exact(k).zip(chosen.chunks_exact(k)).map(|(places, chosen)| {
        let mut values = vec![0.0; width];
        places.iter().zip(chosen).for_each(|(&place, &value)| values[place as usize] = value);
        values
    });
    Ok(Some(lines.collect()))
}

/// Whether so many lines of values are worth the way to the device, and can be cut to what it sees at once.
fn is_many(gpu: &Gpu, lines: usize, width: usize) -> bool {
    lines * width >= MANY_VALUES && fits(gpu, lines, 1)
}

/// Whether so many words of each line fit one binding, and lines one dispatch.
fn fits(gpu: &Gpu, lines: usize, words: usize) -> bool {
    (4 * lines * words) as u64 <= gpu.max_binding_bytes() && lines <= gpu.max_workgroups() as usize
}

/// The width that all of a batch are due, where it is one.
pub fn one_width(batch: &[Incoming<'_>]) -> Option<usize> {
    let width = batch.first()?.due;
    batch.iter().all(|incoming| incoming.due == width).then_some(width)
}
