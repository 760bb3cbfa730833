//! What the classifier makes of held-out snapshots as they come back, and of what needs no training.

use crate::Result;
use crate::autoencoder::AutoencoderSettings;
use crate::autoencoder::pca::PcaState;
use crate::codec::message_bytes;
use crate::experiment::Run;
use crate::experiment::classifier::Trained;
use crate::experiment::compressor;
use crate::story::comparison::{Accuracies, PcaSize};

/// Measures what stands for held-out snapshots.
pub(super) struct Measure<'a> {
    settings: &'a AutoencoderSettings,
    pub trained: &'a Trained,
    /// The held-out snapshots.
    pub held_out: Vec<&'a [f32]>,
    mean: Vec<f32>,
}

impl<'a> Measure<'a> {
    pub fn new(settings: &'a AutoencoderSettings, trained: &'a Trained) -> Result<Self> {
        let (train, held_out) = compressor::split(settings, &trained.snapshots)?;
        let mean = (0..trained.snapshots.width())
            .map(|place| {
                let sum: f64 = train.iter().map(|row| f64::from(row[place])).sum();
                (sum / train.len() as f64) as f32
            })
            .collect();
        Ok(Self { settings, trained, held_out, mean })
    }

    /// What the classifier makes of rows in their places.
    pub fn of<R: AsRef<[f32]>>(&self, rows: &[R]) -> Result<Accuracies> {
        let tallies = self.trained.evaluator.evaluate(rows)?;
        Ok(Accuracies { accuracies: tallies.iter().map(|tally| tally.accuracy).collect() })
    }

    /// What the classifier makes of the mean of the training snapshots, in the place of each held-out one.
    pub fn of_mean(&self) -> Result<Accuracies> {
        let mean = self.of(&[&self.mean])?.accuracies[0];
        Ok(Accuracies { accuracies: vec![mean; self.held_out.len()] })
    }

    /// Principal components at every number of floats, 1 first, and what the classifier makes of them at some: at
    /// `floats`, or at as many as there are, and at a few more.
    pub fn principal_components(&self, run: &mut Run<'_>, floats: &[usize]) -> Result<Vec<PcaSize>> {
        let snapshots = &self.trained.snapshots;
        let pca = compressor::axes(self.settings, snapshots)?;
        let mut chosen: Vec<usize> = [1, 2, 5].iter().chain(floats).map(|&k| k.min(pca.rank())).collect();
        chosen.sort_unstable();
        chosen.dedup();
        let width = snapshots.width();
        let size = |floats| PcaSize {
            error: pca.error(floats),
            message_bytes: message_bytes(PcaState::payload_bytes(floats, width)),
            measured: None,
        };
        let mut sizes: Vec<PcaSize> = (1..=pca.rank()).map(size).collect();
        run.observer.begin("principal components", "sizes", chosen.len() as u64);
        for floats in chosen {
            let restored = pca.state(floats)?.restore(run.gpu()?, &self.held_out)?;
            let measured = Some(self.of(&restored)?);
            sizes.iter_mut().filter(|size| size.error.floats == floats).for_each(|size| {
                size.measured.clone_from(&measured);
            });
            run.observer.advance(1);
        }
        run.observer.end();
        Ok(sizes)
    }
}
