//! Autoencoders in the span of the snapshots, one collaborator after the other: it takes seconds, so that a run that is
//! stopped meanwhile trains them again.

use super::halves::{keep_encoder, keep_factors};
use super::{Autoencoder, CURVE_POINTS};
use crate::autoencoder::small::{FactoredDecoder, Precision, SmallTrainer, Space};
use crate::autoencoder::{DecoderState, Expected, MemoryPlan, Standard, Training};
use crate::codec::{Decoder, FitPoint, Learned, SetupJob};
use crate::gpu::Gpu;
use crate::model::OptimizerKind;
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};
use std::time::Instant;

impl Autoencoder {
    /// Refuses snapshots of a collaborator that the device has no room for.
    pub(super) fn check_room_small(&self, gpu: &Gpu, snapshots: usize) -> Result<()> {
        let (spec, settings) = (&self.shape, self.trainer_settings());
        let space = Space::Small;
        let expected = Expected { spec, settings, space, collaborators: 1, train: snapshots, held_out: 0 };
        expected.check(gpu, "prepass.snapshot_every")
    }

    /// Trains them, and ships each decoder in its factors where those are fewer bytes.
    pub(super) fn learn_small(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let shape = &self.shape;
        let most = job.logs.iter().map(Snapshots::len).max().unwrap_or(0);
        let seeded = self.settings.optimizer.kind == OptimizerKind::Sgd;
        let factored = FactoredDecoder::payload_bytes_of(shape, most, seeded, Precision::F32);
        let is_factored = factored < DecoderState::payload_bytes(shape);
        let total = self.settings.epochs * job.logs.len();
        job.run.observer.begin("autoencoders", "epochs", total as u64);
        let (mut curves, mut shipped) = (Vec::new(), Vec::new());
        for (log, kept) in job.logs.iter().zip(&mut job.kept) {
            let (trainer, curve) = self.train(job.run, log)?;
            curves.push(curve);
            let factors = trainer.encoder_factors()?;
            let own =
                if is_factored && factors.is_some() { None } else { Some(expanded(job.gpu, &trainer)?) };
            shipped.push(match &own {
                Some((parameters, standard)) if !is_factored => {
                    DecoderState::of(shape, parameters, standard).to_bytes()
                }
                _ => trainer.factored(Precision::F32)?.to_bytes(),
            });
            match (factors, own) {
                (Some(factors), _) => keep_factors(kept, factors),
                (None, Some((mut parameters, standard))) => {
                    parameters.truncate(shape.parameters() - shape.decoder_parameters());
                    parameters.shrink_to_fit();
                    keep_encoder(kept, parameters, &standard);
                }
                (None, None) => return Err(Error::fault("an autoencoder was trained and not expanded")),
            }
        }
        job.run.observer.end();
        let decoder = if is_factored { Decoder::Factored } else { Decoder::Dense };
        *job.learned = Learned { decoder, curves };
        Ok(shipped)
    }

    fn train(&self, run: &mut Run<'_>, log: &Snapshots) -> Result<(SmallTrainer, Vec<FitPoint>)> {
        let gpu = run.gpu()?;
        let (shape, settings, epochs) = (&self.shape, self.trainer_settings(), self.settings.epochs);
        let (rows, none) = ([log.rows()], [Vec::new()]);
        let training = Training { spec: shape, train: &rows, held_out: &none, settings, space: Space::Small };
        MemoryPlan::of(gpu, &training)?.check_spec(&training)?;
        let start = Instant::now();
        let mut trainer = SmallTrainer::new(gpu, shape, &rows[0], &[], settings, epochs)?;
        let every = epochs.div_ceil(CURVE_POINTS);
        let (mut curve, mut done) = (Vec::new(), 0);
        while done < epochs {
            let now = every.min(epochs - done);
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
}

/// All parameters at full width, and the standard.
fn expanded(gpu: &Gpu, trainer: &SmallTrainer) -> Result<(Vec<f32>, Standard)> {
    trainer.expand()?;
    let parameters = trainer.network().parameters.read(gpu)?.swap_remove(0);
    Ok((parameters, trainer.read_standard()?))
}
