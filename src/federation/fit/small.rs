//! Autoencoders in the span of the snapshots, one collaborator after the other: it takes seconds, so that a
//! run that is gone on with trains them again.

use super::{CURVE_POINTS, Decoder, Fit, FitPoint, Ship};
use crate::codec::autoencoder::small::{FactoredBank, FactoredDecoder, Precision, SmallTrainer};
use crate::codec::autoencoder::{DecoderBank, DecoderState, Encoder, HalfParameters, TrainerSettings};
use crate::codec::{MessageKind, UpdateDecoder};
use crate::federation::rounds::Wire;
use crate::federation::spec::SimulationSpec;
use crate::model::{AutoencoderSpec, OptimizerKind};
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};
use std::time::Instant;

/// Trains them, and ships each decoder in its factors where those are fewer bytes.
pub fn fit<'g>(
    run: &mut Run<'g>,
    spec: &SimulationSpec,
    shape: &AutoencoderSpec,
    snapshots: &[Snapshots],
    ship: &mut Ship<'_>,
) -> Result<(Fit, Wire<'g>)> {
    let gpu = run.gpu()?;
    let most = snapshots.iter().map(Snapshots::len).max().unwrap_or(0);
    let seeded = spec.autoencoder.optimizer.kind == OptimizerKind::Sgd;
    let factored = FactoredDecoder::payload_bytes_of(shape, most, seeded, Precision::F32);
    let decoder = match factored < DecoderState::payload_bytes(shape) {
        true => Decoder::Factored,
        false => Decoder::Dense,
    };
    let total = spec.autoencoder.epochs * snapshots.len();
    run.observer.begin("autoencoders", "epochs", total as u64);
    let (mut curves, mut encoders, mut standards) = (Vec::new(), Vec::new(), Vec::new());
    let (mut factored, mut dense) = (Vec::new(), Vec::new());
    for (collaborator, log) in snapshots.iter().enumerate() {
        let (trainer, curve) = train(run, spec, shape, log)?;
        curves.push(curve);
        trainer.expand()?;
        let standard = trainer.read_standard()?;
        let mut parameters = trainer.network().parameters.read(gpu)?.swap_remove(0);
        match decoder {
            Decoder::Factored => {
                let payload = ship(collaborator, trainer.factored(Precision::F32)?.to_bytes())?;
                factored.push(FactoredDecoder::from_bytes(shape, &payload)?);
            }
            _ => {
                let state = DecoderState::of(shape, &parameters, &standard);
                dense.push(DecoderState::from_bytes(shape, &ship(collaborator, state.to_bytes())?)?);
            }
        }
        parameters.truncate(shape.parameters() - shape.decoder_parameters());
        parameters.shrink_to_fit();
        encoders.push(parameters);
        standards.push(standard);
    }
    run.observer.end();
    let own: Vec<_> = encoders.iter().map(|values| HalfParameters::Values(values)).zip(&standards).collect();
    let shipped: Vec<_> = dense.iter().map(DecoderState::half).collect();
    let bank: Box<dyn UpdateDecoder + 'g> = match decoder {
        Decoder::Factored => Box::new(FactoredBank::new(gpu, shape, &factored)?),
        _ => Box::new(DecoderBank::new(gpu, shape, &shipped, 1)?),
    };
    let encoder = Box::new(Encoder::new(gpu, shape, &own, 1)?);
    let wire = Wire { kind: MessageKind::CodedUpdate, encoder, decoder: bank };
    Ok((Fit { floats: shape.latent(), decoder, curves }, wire))
}

fn train<'g>(
    run: &mut Run<'g>,
    spec: &SimulationSpec,
    shape: &AutoencoderSpec,
    log: &Snapshots,
) -> Result<(SmallTrainer<'g>, Vec<FitPoint>)> {
    let gpu = run.gpu()?;
    let autoencoder = &spec.autoencoder;
    let settings =
        TrainerSettings { optimizer: autoencoder.optimizer, batch: autoencoder.batch, seed: spec.seed };
    let start = Instant::now();
    let mut trainer = SmallTrainer::new(gpu, shape, &log.rows(), &[], settings, autoencoder.epochs)?;
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
