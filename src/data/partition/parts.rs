//! What the partitioners share: samples as they see them, and ways to cut them up.

use crate::data::Dataset;
use crate::data::order::shuffle_in_place;
use rand_chacha::ChaCha8Rng;

/// The sample indices of every collaborator.
pub(super) type Parts = Vec<Vec<usize>>;

/// The samples that are dealt out.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a> {
    /// The class of each.
    pub labels: &'a [u8],
    /// All that is known of them, where that is more than labels.
    pub data: Option<&'a Dataset>,
}

/// All indices below `samples`, in random order.
pub(super) fn shuffled(samples: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..samples).collect();
    shuffle_in_place(&mut indices, rng);
    indices
}

/// Cuts a slice into parts whose sizes differ by 1 at most.
pub(super) fn even_parts<T>(items: &[T], parts: usize) -> impl Iterator<Item = &[T]> {
    let (size, larger) = (items.len() / parts, items.len() % parts);
    let start = move |part: usize| part * size + part.min(larger);
    (0..parts).map(move |part| &items[start(part)..start(part + 1)])
}

/// The samples of every class that occurs, in random order.
pub(super) fn by_class(labels: &[u8], rng: &mut ChaCha8Rng) -> Vec<(u8, Vec<usize>)> {
    let mut classes = vec![Vec::new(); 256];
    for (index, &label) in labels.iter().enumerate() {
        classes[usize::from(label)].push(index);
    }
    let mut classes: Vec<_> = (0..=255).zip(classes).filter(|(_, samples)| !samples.is_empty()).collect();
    classes.iter_mut().for_each(|(_, samples)| shuffle_in_place(samples, rng));
    classes
}
