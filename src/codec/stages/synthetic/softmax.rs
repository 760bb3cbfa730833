//! Softmax of the logits of a few images.

/// Chances of the classes of each image, of their logits.
pub(super) fn softmax(logits: &[f64], classes: usize) -> Vec<f64> {
    let of = |logits: &[f64]| {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<_> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(move |power| power / sum).collect::<Vec<_>>()
    };
    logits.chunks(classes).flat_map(of).collect()
}
