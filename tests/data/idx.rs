//! What the IDX reader takes, and what it says about everything else.

use crate::support::{gzipped, idx};
use fedfunnel::data::ImageShape;
use fedfunnel::data::idx::{Images, Origin, parse_images, parse_labels, read_labels};
use proptest::prelude::*;
use std::path::Path;

fn origin() -> Origin<'static> {
    Origin { path: Path::new("some-file"), mend: "replace it" }
}

fn images_error(bytes: &[u8]) -> String {
    parse_images(bytes, origin()).unwrap_err().to_string()
}

fn labels_error(bytes: &[u8]) -> String {
    parse_labels(bytes, origin()).unwrap_err().to_string()
}

#[test]
fn grey_images_plain_and_gzipped() {
    let payload: Vec<u8> = (0..12).collect();
    let bytes = idx(8, &[2, 2, 3], &payload);
    let shape = ImageShape { channels: 1, height: 2, width: 3 };
    let expected = Images { count: 2, shape, pixels: payload };
    assert_eq!(parse_images(&bytes, origin()).unwrap(), expected);
    assert_eq!(parse_images(&gzipped(&bytes), origin()).unwrap(), expected);
}

#[test]
fn a_gzip_file_of_two_members_is_one_stream() {
    let bytes = idx(8, &[4], &[7, 8, 9, 1]);
    let mut members = gzipped(&bytes[..7]);
    members.extend(gzipped(&bytes[7..]));
    assert_eq!(parse_labels(&members, origin()).unwrap(), [7, 8, 9, 1]);
}

#[test]
fn labels_of_qmnist_are_its_first_column() {
    let rows = |labels: &[i32]| -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&label| [label, 9, 300, -1, 0, 5, 6, 70_000])
            .flat_map(i32::to_be_bytes)
            .collect()
    };
    let bytes = idx(0x0c, &[3, 8], &rows(&[5, 0, 255]));
    assert_eq!(parse_labels(&bytes, origin()).unwrap(), [5, 0, 255]);
    assert_eq!(parse_labels(&gzipped(&bytes), origin()).unwrap(), [5, 0, 255]);
    let single: Vec<u8> = [4i32, 2].into_iter().flat_map(i32::to_be_bytes).collect();
    assert_eq!(parse_labels(&idx(0x0c, &[2], &single), origin()).unwrap(), [4, 2]);
    for (label, shown) in [(256, "label 256 at place 1"), (-1, "label -1 at place 1")] {
        let said = labels_error(&idx(0x0c, &[2, 8], &rows(&[0, label])));
        assert!(said.contains(shown) && said.ends_with("; number the classes from 0 on"), "{said}");
    }
    assert!(labels_error(&bytes[..bytes.len() - 4]).contains("96 bytes of labels announced, 92 there"));
}

#[test]
fn what_is_whole_and_of_another_kind_is_not_to_be_replaced_by_a_copy() {
    for said in [
        images_error(&idx(8, &[1, 5, 2, 2], &[0; 20])),
        images_error(&idx(0x0d, &[1, 1, 1], &[0; 4])),
        images_error(&idx(0x0c, &[1, 1, 1], &[0; 4])),
        images_error(&idx(8, &[1, 1], &[0])),
        images_error(&idx(8, &[0, 28, 28], &[])),
        labels_error(&idx(8, &[1, 1], &[0])),
        labels_error(&idx(0x0b, &[1], &[0, 0])),
    ] {
        assert!(!said.contains("replace it"), "{said}");
    }
    let said = images_error(&idx(8, &[1, 5, 2, 2], &[0; 20]));
    assert!(
        said.ends_with("; write images of 1, 3 or 4 channels, as [n, C, H, W] or [n, H, W, C]"),
        "{said}"
    );
}

#[test]
fn colour_images_come_out_channels_first() {
    // One image of 2 x 2, pixel values name channel and place: red 1x, green 2x, blue 3x.
    let last = [10, 20, 30, 11, 21, 31, 12, 22, 32, 13, 23, 33];
    let first = [10, 11, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33];
    let shape = ImageShape { channels: 3, height: 2, width: 2 };
    let expected = Images { count: 1, shape, pixels: first.to_vec() };
    assert_eq!(parse_images(&idx(8, &[1, 2, 2, 3], &last), origin()).unwrap(), expected);
    assert_eq!(parse_images(&idx(8, &[1, 3, 2, 2], &first), origin()).unwrap(), expected);
    // Both could be the channels: the second axis wins.
    let both = parse_images(&idx(8, &[1, 3, 1, 4], &last), origin()).unwrap();
    assert_eq!(both.shape, ImageShape { channels: 3, height: 1, width: 4 });
    assert_eq!(both.pixels, last);
}

#[test]
fn colour_without_a_channel_axis_is_an_error() {
    let error = images_error(&idx(8, &[1, 2, 2, 2], &[0; 8]));
    assert!(error.contains("its axes are 1 x 2 x 2 x 2"), "{error}");
}

