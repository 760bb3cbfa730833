//! Rounds of FedAvg (McMahan et al. 2017) with whatever codec is on the wire.

use super::collaborators::{LocalEpoch, LocalWork};
use super::ledger::Direction;
use super::played::Played;
use super::simulation::Shared;
use super::spec::{Codec, LocalTests};
use crate::codec::{Message, MessageKind, UpdateDecoder, UpdateEncoder, bytes_to_floats, floats_to_bytes};
use crate::progress::Observer;
use crate::run::Run;
use crate::training::SnapshotEvery;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What is between collaborators and aggregator.
pub struct Wire {
    /// What kind of message an update is.
    pub kind: MessageKind,
    /// The collaborators' side.
    pub encoder: Box<dyn UpdateEncoder>,
    /// The aggregator's side.
    pub decoder: Box<dyn UpdateDecoder>,
}

/// What a round came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundResult {
    /// From 1.
    pub round: u32,
    /// Loss of the new global model on the test images.
    pub test_loss: f64,
    /// Its accuracy there.
    pub test_accuracy: f64,
    /// Its loss on the test images without colours, where a collaborator sees such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grayscale_test_loss: Option<f64>,
    /// Its accuracy there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grayscale_test_accuracy: Option<f64>,
    /// Test accuracy of each collaborator's own model before the average, on images like its own.
    pub local_test_accuracy: Vec<f64>,
    /// Mean loss of the collaborators on their own images in the round's last epoch.
    pub train_loss: f64,
    /// Bytes from the collaborators in this round.
    pub bytes_up: u64,
    /// Bytes to the collaborators in this round.
    pub bytes_down: u64,
    /// Every epoch of every collaborator.
    pub local_epochs: Vec<LocalEpoch>,
}

impl RoundResult {
    /// Accuracy of the new global model over all kinds of test images.
    pub fn accuracy(&self) -> f64 {
        self.grayscale_test_accuracy.map_or(self.test_accuracy, |gray| (self.test_accuracy + gray) / 2.0)
    }

    /// Loss and accuracy of the new global model on images like those of a collaborator.
    pub fn like(&self, grayscale: bool) -> (f64, f64) {
        match (grayscale, self.grayscale_test_loss, self.grayscale_test_accuracy) {
            (true, Some(loss), Some(accuracy)) => (loss, accuracy),
            _ => (self.test_loss, self.test_accuracy),
        }
    }
}

/// A round in the metrics.
#[derive(Serialize)]
struct Line<'a> {
    run: &'static str,
    #[serde(flatten)]
    round: &'a RoundResult,
}

/// Says a round in the run's metrics.
pub fn log_round(run: &mut Run<'_>, codec: Codec, round: &RoundResult) -> Result<()> {
    run.log(&Line { run: codec.run(), round })
}

/// Which rounds are to be played.
pub struct Stretch<'a> {
    /// The name of the stage that they are.
    pub stage: &'a str,
    /// What people are told that they are.
    pub what: &'a str,
    /// The last of them; the first is the one after those that were played.
    pub last: u32,
    /// When to log snapshots inside them.
    pub snapshots: Option<SnapshotEvery>,
    /// Whether the metrics hear of them now. Rounds that several federations have in common are told with
    /// each of these.
    pub told: bool,
}

/// Plays rounds; they can be left after each.
pub fn play(
    shared: &mut Shared,
    run: &mut Run<'_>,
    played: &mut Played,
    stretch: &Stretch<'_>,
    wire: &mut Wire,
) -> Result<()> {
    let steps = shared.collaborators.steps(shared.spec.local_epochs);
    let first = played.rounds.len() as u32 + 1;
    run.observer.begin(stretch.what, "steps", steps * u64::from((stretch.last + 1).saturating_sub(first)));
    for round in first..=stretch.last {
        let result = play_round(shared, run.observer, played, (round, stretch.snapshots), wire)?;
        let gray = result.grayscale_test_accuracy;
        run.observer.note(&format!(
            "round {round}/{}: accuracy {:.1} %{}",
            stretch.last,
            result.test_accuracy * 100.0,
            gray.map_or(String::new(), |gray| format!(", without colours {:.1} %", gray * 100.0)),
        ));
        if stretch.told {
            log_round(run, played.codec, &result)?;
        }
        played.rounds.push(result);
        if round == stretch.last {
            played.save(run, stretch.stage)?;
        }
        run.pause(played.bytes(), |run| played.save(run, stretch.stage))?;
    }
    run.observer.end();
    Ok(())
}

