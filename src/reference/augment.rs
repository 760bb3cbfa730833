//! Batches gathered as in [`gather`](super::gather), each image flipped and shifted by chance on the way.
//!
//! Chance is the counter generator's ([`random`]), so that a sample's place in the epoch decides what happens
//! to it, on every adapter and however the epoch is cut into batches. Of the 32 bits of a sample, bit 0 says
//! whether it is flipped, and what is left after 8 and after 16 bits how far it is shifted down and right.

use super::{expect_len, random};
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
    let mut x = vec![0.0; batch.index.len() * channels * pixels];
    for r in 0..batch.replicas {
        for b in 0..samples {
            let sample = r * samples + b;
            let Some(image) = batch.index[sample] else { continue };
            let image = &images[image * channels * pixels..(image + 1) * channels * pixels];
            let bits = random::bits(batch.first_place + b as u32, r as u32, batch.stream, batch.seed);
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

/// Where a place of the padded image lies in the image itself; `None` in the padding.
fn inside(padded: usize, pad: usize, size: usize) -> Option<usize> {
    padded.checked_sub(pad).filter(|&place| place < size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gather::gather;

    const SIZE: [usize; 3] = [3, 4, 5];
    const MEAN: [f64; 3] = [0.0, 0.25, 0.5];
    const STD: [f64; 3] = [1.0, 0.5, 0.25];
    const BOTH: Augmentation = Augmentation { flip: true, pad: 2, grayscale: false };
    const INDEX: [Option<usize>; 8] = [Some(1), Some(0), None, Some(2), Some(2), Some(2), Some(1), Some(0)];

    fn images() -> Vec<u8> {
        (0..180).map(|i| (random::bits(i, 0, 0, 3) >> 24) as u8).collect()
    }

    fn batch(index: &[Option<usize>], replicas: usize) -> Batch<'_> {
        Batch { replicas, index, first_place: 12, stream: 5, seed: 9 }
    }

    #[test]
    fn without_options_it_is_the_plain_gather() {
        let x = augmented_gather(&images(), SIZE, batch(&INDEX, 2), &MEAN, &STD, Augmentation::default());
        assert_eq!(x, gather(&images(), 60, &INDEX, &MEAN, &STD));
    }

    #[test]
    fn bits_decide_as_documented() {
        let change = |bits| BOTH.change(bits);
        assert_eq!(change(0), Change { flipped: false, down: 0, right: 0 });
        assert_eq!(change(0x0004_0301), Change { flipped: true, down: (0x403) % 5, right: 4 });
        assert_eq!(change(u32::MAX), Change { flipped: true, down: 0xff_ffff % 5, right: 0xffff % 5 });
        let unchanged = Augmentation { flip: false, pad: 0, grayscale: false };
        assert_eq!(unchanged.change(u32::MAX), Change { flipped: false, down: 0, right: 0 });
        // From a separate implementation of the generator in Python.
        let bits: Vec<u32> = (12..16).map(|place| random::bits(place, 1, 5, 9)).collect();
        assert_eq!(bits, [0x7b3c_2389, 0x3471_a9d4, 0xc391_faee, 0x9104_7013]);
    }

    /// The same in two steps that a reader can follow: pad and cut, then mirror.
    #[test]
    fn an_image_is_cut_out_of_its_padding_and_then_mirrored() {
        let (images, plain) = (images(), gather(&images(), 60, &INDEX, &MEAN, &STD));
        let x = augmented_gather(&images, SIZE, batch(&INDEX, 2), &MEAN, &STD, BOTH);
        let (mut flipped, mut moved) = (0, 0);
        for sample in 0..8 {
            let change = BOTH.change(random::bits(12 + sample as u32 % 4, sample as u32 / 4, 5, 9));
            flipped += usize::from(change.flipped);
            moved += usize::from((change.down, change.right) != (2, 2));
            for c in 0..3 {
                let mut padded = [[0.0; 9]; 8];
                for h in 0..4 {
                    padded[h + 2][2..7].copy_from_slice(&plain[((sample * 3 + c) * 4 + h) * 5..][..5]);
                }
                for h in 0..4 {
                    let mut row = padded[h + change.down][change.right..change.right + 5].to_vec();
                    if change.flipped {
                        row.reverse();
                    }
                    assert_eq!(x[((sample * 3 + c) * 4 + h) * 5..][..5], row, "sample {sample}, row {h}");
                }
            }
        }
        assert!((1..8).contains(&flipped) && moved > 0, "{flipped} flipped, {moved} moved");
    }

    #[test]
    fn a_flip_worked_by_hand() {
        // Twenty draws of one image: each comes out as it is or mirrored, and both happen.
        let flip = Augmentation { flip: true, ..Augmentation::default() };
        let index = [Some(0); 20];
        let x = augmented_gather(&[0, 51, 255], [1, 1, 3], batch(&index, 1), &[0.0], &[1.0], flip);
        let mirrored = x.chunks(3).filter(|row| *row == [1.0, 0.2, 0.0]).count();
        let kept = x.chunks(3).filter(|row| *row == [0.0, 0.2, 1.0]).count();
        assert!(mirrored > 0 && kept > 0 && mirrored + kept == 20, "{mirrored} mirrored, {kept} kept");
    }

    #[test]
    fn outside_is_the_mean_s_colour() {
        let shift = Augmentation { pad: 1, ..Augmentation::default() };
        let index = [Some(0); 100];
        let x = augmented_gather(&[0], [1, 1, 1], batch(&index, 1), &[0.5], &[0.25], shift);
        // One of nine cuts holds the only pixel: 11 of them, give or take five standard errors of 3.1.
        let hits = x.iter().filter(|&&x| x == -2.0).count();
        assert!(x.iter().all(|&x| x == -2.0 || x == 0.0) && (1..=27).contains(&hits), "{hits}");
    }

    #[test]
    fn gray_is_the_luma_in_every_channel() {
        let gray = Augmentation { grayscale: true, ..Augmentation::default() };
        // A red pixel, then a green one.
        let x = augmented_gather(&[255, 0, 0, 255, 0, 0], [3, 1, 2], batch(&[Some(0)], 1), &MEAN, &STD, gray);
        let expected = [0.299, 0.587, 0.049 / 0.5, 0.337 / 0.5, -0.201 / 0.25, 0.087 / 0.25];
        for (x, expected) in x.iter().zip(expected) {
            assert!((x - expected).abs() < 1e-14, "{x} and {expected}");
        }
    }

    #[test]
    fn an_epoch_may_be_cut_anywhere() {
        let images = images();
        let all = augmented_gather(&images, SIZE, batch(&INDEX[..4], 1), &MEAN, &STD, BOTH);
        let rest = Batch { first_place: 13, ..batch(&INDEX[1..4], 1) };
        assert_eq!(augmented_gather(&images, SIZE, rest, &MEAN, &STD, BOTH), all[60..]);
        let other = Batch { stream: 6, ..batch(&INDEX[..4], 1) };
        assert_ne!(augmented_gather(&images, SIZE, other, &MEAN, &STD, BOTH), all);
    }

    #[test]
    #[should_panic(expected = "1 channels have no luma")]
    fn gray_of_gray_is_refused() {
        let gray = Augmentation { grayscale: true, ..Augmentation::default() };
        augmented_gather(&[0], [1, 1, 1], batch(&[Some(0)], 1), &[0.0], &[1.0], gray);
    }
}
