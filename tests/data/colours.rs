//! Colours that are taken out.

use fedfunnel::data::{Dataset, ImageShape};

/// Two images of 1 x 2 pixels.
fn two(channels: usize, images: &[u8]) -> Dataset {
    let shape = ImageShape { channels, height: 1, width: 2 };
    Dataset {
        name: "two".into(),
        images: images.to_vec(),
        labels: vec![0, 1],
        shape,
        classes: 2,
        groups: None,
    }
}

#[test]
fn the_luma_is_in_all_three_channels_and_other_samples_stay() {
    let images = [255, 0, 0, 255, 0, 0, 10, 20, 30, 40, 50, 60];
    let mut data = two(3, &images);
    data.take_colours_out([0]).unwrap();
    // 0.299 of 255 is 76.2, 0.587 of it 149.7.
    assert_eq!(data.images[..6], [76, 150, 76, 150, 76, 150]);
    assert_eq!(data.images[6..], images[6..]);
    data.take_colours_out([1]).unwrap();
    // 2.99 + 17.61 + 5.7 and 5.98 + 23.48 + 6.84
    assert_eq!(data.images[6..], [26, 36, 26, 36, 26, 36]);
    // Grey stays grey to the byte, white and black too.
    let gray = data.images.clone();
    data.take_colours_out([0, 1]).unwrap();
    assert_eq!(data.images, gray);
    let mut ends = two(3, &[255, 0, 255, 0, 255, 0, 0, 255, 0, 255, 0, 255]);
    let before = ends.clone();
    ends.take_colours_out([0, 1]).unwrap();
    assert_eq!(ends, before);
}

#[test]
fn what_has_no_colours_and_samples_that_are_not_there_are_refused() {
    let error = two(1, &[0; 4]).take_colours_out([0]).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("1x1x2 images have no colours"), "{error}");
    let error = two(3, &[0; 12]).take_colours_out([2]).unwrap_err().to_string();
    assert!(error.contains("no sample 2"), "{error}");
}
