//! EMNIST as it comes: the part in the files' names, images on their side, and letters that are numbered from 1.

use super::halves::Half;
use super::{ImageShape, Split};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// What the names of its files begin with: `emnist-letters-train-images-idx3-ubyte`.
const NAME: &str = "emnist-";
/// The part whose classes are numbered from 1.
const LETTERS: &str = "emnist-letters-";

/// What the names of the files of a half begin with, where files of EMNIST lie in a folder. Refuses several of its parts,
/// of which each is a data set of its own.
pub(super) fn prefix(folder: &Path, split: Split) -> Result<Option<String>> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let part = |name: &str| {
        let (part, _) = name.strip_prefix(NAME)?.split_once(&format!("-{split}-"))?;
        Some(part.to_string())
    };
    let parts: BTreeSet<_> = names.filter_map(|name| part(name.to_str()?)).collect();
    if parts.len() > 1 {
        let parts = parts.into_iter().collect::<Vec<_>>().join(", ");
        let problem = format!("it holds several parts of EMNIST: {parts}");
        return Err(Error::file(folder, problem, "put each into a folder of its own"));
    }
    Ok(parts.first().map(|part| format!("{NAME}{part}-{split}")))
}

/// Whether a file's name begins so.
fn begins(path: &Path, beginning: &str) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(beginning.as_bytes()))
}

/// Turns the images of EMNIST upright, and numbers its letters from 0. Leaves any other half as it is.
pub(super) fn straighten(mut half: Half) -> Half {
    if begins(&half.images_path, NAME) {
        let ImageShape { height, width, .. } = half.images.shape;
        let plane = height * width;
        let upright = |image: &[u8]| -> Vec<u8> {
            (0..width).flat_map(|column| image.iter().skip(column).step_by(width).copied()).collect()
        };
        half.images.pixels = half.images.pixels.chunks_exact(plane.max(1)).flat_map(upright).collect();
        (half.images.shape.height, half.images.shape.width) = (width, height);
    }
    if begins(&half.labels_path, LETTERS) && !half.labels.contains(&0) {
        half.labels.iter_mut().for_each(|label| *label -= 1);
    }
    half
}
