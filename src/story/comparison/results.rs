//! What a comparison of autoencoders came to, as plain data.

use crate::autoencoder::CurvePoint;
use crate::autoencoder::pca::PcaError;
use crate::codec::Costs;
use crate::story::words::floats;
use serde::{Deserialize, Serialize};

/// Test accuracies with held-out snapshots, or with what stands for them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accuracies {
    /// One for each held-out snapshot, 0 to 1.
    pub accuracies: Vec<f64>,
}

impl Accuracies {
    /// Their mean.
    pub fn mean(&self) -> f64 {
        self.accuracies.iter().sum::<f64>() / self.accuracies.len().max(1) as f64
    }

    /// Mean distance to others, in points.
    pub fn points_from(&self, others: &Self) -> f64 {
        let distances = self.accuracies.iter().zip(&others.accuracies).map(|(a, b)| (a - b).abs());
        100.0 * distances.sum::<f64>() / self.accuracies.len().max(1) as f64
    }
}

/// One autoencoder of the comparison.
pub struct Variant {
    /// Those that differ in nothing but the floats of their codes have a name in common.
    pub family: String,
    /// What it costs and gives.
    pub costs: Costs,
    /// Its training.
    pub curve: Vec<CurvePoint>,
    /// What the classifier makes of what comes back.
    pub measured: Accuracies,
}

/// Principal components at one number of floats.
pub struct PcaSize {
    /// What they lose.
    pub error: PcaError,
    /// Bytes of the message that ships axes and mean.
    pub message_bytes: u64,
    /// What the classifier makes of what comes back, where that was measured.
    pub measured: Option<Accuracies>,
}

/// What a comparison came to.
pub struct ComparisonResult<'a> {
    /// Family by family.
    pub variants: Vec<Variant>,
    /// Principal components at every number of floats, 1 first.
    pub pca: Vec<PcaSize>,
    /// The held-out snapshots themselves.
    pub original: Accuracies,
    /// The mean of the training snapshots in their place.
    pub mean: Accuracies,
    /// What the paper printed.
    pub printed: &'a str,
}

impl Variant {
    /// Its family, with the floats of its codes.
    pub fn name(&self) -> String {
        format!("{}, {}", self.family, floats(self.costs.latent))
    }

    /// Of the held-out snapshots.
    pub fn error(&self) -> f64 {
        self.costs.validation_relative_l2.unwrap_or(f64::NAN)
    }
}

impl PcaSize {
    /// Of the held-out snapshots.
    pub fn error(&self) -> f64 {
        self.error.validation_relative_l2.unwrap_or(f64::NAN)
    }
}

impl ComparisonResult<'_> {
    /// The families in their order.
    pub fn families(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.variants.iter().map(|variant| variant.family.as_str()).collect();
        names.dedup();
        names
    }

    /// The sizes of a family.
    pub fn family(&self, name: &str) -> impl Iterator<Item = &Variant> {
        self.variants.iter().filter(move |variant| variant.family == name)
    }

    /// The best of each family, the best of all first.
    pub fn bests(&self) -> Vec<&Variant> {
        let families = self.families().into_iter();
        let mut bests: Vec<_> = families.filter_map(|family| best(self.family(family))).collect();
        bests.sort_by(|a, b| a.error().total_cmp(&b.error()));
        bests
    }

    /// The principal components that lose least.
    pub fn best_pca(&self) -> Option<&PcaSize> {
        self.pca.iter().min_by(|a, b| a.error().total_cmp(&b.error()))
    }
}

/// The one that loses least.
pub fn best<'v>(variants: impl Iterator<Item = &'v Variant>) -> Option<&'v Variant> {
    variants.min_by(|a, b| a.error().total_cmp(&b.error()))
}