#[test]
fn truncated_and_too_long() {
    let bytes = idx(8, &[2, 2, 3], &[0; 12]);
    assert_eq!(images_error(&bytes[..20]), "some-file: 12 bytes of pixels announced, 4 there; replace it");
    assert!(images_error(&gzipped(&bytes[..20])).contains("12 bytes of pixels announced, 4 there"));
    let long = idx(8, &[2, 2, 3], &[0; 13]);
    assert!(images_error(&long).contains("12 bytes of pixels announced, 13 there"));
    assert!(images_error(&gzipped(&long)).contains("12 bytes of pixels announced, more there"));
    assert!(images_error(&bytes[..9]).contains("it ends within its header"));
    assert!(images_error(&[]).contains("it ends within its header"));
}

#[test]
fn a_gzip_stream_cut_or_damaged() {
    let whole = gzipped(&idx(8, &[300], &(0..300).map(|i| (i * 7 % 10) as u8).collect::<Vec<_>>()));
    assert!(labels_error(&whole[..whole.len() - 12]).contains("ends early"));
    let mut wrong_checksum = whole.clone();
    let place = whole.len() - 6;
    wrong_checksum[place] ^= 1;
    assert!(labels_error(&wrong_checksum).contains("gzip stream is damaged"));
}

#[test]
fn a_header_that_announces_the_moon_allocates_nothing() {
    let moon = idx(8, &[u32::MAX, u32::MAX, u32::MAX], &[1, 2, 3]);
    assert!(images_error(&moon).contains("too many bytes of pixels"));
    // It would fit the limit, and neither the plain nor the gzipped file can hold it.
    let large = idx(8, &[4_000_000, 28, 28], &[1, 2, 3]);
    assert!(images_error(&large).contains("3,136,000,000 bytes of pixels announced, 3 there"));
    assert!(images_error(&gzipped(&large)).contains("more than the compressed file can hold"));
}

#[test]
fn wrong_kind_and_wrong_magic() {
    let labels = idx(8, &[2], &[1, 2]);
    let images = idx(8, &[1, 1, 2], &[1, 2]);
    assert!(images_error(&labels).contains("it holds labels (one axis) where images are expected"));
    assert!(labels_error(&images).contains("it holds images (3 axes) where labels are expected"));
    assert!(images_error(&idx(0x0d, &[1, 1, 1], &[0; 4])).contains("32-bit floats"));
    assert!(images_error(&idx(0x77, &[1, 1, 1], &[0])).contains("unknown type (0x77)"));
    assert!(images_error(&idx(8, &[1, 1], &[0])).contains("it has 2 axes, and three or four are expected"));
    assert!(labels_error(&idx(8, &[1, 1], &[0])).contains("it has 2 axes, and one is expected"));
    assert!(images_error(b"\x89PNG....").contains("starts with 89 50 4e 47"));
    assert!(images_error(&idx(8, &[0, 28, 28], &[])).contains("it holds no pixels (axes 0 x 28 x 28)"));
}

#[test]
fn files_and_what_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels");
    std::fs::write(&path, idx(8, &[3], &[4, 5, 6])).unwrap();
    assert_eq!(read_labels(Origin { path: &path, mend: "" }).unwrap(), [4, 5, 6]);
    std::fs::write(&path, gzipped(&idx(8, &[3], &[4, 5, 6]))).unwrap();
    assert_eq!(read_labels(Origin { path: &path, mend: "" }).unwrap(), [4, 5, 6]);
    assert!(read_labels(Origin { path: folder.path(), mend: "" }).is_err());
    let absent = folder.path().join("absent");
    let error = read_labels(Origin { path: &absent, mend: "" }).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("absent"), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_images(&bytes, origin());
        let _ = parse_labels(&bytes, origin());
        let _ = parse_labels(&gzipped(&bytes), origin());
    }

    // Bytes that get past the magic number, so that the axes and the payload are put to the test.
    #[test]
    fn arbitrary_axes_never_panic(
        axes in prop::collection::vec(prop_oneof![0u32..6, any::<u32>()], 0..6),
        payload in prop::collection::vec(any::<u8>(), 0..100),
        gzip in any::<bool>(),
    ) {
        let plain = idx(8, &axes, &payload);
        let bytes = if gzip { gzipped(&plain) } else { plain };
        if let Ok(images) = parse_images(&bytes, origin()) {
            prop_assert_eq!(images.pixels.len(), images.count * images.shape.pixels());
        }
        if let Ok(labels) = parse_labels(&bytes, origin()) {
            prop_assert_eq!(labels, payload);
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error(cut in 0usize..28, gzip in any::<bool>()) {
        let whole = idx(8, &[2, 2, 3], &(0..12).collect::<Vec<u8>>());
        let bytes = if gzip { gzipped(&whole[..cut]) } else { whole[..cut].to_vec() };
        prop_assert!(parse_images(&bytes, origin()).is_err());
    }
}
