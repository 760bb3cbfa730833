//! Data of the right shapes out of a generator, so that benches need no data sets.

use crate::data::{Dataset, ImageShape};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The seed of everything that benches run on.
pub(super) const SEED: u32 = 7;

fn generator(stream: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(crate::data::derive_seed(u64::from(SEED), stream))
}

/// Images of ten classes, every byte as likely as any other.
pub(super) fn images(count: usize, [channels, height, width]: [usize; 3]) -> Dataset {
    let shape = ImageShape { channels, height, width };
    let mut images = vec![0; count * shape.pixels()];
    generator(0).fill_bytes(&mut images);
    let labels = (0..count).map(|place| (place % 10) as u8).collect();
    Dataset { name: "synthetic".into(), images, labels, shape, classes: 10, groups: None }
}

/// `count` values within `bound` of zero, other ones for each `stream`.
pub(super) fn values(count: usize, stream: u64, bound: f32) -> Vec<f32> {
    let mut words = vec![0u32; count];
    generator(stream).fill_bytes(bytemuck::cast_slice_mut(&mut words));
    words.into_iter().map(|word| crate::ops::random::from_bits(word, bound)).collect()
}

/// Rows that differ a little from a common one, as the weights of one training do.
pub(super) fn snapshots(count: usize, width: usize) -> Vec<Vec<f32>> {
    let common = values(width, 1, 0.05);
    (0..count)
        .map(|row| values(width, 2 + row as u64, 0.01).iter().zip(&common).map(|(a, b)| a + b).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_every_class_and_row_is_there() {
        let data = images(25, [3, 2, 4]);
        assert_eq!(data, images(25, [3, 2, 4]));
        let fours = data.labels.iter().filter(|label| **label == 4).count();
        assert_eq!((data.len(), data.images.len(), fours), (25, 25 * 24, 3));
        let rows = snapshots(3, 1000);
        assert!(rows.iter().all(|row| row.len() == 1000 && row.iter().all(|value| value.abs() <= 0.06)));
        assert_ne!(rows[0], rows[1]);
    }
}
