//! What comes back of each snapshot, and what the classifier makes of it.

use super::trainer::argmax;
use super::{AutoencoderFile, DecoderBank, DecoderState, Encoder};
use crate::Result;
use crate::gpu::Gpu;
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

/// Sends every snapshot through encoder and decoder and evaluates the classifier with what comes back.
pub fn evaluate(
    gpu: &Gpu,
    autoencoder: &AutoencoderFile,
    snapshots: &Snapshots,
    evaluator: &Evaluator<'_>,
) -> Result<Evaluation> {
    let (spec, standard) = (&autoencoder.spec, &autoencoder.standard);
    let count = snapshots.rows.len();
    let flat = reconstruct(gpu, autoencoder, &snapshots.rows)?;
    let restored: Vec<&[f32]> = flat.chunks_exact(spec.inputs()).take(count).collect();
    let original = evaluator.evaluate(&snapshots.rows)?;
    let reconstructed = evaluator.evaluate(&restored)?;
    let mean = evaluator.evaluate(&[&standard.means])?[0];
    let mean_place = argmax(standard.means.iter().copied());
    let (mut errors, mut spreads, mut hits, mut mean_hits) = (0.0, 0.0, 0, 0);
    let mut rows = Vec::with_capacity(count);
    for (place, (row, back)) in snapshots.rows.iter().zip(&restored).enumerate() {
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
        rows.push(SnapshotEvaluation {
            snapshot: place,
            step: snapshots.steps.get(place).copied(),
            relative_l2: relative(error, spread),
            argmax_match: matches,
            original_accuracy: original[place].accuracy,
            reconstructed_accuracy: reconstructed[place].accuracy,
            original_loss: original[place].loss,
            reconstructed_loss: reconstructed[place].loss,
        });
    }
    Ok(Evaluation {
        snapshots: rows,
        relative_l2: relative(errors, spreads),
        argmax_match: hits as f64 / count as f64,
        mean_argmax_match: mean_hits as f64 / count as f64,
        mean_accuracy: mean.accuracy,
        mean_loss: mean.loss,
    })
}

/// Sends rows through encoder and decoder, as many at a time as the device holds.
fn reconstruct(gpu: &Gpu, autoencoder: &AutoencoderFile, rows: &[Vec<f32>]) -> Result<Vec<f32>> {
    let (spec, standard) = (&autoencoder.spec, &autoencoder.standard);
    // A batch either fits one binding, or is cut where the matrix is cut: then it fits as long as it has
    // no more lines than the matrix has columns.
    let fitting = gpu.max_binding_bytes() as usize / (4 * spec.inputs());
    let narrowest = spec.widths[1].min(spec.widths[spec.widths.len() - 2]);
    let batch = rows.len().min(fitting.max(narrowest));
    let encoder = Encoder::new(gpu, spec, &[(&autoencoder.parameters, standard)], batch)?;
    let decoder = DecoderState::of(spec, &autoencoder.parameters, standard);
    let bank = DecoderBank::new(gpu, spec, &[decoder], batch)?;
    let mut restored = Vec::with_capacity(rows.len().next_multiple_of(batch) * spec.inputs());
    for part in rows.chunks(batch) {
        let mut lines = part.concat();
        lines.resize(batch * spec.inputs(), 0.0);
        restored.extend(bank.weights(&encoder.codes(&lines)?)?);
    }
    Ok(restored)
}

fn relative(error: f64, spread: f64) -> f64 {
    if spread > 0.0 { (error / spread).sqrt() } else { 0.0 }
}
