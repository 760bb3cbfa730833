//! Rounds of FedAvg (McMahan et al. 2017) with whatever codec is on the wire.

use super::collaborators::{Collaborators, LocalWork};
use super::ledger::{Direction, Ledger};
use super::spec::SimulationSpec;
use crate::codec::{Message, MessageKind, UpdateDecoder, UpdateEncoder, bytes_to_floats, floats_to_bytes};
use crate::progress::Observer;
use crate::training::{Evaluator, SnapshotEvery, Snapshots};
use crate::{Error, Result};
use serde::Serialize;

/// What is between collaborators and aggregator.
pub struct Wire<'a> {
    /// "raw" or "compressed".
    pub run: &'static str,
    /// What kind of message an update is.
    pub kind: MessageKind,
    /// The collaborators' side.
    pub encoder: &'a mut dyn UpdateEncoder,
    /// The aggregator's side.
    pub decoder: &'a mut dyn UpdateDecoder,
}

/// What a round came to.
#[derive(Clone, Debug, Serialize)]
pub struct RoundResult {
    /// "raw" or "compressed".
    pub run: &'static str,
    /// From 1.
    pub round: u32,
    /// Loss of the new global model on the test images.
    pub test_loss: f64,
    /// Its accuracy there.
    pub test_accuracy: f64,
    /// Test accuracy of each collaborator's own model before the average.
    pub local_test_accuracy: Vec<f64>,
    /// Mean loss of the collaborators on their own images in the round's last epoch.
    pub train_loss: f64,
    /// Bytes from the collaborators in this round.
    pub bytes_up: u64,
    /// Bytes to the collaborators in this round.
    pub bytes_down: u64,
}

/// Which rounds, from which global model.
pub struct Stretch<'a> {
    /// Their numbers, from 1.
    pub rounds: std::ops::RangeInclusive<u32>,
    /// What the first of them starts from.
    pub from: &'a [f32],
    /// When to log snapshots inside them.
    pub snapshots: Option<SnapshotEvery>,
}

/// What rounds came to.
pub struct Played {
    /// One for each round.
    pub results: Vec<RoundResult>,
    /// The last global model.
    pub global: Vec<f32>,
    /// What each collaborator logged.
    pub snapshots: Vec<Snapshots>,
}

/// Runs rounds.
pub fn run_rounds(
    collaborators: &mut Collaborators<'_>,
    spec: &SimulationSpec,
    stretch: Stretch<'_>,
    wire: Wire<'_>,
    evaluator: &Evaluator<'_>,
    ledger: &mut Ledger,
    observer: &mut dyn Observer,
) -> Result<Played> {
    let Wire { run, kind, encoder, decoder } = wire;
    let samples = collaborators.samples();
    let mut global = stretch.from.to_vec();
    let mut logs = vec![Snapshots::default(); collaborators.len()];
    let mut results = Vec::new();
    let per_round = collaborators.steps(spec.local_epochs);
    observer.begin(&format!("{run} rounds"), "steps", per_round * stretch.rounds.clone().count() as u64);
    for round in stretch.rounds {
        let mut arrived = Vec::new();
        for collaborator in 0..collaborators.len() as u32 {
            let payload = floats_to_bytes(&global);
            let message = Message { kind: MessageKind::GlobalModel, round, collaborator, payload };
            arrived = ledger.send(run, Direction::Down, &message)?.payload;
        }
        // The same bytes reached everybody.
        let start = bytes_to_floats(&arrived, global.len(), "a global model")?;
        let work = LocalWork {
            epochs: spec.local_epochs,
            first_epoch: u64::from(round - 1) * spec.local_epochs,
            snapshots: stretch.snapshots,
        };
        let trained = collaborators.train(&start, work, &mut |steps| observer.advance(u64::from(steps)))?;
        for ((log, trained), &images) in logs.iter_mut().zip(&trained).zip(&samples) {
            let steps = work.first_epoch * images.div_ceil(spec.batch) as u64;
            log.extend(&trained.snapshots, steps, work.first_epoch);
        }
        let weights: Vec<_> = trained.iter().map(|t| t.weights.clone()).collect();
        let mut payloads = Vec::with_capacity(weights.len());
        for (collaborator, payload) in encoder.encode(&weights)?.into_iter().enumerate() {
            let message = Message { kind, round, collaborator: collaborator as u32, payload };
            payloads.push(ledger.send(run, Direction::Up, &message)?.payload);
        }
        global = decoder.average(&payloads, &samples)?;
        // Local models and the new global one are looked at in the same dispatches.
        let models: Vec<_> = weights.iter().chain([&global]).collect();
        let mut local = evaluator.evaluate(&models)?;
        let tested = local.pop().unwrap_or_default();
        let in_round =
            |direction| ledger.bytes(|t| t.run == run && t.round == round && t.direction == direction);
        if !tested.loss.is_finite() {
            return Err(Error::setting(
                "optimizer.lr",
                format!("training diverged in round {round} (the loss is {})", tested.loss),
                "use a smaller rate",
            ));
        }
        observer.note(&format!("round {round}: accuracy {:.1} %", tested.accuracy * 100.0));
        results.push(RoundResult {
            run,
            round,
            test_loss: tested.loss,
            test_accuracy: tested.accuracy,
            local_test_accuracy: local.iter().map(|t| t.accuracy).collect(),
            train_loss: trained.iter().map(|t| t.tally.loss).sum::<f64>() / trained.len() as f64,
            bytes_up: in_round(Direction::Up),
            bytes_down: in_round(Direction::Down),
        });
    }
    observer.end();
    Ok(Played { results, global, snapshots: logs })
}
