//! The sample of CIFAR-10 inside the program; `tools/make_cifar10_sample.py` made it. A program has it that
//! [includes](include) it: it is most of the size of what has little else, such as Python's extension.
//!
//! Each split is one PNG, 32 pixels wide, one image below the other, whose channels are red minus
//! green, green, and blue minus green (modulo 256), which packs a sixth smaller than the colours
//! themselves. The labels are one byte each.

use super::cifar10::{CLASSES, SHAPE};
use super::{DataPair, Dataset};
use crate::text::grouped;
use crate::{Error, Result};
use std::io::Cursor;
use std::sync::OnceLock;

pub(super) const NAME: &str = "cifar10-sample";
pub(super) const TRAIN: usize = 1_200;
pub(super) const TEST: usize = 300;

const TRAIN_IMAGES: &[u8] = include_bytes!("sample/cifar10/train.png");
const TRAIN_LABELS: &[u8] = include_bytes!("sample/cifar10/train-labels");
const TEST_IMAGES: &[u8] = include_bytes!("sample/cifar10/test.png");
const TEST_LABELS: &[u8] = include_bytes!("sample/cifar10/test-labels");

pub(super) const BYTES: usize =
    TRAIN_IMAGES.len() + TRAIN_LABELS.len() + TEST_IMAGES.len() + TEST_LABELS.len();

/// Images and labels of the splits, in programs that have them.
static SPLITS: OnceLock<[(&[u8], &[u8]); 2]> = OnceLock::new();

/// Has the sample in this program: nothing else refers to its bytes, so that a linker leaves them out elsewhere.
pub(super) fn include() {
    SPLITS.get_or_init(|| [(TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS)]);
}

/// Unpacks the sample: 1,200 training and 300 test images of 3 x 32 x 32, classes balanced and mixed. `mend` is
/// what to do where it is damaged.
pub(super) fn load(mend: &str) -> Result<DataPair> {
    let dataset = |split: &str, png: &[u8], labels: &[u8]| -> Result<Dataset> {
        // Only a binary damaged on disk gets here with content that does not decode.
        let damaged = |problem: String| Error::file(format!("{NAME}/{split}"), problem, mend);
        let images = unpack(png, labels.len()).map_err(damaged)?;
        let labels = labels.to_vec();
        Ok(Dataset { name: NAME.into(), images, labels, shape: SHAPE, classes: CLASSES, groups: None })
    };
    let Some([train, test]) = SPLITS.get() else {
        let problem = format!("{NAME} is not in this program, to keep it small");
        return Err(Error::setting(
            "data",
            problem,
            "use mnist-sample or the whole of cifar10, or have a program in Rust call data::sample::include_cifar10",
        ));
    };
    Ok(DataPair { train: dataset("train", train.0, train.1)?, test: dataset("test", test.0, test.1)? })
}

/// The images, `[n, 3, 32, 32]`.
fn unpack(png: &[u8], count: usize) -> Result<Vec<u8>, String> {
    let plane = SHAPE.height * SHAPE.width;
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().map_err(|e| e.to_string())?;
    let mut pixels = vec![0; count * SHAPE.pixels()];
    if reader.output_buffer_size() != Some(pixels.len()) {
        return Err(format!("its pixels do not take {} bytes", grouped(pixels.len())));
    }
    reader.next_frame(&mut pixels).map_err(|e| e.to_string())?;
    let mut images = Vec::with_capacity(pixels.len());
    for image in pixels.chunks_exact(3 * plane) {
        images.extend(image.chunks_exact(3).map(|pixel| pixel[0].wrapping_add(pixel[1])));
        images.extend(image.chunks_exact(3).map(|pixel| pixel[1]));
        images.extend(image.chunks_exact(3).map(|pixel| pixel[2].wrapping_add(pixel[1])));
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_one_is_an_error() {
        assert!(unpack(&TEST_IMAGES[..5_000], TEST).is_err());
        assert!(unpack(TEST_IMAGES, TEST + 1).unwrap_err().contains("do not take 924,672 bytes"));
    }
}
