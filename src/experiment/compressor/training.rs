//! Training on the weights themselves or in the span of the snapshots, looked at in the same way.

use super::notes::Notes;
use crate::Result;
use crate::autoencoder::small::{SmallTrainer, Space};
use crate::autoencoder::{self as codec, CurvePoint, MemoryPlan, Standard, Trainer, TrainerSettings, look};
use crate::experiment::Run;
use crate::gpu::Gpu;
use crate::model::state::{StateFile, TensorShape};
use crate::model::{AutoencoderSpec, Network};

/// What is trained, on what.
pub(super) struct Job<'a> {
    pub spec: &'a AutoencoderSpec,
    pub train: Vec<&'a [f32]>,
    pub held_out: Vec<&'a [f32]>,
    pub settings: TrainerSettings,
    pub space: Space,
}

/// An autoencoder in training.
pub(super) enum Training {
    /// On the weights themselves.
    Wide(Box<Trainer>),
    /// In the span of the snapshots. That takes seconds, and is not saved in the middle: a run that is gone
    /// on with trains it again, to the same end.
    Small(Box<SmallTrainer>),
}

impl Training {
    /// For `epochs` epochs in all.
    pub fn new(gpu: &Gpu, job: Job<'_>, epochs: usize) -> Result<Self> {
        let Job { spec, settings, space, .. } = job;
        let (train, held_out) = ([job.train], [job.held_out]);
        let training = codec::Training { spec, train: &train, held_out: &held_out, settings, space };
        MemoryPlan::of(gpu, &training)?.check_spec(&training)?;
        if space == Space::Small {
            let trainer = SmallTrainer::new(gpu, spec, &train[0], &held_out[0], settings, epochs)?;
            return Ok(Self::Small(Box::new(trainer)));
        }
        Ok(Self::Wide(Box::new(Trainer::new(gpu, spec, &train, &held_out, settings)?)))
    }

    /// Goes on with a training on the weights after so many epochs.
    pub fn resume(&mut self, file: &StateFile, taken: &[u64], epochs: u64) -> Result<()> {
        match self {
            Self::Wide(trainer) => trainer.resume(file, taken, epochs),
            Self::Small(_) => Ok(()),
        }
    }

    /// Epochs trained so far.
    pub fn epochs(&self) -> u64 {
        match self {
            Self::Wide(trainer) => trainer.epochs(),
            Self::Small(trainer) => trainer.epochs(),
        }
    }

    /// Trains for `epochs` epochs.
    pub fn train(&mut self, epochs: usize, progress: &mut dyn FnMut(u32)) -> Result<()> {
        match self {
            Self::Wide(trainer) => trainer.train(epochs, progress),
            Self::Small(trainer) => {
                trainer.train(epochs, progress);
                Ok(())
            }
        }
    }

    /// How far it is, `epochs` epochs after the last look, measured at full width.
    pub fn look(&mut self, epochs: usize, seconds: f64) -> Result<CurvePoint> {
        let trainer = match self {
            Self::Wide(trainer) => return Ok(look(trainer, epochs, seconds)?[0]),
            Self::Small(trainer) => trainer,
        };
        let point = trainer.look(epochs, seconds);
        trainer.expand()?;
        let (train, held_out) = trainer.measure()?;
        Ok(CurvePoint {
            epoch: point.epoch,
            loss: point.loss,
            validation_loss: held_out.map(|m| m.loss),
            relative_l2: train.relative_l2,
            validation_relative_l2: held_out.map(|m| m.relative_l2),
            argmax_match: train.argmax_match,
            validation_argmax_match: held_out.map(|m| m.argmax_match),
            steps: point.steps,
            seconds,
        })
    }

    /// The network at full width, as it was at the last look.
    pub fn network(&self) -> &Network {
        match self {
            Self::Wide(trainer) => trainer.network(),
            Self::Small(trainer) => trainer.network(),
        }
    }

    /// Means and scale.
    pub fn read_standard(&self) -> Result<Standard> {
        match self {
            Self::Wide(trainer) => Ok(trainer.read_standards()?.swap_remove(0)),
            Self::Small(trainer) => trainer.read_standard(),
        }
    }

    /// Bytes of what is saved in the middle.
    pub fn state_bytes(&self) -> u64 {
        match self {
            Self::Wide(trainer) => trainer.network().state_shapes().iter().map(TensorShape::bytes).sum(),
            Self::Small(_) => 0,
        }
    }

    /// Saves what the stage goes on from.
    pub fn save(&self, run: &mut Run<'_>, stage: &str, notes: &Notes) -> Result<()> {
        let Self::Wide(trainer) = self else { return Ok(()) };
        let (gpu, network) = (run.gpu()?, trainer.network());
        let notes = Notes { taken: trainer.taken().to_vec(), ..notes.clone() };
        run.save(stage, &notes, &network.state_shapes(), |file| network.put_state(gpu, file))
    }
}
