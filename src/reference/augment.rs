//! Batches gathered as in [`gather`](super::gather), each image flipped and shifted by chance on the way.
//!
//! Chance is the counter generator's ([`random`]), so that a sample's place in the epoch and whose data it is of
//! decide what happens to it, on every adapter and however the epoch is cut into batches. Of the 32 bits of a sample, bit 0 says
//! whether it is flipped, and what is left after 8 and after 16 bits how far it is shifted down and right.

use super::{expect_len, inside, random};
pub use crate::ops::augment::Augmentation;

/// What happens to one image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// Whether it is mirrored.
    pub flipped: bool,
    /// Rows by which the cut lies below the top of the padded image: `0..=2 * pad`.
    pub down: usize,
    /// Columns by which it lies right of the left edge: `0..=2 * pad`.
    pub right: usize,
}

impl Augmentation {
    /// What the random bits of one sample do to it.
    pub fn change(&self, bits: u32) -> Change {
        let places = 2 * self.pad as u32 + 1;
        Change {
            flipped: self.flip && bits & 1 == 1,
            down: ((bits >> 8) % places) as usize,
            right: ((bits >> 16) % places) as usize,
        }
    }
}

/// Which samples a batch holds, and which random bits are theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch<'a> {
    /// R.
    pub replicas: usize,
    /// An image for each sample, `[R, B]`; `None` is padding and gives zeros.
    pub index: &'a [Option<usize>],
    /// The place in its epoch of each replica's first sample: the step times B.
    pub first_place: u32,
    /// The number of whose data each replica trains on, R of them.
    pub owners: &'a [u32],
    /// Tells draws for one purpose from those for another, and one epoch from the next.
    pub stream: u32,
    /// The experiment's seed.
    pub seed: u32,
}

/// `x [R, B, C, H, W]` from `images [n, C, H, W]` of bytes, standardised as
/// [`gather`](super::gather::gather) does it, with `mean [C]` and `std [C]`.
///
/// Pixels from outside the image are 0 after standardising, so they are of the mean's colour. An image is cut
/// out first and mirrored then: `x[y, x] = image[y + down - pad, x' + right - pad]` with `x' = W - 1 - x`
/// where it is flipped, and `x' = x` where not. `size` is C, H and W.
pub fn augmented_gather(
    images: &[u8],
    size: [usize; 3],
    batch: Batch<'_>,
    mean: &[f64],
    std: &[f64],
    options: Augmentation,
) -> Vec<f64> {
    let [channels, height, width] = size;
    let pixels = height * width;
    expect_len("mean", mean.len(), channels);
    expect_len("std", std.len(), channels);
    assert!(
        images.len().is_multiple_of(channels * pixels),
        "{} bytes are not whole images of {}",
        images.len(),
        channels * pixels
    );
    assert!(!options.grayscale || channels == 3, "{channels} channels have no luma");
    let samples = batch.index.len() / batch.replicas;
    expect_len("index", batch.index.len(), batch.replicas * samples);
    expect_len("owners", batch.owners.len(), batch.replicas);
    let mut x = vec![0.0; batch.index.len() * channels * pixels];
    for r in 0..batch.replicas {
        for b in 0..samples {
            let sample = r * samples + b;
            let Some(image) = batch.index[sample] else { continue };
            let image = &images[image * channels * pixels..(image + 1) * channels * pixels];
            let bits = random::bits(batch.first_place + b as u32, batch.owners[r], batch.stream, batch.seed);
            let change = options.change(bits);
            for c in 0..channels {
                for h in 0..height {
                    for w in 0..width {
                        let mirrored = if change.flipped { width - 1 - w } else { w };
                        let Some(from_h) = inside(h + change.down, options.pad, height) else { continue };
                        let Some(from_w) = inside(mirrored + change.right, options.pad, width) else {
                            continue;
                        };
                        let pixel = from_h * width + from_w;
                        let byte = |channel: usize| f64::from(image[channel * pixels + pixel]);
                        let value = if options.grayscale {
                            0.299 * byte(0) + 0.587 * byte(1) + 0.114 * byte(2)
                        } else {
                            byte(c)
                        };
                        x[((sample * channels + c) * height + h) * width + w] =
                            (value / 255.0 - mean[c]) / std[c];
                    }
                }
            }
        }
    }
    x
}
