//! The few numbers of a simulation that machines ask for, and the files beside them.

use super::ledger::{Direction, Transfer, save_ledgers};
use super::privacy::Guarantee;
use super::results::{FederationOutcome, Outcome, Tested};
use super::timeline::Timeline;
use crate::codec::MessageKind;
use crate::gpu::AdapterSummary;
use crate::run::Run;
use crate::{Error, Result, files};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The file's name.
pub const FILE: &str = "summary.json";

/// `summary.json`
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The spec's name.
    pub name: String,
    /// Version of the program.
    pub version: &'static str,
    /// Seed of everything.
    pub seed: u32,
    /// How many take part.
    pub collaborators: usize,
    /// Rounds.
    pub rounds: u32,
    /// What the aggregator does with updates.
    pub strategy: String,
    /// What the global models of each federation tell of a collaborator at most, where the strategy adds noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Guarantee>,
    /// P
    pub parameters: usize,
    /// The federations by the labels of their codecs, in the spec's order.
    #[serde(serialize_with = "by_label")]
    pub runs: Vec<(String, RunSummary)>,
    /// Accuracy of the mean of the snapshots with no rounds at all: what has to be beaten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_of_snapshots_accuracy: Option<f64>,
    /// The same on test images without colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_of_snapshots_grayscale_accuracy: Option<f64>,
    /// Accuracy of the global model that the uncompressed rounds of a federated pre-pass came to: to be beaten too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_uncompressed_accuracy: Option<f64>,
    /// The same on test images without colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_uncompressed_grayscale_accuracy: Option<f64>,
    /// Accuracy of the initial global model.
    pub initial_accuracy: f64,
    /// Wall time.
    pub seconds: f64,
    /// The adapter.
    pub device: AdapterSummary,
}

/// One of the federations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// Test accuracy of the last global model.
    pub final_accuracy: f64,
    /// The same on test images without colours, where a collaborator sees such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_grayscale_accuracy: Option<f64>,
    /// The best of all rounds.
    pub best_accuracy: f64,
    /// Test loss of the last global model.
    pub final_loss: f64,
    /// Floats of an update that are sent as they are, where that does not depend on the values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floats: Option<usize>,
    /// Bytes of an update's message, in the mean of the rounds after those of a federated pre-pass.
    pub message_bytes: u64,
    /// Bytes of the messages by which a collaborator ships what its updates are decoded with: one, and what it is
    /// refreshed with.
    pub setup_bytes: u64,
    /// Bytes of the message by which a collaborator gets, once, the decoder that was made of those of all.
    #[serde(skip_serializing_if = "is_zero")]
    pub shared_setup_bytes: u64,
    /// Bytes of the message by which a collaborator gets the global model, the last one.
    pub model_bytes: u64,
    /// Bytes from all collaborators, in all messages.
    pub uplink_bytes: u64,
    /// Bytes to all collaborators, in all messages.
    pub downlink_bytes: u64,
    /// Bytes of a raw update over those of one of these.
    pub ratio_per_message: f64,
    /// Raw uplink bytes over these, setups counted.
    pub savings_ratio: f64,
    /// The same for both directions.
    pub savings_ratio_both: f64,
    /// Rounds from which on the uplink is smaller than the raw one, where it ever is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_even_rounds: Option<f64>,
    /// Accuracy of collaborators in the mean, had each tuned its code alone and never heard of the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned_alone_accuracy: Option<f64>,
    /// The same on test images without colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned_alone_grayscale_accuracy: Option<f64>,
    /// Rounds that were played.
    pub rounds: u32,
    /// Epochs that a collaborator which is asked in each round trains in all rounds together, those included in which it tunes codes.
    /// Not said where nobody waits for all.
    #[serde(skip_serializing_if = "is_zero")]
    pub local_epochs: u64,
    /// Centred relative L2 error of each collaborator's training snapshots, where an autoencoder learned from them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relative_l2: Vec<f64>,
    /// Seconds until its last round ends by the collaborators' clock, where they have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated_seconds: Option<f64>,
    /// Wall time, that of rounds which all federations have in common excluded.
    pub seconds: f64,
}

