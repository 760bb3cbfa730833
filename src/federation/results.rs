//! What a federation comes to, as plain data: everything else here makes it, saves it, or tells of it.

use super::ledger::Ledger;
use super::privacy::Guarantee;
use super::spec::{SimulationSpec, Speed};
use crate::codec::Learned;
use crate::data::LabelCounts;
use crate::model::ClassifierSpec;
use crate::training::Tally;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a model came to on the test images.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tested {
    /// On the images as they are.
    pub plain: Tally,
    /// On the images without colours, where a collaborator sees such.
    pub gray: Option<Tally>,
}

impl Tested {
    /// The mean of what several models came to.
    pub fn mean(all: &[Self]) -> Self {
        let mean = |tallies: Vec<Tally>| {
            let count = tallies.len().max(1) as f64;
            Tally {
                loss: tallies.iter().map(|tally| tally.loss).sum::<f64>() / count,
                accuracy: tallies.iter().map(|tally| tally.accuracy).sum::<f64>() / count,
                samples: tallies.first().map_or(0, |tally| tally.samples),
            }
        };
        let gray: Vec<_> = all.iter().filter_map(|tested| tested.gray).collect();
        let gray = (!gray.is_empty()).then(|| mean(gray));
        Self { plain: mean(all.iter().map(|tested| tested.plain).collect()), gray }
    }

    /// Accuracy over all kinds of images.
    pub fn accuracy(&self) -> f64 {
        self.gray.map_or(self.plain.accuracy, |gray| (self.plain.accuracy + gray.accuracy) / 2.0)
    }
}

/// An epoch of a collaborator's training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalEpoch {
    /// Who trained.
    pub collaborator: u32,
    /// Its number over all rounds, from 1.
    pub epoch: u64,
    /// Loss on its own images, while it trained on them.
    pub train_loss: f64,
    /// Accuracy there.
    pub train_accuracy: f64,
    /// Loss on test images like its own after the epoch, where that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<f64>,
    /// Accuracy there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
}

/// What the global model of a round comes to on the test images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GlobalTest {
    /// Its loss.
    pub test_loss: f64,
    /// Its accuracy.
    pub test_accuracy: f64,
    /// Its loss on the images without colours, where a collaborator sees such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grayscale_test_loss: Option<f64>,
    /// Its accuracy there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grayscale_test_accuracy: Option<f64>,
}

/// What a round came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundResult {
    /// From 1.
    pub round: u32,
    /// What the new global model comes to, in rounds after which it is tested.
    #[serde(flatten)]
    pub tested: Option<GlobalTest>,
    /// How many collaborators were asked to take part, the last time that it was played.
    pub asked: usize,
    /// How many updates came and counted.
    pub results: usize,
    /// How often it was played, which is once where enough updates came.
    pub attempts: u32,
    /// Seconds that it took by the collaborators' clock, where they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<f64>,
    /// Test accuracy of each collaborator's own model before the average, on images like its own, where that is asked
    /// for.
    pub local_test_accuracy: Vec<f64>,
    /// Mean loss of the collaborators on their own images in the round's last epoch, where any has trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_loss: Option<f64>,
    /// Bytes from the collaborators in this round.
    pub bytes_up: u64,
    /// Bytes to the collaborators in this round.
    pub bytes_down: u64,
    /// Every epoch of every collaborator, where that is asked for.
    pub local_epochs: Vec<LocalEpoch>,
}

impl From<Tested> for GlobalTest {
    fn from(tested: Tested) -> Self {
        Self {
            test_loss: tested.plain.loss,
            test_accuracy: tested.plain.accuracy,
            grayscale_test_loss: tested.gray.map(|tally| tally.loss),
            grayscale_test_accuracy: tested.gray.map(|tally| tally.accuracy),
        }
    }
}

impl GlobalTest {
    /// Its accuracy over all kinds of test images.
    pub fn accuracy(&self) -> f64 {
        self.grayscale_test_accuracy.map_or(self.test_accuracy, |gray| (self.test_accuracy + gray) / 2.0)
    }

    /// Its loss and accuracy on images like those of a collaborator.
    pub fn like(&self, grayscale: bool) -> (f64, f64) {
        match (grayscale, self.grayscale_test_loss, self.grayscale_test_accuracy) {
            (true, Some(loss), Some(accuracy)) => (loss, accuracy),
            _ => (self.test_loss, self.test_accuracy),
        }
    }
}

/// Everything that a simulation came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was run.
    pub spec: SimulationSpec,
    /// The classifier.
    pub classifier: ClassifierSpec,
    /// A federation for each codec, in the spec's order.
    pub federations: Vec<FederationOutcome>,
    /// What the initial global model comes to.
    pub initial: Tested,
    /// The mean of each collaborator's snapshots, averaged, with no rounds at all.
    pub mean_of_snapshots: Option<Tested>,
    /// The global model that the uncompressed rounds of a federated pre-pass came to.
    pub after_uncompressed: Option<Tested>,
    /// Snapshots of each collaborator.
    pub snapshots: Vec<usize>,
    /// Training images of each collaborator.
    pub samples: Vec<usize>,
    /// Training images of each class that each collaborator holds.
    pub label_counts: LabelCounts,
    /// Test images.
    pub tests: usize,
    /// How fast each collaborator is, by id, where they have a clock.
    pub speeds: Option<Vec<Speed>>,
    /// What the global models of each federation tell of a collaborator at most, where the strategy adds noise.
    pub privacy: Option<Guarantee>,
    /// Time of the whole.
    pub wall: Duration,
}

/// A federation that came to its end.
#[derive(Clone, Debug)]
pub struct FederationOutcome {
    /// The label of its codec.
    pub label: String,
    /// Whether updates are sent as they are.
    pub is_raw: bool,
    /// The label of its stage that learns from logged weights, if one does.
    pub learned_label: Option<String>,
    /// Epochs that a collaborator trains in a round, before it encodes.
    pub local_epochs: u64,
    /// Epochs in which it then tunes its code, where rounds are compressed.
    pub tuning_epochs: u64,
    /// Floats of an update that are sent as they are; `None` where the values decide.
    pub floats: Option<usize>,
    /// Its rounds.
    pub rounds: Vec<RoundResult>,
    /// How its codec was learned.
    pub learned: Learned,
    /// Every message.
    pub ledger: Ledger,
    /// What collaborators would come to in the mean, had each of them tuned its code in as many epochs and never heard of
    /// the others; where codes are tuned.
    pub tuned_alone: Option<Tested>,
    /// Seconds that it took, those of rounds that all federations have in common excluded.
    pub seconds: f64,
    /// The last global model.
    pub model: Vec<f32>,
    /// Why its rounds ended early, where they did: its values were no numbers any more.
    pub diverged: Option<String>,
}

impl FederationOutcome {
    /// The rounds after which the global model was tested, by their numbers; the last one is among them.
    pub fn tests(&self) -> impl DoubleEndedIterator<Item = (u32, &GlobalTest)> {
        self.rounds.iter().filter_map(|round| Some((round.round, round.tested.as_ref()?)))
    }
}

impl Outcome {
    /// The federation with updates as they are, which there always is.
    pub fn raw(&self) -> &FederationOutcome {
        self.federations.iter().find(|federation| federation.is_raw).unwrap_or(&self.federations[0])
    }
}
