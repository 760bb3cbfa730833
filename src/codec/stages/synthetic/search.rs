//! What a search for images keeps: where it stands, and the best that it has seen.

use super::softmax::softmax;
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

/// Images and labels that are tried, rounded as they would be sent.
pub(super) struct Tried {
    /// `[B, N]`
    pub images: Vec<f32>,
    /// `[B, C]`
    pub labels: Vec<f64>,
}

/// The search of one collaborator.
pub(super) struct Candidate<'a> {
    search: &'a Search,
    images: Moved,
    /// Their softmax are the labels.
    scores: Moved,
    steps: i32,
    /// The square of the update's length.
    due: f64,
    best: (f64, Option<Found>),
}

impl<'a> Candidate<'a> {
    /// Random images for the update of a collaborator in the round of this number.
    pub fn new(search: &'a Search, who: u32, number: u32, update: &[f32]) -> Self {
        let start = |stream: u32, count: usize| {
            let values = random::uniform_values(count, who, stream, number, 1.0);
            Moved::new(values.into_iter().map(f64::from).collect())
        };
        let (images, scores) =
            (start(0, search.images * search.width), start(1, search.images * search.classes));
        Self { search, images, scores, steps: 0, due: square(update), best: (0.0, None) }
    }

    /// What is to be tried next.
    pub fn tried(&self) -> Tried {
        let images = self.images.values.iter().map(|&value| value as f32).collect();
        let labels = softmax(&self.scores.values, self.search.classes);
        Tried { images, labels: labels.into_iter().map(|label| f64::from(label as f32)).collect() }
    }

    /// Takes what has been tried, whose gradient has this product with the update and this square of its length. Gives
    /// their cosine, and keeps what has the largest.
    pub fn consider(&mut self, tried: &Tried, along: f64, own: f64) -> f64 {
        // An update or a gradient of nothing has no direction.
        let cosine = if own > 0.0 && self.due > 0.0 { along / (own * self.due).sqrt() } else { 0.0 };
        if cosine.abs() > self.best.0 || self.best.1.is_none() {
            let labels = tried.labels.iter().map(|&label| label as f32).collect();
            let scale = if own > 0.0 { (along / own) as f32 } else { 0.0 };
            self.best = (cosine.abs(), Some(Found { images: tried.images.clone(), labels, scale }));
        }
        cosine
    }

    /// The square of the update's length.
    pub fn due(&self) -> f64 {
        self.due
    }

    /// Moves images and scores, by how the gradient of what has been tried, and its logits, change as the weights move in
    /// the direction that is wanted.
    pub fn step(&mut self, tried: &Tried, images: impl Iterator<Item = f64>, logits: &[f64]) {
        self.steps += 1;
        self.images.step(self.steps, self.search.lr, images);
        let (classes, count) = (self.search.classes, self.search.images as f64);
        let each = tried.labels.chunks(classes).zip(logits.chunks(classes));
        let scores: Vec<_> =
            each.flat_map(|(labels, logits)| through_softmax(labels, logits, count)).collect();
        self.scores.step(self.steps, self.search.lr, scores.into_iter());
    }

    /// What came nearest to the update.
    pub fn found(self) -> Found {
        self.best.1.unwrap_or_default()
    }
}

/// The gradient of scores, of that of the labels which softmax makes of them: the logits' change, negative, over B.
fn through_softmax(labels: &[f64], logits: &[f64], images: f64) -> impl Iterator<Item = f64> {
    let mean: f64 = labels.iter().zip(logits).map(|(label, logit)| label * logit).sum();
    labels.iter().zip(logits).map(move |(label, logit)| label * (mean - logit) / images)
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

/// The product of as many values.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    // A sum of its own for each lane, since one sum has to wait for each addition.
    let mut sums = [0f64; LANES];
    for (a, b) in a.iter().zip(b) {
        (0..LANES).for_each(|lane| sums[lane] += f64::from(a[lane]) * f64::from(b[lane]));
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sums.iter().sum::<f64>() + rest
}

/// The square of a length.
pub(super) fn square(values: &[f32]) -> f64 {
    dot(values, values)
}