/// Plays one round. Nothing of it is told or saved.
pub fn play_round(
    shared: &mut Shared,
    observer: &mut dyn Observer,
    played: &mut Played,
    (round, snapshots): (u32, Option<SnapshotEvery>),
    wire: &mut Wire,
) -> Result<RoundResult> {
    let Shared { spec, collaborators, tests } = shared;
    let samples = collaborators.samples();
    let codec = played.codec;
    let mut arrived = Vec::new();
    for collaborator in 0..collaborators.len() as u32 {
        let payload = floats_to_bytes(&played.global);
        let message = Message { kind: MessageKind::GlobalModel, round, collaborator, payload };
        arrived = played.ledger.send(codec, Direction::Down, &message)?.payload;
    }
    // The same bytes reached everybody.
    let start = bytes_to_floats(&arrived, played.global.len(), "a global model")?;
    let work = LocalWork {
        epochs: spec.local_epochs,
        first_epoch: u64::from(round - 1) * spec.local_epochs,
        snapshots,
        tests: (spec.local_tests == LocalTests::Epoch).then_some(&*tests),
    };
    let trained = collaborators.train(&start, work, &mut |steps| observer.advance(u64::from(steps)))?;
    if snapshots.is_some() {
        for ((log, trained), &images) in played.snapshots.iter_mut().zip(&trained).zip(&samples) {
            let steps = work.first_epoch * images.div_ceil(spec.batch) as u64;
            log.extend(&trained.snapshots, steps, work.first_epoch);
        }
    }
    let (weights, epochs): (Vec<_>, Vec<_>) = trained.into_iter().map(|t| (t.weights, t.epochs)).unzip();
    let mut payloads = Vec::with_capacity(weights.len());
    for (collaborator, payload) in wire.encoder.encode(&weights)?.into_iter().enumerate() {
        let message = Message { kind: wire.kind, round, collaborator: collaborator as u32, payload };
        payloads.push(played.ledger.send(codec, Direction::Up, &message)?.payload);
    }
    played.global = wire.decoder.average(&payloads, &samples)?;
    // Those that were tested after their last epoch are not tested again.
    let known: Option<Vec<f64>> = epochs.iter().map(|epochs| epochs.last()?.test_accuracy).collect();
    let (local, tested) = match known {
        Some(known) => (known, tests.all(&[&played.global])?[0]),
        None => {
            let (local, tested) = tests.round(&weights, &played.global)?;
            (local.iter().map(|t| t.accuracy).collect(), tested)
        }
    };
    let loss = tested.plain.loss;
    if !loss.is_finite() {
        let problem = format!("training diverged in round {round} (the loss is {loss})");
        return Err(Error::setting("optimizer.lr", problem, "use a smaller rate"));
    }
    let in_round = |direction| played.ledger.bytes(|t| t.round == round && t.direction == direction);
    // Everybody trained for at least one epoch.
    let last = epochs.iter().filter_map(|epochs| epochs.last()).map(|epoch| epoch.train_loss);
    Ok(RoundResult {
        round,
        test_loss: loss,
        test_accuracy: tested.plain.accuracy,
        grayscale_test_loss: tested.gray.map(|t| t.loss),
        grayscale_test_accuracy: tested.gray.map(|t| t.accuracy),
        local_test_accuracy: local,
        train_loss: last.sum::<f64>() / epochs.len() as f64,
        bytes_up: in_round(Direction::Up),
        bytes_down: in_round(Direction::Down),
        local_epochs: epochs.concat(),
    })
}
