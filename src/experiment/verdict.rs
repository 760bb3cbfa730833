//! What is said of errors: whether more than the mean was learned, and how two of them compare.

use std::cmp::Ordering;

/// The mean of the snapshots leaves an error of 1. From here on nothing else was learned to speak of.
const OF_THE_MEAN: f64 = 0.95;

/// Errors no further apart than this are alike.
const ALIKE: f64 = 0.01;

/// Whether a relative error says that more than the mean of the snapshots was learned.
pub fn beats_the_mean(error: f64) -> bool {
    error < OF_THE_MEAN
}

/// How an error compares with another: less is better, and what is as near as that is equal.
pub fn compared(error: f64, other: f64) -> Ordering {
    match error - other {
        difference if difference < -ALIKE => Ordering::Less,
        difference if difference > ALIKE => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

/// What an autoencoder came to beside the mean of the snapshots and beside principal components, in a
/// headline's words.
pub fn headline(autoencoder: f64, pca: f64) -> &'static str {
    match (beats_the_mean(autoencoder), compared(pca, autoencoder)) {
        (true, Ordering::Less) => {
            "the autoencoder beats the mean of the snapshots, and PCA beats the autoencoder"
        }
        (true, Ordering::Equal) => {
            "the autoencoder beats the mean of the snapshots, and PCA does as well as it"
        }
        (true, Ordering::Greater) => "the autoencoder beats the mean of the snapshots, and PCA",
        (false, _) if beats_the_mean(pca) => {
            "the autoencoder does not beat the mean of the snapshots, and PCA does"
        }
        (false, _) => "neither the autoencoder nor PCA beats the mean of the snapshots",
    }
}

/// A number of floats in words.
pub fn floats(count: usize) -> String {
    match count {
        1 => "1 float".into(),
        count => format!("{} floats", crate::report::format::count(count as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headlines_follow_the_errors() {
        assert!(headline(0.35, 0.325).ends_with("PCA beats the autoencoder"));
        assert!(headline(0.33, 0.325).ends_with("PCA does as well as it"));
        assert!(headline(0.2, 0.325).ends_with("and PCA"));
        assert!(headline(1.0, 0.325).ends_with("PCA does"));
        assert!(headline(1.0, 0.99).starts_with("neither"));
        // What is no number beats nothing.
        assert!(headline(f64::NAN, f64::NAN).starts_with("neither"));
    }
}
