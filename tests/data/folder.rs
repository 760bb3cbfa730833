//! Folders with the four IDX files: what is read, and what is said of everything else.

use crate::support::{class_counts, gzipped, idx, image, own};
use fedfunnel::Result;
use fedfunnel::data::{DataDir, ImageShape, load};
use std::path::{Path, PathBuf};

/// Puts two training images and one test image of 1 x 2 into a folder.
fn fill(folder: &Path) {
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", idx(8, &[2, 1, 2], &[1, 2, 3, 4]));
    write("train-labels.idx1-ubyte", idx(8, &[2], &[0, 4]));
    write("test-images-idx3-ubyte", idx(8, &[1, 1, 2], &[5, 6]));
    write("t10k-labels-idx1-ubyte", idx(8, &[1], &[2]));
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    folder
}

fn error_with(name: &str, bytes: Vec<u8>) -> String {
    let folder = folder();
    std::fs::write(folder.path().join(name), bytes).unwrap();
    own(folder.path()).unwrap_err().to_string()
}

#[test]
fn a_folder_of_ones_own() {
    let folder = folder();
    let data = own(folder.path()).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.train.classes, data.test.classes), (2, 1, 5, 5));
    assert_eq!((data.train.images, data.test.images), (vec![1, 2, 3, 4], vec![5, 6]));
    assert_eq!(data.train.name, folder.path().to_string_lossy());
}

