//! What is trained, on the weights themselves or in the span of the snapshots.

use super::small::{SmallState, SmallTrainer, Space};
use super::{AutoencoderSettings, CurvePoint, Standard, Trainer, Training};
use crate::Result;
use crate::gpu::Gpu;
use crate::model::Network;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use serde::{Deserialize, Serialize};

/// Autoencoders in training.
#[derive(Debug)]
pub enum Learner {
    /// Of several collaborators, on the weights themselves.
    Wide(Box<Trainer>),
    /// Of one collaborator, in the span of its snapshots.
    Small(Box<SmallTrainer>),
}

/// What a training goes on from, besides its tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LearnerState {
    epochs: u64,
    /// Steps that each replica has taken, of a wide training.
    taken: Vec<u64>,
    small: Option<SmallState>,
}

impl Learner {
    /// Untrained autoencoders.
    pub fn new(gpu: &Gpu, training: &Training<'_>) -> Result<Self> {
        Ok(match training.settings.space {
            Space::Wide => Self::Wide(Box::new(Trainer::new(gpu, training)?)),
            Space::Small => Self::Small(Box::new(SmallTrainer::new(gpu, training)?)),
        })
    }

    /// How they are trained.
    pub fn settings(&self) -> &AutoencoderSettings {
        match self {
            Self::Wide(trainer) => trainer.settings(),
            Self::Small(trainer) => trainer.settings(),
        }
    }

    /// Epochs trained so far.
    pub fn epochs(&self) -> u64 {
        match self {
            Self::Wide(trainer) => trainer.epochs(),
            Self::Small(trainer) => trainer.epochs(),
        }
    }

    /// Seconds that belong to the training and lie before its first step: those of the products in the small space.
    pub fn seconds_before(&self) -> f64 {
        match self {
            Self::Wide(_) => 0.0,
            Self::Small(trainer) => trainer.seconds_before(),
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

    /// Brings the network to where training in the small space is.
    pub fn expand(&self) -> Result<()> {
        match self {
            Self::Wide(_) => Ok(()),
            Self::Small(trainer) => trainer.expand(),
        }
    }

    /// How far each collaborator's autoencoder is, `epochs` epochs after the last look and `seconds` seconds into the
    /// training. In the small space it is measured in coordinates, or, where `is_expanded` says that the network is
    /// there, at full width.
    pub fn look(&mut self, epochs: usize, seconds: f64, is_expanded: bool) -> Result<Vec<CurvePoint>> {
        match self {
            Self::Wide(trainer) => trainer.look(epochs, seconds),
            Self::Small(trainer) => {
                let mut point = trainer.look(epochs, seconds);
                // What has diverged cannot be measured.
                if is_expanded && point.loss.is_finite() {
                    let (train, held_out) = trainer.measure()?;
                    point.relative_l2 = train.relative_l2;
                    point.argmax_match = Some(train.argmax_match);
                    point.validation_loss = held_out.map(|m| m.loss);
                    point.validation_relative_l2 = held_out.map(|m| m.relative_l2);
                    point.validation_argmax_match = held_out.map(|m| m.argmax_match);
                }
                Ok(vec![point])
            }
        }
    }

    /// The networks at full width; those of the small space as they were last [expanded](Self::expand).
    pub fn network(&self) -> &Network {
        match self {
            Self::Wide(trainer) => trainer.network(),
            Self::Small(trainer) => trainer.network(),
        }
    }

    /// Means and scales of each collaborator.
    pub fn standards(&self) -> &[Standard] {
        match self {
            Self::Wide(trainer) => trainer.standards(),
            Self::Small(trainer) => std::slice::from_ref(trainer.standard()),
        }
    }

    /// What training goes on from after a look, with the tensors of [`state_shapes`](Self::state_shapes).
    pub fn state(&self) -> LearnerState {
        let (taken, small) = match self {
            Self::Wide(trainer) => (trainer.taken().to_vec(), None),
            Self::Small(trainer) => (Vec::new(), Some(trainer.state())),
        };
        LearnerState { epochs: self.epochs(), taken, small }
    }

    /// Goes on with the same training.
    pub fn resume(&mut self, state: &LearnerState, epochs: u64, file: &StateFile) -> Result<()> {
        if state.epochs != epochs {
            return Err(
                file.damaged(format!("it is of epoch {}, and its curves end at {epochs}", state.epochs))
            );
        }
        match self {
            Self::Wide(trainer) => trainer.resume(file, &state.taken, epochs),
            Self::Small(trainer) => {
                file.resumed(trainer.resume(&state.small.clone().unwrap_or_default(), epochs))
            }
        }
    }

    /// The tensors that training goes on from.
    pub fn state_shapes(&self) -> Vec<TensorShape> {
        match self {
            Self::Wide(trainer) => trainer.network().state_shapes(),
            Self::Small(_) => Vec::new(),
        }
    }

    /// Writes them.
    pub fn put_state(&self, gpu: &Gpu, file: &mut StateWriter) -> Result<()> {
        match self {
            Self::Wide(trainer) => trainer.network().put_state(gpu, file),
            Self::Small(_) => Ok(()),
        }
    }
}
