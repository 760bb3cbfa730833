//! The wide autoencoder, 550,570-320-550,570: steps of its training, and its two halves at work.

use super::harness::{Ready, Unit};
use super::synthetic::{snapshots, values};
use super::training::steps_of;
use super::work::{Work, work};
use crate::Result;
use crate::autoencoder::{DecoderBank, Encoder, HalfParameters, Standard};
use crate::gpu::Gpu;
use crate::model::{AutoencoderSpec, ModelSpec};

/// The works of this file.
pub(super) fn works() -> Vec<Work> {
    let training = |name, what, batch: usize| work(name, what, move |gpu| step(gpu, batch)).large();
    vec![
        training("wide-ae-adam-b8", "a step of 352,915,690 parameters, Adam, 8 snapshots", 8),
        training("wide-ae-adam-b40", "the same with 40 snapshots", 40),
        work("encode-550570", "550,570 weights to 320 floats, up to the device and back", encode).large(),
        work("decode-550570", "320 floats to 550,570 weights", decode).large(),
    ]
}

fn step(gpu: &Gpu, batch: usize) -> Result<Ready<'_>> {
    let spec = spec()?;
    let (parameters, half) = (spec.parameters(), spec.decoder_parameters());
    let ready = steps_of(gpu, &spec, batch, Unit::Seconds)?;
    // Weights and two moments of each are read and written, and the decoder's are read once more to go forward. Each
    // weight is multiplied forward and for its gradient, and the decoder's for that of its input.
    Ok(ready.with_cost(4 * (6 * parameters + half), 2 * batch * (2 * parameters + half)))
}

fn spec() -> Result<AutoencoderSpec> {
    ModelSpec::load("ae-cifar10")?.autoencoder()
}

/// As many parameters as a half has: a block of values over and over, since making 176 million would take longer
/// than all that is timed.
fn parameters(count: usize) -> Vec<f32> {
    values(1 << 20, 3, 1e-3).into_iter().cycle().take(count).collect()
}

fn standard(width: usize) -> Standard {
    Standard { means: vec![0.0; width], scale: 1.0 }
}

fn encode(gpu: &Gpu) -> Result<Ready<'_>> {
    let spec = spec()?;
    let count = spec.parameters() - spec.decoder_parameters();
    let own = parameters(count);
    let encoder = Encoder::new(gpu, &spec, &[(HalfParameters::Values(&own), &standard(spec.inputs()))], 1)?;
    gpu.wait()?;
    let weights = snapshots(1, spec.inputs());
    let ready = Ready::wall(Unit::Milliseconds, move || encoder.codes(&weights).map(drop));
    Ok(ready.with_cost(4 * count, 2 * count))
}

fn decode(gpu: &Gpu) -> Result<Ready<'_>> {
    let spec = spec()?;
    let count = spec.decoder_parameters();
    let own = parameters(count);
    let bank = DecoderBank::new(gpu, &spec, &[(HalfParameters::Values(&own), &standard(spec.inputs()))], 1)?;
    gpu.wait()?;
    let code = values(spec.latent(), 4, 1.0);
    let ready = Ready::wall(Unit::Milliseconds, move || bank.weights(&code).map(drop));
    Ok(ready.with_cost(4 * count, 2 * count))
}