#[test]
fn what_does_not_fit_is_named() {
    let error = error_with("t10k-labels-idx1-ubyte", idx(8, &[2], &[2, 2]));
    assert!(error.contains("t10k-labels-idx1-ubyte: 2 labels, but 1 image in "), "{error}");
    let error = error_with("test-images-idx3-ubyte", idx(8, &[1, 2, 1], &[5, 6]));
    assert!(error.contains("images of 1x2x1, but of 1x1x2 in "), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = own(empty.path()).unwrap_err().to_string();
    assert!(error.contains("no images that can be read; give a folder with the four IDX files"), "{error}");
    let folder = folder();
    std::fs::remove_file(folder.path().join("train-labels.idx1-ubyte")).unwrap();
    let error = own(folder.path()).unwrap_err().to_string();
    assert!(error.contains("the train labels are not there; put them there as train-labels-idx1-ubyte"));
}

#[test]
fn a_folder_of_colour_images() {
    let folder = folder();
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
    for (split, count) in [("train", 2), ("test", 1)] {
        std::fs::remove_file(folder.path().join(format!("{split}-images-idx3-ubyte"))).unwrap();
        // Three channels of 2 x 4, channels last in the training files and first in the test files.
        let axes = if split == "train" { [count, 2, 4, 3] } else { [count, 3, 2, 4] };
        let pixels: Vec<u8> = (0..count as u8 * 24).collect();
        write(&format!("{split}-images-idx4-ubyte"), idx(8, &axes, &pixels));
    }
    let data = own(folder.path()).unwrap();
    assert_eq!(data.train.shape, ImageShape { channels: 3, height: 2, width: 4 });
    assert_eq!((data.train.shape, data.train.classes), (data.test.shape, 5));
    // The red values of the second image, then the first of its green ones.
    assert_eq!(image(&data.train, 1)[..9], [24, 27, 30, 33, 36, 39, 42, 45, 25]);
    assert_eq!(data.test.images, (0..24).collect::<Vec<u8>>());
    assert_eq!((class_counts(&data.train), data.test.labels), (vec![1, 0, 0, 0, 1], vec![2]));
}

#[test]
fn counts_are_compared_before_anything_is_unpacked() {
    let folder = folder();
    std::fs::remove_file(folder.path().join("train-images-idx3-ubyte")).unwrap();
    let whole = gzipped(&idx(8, &[3, 100, 100], &[5; 30_000]));
    // Reading on would show that the stream ends early.
    std::fs::write(folder.path().join("train-images-idx3-ubyte.gz"), &whole[..whole.len() - 9]).unwrap();
    let error = own(folder.path()).unwrap_err().to_string();
    assert!(error.contains("train-labels.idx1-ubyte: 2 labels, but 3 images in "), "{error}");
}

/// What is said of labels of images that do not matter.
fn with_labels(train: &[u8], test: &[u8]) -> Result<usize> {
    let folder = tempfile::tempdir().unwrap();
    for (split, labels) in [("train", train), ("t10k", test)] {
        let count = labels.len() as u32;
        let write = |name: &str, bytes: Vec<u8>| {
            std::fs::write(folder.path().join(format!("{split}-{name}-ubyte")), bytes).unwrap();
        };
        write("images-idx3", idx(8, &[count, 1, 2], &vec![0; labels.len() * 2]));
        write("labels-idx1", idx(8, &[count], labels));
    }
    own(folder.path()).map(|data| data.train.classes)
}

#[test]
fn labels_that_start_at_1_are_told_from_those_that_lack_a_class() {
    let letters: Vec<u8> = (1..=26).chain(1..=26).collect();
    let said = with_labels(&letters, &letters[..26]).unwrap_err().to_string();
    assert!(
        said.contains("train-labels-idx1-ubyte: labels run from 1 to 26, and classes are numbered from 0; ")
    );
    assert!(said.contains("; subtract 1 from each label, here and in "), "{said}");
    assert!(with_labels(&[2, 1, 2], &[1, 2]).is_err());
    // By chance: other classes are missing too, or the test images have it, or not all of the others.
    assert_eq!(with_labels(&[1, 3], &[1]).unwrap(), 4);
    assert_eq!(with_labels(&[1, 2, 3], &[0, 1, 2, 3]).unwrap(), 4);
    assert_eq!(with_labels(&[1, 2, 3], &[1, 3]).unwrap(), 4);
    assert_eq!(with_labels(&[1, 1], &[1]).unwrap(), 2);
    assert_eq!(with_labels(&[0, 0], &[0]).unwrap(), 1);
}

#[test]
fn the_files_of_qmnist_by_their_own_names() {
    let folder = tempfile::tempdir().unwrap();
    for (split, labels) in [("train", [3u8, 0]), ("test", [1, 2])] {
        let write = |name: &str, bytes: Vec<u8>| {
            std::fs::write(folder.path().join(format!("qmnist-{split}-{name}")), bytes).unwrap();
        };
        write("images-idx3-ubyte", idx(8, &[2, 1, 2], &[1, 2, 3, 4]));
        let rows = labels.iter().flat_map(|&label| [i32::from(label), 4, 5, 6, 7, 8, 9, 10]);
        let mut bytes = idx(8, &[2, 8], &rows.flat_map(i32::to_be_bytes).collect::<Vec<_>>());
        bytes[2] = 0x0c;
        write("labels-idx2-int", bytes);
    }
    let data = own(folder.path()).unwrap();
    assert_eq!((data.train.labels, data.test.labels), (vec![3, 0], vec![1, 2]));
}

/// A data folder with an empty folder for mnist, and that folder.
fn mnist() -> (tempfile::TempDir, PathBuf) {
    let data = tempfile::tempdir().unwrap();
    let mnist = data.path().join("mnist");
    std::fs::create_dir(&mnist).unwrap();
    (data, mnist)
}

#[test]
fn a_label_past_the_classes_is_an_error_for_a_known_set() {
    let (data, mnist) = mnist();
    for (split, labels) in [("train", [0, 10]), ("t10k", [0, 1])] {
        let write = |name: &str, bytes: Vec<u8>| {
            std::fs::write(mnist.join(format!("{split}-{name}-ubyte")), bytes).unwrap();
        };
        write("images-idx3", idx(8, &[2, 1, 2], &[0; 4]));
        write("labels-idx1", idx(8, &[2], &labels));
    }
    let error = load("mnist", &DataDir::new(data.path())).unwrap_err().to_string();
    let expected = "label 10 at place 1, but mnist has classes 0 to 9; \
                    download it again with fedfunnel data fetch mnist";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn a_known_set_with_a_file_missing() {
    let (data, mnist) = mnist();
    fill(&mnist);
    let error = load("mnist", &DataDir::new(data.path())).unwrap_err().to_string();
    assert!(
        error.contains("train-labels-idx1-ubyte is missing; run `fedfunnel data fetch mnist`"),
        "{error}"
    );
}
