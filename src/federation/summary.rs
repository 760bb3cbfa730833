//! The few numbers of a simulation that machines ask for, and the files beside them.

use super::ledger::Direction;
use super::results::{FederationOutcome, Outcome, Tested};
use super::spec::Codec;
use crate::codec::MessageKind;
use crate::gpu::AdapterSummary;
use crate::model::AutoencoderSpec;
use crate::run::Run;
use crate::{Error, Result, files};
use serde::Serialize;

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
    /// Clients.
    pub collaborators: usize,
    /// Rounds.
    pub rounds: u32,
    /// P
    pub parameters: usize,
    /// Z
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent: Option<usize>,
    /// Parameters of the autoencoder's decoder, without means and scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_parameters: Option<usize>,
    /// The federation with updates as they are.
    pub raw: RunSummary,
    /// The federation whose updates autoencoders compress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compressed: Option<RunSummary>,
    /// The federation whose updates are projections on principal axes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pca: Option<RunSummary>,
    /// Bytes of single messages, headers included.
    pub message_bytes: MessageBytes,
    /// A raw update's bytes over the autoencoder's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_per_message: Option<f64>,
    /// Raw uplink bytes over the autoencoder's, decoders counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savings_ratio: Option<f64>,
    /// The same for both directions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savings_ratio_both_ways: Option<f64>,
    /// Rounds from which on the autoencoder's uplink is smaller, decoders counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_even_rounds: Option<f64>,
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
    /// Centred relative L2 error of each collaborator's training snapshots.
    pub autoencoder_relative_l2: Vec<f64>,
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
    /// Floats of an update.
    pub floats: usize,
    /// Bytes of an update's message.
    pub update_bytes: u64,
    /// Bytes of a decoder's message, which is sent once; 0 where there is none.
    pub decoder_bytes: u64,
    /// Bytes from collaborators.
    pub bytes_up: u64,
    /// Bytes to collaborators.
    pub bytes_down: u64,
    /// A raw update's bytes over one of these.
    pub ratio_per_message: f64,
    /// Raw uplink bytes over these, decoders counted.
    pub savings_ratio: f64,
    /// The same for both directions.
    pub savings_ratio_both_ways: f64,
    /// Rounds from which on the uplink is smaller than the raw one, where it ever is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_even_rounds: Option<f64>,
}

/// Bytes of single messages.
#[derive(Clone, Debug, Serialize)]
pub struct MessageBytes {
    /// A raw update.
    pub raw: u64,
    /// The autoencoder's update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compressed: Option<u64>,
    /// Its decoder, sent once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<u64>,
    /// The global model.
    pub global_model: u64,
}

fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

impl RunSummary {
    /// Of one of the federations, beside that with raw updates.
    pub fn of(outcome: &Outcome, federation: &FederationOutcome) -> Self {
        let (ledger, codec) = (&outcome.ledger, federation.codec);
        let bytes = |run: Codec, direction| ledger.bytes(|t| t.run == run && t.direction == direction);
        let [raw_up, raw_down] = [Direction::Up, Direction::Down].map(|d| bytes(Codec::Raw, d));
        let [up, down] = [Direction::Up, Direction::Down].map(|d| bytes(codec, d));
        let message = |run, kind| ledger.message_bytes(run, kind).unwrap_or(0);
        let raw_update = message(Codec::Raw, MessageKind::RawUpdate);
        let (floats, update) = match codec {
            Codec::Raw => (outcome.classifier.parameters(), raw_update),
            _ => (federation.fit.floats, message(codec, MessageKind::CodedUpdate)),
        };
        let decoder = message(codec, MessageKind::Decoder);
        let saved = raw_update.saturating_sub(update);
        let last = federation.rounds.last();
        Self {
            final_accuracy: last.map_or(0.0, |r| r.test_accuracy),
            final_grayscale_accuracy: last.and_then(|r| r.grayscale_test_accuracy),
            best_accuracy: federation.rounds.iter().map(|r| r.test_accuracy).fold(0.0, f64::max),
            final_loss: last.map_or(f64::NAN, |r| r.test_loss),
            floats,
            update_bytes: update,
            decoder_bytes: decoder,
            bytes_up: up,
            bytes_down: down,
            ratio_per_message: ratio(raw_update, update),
            savings_ratio: ratio(raw_up, up),
            savings_ratio_both_ways: ratio(raw_up + raw_down, up + down),
            // After those of the pre-pass, which are raw in both federations.
            break_even_rounds: (saved > 0)
                .then(|| f64::from(outcome.spec.raw_rounds()) + ratio(decoder, saved)),
        }
    }
}

