//! Reads images and labels that NumPy wrote: an `.npz` archive, or `.npy` files in a folder.

use super::halves::{Half, OWN_MEND, pair};
use super::idx::Images;
use super::{DataPair, ImageShape};
use crate::text::{counted, grouped};
use crate::{Error, Result};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipResult;

/// The names of training images and labels and of test images and labels, as data sets have them.
const NAMES: [[&str; 4]; 4] = [
    ["x_train", "y_train", "x_test", "y_test"],
    ["X_train", "y_train", "X_test", "y_test"],
    ["train_images", "train_labels", "test_images", "test_labels"],
    ["train_x", "train_y", "test_x", "test_y"],
];

const MAGIC: &[u8] = b"\x93NUMPY";

/// Bytes of an array, at most.
const MOST: u64 = 4 << 30;

/// What to do with an array that is not read.
const MEND: &str =
    "save images as uint8, [N, H, W], [N, H, W, C] or [N, C, H, W], and labels as whole numbers, [N]";

/// An array in memory.
struct Array {
    /// The type of its values, as NumPy writes it without the byte order: `u1`.
    kind: String,
    is_big_endian: bool,
    shape: Vec<usize>,
    values: Vec<u8>,
}

/// The four arrays of a folder of `.npy` files, where it has them.
fn files_of(folder: &Path) -> Option<[PathBuf; 4]> {
    let paths = NAMES.map(|names| names.map(|name| folder.join(format!("{name}.npy"))));
    paths.into_iter().find(|paths| paths.iter().all(|path| path.is_file()))
}

/// Whether a folder is laid out so.
pub(super) fn is_one(folder: &Path) -> bool {
    files_of(folder).is_some()
}

/// Reads the four files of a folder.
pub(super) fn load_folder(name: &str, folder: &Path) -> Result<DataPair> {
    let paths = files_of(folder).ok_or_else(|| Error::fault("a folder of arrays has none"))?;
    let read = |path: &Path| {
        let length = path.metadata().map_err(Error::io("read", path))?.len();
        if length > MOST {
            return Err(too_large(path, length));
        }
        std::fs::read(path).map_err(Error::io("read", path))
    };
    join(name, paths.each_ref().map(|path| (path.clone(), read(path))))
}

/// Reads an archive.
pub(super) fn load_archive(name: &str, path: &Path) -> Result<DataPair> {
    let wrong = |path: &Path, problem: String| Error::file(path, problem, "write it again by numpy.savez");
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut archive = ZipArchive::new(file).map_err(|error| wrong(path, error.to_string()))?;
    let names = archive.file_names().map(|name| Ok(name?.trim_end_matches(".npy").to_string()));
    let there: Vec<_> = names.collect::<ZipResult<_>>().map_err(|error| wrong(path, error.to_string()))?;
    let has = |name: &str| there.iter().any(|there| there == name);
    let Some(four) = NAMES.into_iter().find(|names| names.iter().all(|name| has(name))) else {
        let problem = format!("its arrays are {}", there[..there.len().min(12)].join(", "));
        let mend = format!("name them {}", NAMES[0].join(", "));
        return Err(Error::file(path, problem, mend));
    };
    let each = four.map(|name| {
        let shown = PathBuf::from(format!("{}: {name}", path.display()));
        let content = content(&mut archive, name).map_err(|error| wrong(&shown, error.to_string()));
        (shown, content)
    });
    join(name, each)
}

/// The array of this name, held to its checksum.
fn content(archive: &mut ZipArchive<File>, name: &str) -> std::io::Result<Vec<u8>> {
    let packed = archive.by_name(&format!("{name}.npy"))?;
    let (bytes, mut content) = (packed.size(), Vec::new());
    // Held to what it says of itself, so that an archive that was made to does not fill the memory.
    if bytes > MOST || packed.take(bytes + 1).read_to_end(&mut content)? as u64 != bytes {
        return Err(std::io::Error::other("it is not as large as the archive says"));
    }
    Ok(content)
}

/// An array that was read, or not, and what it is called in errors.
type Read = (PathBuf, Result<Vec<u8>>);

fn join(name: &str, [train, train_labels, test, test_labels]: [Read; 4]) -> Result<DataPair> {
    let half = |images: Read, labels: Read| {
        let ((images_path, images), (labels_path, labels)) = (images, labels);
        let images = images_of(&parse(images?, &images_path)?, &images_path)?;
        let labels = labels_of(&parse(labels?, &labels_path)?, &labels_path)?;
        Ok::<_, Error>(Half { images, labels, groups: None, images_path, labels_path })
    };
    pair(name, half(train, train_labels)?, half(test, test_labels)?, None, OWN_MEND)
}

fn too_large(path: &Path, bytes: u64) -> Error {
    let problem = format!("it has {} bytes, more than the {} that fit", grouped(bytes), grouped(MOST));
    Error::file(path, problem, "keep fewer images in it")
}

