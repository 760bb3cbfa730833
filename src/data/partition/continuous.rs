//! Samples sorted by the brightness of their images, with noise.

use super::parts::{Parts, Samples, even_parts};
use crate::data::Dataset;
use crate::data::variates::normal;
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;

pub(super) fn continuous(
    samples: Samples<'_>,
    collaborators: usize,
    strictness: f64,
    rng: &mut ChaCha8Rng,
) -> Result<Parts> {
    if !(0.0..=1.0).contains(&strictness) {
        let mend = "set it between 0, at random, and 1, by brightness alone";
        return Err(Error::setting("partition.strictness", format!("{strictness} is no share"), mend));
    }
    let data = samples.data.ok_or_else(|| {
        let problem = "images are sorted by their brightness, and only labels are given";
        Error::setting("partition.kind", problem, "deal a data set out, or use another kind")
    })?;
    let brightness = if strictness > 0.0 { standardised(data)? } else { vec![0.0; samples.labels.len()] };
    let scores: Vec<f64> =
        brightness.iter().map(|own| strictness * own + (1.0 - strictness) * normal(rng)).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    Ok(even_parts(&order, collaborators).map(<[usize]>::to_vec).collect())
}

/// The mean brightness of each image, less that of all, over their deviation.
fn standardised(data: &Dataset) -> Result<Vec<f64>> {
    let means: Vec<f64> = data.brightness().collect();
    let count = means.len().max(1) as f64;
    let mean = means.iter().sum::<f64>() / count;
    let deviation = (means.iter().map(|own| (own - mean).powi(2)).sum::<f64>() / count).sqrt();
    if deviation < 1e-6 {
        let problem = format!("all images of {} are equally bright", data.name);
        return Err(Error::setting("partition.strictness", problem, "set it to 0, or use another kind"));
    }
    Ok(means.into_iter().map(|own| (own - mean) / deviation).collect())
}
