//! Autoencoders in the span of the snapshots, one collaborator after the other: it takes seconds, so that a
//! run that is gone on with trains them again.

use super::ship::{CURVE_POINTS, Ship};
use crate::codec::autoencoder::small::{
    EncoderFactors, FactoredBank, FactoredDecoder, FactoredEncoders, Precision, SmallTrainer, Space,
};
use crate::codec::autoencoder::{
    DecoderBank, DecoderState, Encoder, Expected, HalfParameters, MemoryPlan, Standard, TrainerSettings,
    Training,
};
use crate::codec::{MessageKind, UpdateDecoder, UpdateEncoder};
use crate::federation::results::{Decoder, Fit, FitPoint};
use crate::federation::spec::SimulationSpec;
use crate::federation::wire::Wire;
use crate::gpu::Gpu;
use crate::model::{AutoencoderSpec, OptimizerKind};
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};
use std::time::Instant;

fn settings(spec: &SimulationSpec) -> Result<TrainerSettings> {
    let autoencoder = spec.autoencoder()?;
    Ok(TrainerSettings { optimizer: autoencoder.optimizer, batch: autoencoder.batch, seed: spec.seed })
}

/// Refuses snapshots of a collaborator that the device has no room for.
pub fn check_room(gpu: &Gpu, spec: &SimulationSpec, shape: &AutoencoderSpec, snapshots: usize) -> Result<()> {
    let (settings, space) = (settings(spec)?, Space::Small);
    let expected = Expected { spec: shape, settings, space, collaborators: 1, train: snapshots, held_out: 0 };
    expected.check(gpu, "prepass.snapshot_every")
}

/// Trains them, and ships each decoder in its factors where those are fewer bytes.
pub fn fit(
    run: &mut Run,
    spec: &SimulationSpec,
    shape: &AutoencoderSpec,
    snapshots: &[Snapshots],
    ship: &mut Ship<'_>,
) -> Result<(Fit, Wire)> {
    let gpu = run.gpu()?;
    let most = snapshots.iter().map(Snapshots::len).max().unwrap_or(0);
    let autoencoder = spec.autoencoder()?;
    let seeded = autoencoder.optimizer.kind == OptimizerKind::Sgd;
    let factored = FactoredDecoder::payload_bytes_of(shape, most, seeded, Precision::F32);
    let decoder =
        if factored < DecoderState::payload_bytes(shape) { Decoder::Factored } else { Decoder::Dense };
    let total = autoencoder.epochs * snapshots.len();
    run.observer.begin("autoencoders", "epochs", total as u64);
    let (mut curves, mut encoders, mut decoders) = (Vec::new(), Encoders::default(), Decoders::default());
    for (collaborator, log) in snapshots.iter().enumerate() {
        let (trainer, curve) = train(run, spec, shape, log)?;
        curves.push(curve);
        let factors = trainer.encoder_factors()?;
        let own = match (&factors, decoder) {
            (Some(_), Decoder::Factored) => None,
            _ => Some(expanded(gpu, &trainer)?),
        };
        match (decoder, &own) {
            (Decoder::Dense, Some((parameters, standard))) => {
                let state = DecoderState::of(shape, parameters, standard);
                let payload = ship(collaborator, state.to_bytes())?;
                decoders.dense.push(DecoderState::from_bytes(shape, &payload)?);
            }
            _ => {
                let payload = ship(collaborator, trainer.factored(Precision::F32)?.to_bytes())?;
                decoders.factored.push(FactoredDecoder::from_bytes(shape, &payload)?);
            }
        }
        match (factors, own) {
            (Some(factors), _) => encoders.factored.push(factors),
            (None, own) => encoders.dense.extend(own.map(|(mut parameters, standard)| {
                parameters.truncate(shape.parameters() - shape.decoder_parameters());
                parameters.shrink_to_fit();
                (parameters, standard)
            })),
        }
    }
    run.observer.end();
    let kind = MessageKind::CodedUpdate;
    let wire = Wire { kind, encoder: encoders.bank(gpu, shape)?, decoder: decoders.bank(gpu, shape)? };
    Ok((Fit { floats: shape.latent(), decoder, curves }, wire))
}

/// Encoders in one form or the other: all of a run have the same.
#[derive(Default)]
struct Encoders {
    factored: Vec<EncoderFactors>,
    dense: Vec<(Vec<f32>, Standard)>,
}

impl Encoders {
    fn bank(self, gpu: &Gpu, shape: &AutoencoderSpec) -> Result<Box<dyn UpdateEncoder>> {
        if self.dense.is_empty() {
            return Ok(Box::new(FactoredEncoders::new(gpu, self.factored)?));
        }
        let own = self.dense.iter().map(|(values, standard)| (HalfParameters::Values(values), standard));
        Ok(Box::new(Encoder::new(gpu, shape, &own.collect::<Vec<_>>(), 1)?))
    }
}

/// Decoders in one form or the other, as they arrived.
#[derive(Default)]
struct Decoders {
    factored: Vec<FactoredDecoder>,
    dense: Vec<DecoderState>,
}

impl Decoders {
    fn bank(self, gpu: &Gpu, shape: &AutoencoderSpec) -> Result<Box<dyn UpdateDecoder>> {
        if self.dense.is_empty() {
            return Ok(Box::new(FactoredBank::new(gpu, shape, &self.factored)?));
        }
        let shipped: Vec<_> = self.dense.iter().map(DecoderState::half).collect();
        Ok(Box::new(DecoderBank::new(gpu, shape, &shipped, 1)?))
    }
}

/// All parameters at full width, and the standard.
fn expanded(gpu: &Gpu, trainer: &SmallTrainer) -> Result<(Vec<f32>, Standard)> {
    trainer.expand()?;
    let parameters = trainer.network().parameters.read(gpu)?.swap_remove(0);
    Ok((parameters, trainer.read_standard()?))
}

fn train(
    run: &mut Run,
    spec: &SimulationSpec,
    shape: &AutoencoderSpec,
    log: &Snapshots,
) -> Result<(SmallTrainer, Vec<FitPoint>)> {
    let gpu = run.gpu()?;
    let (autoencoder, settings) = (spec.autoencoder()?, settings(spec)?);
    let (rows, none) = ([log.rows()], [Vec::new()]);
    let training = Training { spec: shape, train: &rows, held_out: &none, settings, space: Space::Small };
    MemoryPlan::of(gpu, &training)?.check_spec(&training)?;
    let start = Instant::now();
    let mut trainer = SmallTrainer::new(gpu, shape, &rows[0], &[], settings, autoencoder.epochs)?;
    let every = autoencoder.epochs.div_ceil(CURVE_POINTS);
    let (mut curve, mut done) = (Vec::new(), 0);
    while done < autoencoder.epochs {
        let now = every.min(autoencoder.epochs - done);
        trainer.train(now, &mut |finished| run.observer.advance(u64::from(finished)));
        done += now;
        let point = FitPoint::from(&trainer.look(now, start.elapsed().as_secs_f64()));
        if !point.loss.is_finite() {
            let problem = format!("an autoencoder diverged by epoch {}", point.epoch);
            return Err(Error::setting("autoencoder.optimizer.lr", problem, "use a smaller rate"));
        }
        curve.push(point);
    }
    if let Some(point) = curve.last() {
        run.observer.note(&format!("loss {:.4}  relative L2 {:.3}", point.loss, point.relative_l2));
    }
    Ok((trainer, curve))
}