/// An array from the bytes of an `.npy` file.
fn parse(mut bytes: Vec<u8>, path: &Path) -> Result<Array> {
    let wrong = |problem: String| Error::file(path, problem, "write it again by numpy.save");
    let cut = || wrong("it ends within its header".into());
    if !bytes.starts_with(MAGIC) {
        return Err(wrong("it is no array of NumPy's".into()));
    }
    // The length of the header has two bytes in the first version of the format, and four in later ones.
    let width = if bytes.get(6) == Some(&1) { 2 } else { 4 };
    let length = bytes.get(8..8 + width).ok_or_else(cut)?;
    let length = length.iter().rev().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
    let start = (8 + width).saturating_add(length);
    let header = String::from_utf8_lossy(bytes.get(8 + width..start).ok_or_else(cut)?).into_owned();
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let kind =
        value("descr").and_then(|rest| rest.strip_prefix('\'')).and_then(|rest| rest.split('\'').next());
    let kind = kind.ok_or_else(|| Error::file(path, "its values are no plain numbers", MEND))?;
    if !value("fortran_order").is_some_and(|rest| rest.starts_with("False")) {
        let problem = "its first axis varies fastest";
        return Err(Error::file(path, problem, "save numpy.ascontiguousarray of it"));
    }
    let shape =
        value("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split(')').next());
    let axes = shape.unwrap_or_default().split(',').map(str::trim).filter(|axis| !axis.is_empty());
    let shape: Option<Vec<usize>> = axes.map(|axis| axis.parse().ok()).collect();
    let shape = shape.ok_or_else(|| wrong("its shape cannot be read".into()))?;
    let bare = kind.trim_start_matches(['<', '>', '|', '=']);
    let each = bare.get(1..).and_then(|bytes| bytes.parse::<usize>().ok()).unwrap_or(0);
    let due = shape.iter().try_fold(each, |all, axis| all.checked_mul(*axis));
    let values = bytes.split_off(start);
    if each == 0 || due != Some(values.len()) {
        let problem = format!(
            "its header says {shape:?} of {kind}, and it has {} bytes of them",
            grouped(values.len() as u64)
        );
        return Err(wrong(problem));
    }
    Ok(Array { kind: bare.into(), is_big_endian: kind.starts_with('>'), shape, values })
}

fn images_of(array: &Array, path: &Path) -> Result<Images> {
    if array.kind != "u1" {
        let problem = format!("its values are of the type {}", array.kind);
        return Err(Error::file(path, problem, MEND));
    }
    let is_channels = |axis: usize| matches!(axis, 1 | 3);
    let (count, shape, is_last) = match array.shape[..] {
        [n, height, width] => (n, ImageShape { channels: 1, height, width }, false),
        [n, channels, height, width] if is_channels(channels) => {
            (n, ImageShape { channels, height, width }, false)
        }
        [n, height, width, channels] if is_channels(channels) => {
            (n, ImageShape { channels, height, width }, true)
        }
        _ => return Err(Error::file(path, format!("its shape is {:?}", array.shape), MEND)),
    };
    if array.values.is_empty() {
        return Err(Error::file(
            path,
            format!("it holds no images ({:?})", array.shape),
            "put at least one into it",
        ));
    }
    let pixels = if is_last && shape.channels > 1 {
        let planes = |image: &[u8]| -> Vec<u8> {
            (0..shape.channels)
                .flat_map(|channel| image.iter().skip(channel).step_by(shape.channels))
                .copied()
                .collect()
        };
        array.values.chunks_exact(shape.pixels()).flat_map(planes).collect()
    } else {
        array.values.clone()
    };
    Ok(Images { count, shape, pixels })
}

fn labels_of(array: &Array, path: &Path) -> Result<Vec<u8>> {
    let is_line = matches!(array.shape[..], [_] | [_, 1]);
    let kind = array.kind.as_bytes();
    if !is_line || !matches!(kind.first(), Some(b'u' | b'i')) {
        let problem = format!("labels of the shape {:?} and the type {}", array.shape, array.kind);
        return Err(Error::file(path, problem, MEND));
    }
    let count = array.shape[0];
    let each = array.values.len() / count.max(1);
    let label = |(place, bytes): (usize, &[u8])| {
        // A label is its lowest byte, and all others are zeros.
        let split = if array.is_big_endian { bytes.split_last() } else { bytes.split_first() };
        let (lowest, others) = split?;
        let is_one = others.iter().all(|byte| *byte == 0) && (kind[0] == b'u' || each > 1 || *lowest < 128);
        Some(if is_one { Ok(*lowest) } else { Err(place) })
    };
    let labels: std::result::Result<Vec<u8>, usize> =
        array.values.chunks_exact(each.max(1)).enumerate().filter_map(label).collect();
    labels.map_err(|place| {
        let problem = format!("label {place} of {} is not one of 0 to 255", counted(count, "label"));
        Error::file(path, problem, "number the classes from 0 on")
    })
}
