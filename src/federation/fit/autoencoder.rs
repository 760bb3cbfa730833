//! Autoencoders trained on the weights themselves, as many at a time as are not too large together.

use super::ship::{CURVE_POINTS, Ship};
use crate::codec::MessageKind;
use crate::codec::autoencoder::small::Space;
use crate::codec::autoencoder::{
    CurvePoint, DecoderBank, DecoderState, Encoder, Expected, HalfParameters, MemoryPlan, Trainer,
    TrainerSettings, Training, look,
};
use crate::federation::results::{Decoder, Fit, FitPoint};
use crate::federation::spec::SimulationSpec;
use crate::federation::wire::Wire;
use crate::gpu::Gpu;
use crate::model::state::TensorShape;
use crate::model::{AutoencoderSpec, OptimizerKind};
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Most bytes of weights and moments that are trained in the same dispatches: a fixed number, so that a run
/// does not depend on how much memory happens to be free.
const MOST_TOGETHER: usize = 2 << 30;

/// How many train together, of collaborators with so many snapshots each: as many as are not too large, and of
/// those half as often as it takes for the device's bindings to hold them.
fn group<'a>(
    gpu: &Gpu,
    spec: &SimulationSpec,
    shape: &'a AutoencoderSpec,
    collaborators: usize,
    snapshots: usize,
) -> Result<Expected<'a>> {
    let settings = settings(spec)?;
    let (optimizer, parameters) = (settings.optimizer, shape.parameters());
    let moments = if optimizer.kind == OptimizerKind::Sgd { 1 } else { 2 };
    let words = parameters + moments * optimizer.moments.words(parameters);
    let together = (MOST_TOGETHER / (4 * words)).clamp(1, collaborators.max(1));
    let of = |collaborators: usize| Expected {
        spec: shape,
        settings,
        space: Space::Wide,
        collaborators,
        train: snapshots,
        held_out: 0,
    };
    let halves = std::iter::successors(Some(together), |&count| (count > 1).then(|| count.div_ceil(2)));
    Ok(halves.map(of).find(|expected| expected.plan(gpu).is_ok()).unwrap_or_else(|| of(1)))
}

fn settings(spec: &SimulationSpec) -> Result<TrainerSettings> {
    let autoencoder = spec.autoencoder()?;
    Ok(TrainerSettings { optimizer: autoencoder.optimizer, batch: autoencoder.batch, seed: spec.seed })
}

/// Refuses snapshots that the device has no room for, those of a single collaborator or a group's weights.
pub fn check_room(
    gpu: &Gpu,
    spec: &SimulationSpec,
    shape: &AutoencoderSpec,
    collaborators: usize,
    snapshots: usize,
) -> Result<()> {
    group(gpu, spec, shape, collaborators, snapshots)?.check(gpu, "prepass.snapshot_every")
}

