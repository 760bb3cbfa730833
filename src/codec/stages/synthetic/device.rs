//! The search on the device, for classifiers of any layers: several collaborators step by step together.

use super::passes::Passes;
use super::search::{Candidate, Found, Search, dot, square};
use crate::Result;
use crate::gpu::Gpu;
use crate::model::NetworkLayer;

/// The images that say these updates of `global` best, by collaborators in the round of this number.
pub(super) fn find(
    search: &Search,
    (gpu, layers): (&Gpu, &[NetworkLayer]),
    global: &[f32],
    updates: &[(u32, Vec<f32>)],
    number: u32,
) -> Result<Vec<Found>> {
    let count = updates.len();
    let own = Passes::to_weights(gpu, layers, count, search.images)?;
    own.set_weights(updates.iter().map(|_| global));
    // Weights that are moved to either side, those of all collaborators to the one side first.
    let sides = Passes::to_images(gpu, layers, 2 * count, search.images)?;
    let start = |(who, update): &(u32, Vec<f32>)| Candidate::new(search, *who, number, update);
    let mut candidates: Vec<_> = updates.iter().map(start).collect();
    // Rounding takes a ten-thousandth of what this changes, and curvature less.
    let reach = 1e-3 * square(global).sqrt().max(1e-3);
    for step in 0..=search.steps {
        let tried: Vec<_> = candidates.iter().map(Candidate::tried).collect();
        let images: Vec<_> = tried.iter().map(|tried| tried.images.as_slice()).collect();
        let labels: Vec<_> = tried.iter().map(|tried| tried.labels.as_slice()).collect();
        let gradients = own.weight_gradients(&own.logits(&images)?, &labels)?;
        let each = candidates.iter_mut().zip(updates).zip(&gradients).zip(&tried);
        let directions = each.map(|(((candidate, (_, update)), gradient), tried)| {
            let square = square(gradient);
            let cosine = candidate.consider(tried, dot(update, gradient), square);
            direction(update, gradient, cosine, [candidate.due(), square])
        });
        let directions: Vec<_> = directions.collect();
        if step == search.steps {
            break;
        }
        let moved =
            [reach, -reach].map(|reach| directions.iter().map(move |values| moved(global, values, reach)));
        let moved: Vec<_> = moved.into_iter().flatten().collect();
        sides.set_weights(moved.iter().map(Vec::as_slice));
        let logits = sides.logits(&[images.as_slice(); 2].concat())?;
        let gradients = sides.image_gradients(&logits, &[labels.as_slice(); 2].concat())?;
        let half = 0.5 / reach;
        for (place, (candidate, tried)) in candidates.iter_mut().zip(&tried).enumerate() {
            let pairs = gradients[place].iter().zip(&gradients[count + place]);
            let images = pairs.map(|(above, below)| half * (f64::from(*above) - f64::from(*below)));
            let pairs = logits[place].iter().zip(&logits[count + place]);
            let logits: Vec<_> = pairs.map(|(above, below)| half * (above - below)).collect();
            candidate.step(tried, images, &logits);
        }
    }
    Ok(candidates.into_iter().map(Candidate::found).collect())
}

/// The direction of weights in which the gradient has to change, of length 1 where there is one: the derivative of
/// `1 - |cos|` by the gradient. Of an update and a gradient with these squares of their lengths.
fn direction(update: &[f32], gradient: &[f32], cosine: f64, [due, own]: [f64; 2]) -> Vec<f32> {
    if !(own > 0.0 && due > 0.0) {
        return vec![0.0; update.len()];
    }
    let (of_update, of_gradient) = (-cosine.signum() / due.sqrt(), cosine.abs() / own.sqrt());
    let pairs = update.iter().zip(gradient);
    let missing = pairs.map(|(update, gradient)| {
        (of_update * f64::from(*update) + of_gradient * f64::from(*gradient)) as f32
    });
    let mut values: Vec<f32> = missing.collect();
    let rest = square(&values).sqrt();
    if rest > 0.0 {
        values.iter_mut().for_each(|value| *value = (f64::from(*value) / rest) as f32);
    }
    values
}

/// Weights that are moved so far in a direction.
fn moved(weights: &[f32], direction: &[f32], reach: f64) -> Vec<f32> {
    weights.iter().zip(direction).map(|(weight, value)| weight + reach as f32 * value).collect()
}