fn by_label<S: Serializer>(runs: &[(String, RunSummary)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(runs.len()))?;
    runs.iter().try_for_each(|(label, run)| map.serialize_entry(label, run))?;
    map.end()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

/// What a federation's collaborators send in rounds.
struct Uplink {
    all: u64,
    both: u64,
    update: u64,
    setups: u64,
    /// In the rounds after those of a federated pre-pass.
    in_rounds: u64,
}

impl Uplink {
    fn of(outcome: &Outcome, federation: &FederationOutcome) -> Self {
        let ledger = &federation.ledger;
        let first = outcome.spec.raw_rounds();
        let kinds = [MessageKind::Update, MessageKind::Control];
        let is_up = |direction| direction == Direction::Up;
        let is_update = |t: &Transfer| is_up(t.direction) && t.kind == MessageKind::Update && t.round > first;
        let updates = ledger.transfers.iter().filter(|t| is_update(t)).count() as u64;
        Self {
            all: ledger.bytes(|t| is_up(t.direction)),
            both: ledger.bytes(|_| true),
            // Some stages send a whole update in one round and next to nothing in another.
            update: (ledger.bytes(is_update) + updates / 2).checked_div(updates).unwrap_or(0),
            setups: ledger.bytes(|t| is_up(t.direction) && t.kind == MessageKind::Setup),
            in_rounds: ledger.bytes(|t| is_up(t.direction) && kinds.contains(&t.kind) && t.round > first),
        }
    }
}

impl RunSummary {
    /// Of one of the federations, beside that with raw updates.
    pub fn of(outcome: &Outcome, federation: &FederationOutcome) -> Self {
        let (raw, own) = (Uplink::of(outcome, outcome.raw()), Uplink::of(outcome, federation));
        let uncompressed = outcome.spec.raw_rounds();
        let compressed_rounds = |one: &FederationOutcome| one.rounds.len() as f64 - f64::from(uncompressed);
        let each = |sent: &Uplink, one| sent.in_rounds as f64 / compressed_rounds(one).max(1.0);
        let saved = each(&raw, outcome.raw()) - each(&own, federation);
        let last = federation.tests().next_back().map(|(_, last)| last);
        let gray = federation.tuned_alone.and_then(|tested| tested.gray).map(|gray| gray.accuracy);
        let curves = federation.learned.curves.iter();
        Self {
            final_accuracy: last.map_or(0.0, |r| r.test_accuracy),
            final_grayscale_accuracy: last.and_then(|r| r.grayscale_test_accuracy),
            best_accuracy: federation.tests().map(|(_, tested)| tested.test_accuracy).fold(0.0, f64::max),
            final_loss: last.map_or(f64::NAN, |r| r.test_loss),
            floats: federation.floats,
            message_bytes: own.update,
            setup_bytes: own.setups.div_ceil(outcome.spec.loggers(&outcome.samples).len().max(1) as u64),
            shared_setup_bytes: federation
                .ledger
                .message_bytes(Direction::Down, MessageKind::Setup)
                .unwrap_or(0),
            model_bytes: federation.ledger.message_bytes(Direction::Down, MessageKind::Model).unwrap_or(0),
            tuned_alone_accuracy: federation.tuned_alone.map(|tested| tested.plain.accuracy),
            tuned_alone_grayscale_accuracy: gray,
            uplink_bytes: own.all,
            downlink_bytes: own.both - own.all,
            ratio_per_message: ratio(raw.update, own.update),
            savings_ratio: ratio(raw.all, own.all),
            savings_ratio_both: ratio(raw.both, own.both),
            // After those of the pre-pass, which are raw in all federations.
            break_even_rounds: (saved > 0.0).then(|| f64::from(uncompressed) + own.setups as f64 / saved),
            rounds: federation.rounds.len() as u32,
            local_epochs: if outcome.spec.asynchrony.is_some() {
                0
            } else {
                federation.local_epochs * federation.rounds.len() as u64
                    + federation.tuning_epochs * compressed_rounds(federation) as u64
            },
            relative_l2: curves.map(|c| c.last().map_or(f64::NAN, |p| p.relative_l2)).collect(),
            simulated_seconds: Timeline::of(outcome, federation).map(|line| line.end()),
            seconds: federation.seconds,
        }
    }
}

impl Summary {
    /// From what a simulation came to.
    pub fn of(outcome: &Outcome, device: &AdapterSummary) -> Self {
        let plain = |tested: Option<Tested>| tested.map(|tested| tested.plain.accuracy);
        let gray = |tested: Option<Tested>| tested.and_then(|tested| tested.gray).map(|gray| gray.accuracy);
        let run =
            |federation: &FederationOutcome| (federation.label.clone(), RunSummary::of(outcome, federation));
        Self {
            name: outcome.spec.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            seed: outcome.spec.seed,
            collaborators: outcome.spec.collaborators,
            rounds: outcome.spec.rounds,
            strategy: outcome.spec.strategy.name(),
            privacy: outcome.privacy,
            parameters: outcome.classifier.parameters(),
            runs: outcome.federations.iter().map(run).collect(),
            mean_of_snapshots_accuracy: plain(outcome.mean_of_snapshots),
            mean_of_snapshots_grayscale_accuracy: gray(outcome.mean_of_snapshots),
            after_uncompressed_accuracy: plain(outcome.after_uncompressed),
            after_uncompressed_grayscale_accuracy: gray(outcome.after_uncompressed),
            initial_accuracy: outcome.initial.plain.accuracy,
            seconds: outcome.wall.as_secs_f64(),
            device: device.clone(),
        }
    }
}

/// Writes what is not the report's into the run's folder: the summary, the ledger, and the last models for
/// TensorBoard.
pub fn write_summary(run: &mut Run<'_>, outcome: &Outcome, summary: &Summary) -> Result<()> {
    let ledgers = outcome.federations.iter().map(|federation| (&*federation.label, &federation.ledger));
    save_ledgers(&run.path("ledger.csv"), ledgers)?;
    let text = serde_json::to_vec_pretty(summary)
        .map_err(|e| Error::fault(format!("the summary could not be written: {e}")))?;
    files::write_atomic(&run.path(FILE), &text)?;
    let last = u64::from(outcome.spec.rounds);
    let raw = &outcome.raw().model;
    for FederationOutcome { label, is_raw, model, .. } in &outcome.federations {
        let tag = format!("weights/{label}");
        run.events.histogram(&tag, last, model.iter().copied());
        if !is_raw {
            let errors = model.iter().zip(raw).map(|(model, raw)| model - raw);
            run.events.histogram(&format!("{tag} minus raw"), last, errors);
        }
    }
    Ok(())
}
