//! Class folders of PNG files: what is read of them, and what is refused.

use crate::support::{image, own};
use fedfunnel::data::ImageShape;
use png::{BitDepth, ColorType};
use std::path::Path;

/// Writes an image of two rows and so many columns.
fn write(path: &Path, color: ColorType, depth: BitDepth, width: u32, samples: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), width, 2);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(samples).unwrap();
}

fn grey(path: &Path, samples: &[u8]) {
    write(path, ColorType::Grayscale, BitDepth::Eight, samples.len() as u32 / 2, samples);
}

/// Three classes, whose folders are numbers: a training image each, and a test image of the last.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, value) in [("2", 20), ("10", 100), ("9", 90)] {
        grey(&folder.path().join(format!("train/{class}/a.png")), &[value; 6]);
    }
    grey(&folder.path().join("val/10/b.PNG"), &[1, 2, 3, 4, 5, 6]);
    std::fs::write(folder.path().join("train/2/notes.txt"), "no image").unwrap();
    folder
}

#[test]
fn classes_are_the_folders_in_their_order() {
    let folder = folder();
    let data = own(folder.path()).unwrap();
    let shape = ImageShape { channels: 1, height: 2, width: 3 };
    assert_eq!((data.train.shape, data.test.shape, data.train.classes), (shape, shape, 3));
    // 2, 9 and 10: each label has its image, in whatever order.
    let mut pairs: Vec<_> =
        (0..3).map(|place| (data.train.labels[place], image(&data.train, place)[0])).collect();
    pairs.sort_unstable();
    assert_eq!(pairs, [(0, 20), (1, 90), (2, 100)]);
    assert_eq!((data.test.labels, data.test.images), (vec![2], vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(own(folder.path()).unwrap().train, data.train);
}

#[test]
fn the_first_images_are_of_all_classes() {
    let folder = tempfile::tempdir().unwrap();
    for (half, count) in [("train", 40), ("test", 1)] {
        for (class, number) in (0..5).flat_map(|class| (0..count).map(move |number| (class, number))) {
            let path = folder.path().join(format!("{half}/{class}/{number}.png"));
            grey(&path, &[class * 40 + number, 0, 0, 0]);
        }
    }
    let train = own(folder.path()).unwrap().train;
    let first: std::collections::BTreeSet<_> = train.labels[..40].iter().collect();
    assert_eq!(first.len(), 5, "{:?}", train.labels);
    assert!((0..200).all(|place| image(&train, place)[0] / 40 == train.labels[place]));
}

#[test]
fn colours_depths_and_transparency() {
    let folder = folder();
    let path = folder.path().join("train/9/colour.png");
    write(&path, ColorType::Rgba, BitDepth::Eight, 3, &[1, 2, 3, 255].repeat(6));
    let data = own(folder.path()).unwrap();
    assert_eq!((data.train.shape.channels, data.test.shape.channels), (3, 3));
    // Grey images are the same in every channel, and planes lie one behind the other.
    assert_eq!(data.test.images, [[1, 2, 3, 4, 5, 6]; 3].concat());
    let colour = (0..4).find(|place| image(&data.train, *place)[0] == 1).unwrap();
    assert_eq!(image(&data.train, colour), [[1; 6], [2; 6], [3; 6]].concat());
    // The upper of two bytes.
    let deep: Vec<u8> = [7u8, 200].repeat(6);
    write(&folder.path().join("train/2/deep.png"), ColorType::Grayscale, BitDepth::Sixteen, 3, &deep);
    assert!((0..5).any(|place| image(&own(folder.path()).unwrap().train, place) == [7; 18]));
    write(&path, ColorType::Rgba, BitDepth::Eight, 3, &[1, 2, 3, 254].repeat(6));
    let error = own(folder.path()).unwrap_err().to_string();
    assert!(error.contains("colour.png: it is transparent in places"), "{error}");
}

#[test]
fn what_does_not_fit_is_named() {
    let error = |change: &dyn Fn(&Path)| {
        let folder = folder();
        change(folder.path());
        own(folder.path()).unwrap_err().to_string()
    };
    let other_size = error(&|folder| grey(&folder.join("val/2/wide.png"), &[0; 8]));
    assert!(
        other_size.contains("wide.png: an image of 1x2x4, and ") && other_size.contains("is of 2x3"),
        "{other_size}"
    );
    let other_class = error(&|folder| grey(&folder.join("val/11/c.png"), &[0; 6]));
    assert!(other_class.contains("11: no training image is of this class"), "{other_class}");
    let damaged = error(&|folder| std::fs::write(folder.join("train/2/a.png"), b"\x89PNG no").unwrap());
    assert!(damaged.contains("a.png: it is no PNG image"), "{damaged}");
    let no_test = error(&|folder| std::fs::remove_dir_all(folder.join("val")).unwrap());
    assert!(no_test.contains("there is no folder test in it"), "{no_test}");
    let empty = error(&|folder| std::fs::remove_file(folder.join("val/10/b.PNG")).unwrap());
    assert!(empty.contains("val: there are no images in it"), "{empty}");
}
