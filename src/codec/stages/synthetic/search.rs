//! The search for images whose gradient points where an update does.

use super::passes::{Passes, Scores, softmax};
use crate::Result;
use crate::ops::random;

/// How images are searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Images of each collaborator.
    pub images: usize,
    /// Values of an image.
    pub width: usize,
    /// Classes of a label.
    pub classes: usize,
    /// Steps of Adam.
    pub steps: usize,
    /// Its rate.
    pub lr: f64,
}

/// The images of a collaborator, their labels, and how long the update is in the direction of their gradient.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub images: Vec<f32>,
    pub labels: Vec<f32>,
    pub scale: f32,
}

/// Values that Adam moves.
struct Moved {
    values: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Moved {
    fn new(values: Vec<f64>) -> Self {
        let zeros = vec![0.0; values.len()];
        Self { values, first: zeros.clone(), second: zeros }
    }

    /// Step number `step`, from 1.
    fn step(&mut self, step: i32, rate: f64, gradient: impl Iterator<Item = f64>) {
        let (decay, square_decay) = (0.9f64, 0.999f64);
        let corrected = rate * (1.0 - square_decay.powi(step)).sqrt() / (1.0 - decay.powi(step));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, (first, second)), gradient) in self.values.iter_mut().zip(moments).zip(gradient) {
            *first += (1.0 - decay) * (gradient - *first);
            *second += (1.0 - square_decay) * (gradient * gradient - *second);
            // Gradients are as small as a cosine's, which does not depend on how long anything is.
            *value -= corrected * *first / (second.sqrt() + 1e-12);
        }
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

impl Search {
    /// Images for these updates of `global` by these collaborators in the round of this number.
    pub fn find(
        &self,
        passes: &Passes<'_>,
        global: &[f32],
        updates: &[(u32, Vec<f32>)],
        number: u32,
    ) -> Result<Vec<Found>> {
        let start = |who: u32, stream: u32, count: usize, bound: f32| {
            let values = random::uniform_values(count, who, stream, number, bound);
            Moved::new(values.into_iter().map(f64::from).collect())
        };
        let (pixels, scores) = (self.images * self.width, self.images * self.classes);
        let mut images: Vec<_> = updates.iter().map(|(who, _)| start(*who, 0, pixels, 1.0)).collect();
        let mut scores: Vec<_> = updates.iter().map(|(who, _)| start(*who, 1, scores, 1.0)).collect();
        let mut best = vec![(0.0, Found::default()); updates.len()];
        let length = dot(global, global).sqrt();
        for step in 0..=self.steps {
            let now: Vec<_> = images.iter().map(|images| narrow(&images.values)).collect();
            let now: Vec<_> = now.iter().map(Vec::as_slice).collect();
            let labels: Vec<_> = scores.iter().map(|scores| softmax(&scores.values, self.classes)).collect();
            // What is sent is rounded, and what arrives is the gradient of that.
            let labels: Scores =
                labels.iter().map(|labels| labels.iter().map(|&y| f64::from(y as f32)).collect()).collect();
            passes.set_weights(updates.iter().map(|_| global));
            let gradients = passes.weight_gradients(&passes.logits(&now)?, &labels)?;
            let mut directions = Vec::with_capacity(updates.len());
            for (place, ((_, update), gradient)) in updates.iter().zip(&gradients).enumerate() {
                let along = dot(update, gradient);
                let (own, due) = (dot(gradient, gradient), dot(update, update));
                // An update or a gradient of nothing has no direction.
                let cosine = if own > 0.0 && due > 0.0 { along / (own * due).sqrt() } else { 0.0 };
                if cosine.abs() > best[place].0 || best[place].1.images.is_empty() {
                    let scale = if own > 0.0 { (along / own) as f32 } else { 0.0 };
                    let (images, labels) = (now[place].to_vec(), narrow(&labels[place]));
                    best[place] = (cosine.abs(), Found { images, labels, scale });
                }
                directions.push(Direction::new(update, gradient, cosine, length));
            }
            if step == self.steps {
                break;
            }
            let sides = [1.0, -1.0].map(|side| -> Result<(Scores, Vec<Vec<f32>>)> {
                let moved: Vec<_> = directions.iter().map(|direction| direction.from(global, side)).collect();
                passes.set_weights(moved.iter().map(Vec::as_slice));
                let logits = passes.logits(&now)?;
                let gradients = passes.image_gradients(&logits, &labels)?;
                Ok((logits, gradients))
            });
            let [above, below] = sides;
            let ((logits_above, images_above), (logits_below, images_below)) = (above?, below?);
            for (place, direction) in directions.iter().enumerate() {
                let half = 0.5 / direction.step;
                let pairs = images_above[place].iter().zip(&images_below[place]);
                let gradient = pairs.map(|(above, below)| half * (f64::from(*above) - f64::from(*below)));
                images[place].step(step as i32 + 1, self.lr, gradient);
                let pairs = logits_above[place].iter().zip(&logits_below[place]);
                let of_labels: Vec<_> =
                    pairs.map(|(above, below)| -half * (above - below) / self.images as f64).collect();
                let gradient = labels[place].chunks(self.classes).zip(of_labels.chunks(self.classes));
                let gradient: Vec<_> =
                    gradient.flat_map(|(labels, own)| through_softmax(labels, own)).collect();
                scores[place].step(step as i32 + 1, self.lr, gradient.into_iter());
            }
        }
        Ok(best.into_iter().map(|(_, found)| found).collect())
    }
}

/// The gradient of scores, of that of the labels which softmax makes of them.
fn through_softmax(labels: &[f64], gradient: &[f64]) -> Vec<f64> {
    let mean: f64 = labels.iter().zip(gradient).map(|(label, gradient)| label * gradient).sum();
    labels.iter().zip(gradient).map(|(label, gradient)| label * (gradient - mean)).collect()
}

/// The direction of weights in which the gradient has to change.
struct Direction {
    /// `[P]`, of length 1 where there is one.
    values: Vec<f32>,
    /// How far weights are moved to see what changes.
    step: f64,
}

impl Direction {
    /// Of the derivative of `1 - |cos|` by the gradient, as long as 1.
    fn new(update: &[f32], gradient: &[f32], cosine: f64, length: f64) -> Self {
        // Rounding takes a ten-thousandth of what this changes, and curvature less.
        let step = 1e-3 * length.max(1e-3);
        let (own, due) = (dot(gradient, gradient).sqrt(), dot(update, update).sqrt());
        if !(own > 0.0 && due > 0.0) {
            return Self { values: vec![0.0; update.len()], step };
        }
        let towards = |(update, gradient): (&f32, &f32)| {
            let missing = f64::from(*update) / due - cosine * f64::from(*gradient) / own;
            (-cosine.signum() * missing) as f32
        };
        let mut values: Vec<f32> = update.iter().zip(gradient).map(towards).collect();
        let rest = dot(&values, &values).sqrt();
        if rest > 0.0 {
            values.iter_mut().for_each(|value| *value = (f64::from(*value) / rest) as f32);
        }
        Self { values, step }
    }

    fn from(&self, weights: &[f32], side: f64) -> Vec<f32> {
        let step = (side * self.step) as f32;
        weights.iter().zip(&self.values).map(|(weight, value)| weight + step * value).collect()
    }
}