impl Summary {
    /// From what a simulation came to.
    pub fn of(outcome: &Outcome, device: &AdapterSummary) -> Self {
        let run = |codec| outcome.federation(codec).map(|f| RunSummary::of(outcome, f));
        let plain = |tested: Option<Tested>| tested.map(|tested| tested.plain.accuracy);
        let gray = |tested: Option<Tested>| tested.and_then(|tested| tested.gray).map(|gray| gray.accuracy);
        // There is always one with raw updates.
        let raw = run(Codec::Raw).unwrap_or_else(|| RunSummary::of(outcome, &outcome.federations[0]));
        let compressed = run(Codec::Autoencoder);
        let global_model = outcome.ledger.message_bytes(Codec::Raw, MessageKind::GlobalModel).unwrap_or(0);
        Self {
            name: outcome.spec.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            seed: outcome.spec.seed,
            collaborators: outcome.spec.collaborators,
            rounds: outcome.spec.rounds,
            parameters: outcome.classifier.parameters(),
            latent: outcome.autoencoder.as_ref().map(AutoencoderSpec::latent),
            decoder_parameters: outcome.autoencoder.as_ref().map(AutoencoderSpec::decoder_parameters),
            message_bytes: MessageBytes {
                raw: raw.update_bytes,
                compressed: compressed.as_ref().map(|c| c.update_bytes),
                decoder: compressed.as_ref().map(|c| c.decoder_bytes),
                global_model,
            },
            ratio_per_message: compressed.as_ref().map(|c| c.ratio_per_message),
            savings_ratio: compressed.as_ref().map(|c| c.savings_ratio),
            savings_ratio_both_ways: compressed.as_ref().map(|c| c.savings_ratio_both_ways),
            break_even_rounds: compressed.as_ref().and_then(|c| c.break_even_rounds),
            raw,
            compressed,
            pca: run(Codec::Pca),
            mean_of_snapshots_accuracy: plain(outcome.mean_of_snapshots),
            mean_of_snapshots_grayscale_accuracy: gray(outcome.mean_of_snapshots),
            after_uncompressed_accuracy: plain(outcome.after_uncompressed),
            after_uncompressed_grayscale_accuracy: gray(outcome.after_uncompressed),
            initial_accuracy: outcome.initial.plain.accuracy,
            autoencoder_relative_l2: outcome
                .federation(Codec::Autoencoder)
                .iter()
                .flat_map(|f| &f.fit.curves)
                .map(|curve| curve.last().map_or(f64::NAN, |p| p.relative_l2))
                .collect(),
            seconds: outcome.wall.as_secs_f64(),
            device: device.clone(),
        }
    }
}

/// Leaves what is not the report's in the run's folder: the summary, the ledger, and the last models for
/// TensorBoard.
pub fn write_summary(run: &mut Run<'_>, outcome: &Outcome, summary: &Summary) -> Result<()> {
    outcome.ledger.save(&run.path("ledger.csv"))?;
    let text = serde_json::to_vec_pretty(summary)
        .map_err(|e| Error::fault(format!("the summary could not be written: {e}")))?;
    files::write_atomic(&run.path(FILE), &text)?;
    let last = u64::from(outcome.spec.rounds);
    let raw = outcome.federation(Codec::Raw).map_or(&[][..], |raw| &raw.model);
    for FederationOutcome { codec, model, .. } in &outcome.federations {
        let tag = format!("weights/{}", codec.run());
        run.events.histogram(&tag, last, model.iter().copied());
        if *codec != Codec::Raw {
            let errors = model.iter().zip(raw).map(|(model, raw)| model - raw);
            run.events.histogram(&format!("{tag} minus raw"), last, errors);
        }
    }
    Ok(())
}
