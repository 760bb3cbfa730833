//! Arrays that NumPy wrote: `.npz` archives, and `.npy` files in a folder.

use crate::support::own;
use fedfunnel::data::ImageShape;
use std::io::Write;
use std::path::Path;

/// The bytes of an array, as `numpy.save` writes them.
fn npy(kind: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [&b"\x93NUMPY\x01\x00"[..], &length, header.as_bytes(), values].concat()
}

/// Three training images and a test image of 1 x 2, with labels in 64 bits.
fn arrays() -> Vec<(&'static str, Vec<u8>)> {
    let labels: Vec<u8> = [1i64, 0, 2].iter().flat_map(|label| label.to_le_bytes()).collect();
    vec![
        ("x_train", npy("|u1", "(3, 1, 2)", &[1, 2, 3, 4, 5, 6])),
        ("y_train", npy("<i8", "(3,)", &labels)),
        ("x_test", npy("|u1", "(1, 1, 2)", &[7, 8])),
        ("y_test", npy(">i4", "(1, 1)", &[0, 0, 0, 2])),
    ]
}

/// A zip archive of these arrays: the records that `numpy.savez` writes, deflated where that is asked for.
fn npz(arrays: &[(&str, Vec<u8>)], deflated: bool) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (name, content) in arrays {
        let name = format!("{name}.npy");
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let packed = if deflated {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        } else {
            content.clone()
        };
        let method: u16 = if deflated { 8 } else { 0 };
        let sizes = [packed.len() as u32, content.len() as u32].map(u32::to_le_bytes).concat();
        let common =
            [&[20, 0, 0, 0][..], &method.to_le_bytes(), &[0; 4], &crc.sum().to_le_bytes(), &sizes].concat();
        let name_length = (name.len() as u16).to_le_bytes();
        let offset = (bytes.len() as u32).to_le_bytes();
        bytes.extend([&b"PK\x03\x04"[..], &common, &name_length, &[0, 0], name.as_bytes(), &packed].concat());
        list.extend(
            [&b"PK\x01\x02"[..], &[20, 0], &common, &name_length, &[0; 12], &offset, name.as_bytes()]
                .concat(),
        );
    }
    let (count, length) = ((arrays.len() as u16).to_le_bytes(), (list.len() as u32).to_le_bytes());
    let offset = (bytes.len() as u32).to_le_bytes();
    bytes.extend([&list[..], b"PK\x05\x06", &[0; 4], &count, &count, &length, &offset, &[0, 0]].concat());
    bytes
}

fn check(path: &Path) {
    let data = own(path).unwrap();
    let shape = ImageShape { channels: 1, height: 1, width: 2 };
    assert_eq!((data.train.shape, data.train.classes, data.test.classes), (shape, 3, 3));
    assert_eq!((data.train.images, data.train.labels), (vec![1, 2, 3, 4, 5, 6], vec![1, 0, 2]));
    assert_eq!((data.test.images, data.test.labels), (vec![7, 8], vec![2]));
}

#[test]
fn an_archive_is_read_stored_and_deflated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.npz");
    for deflated in [false, true] {
        std::fs::write(&path, npz(&arrays(), deflated)).unwrap();
        check(&path);
    }
}

#[test]
fn a_folder_of_arrays_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in arrays() {
        std::fs::write(folder.path().join(format!("{name}.npy")), bytes).unwrap();
    }
    check(folder.path());
}

#[test]
fn channels_may_come_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut colours = arrays();
    colours[0].1 = npy("|u1", "(3, 2, 2, 3)", &(0..36).collect::<Vec<_>>());
    colours[2].1 = npy("|u1", "(1, 3, 2, 2)", &(0..12).collect::<Vec<_>>());
    let path = folder.path().join("own.npz");
    std::fs::write(&path, npz(&colours, true)).unwrap();
    let data = own(&path).unwrap();
    assert_eq!(data.train.shape, ImageShape { channels: 3, height: 2, width: 2 });
    assert_eq!(data.train.images[..12], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    assert_eq!(data.test.images, (0..12).collect::<Vec<u8>>());
}

/// Whatever byte is another one is refused in words, or decides nothing.
#[test]
fn damaged_archives_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.npz");
    let whole = npz(&arrays(), true);
    std::fs::write(&path, &whole).unwrap();
    let due = own(&path).unwrap();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x41;
        std::fs::write(&path, &bytes).unwrap();
        match own(&path) {
            Ok(data) => assert_eq!((data.train, data.test), (due.train.clone(), due.test.clone()), "{place}"),
            Err(error) => assert!(error.to_string().contains("own.npz"), "{error}"),
        }
        std::fs::write(&path, &whole[..place]).unwrap();
        assert!(own(&path).is_err(), "the first {place} bytes");
    }
}

#[test]
fn arrays_that_are_no_images_or_labels_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.npz");
    let error = |place: usize, name: &'static str, array: Vec<u8>| {
        let mut all = arrays();
        all[place] = (name, array);
        std::fs::write(&path, npz(&all, false)).unwrap();
        own(&path).unwrap_err().to_string()
    };
    for (place, array, words) in [
        (0, npy("<f4", "(3, 1)", &[0; 12]), "x_train: its values are of the type f4"),
        (0, npy("|u1", "(6,)", &[0; 6]), "x_train: its shape is [6]"),
        (0, npy("|u1", "(3, 1, 3)", &[0; 6]), "x_train: its header says [3, 1, 3] of |u1"),
        (1, npy("<i8", "(3,)", &[255; 24]), "y_train: label 0 of 3 labels is not one of 0 to 255"),
        (1, npy("|u1", "(2,)", &[0; 2]), "2 labels, but 3 images"),
        (1, npy("<f8", "(3,)", &[0; 24]), "labels of the shape [3] and the type f8"),
        (3, b"no array".to_vec(), "y_test: it is no array of NumPy's"),
    ] {
        let said = error(place, arrays()[place].0, array);
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = error(0, "images", npy("|u1", "(3, 1, 2)", &[0; 6]));
    assert!(
        said.contains("its arrays are images, y_train") && said.contains("name them x_train, y_train"),
        "{said}"
    );
}
