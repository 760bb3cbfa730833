//! The few numbers of a simulation that machines ask for.

use super::ledger::Direction;
use super::simulation::Outcome;
use crate::codec::MessageKind;
use crate::gpu::AdapterSummary;
use serde::Serialize;

/// `summary.json`
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The spec's name.
    pub name: String,
    /// Version of the program.
    pub version: &'static str,
    /// Seed of everything.
    pub seed: u32,
    /// Collaborators.
    pub collaborators: usize,
    /// Rounds.
    pub rounds: u32,
    /// P
    pub parameters: usize,
    /// Z
    pub latent: usize,
    /// Parameters of the decoder, without means and scale.
    pub decoder_parameters: usize,
    /// The federation with updates as they are.
    pub raw: RunSummary,
    /// The federation with coded updates.
    pub compressed: RunSummary,
    /// Bytes of single messages, headers included.
    pub message_bytes: MessageBytes,
    /// A raw update's bytes over a coded update's.
    pub ratio_per_message: f64,
    /// Raw uplink bytes over compressed uplink bytes, decoders counted.
    pub savings_ratio: f64,
    /// The same for both directions.
    pub savings_ratio_both_ways: f64,
    /// Rounds from which on the compressed uplink is smaller, decoders counted.
    pub break_even_rounds: Option<f64>,
    /// Accuracy of the mean of the snapshots with no rounds at all: what has to be beaten.
    pub mean_of_snapshots_accuracy: f64,
    /// Centred relative L2 error of each collaborator's training snapshots.
    pub autoencoder_relative_l2: Vec<f64>,
    /// Wall time.
    pub seconds: f64,
    /// The adapter.
    pub device: AdapterSummary,
}

/// One of the two federations.
#[derive(Clone, Debug, Serialize)]
pub struct RunSummary {
    /// Test accuracy of the last global model.
    pub final_accuracy: f64,
    /// The best of all rounds.
    pub best_accuracy: f64,
    /// Test loss of the last global model.
    pub final_loss: f64,
    /// Bytes from collaborators.
    pub bytes_up: u64,
    /// Bytes to collaborators.
    pub bytes_down: u64,
}

/// Bytes of single messages.
#[derive(Clone, Debug, Serialize)]
pub struct MessageBytes {
    /// A raw update.
    pub raw: u64,
    /// A coded update.
    pub compressed: u64,
    /// A decoder with means and scale, sent once.
    pub decoder: u64,
    /// The global model.
    pub global_model: u64,
}

impl Summary {
    /// From what a simulation came to.
    pub fn of(outcome: &Outcome, device: &AdapterSummary) -> Self {
        let ledger = &outcome.ledger;
        let bytes = |run: &str, direction| ledger.bytes(|t| t.run == run && t.direction == direction);
        let run = |name: &str, rounds: &[super::RoundResult]| RunSummary {
            final_accuracy: rounds.last().map_or(0.0, |r| r.test_accuracy),
            best_accuracy: rounds.iter().map(|r| r.test_accuracy).fold(0.0, f64::max),
            final_loss: rounds.last().map_or(f64::NAN, |r| r.test_loss),
            bytes_up: bytes(name, Direction::Up),
            bytes_down: bytes(name, Direction::Down),
        };
        let message = |kind| ledger.message_bytes(kind).unwrap_or(0);
        let message_bytes = MessageBytes {
            raw: message(MessageKind::RawUpdate),
            compressed: message(MessageKind::CodedUpdate),
            decoder: message(MessageKind::Decoder),
            global_model: message(MessageKind::GlobalModel),
        };
        let (raw, compressed) = (run("raw", &outcome.raw), run("compressed", &outcome.compressed));
        let ratio = |a: u64, b: u64| a as f64 / b.max(1) as f64;
        let saved = message_bytes.raw.saturating_sub(message_bytes.compressed);
        Self {
            name: outcome.spec.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            seed: outcome.spec.seed,
            collaborators: outcome.spec.collaborators,
            rounds: outcome.spec.rounds,
            parameters: outcome.classifier.parameters(),
            latent: outcome.autoencoder.latent(),
            decoder_parameters: outcome.autoencoder.decoder_parameters(),
            ratio_per_message: ratio(message_bytes.raw, message_bytes.compressed),
            savings_ratio: ratio(raw.bytes_up, compressed.bytes_up),
            savings_ratio_both_ways: ratio(
                raw.bytes_up + raw.bytes_down,
                compressed.bytes_up + compressed.bytes_down,
            ),
            break_even_rounds: (saved > 0).then(|| ratio(message_bytes.decoder, saved)),
            raw,
            compressed,
            message_bytes,
            mean_of_snapshots_accuracy: outcome.mean_of_snapshots.accuracy,
            autoencoder_relative_l2: outcome
                .curves
                .iter()
                .map(|curve| curve.last().map_or(f64::NAN, |p| p.relative_l2))
                .collect(),
            seconds: outcome.wall.as_secs_f64(),
            device: device.clone(),
        }
    }
}
