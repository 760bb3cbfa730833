//! What comes back of each snapshot, and what the classifier makes of it.

use super::trainer::argmax;
use super::{AutoencoderFile, DecoderBank, Encoder, Half, HalfParameters};
use crate::Result;
use crate::gpu::Gpu;
use crate::model::AutoencoderSpec;
use crate::training::{Evaluator, Snapshots};
use serde::Serialize;

/// One snapshot, before and after.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SnapshotEvaluation {
    /// Its place in the file.
    pub snapshot: usize,
    /// Steps that the classifier had taken.
    pub step: Option<u64>,
    /// Error relative to what the mean of the autoencoder's training snapshots leaves.
    pub relative_l2: f64,
    /// Whether the largest weight is where it was.
    pub argmax_match: bool,
    /// Test accuracy of the classifier with the original weights.
    pub original_accuracy: f64,
    /// With the reconstructed weights.
    pub reconstructed_accuracy: f64,
    /// Test loss with the original weights.
    pub original_loss: f64,
    /// With the reconstructed weights.
    pub reconstructed_loss: f64,
}

/// All snapshots, and the null that they have to beat.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// One for each snapshot.
    pub snapshots: Vec<SnapshotEvaluation>,
    /// Error of all snapshots together, relative to what the mean leaves.
    pub relative_l2: f64,
    /// Part of the snapshots whose largest weight is where it was.
    pub argmax_match: f64,
    /// The part for which the mean of the training snapshots, sent once and for all, scores as well.
    pub mean_argmax_match: f64,
    /// Test accuracy of the classifier that carries the mean of the training snapshots.
    pub mean_accuracy: f64,
    /// Its test loss.
    pub mean_loss: f64,
}

/// Most bytes of reconstructed weights that lie in host memory at a time.
const MOST_RESTORED: usize = 128 << 20;

/// Sends every snapshot through encoder and decoder and evaluates the classifier with what comes back. One
/// half lies on the device at a time, as it would where one is the collaborator's and one the aggregator's.
pub fn evaluate(
    gpu: &Gpu,
    autoencoder: &AutoencoderFile,
    snapshots: &Snapshots,
    evaluator: &Evaluator,
) -> Result<Evaluation> {
    let rows = snapshots.rows();
    let standard = autoencoder.standard(Half::Decoder)?;
    let mean = evaluator.evaluate(&[&standard.means])?[0];
    let mean_place = argmax(standard.means.iter().copied());
    let (mut errors, mut spreads, mut hits, mut mean_hits) = (0.0, 0.0, 0, 0);
    let mut evaluated = Vec::with_capacity(rows.len());
    reconstruct(gpu, autoencoder, &rows, |rows, restored| {
        let (original, reconstructed) = (evaluator.evaluate(rows)?, evaluator.evaluate(restored)?);
        for (place, (row, back)) in rows.iter().zip(restored).enumerate() {
            let (mut error, mut spread) = (0.0, 0.0);
            for ((&weight, &got), &mean) in row.iter().zip(*back).zip(&standard.means) {
                error += (f64::from(got) - f64::from(weight)).powi(2);
                spread += (f64::from(weight) - f64::from(mean)).powi(2);
            }
            let largest = argmax(row.iter().copied());
            let matches = largest == argmax(back.iter().copied());
            (errors, spreads) = (errors + error, spreads + spread);
            hits += usize::from(matches);
            mean_hits += usize::from(largest == mean_place);
            let snapshot = evaluated.len();
            evaluated.push(SnapshotEvaluation {
                snapshot,
                step: snapshots.steps.get(snapshot).copied(),
                relative_l2: relative(error, spread),
                argmax_match: matches,
                original_accuracy: original[place].accuracy,
                reconstructed_accuracy: reconstructed[place].accuracy,
                original_loss: original[place].loss,
                reconstructed_loss: reconstructed[place].loss,
            });
        }
        Ok(())
    })?;
    Ok(Evaluation {
        snapshots: evaluated,
        relative_l2: relative(errors, spreads),
        argmax_match: hits as f64 / rows.len() as f64,
        mean_argmax_match: mean_hits as f64 / rows.len() as f64,
        mean_accuracy: mean.accuracy,
        mean_loss: mean.loss,
    })
}

/// Sends rows through encoder and decoder, as many at a time as fit; `back` gets those rows and what came back
/// of them. One half lies on the device at a time.
pub fn reconstruct(
    gpu: &Gpu,
    autoencoder: &AutoencoderFile,
    rows: &[&[f32]],
    mut back: impl FnMut(&[&[f32]], &[&[f32]]) -> Result<()>,
) -> Result<()> {
    let spec = &autoencoder.spec;
    let batch = batch(gpu, spec, rows.len());
    let codes = encode(gpu, autoencoder, rows, batch)?;
    let standard = autoencoder.standard(Half::Decoder)?;
    let bank = DecoderBank::new(gpu, spec, &[(HalfParameters::File(autoencoder), &standard)], batch)?;
    for (rows, codes) in rows.chunks(batch).zip(codes.chunks(batch * spec.latent())) {
        let mut lines = codes.to_vec();
        lines.resize(batch * spec.latent(), 0.0);
        let restored = bank.weights(&lines)?;
        let restored: Vec<_> = restored.chunks_exact(spec.inputs()).take(rows.len()).collect();
        back(rows, &restored)?;
    }
    Ok(())
}

/// How many rows go through a half at a time: as many as the device holds, and host memory comfortably.
fn batch(gpu: &Gpu, spec: &AutoencoderSpec, rows: usize) -> usize {
    // A batch either fits one binding, or is cut where the matrix is cut: then it fits as long as it has
    // no more lines than the matrix has columns.
    let fitting = gpu.max_binding_bytes() as usize / (4 * spec.widest());
    let comfortable = (MOST_RESTORED / (4 * spec.inputs())).max(1);
    rows.min(fitting.max(spec.columns_of_ends().unwrap_or(1))).min(comfortable)
}

/// The codes of all rows. The encoder is gone when they are there.
fn encode(gpu: &Gpu, autoencoder: &AutoencoderFile, rows: &[&[f32]], batch: usize) -> Result<Vec<f32>> {
    let standard = autoencoder.standard(Half::Encoder)?;
    let half = (HalfParameters::File(autoencoder), &standard);
    let encoder = Encoder::new(gpu, &autoencoder.spec, &[half], batch)?;
    let codes = rows.chunks(batch).map(|rows| encoder.codes(rows)).collect::<Result<Vec<_>>>()?;
    Ok(codes.concat())
}

fn relative(error: f64, spread: f64) -> f64 {
    if spread > 0.0 { (error / spread).sqrt() } else { 0.0 }
}
