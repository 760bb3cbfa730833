//! Batches of images out of a data set.

use fedfunnel::reference::gather::{gather, gather_labels};

#[test]
fn channels_are_planes_and_padding_is_zero() {
    // Two images of two channels of three pixels.
    let images = [0, 51, 255, 0, 51, 255, 102, 102, 102, 153, 153, 153];
    let x = gather(&images, 6, &[Some(1), None, Some(0)], &[0.2, 0.5], &[0.4, 0.25]);
    let expected = [[0.5, 0.5, 0.5, 0.4, 0.4, 0.4], [0.0; 6], [-0.5, 0.0, 2.0, -2.0, -1.2, 2.0]];
    for (x, expected) in x.iter().zip(expected.as_flattened()) {
        assert!((x - expected).abs() < 1e-14, "{x} and {expected}");
    }
}

#[test]
fn labels_follow_the_index() {
    assert_eq!(gather_labels(&[7, 3], &[Some(1), None, Some(0)]), [Some(3), None, Some(7)]);
}

#[test]
#[should_panic(expected = "7 bytes are not whole planes of 2 channels")]
fn broken_planes_are_refused() {
    gather(&[0; 14], 7, &[Some(0)], &[0.0; 2], &[1.0; 2]);
}
