//! Each collaborator's autoencoder is trained on its snapshots, and its decoder shipped: as many at a time as are not
//! too large together, in the span of the snapshots one after the other.

use super::Autoencoder;
use super::halves::{keep_encoder, keep_factors};
use crate::Result;
use crate::autoencoder::small::{FactoredDecoder, Precision, SmallTrainer, Space};
use crate::autoencoder::{
    Curves, DecoderState, Expected, Learner, MemoryPlan, Standard, Training, Watcher, learn,
};
use crate::codec::{Decoder, ExpectedLogs, Kept, Learned, SetupJob};
use crate::gpu::Gpu;
use crate::model::OptimizerKind;
use crate::run::Run;
use crate::training::Snapshots;

/// Most bytes of weights and moments that are trained in the same dispatches: a fixed number, so that a run
/// does not depend on how much memory happens to be free.
const MOST_TOGETHER: usize = 2 << 30;

/// Keeps autoencoders at their end, until all are trained.
struct Keep;

impl Watcher for Keep {
    fn saves_end(&self) -> bool {
        true
    }
}

impl Autoencoder {
    /// How many train together, of collaborators with so many snapshots each: as many as are not too large, and of
    /// those half as often as it takes for the device's bindings to hold them.
    pub(super) fn group(&self, gpu: &Gpu, logs: ExpectedLogs) -> Expected<'_> {
        let (train, held_out) = self.settings.split(0..logs.snapshots);
        let of = |collaborators: usize| Expected {
            spec: &self.shape,
            settings: &self.settings,
            collaborators,
            train: train.len(),
            held_out: held_out.len(),
        };
        if self.settings.space == Space::Small {
            return of(1);
        }
        let (optimizer, parameters) = (self.settings.optimizer, self.shape.parameters());
        let moments = if optimizer.kind == OptimizerKind::Sgd { 1 } else { 2 };
        let words = parameters + moments * optimizer.moments.words(parameters);
        let together = (MOST_TOGETHER / (4 * words)).clamp(1, logs.collaborators.max(1));
        let halves = std::iter::successors(Some(together), |&count| (count > 1).then(|| count.div_ceil(2)));
        halves.map(of).find(|expected| expected.plan(gpu).is_ok()).unwrap_or_else(|| of(1))
    }

    /// Trains them and ships each decoder; those of the small space in their factors where those are fewer bytes.
    pub(super) fn learn(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let snapshots = job.logs.iter().map(Snapshots::len).max().unwrap_or(0);
        let group = self.group(
            job.gpu,
            ExpectedLogs { collaborators: job.logs.len(), snapshots, together: job.logs.len() },
        );
        let together = group.collaborators;
        let seeded = self.settings.optimizer.kind == OptimizerKind::Sgd;
        let factored = FactoredDecoder::payload_bytes_of(&self.shape, group.train, seeded, Precision::F32);
        let is_factored =
            self.settings.space == Space::Small && factored < DecoderState::payload_bytes(&self.shape);
        let (mut curves, mut shipped) = (Curves::new(), Vec::new());
        let total = self.settings.epochs * job.logs.len().div_ceil(together);
        job.run.observer.begin("autoencoders", "epochs", total as u64);
        for (group, first) in job.logs.chunks(together).zip((0..).step_by(together)) {
            let name = format!("{}-{first}", job.name);
            let (learner, points) = self.train(job.run, &name, group)?;
            curves.extend(points);
            let kept = job.kept[first..].iter_mut();
            match learner {
                Learner::Wide(trainer) => {
                    let parameters = trainer.network().parameters.read(job.gpu)?;
                    let standards = trainer.standards().to_vec();
                    // What is trained next needs the room.
                    drop(trainer);
                    for ((parameters, standard), kept) in parameters.into_iter().zip(&standards).zip(kept) {
                        shipped.push(self.decoder(&parameters, standard));
                        self.keep(kept, parameters, standard);
                    }
                }
                Learner::Small(trainer) => {
                    for kept in kept.take(1) {
                        shipped.push(self.ship_small(job.gpu, &trainer, is_factored, kept)?);
                    }
                }
            }
        }
        job.run.observer.end();
        let decoder = if is_factored { Decoder::Factored } else { Decoder::Dense };
        *job.learned = Learned { decoder, curves };
        Ok(shipped)
    }

    /// Trains those of a group at once; it can be left at each look.
    fn train(&self, run: &mut Run<'_>, stage: &str, group: &[Snapshots]) -> Result<(Learner, Curves)> {
        let gpu = run.gpu()?;
        let (train, held_out): (Vec<_>, Vec<_>) =
            group.iter().map(|log| self.settings.split(log.rows())).unzip();
        let (spec, settings, seed) = (&self.shape, &self.settings, self.seed);
        let training = Training { spec, settings, seed, train: &train, held_out: &held_out };
        MemoryPlan::of(gpu, &training)?.check_spec(&training)?;
        let mut trained = || {
            let mut learner = Learner::new(gpu, &training)?;
            let curves = learn(run, stage, &mut learner, &mut Keep)?;
            Ok((learner, curves))
        };
        trained().map_err(|error| MemoryPlan::explain_spec(gpu, &training, error))
    }

    /// Keeps the encoder of one that was trained in the small space, and gives the decoder's message.
    fn ship_small(
        &self,
        gpu: &Gpu,
        trainer: &SmallTrainer,
        is_factored: bool,
        kept: &mut Kept,
    ) -> Result<Vec<u8>> {
        let standard = trainer.standard();
        let factored = || Ok(trainer.factored(Precision::F32)?.to_bytes());
        let expanded = || {
            trainer.expand()?;
            Ok(trainer.network().parameters.read(gpu)?.swap_remove(0))
        };
        match trainer.encoder_factors()? {
            Some(factors) => {
                let message = if is_factored { factored() } else { Ok(self.decoder(&expanded()?, standard)) };
                keep_factors(kept, factors);
                message
            }
            None => {
                let parameters = expanded()?;
                let message = if is_factored { factored() } else { Ok(self.decoder(&parameters, standard)) };
                self.keep(kept, parameters, standard);
                message
            }
        }
    }

    /// The message of a decoder at full width.
    fn decoder(&self, parameters: &[f32], standard: &Standard) -> Vec<u8> {
        DecoderState::of(&self.shape, parameters, standard).to_bytes()
    }

    /// Keeps the encoder's part of all parameters.
    fn keep(&self, kept: &mut Kept, mut parameters: Vec<f32>, standard: &Standard) {
        parameters.truncate(self.shape.parameters() - self.shape.decoder_parameters());
        parameters.shrink_to_fit();
        keep_encoder(kept, parameters, standard);
    }
}
