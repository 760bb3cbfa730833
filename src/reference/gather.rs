//! Batches gathered from a resident data set of bytes, normalised on the way.

use super::expect_len;

/// `x [R, B, D]` with `x = (image / 255 - mean[c]) / std[c]`, as torchvision's ToTensor and Normalize do it.
///
/// `images [n, D]` are bytes laid out `[C, H, W]`, so `D` is a multiple of the number of channels, which is
/// the length of `mean` and of `std`. `index [R, B]` names an image for each sample; `None` is padding and
/// gives zeros.
pub fn gather(images: &[u8], size: usize, index: &[Option<usize>], mean: &[f64], std: &[f64]) -> Vec<f64> {
    let channels = mean.len();
    expect_len("std", std.len(), channels);
    assert!(
        channels > 0 && size.is_multiple_of(channels),
        "{size} bytes are not whole planes of {channels} channels"
    );
    assert!(images.len().is_multiple_of(size), "{} bytes are not whole images of {size}", images.len());
    let plane = size / channels;
    let mut x = vec![0.0; index.len() * size];
    for sample in 0..index.len() {
        let Some(image) = index[sample] else { continue };
        for d in 0..size {
            let c = d / plane;
            x[sample * size + d] = (f64::from(images[image * size + d]) / 255.0 - mean[c]) / std[c];
        }
    }
    x
}

/// `labels [R, B]` from `all [n]` by the same index, with padding kept.
pub fn gather_labels(all: &[u8], index: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut labels = vec![None; index.len()];
    for sample in 0..index.len() {
        if let Some(image) = index[sample] {
            labels[sample] = Some(usize::from(all[image]));
        }
    }
    labels
}
