//! EMNIST in a folder, by its own names.

use crate::support::{idx, own};
use fedfunnel::data::ImageShape;
use std::path::Path;

/// Two training images and a test image of 2 x 3, with these labels.
fn fill(folder: &Path, part: &str, labels: [u8; 3]) {
    let write = |name: String, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).unwrap();
    let pixels: Vec<u8> = (0..12).collect();
    write(format!("emnist-{part}-train-images-idx3-ubyte"), idx(8, &[2, 2, 3], &pixels));
    write(format!("emnist-{part}-train-labels-idx1-ubyte"), idx(8, &[2], &labels[..2]));
    write(format!("emnist-{part}-test-images-idx3-ubyte"), idx(8, &[1, 2, 3], &pixels[..6]));
    write(format!("emnist-{part}-test-labels-idx1-ubyte"), idx(8, &[1], &labels[2..]));
}

#[test]
fn images_are_turned_upright_and_letters_numbered_from_0() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), "letters", [1, 26, 2]);
    let data = own(folder.path()).unwrap();
    assert_eq!(data.train.shape, ImageShape { channels: 1, height: 3, width: 2 });
    // Rows 0 1 2 and 3 4 5 become columns.
    assert_eq!(data.train.images, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
    assert_eq!((data.train.labels, data.test.labels, data.train.classes), (vec![0, 25], vec![1], 26));
}

#[test]
fn other_parts_are_numbered_from_0_already() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), "balanced", [0, 46, 3]);
    let data = own(folder.path()).unwrap();
    assert_eq!((data.train.labels, data.train.classes), (vec![0, 46], 47));
    // What is MNIST's by its name is left as it is.
    let name = |part: &str| folder.path().join(part);
    for half in ["train", "test"] {
        for file in ["images-idx3-ubyte", "labels-idx1-ubyte"] {
            std::fs::rename(name(&format!("emnist-balanced-{half}-{file}")), name(&format!("{half}-{file}")))
                .unwrap();
        }
    }
    assert_eq!(own(folder.path()).unwrap().train.images, (0..12).collect::<Vec<u8>>());
}

#[test]
fn several_parts_in_a_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), "letters", [1, 2, 2]);
    fill(folder.path(), "digits", [0, 1, 1]);
    let error = own(folder.path()).unwrap_err().to_string();
    assert!(error.contains("several parts of EMNIST: digits, letters; put each into a folder"), "{error}");
}