/// Trains them and ships each decoder.
pub fn fit(
    run: &mut Run,
    spec: &SimulationSpec,
    shape: &AutoencoderSpec,
    snapshots: &[Snapshots],
    ship: &mut Ship<'_>,
) -> Result<(Fit, Wire)> {
    let gpu = run.gpu()?;
    let most = snapshots.iter().map(Snapshots::len).max().unwrap_or(0);
    let together = group(gpu, spec, shape, snapshots.len(), most)?.collaborators;
    let (mut curves, mut encoders, mut standards, mut decoders) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for first in (0..snapshots.len()).step_by(together) {
        let group = &snapshots[first..(first + together).min(snapshots.len())];
        let (trainer, points) = train(run, spec, shape, group, first)?;
        curves.extend(points);
        let parameters = trainer.network().parameters.read(gpu)?;
        let own = trainer.read_standards()?;
        // What is trained next needs the room.
        drop(trainer);
        for (place, (mut parameters, standard)) in parameters.into_iter().zip(own).enumerate() {
            let state = DecoderState::of(shape, &parameters, &standard);
            parameters.truncate(shape.parameters() - shape.decoder_parameters());
            parameters.shrink_to_fit();
            let payload = ship(first + place, state.to_bytes())?;
            decoders.push(DecoderState::from_bytes(shape, &payload)?);
            encoders.push(parameters);
            standards.push(standard);
        }
    }
    let own: Vec<_> = encoders.iter().map(|values| HalfParameters::Values(values)).zip(&standards).collect();
    let encoder = Box::new(Encoder::new(gpu, shape, &own, 1)?);
    let shipped: Vec<_> = decoders.iter().map(DecoderState::half).collect();
    let decoder = Box::new(DecoderBank::new(gpu, shape, &shipped, 1)?);
    let wire = Wire { kind: MessageKind::CodedUpdate, encoder, decoder };
    Ok((Fit { floats: shape.latent(), decoder: Decoder::Dense, curves }, wire))
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Notes {
    /// One for each of the group.
    curves: Vec<Vec<CurvePoint>>,
    taken: Vec<u64>,
}

/// Trains those of a group at once; it can be left at each look.
fn train(
    run: &mut Run,
    spec: &SimulationSpec,
    shape: &AutoencoderSpec,
    group: &[Snapshots],
    first: usize,
) -> Result<(Trainer, Vec<Vec<FitPoint>>)> {
    let gpu = run.gpu()?;
    let stage = format!("autoencoder-{first}");
    let rows: Vec<_> = group.iter().map(Snapshots::rows).collect();
    let none = vec![Vec::new(); group.len()];
    let (autoencoder, settings) = (spec.autoencoder()?, settings(spec)?);
    let training = Training { spec: shape, train: &rows, held_out: &none, settings, space: Space::Wide };
    MemoryPlan::of(gpu, &training)?.check_spec(&training)?;
    let mut trainer = Trainer::new(gpu, shape, &rows, &none, settings)?;
    let mut notes = Notes { curves: vec![Vec::new(); group.len()], taken: Vec::new() };
    let last = |notes: &Notes| {
        notes.curves.first().and_then(|curve| curve.last()).map_or((0, 0.0), |p| (p.epoch, p.seconds))
    };
    if let Some((saved, file)) = run.load::<Notes>(&stage)? {
        notes = saved;
        trainer.resume(&file, &notes.taken, last(&notes).0)?;
    }
    let mut seconds = last(&notes).1;
    let every = autoencoder.epochs.div_ceil(CURVE_POINTS);
    run.observer.begin("autoencoders", "epochs", autoencoder.epochs as u64);
    run.observer.advance(trainer.epochs());
    while (trainer.epochs() as usize) < autoencoder.epochs {
        let now = every.min(autoencoder.epochs - trainer.epochs() as usize);
        let start = Instant::now();
        trainer.train(now, &mut |finished| run.observer.advance(u64::from(finished)))?;
        seconds += start.elapsed().as_secs_f64();
        let points = look(&mut trainer, now, seconds)?;
        if let Some(point) = points.iter().find(|point| !point.loss.is_finite()) {
            let problem = format!("an autoencoder diverged by epoch {}", point.epoch);
            return Err(Error::setting("autoencoder.optimizer.lr", problem, "use a smaller rate"));
        }
        let mean =
            |value: fn(&CurvePoint) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
        run.observer.note(&format!(
            "loss {:.4}  relative L2 {:.3}",
            mean(|p| p.loss),
            mean(|p| p.relative_l2)
        ));
        notes.curves.iter_mut().zip(&points).for_each(|(curve, point)| curve.push(*point));
        if trainer.epochs() as usize == autoencoder.epochs {
            save(run, &stage, &notes, &trainer)?;
        }
        let bytes = trainer.network().state_shapes().iter().map(TensorShape::bytes).sum();
        run.pause(bytes, |run| save(run, &stage, &notes, &trainer))?;
    }
    run.observer.end();
    let curves = notes.curves.iter().map(|curve| curve.iter().map(FitPoint::from).collect()).collect();
    Ok((trainer, curves))
}

/// Saves what a group's training goes on from.
fn save(run: &mut Run<'_>, stage: &str, notes: &Notes, trainer: &Trainer) -> Result<()> {
    let (gpu, network) = (run.gpu()?, trainer.network());
    let notes = Notes { taken: trainer.taken().to_vec(), ..notes.clone() };
    run.save(stage, &notes, &network.state_shapes(), |file| network.put_state(gpu, file))
}
