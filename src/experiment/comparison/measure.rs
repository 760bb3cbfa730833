//! What the classifier makes of held-out snapshots as they come back, and of what needs no training.

use crate::Result;
use crate::autoencoder::pca::{PcaError, PcaState};
use crate::codec::message_bytes;
use crate::experiment::Run;
use crate::experiment::classifier::Trained;
use crate::experiment::compressor::AutoencoderStage;
use crate::training::Snapshots;
use serde::{Deserialize, Serialize};

/// Test accuracies with held-out snapshots, or with what stands for them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    /// One for each held-out snapshot.
    pub accuracies: Vec<f64>,
}

impl Measured {
    /// Their mean.
    pub fn accuracy(&self) -> f64 {
        self.accuracies.iter().sum::<f64>() / self.accuracies.len().max(1) as f64
    }

    /// Mean distance to others, in points.
    pub fn points_from(&self, others: &Self) -> f64 {
        let distances = self.accuracies.iter().zip(&others.accuracies).map(|(a, b)| (a - b).abs());
        100.0 * distances.sum::<f64>() / self.accuracies.len().max(1) as f64
    }
}

/// Principal components.
pub(super) struct Plain {
    /// Errors of every number of floats, 1 first.
    pub errors: Vec<PcaError>,
    /// What the classifier makes of some of them.
    pub measured: Vec<(PcaError, Measured)>,
    /// Bytes of the message that ships axes and mean, for each of `errors`.
    pub bytes: Vec<u64>,
}

/// What takes no autoencoder.
pub(super) struct References {
    /// The held-out snapshots themselves.
    pub original: Measured,
    /// The mean of the training snapshots in their place.
    pub mean: Measured,
}

/// Measures what stands for held-out snapshots.
pub(super) struct Measure<'a> {
    stage: &'a AutoencoderStage,
    trained: &'a Trained,
    held_out: Vec<&'a [f32]>,
    mean: Vec<f32>,
}

impl<'a> Measure<'a> {
    pub fn new(stage: &'a AutoencoderStage, trained: &'a Trained) -> Result<Self> {
        let (train, held_out) = stage.split(&trained.snapshots)?;
        let mean = (0..trained.snapshots.width())
            .map(|place| {
                let sum: f64 = train.iter().map(|row| f64::from(row[place])).sum();
                (sum / train.len() as f64) as f32
            })
            .collect();
        Ok(Self { stage, trained, held_out, mean })
    }

    pub fn snapshots(&self) -> &'a Snapshots {
        &self.trained.snapshots
    }

    /// The held-out snapshots.
    pub fn held_out(&self) -> &[&'a [f32]] {
        &self.held_out
    }

    /// What the classifier makes of rows in their places.
    pub fn of<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<Measured> {
        let tallies = self.trained.evaluator.evaluate(rows)?;
        Ok(Measured { accuracies: tallies.iter().map(|tally| tally.accuracy).collect() })
    }

    pub fn references(&self) -> Result<References> {
        let mean = self.of(&[&self.mean])?.accuracies[0];
        Ok(References {
            original: self.of(&self.held_out)?,
            mean: Measured { accuracies: vec![mean; self.held_out.len()] },
        })
    }

    /// Principal components at these numbers of floats, or at as many as there are; and at a few more.
    pub fn principal_components(&self, run: &mut Run<'_>, floats: &[usize]) -> Result<Plain> {
        let pca = self.stage.axes(self.snapshots())?;
        let mut chosen: Vec<usize> = [1, 2, 5].iter().chain(floats).map(|&k| k.min(pca.rank())).collect();
        chosen.sort_unstable();
        chosen.dedup();
        run.observer.begin("principal components", "sizes", chosen.len() as u64);
        let mut measured = Vec::new();
        for floats in chosen {
            let restored = pca.state(floats)?.restore(run.gpu()?, &self.held_out)?;
            measured.push((pca.error(floats), self.of(&restored)?));
            run.observer.advance(1);
        }
        run.observer.end();
        let width = self.snapshots().width();
        Ok(Plain {
            errors: (1..=pca.rank()).map(|floats| pca.error(floats)).collect(),
            bytes: (1..=pca.rank())
                .map(|floats| message_bytes(PcaState::payload_bytes(floats, width)))
                .collect(),
            measured,
        })
    }
}
