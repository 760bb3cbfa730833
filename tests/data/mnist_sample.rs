//! The embedded sample of MNIST: balanced digits, dealt out as by an experiment.

use crate::support::{class_counts, nowhere};
use fedfunnel::data::{ClassAssignment, ImageShape, Partitioner, epoch_order, load, partition, sample};
use std::collections::BTreeSet;

#[test]
fn it_is_balanced_mixed_and_small() {
    let data = load("mnist-sample", &nowhere()).unwrap();
    let shape = ImageShape { channels: 1, height: 28, width: 28 };
    assert_eq!((data.train.shape, data.test.shape), (shape, shape));
    assert_eq!((data.train.len(), data.test.len()), (6_000, 1_000));
    assert_eq!(data.train.images.len(), 6_000 * 784);
    assert_eq!(class_counts(&data.train), [600; 10]);
    assert_eq!(class_counts(&data.test), [100; 10]);
    for (dataset, split) in [(&data.train, "train"), (&data.test, "test")] {
        // Random order has a change of class at nine places out of ten; sorted order at nine in all.
        let changes = dataset.labels.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes > dataset.len() * 8 / 10, "{split}: {changes} changes");
    }
    let sample = sample::find("mnist-sample").unwrap();
    assert_eq!((sample.train, sample.test), (6_000, 1_000));
    assert!(sample.bytes < 2_000_000);
}

#[test]
fn its_images_are_digits() {
    let data = load("mnist-sample", &nowhere()).unwrap();
    // Known of MNIST: mean brightness 33.3 of 255 and about 81 % of the pixels black.
    let mean = data.train.images.iter().map(|&p| f64::from(p)).sum::<f64>() / data.train.images.len() as f64;
    assert!((32.0..35.0).contains(&mean), "{mean}");
    // Nearest class mean: labels that fit their images get about 80 %, shuffled ones 10 %.
    let mut means = vec![[0f64; 784]; 10];
    for (image, &label) in data.train.images.chunks_exact(784).zip(&data.train.labels) {
        for (sum, &pixel) in means[usize::from(label)].iter_mut().zip(image) {
            *sum += f64::from(pixel) / 600.0;
        }
    }
    let distance = |image: &[u8], mean: &[f64; 784]| -> f64 {
        image.iter().zip(mean).map(|(&pixel, mean)| (f64::from(pixel) - mean).powi(2)).sum()
    };
    let right = data
        .test
        .images
        .chunks_exact(784)
        .zip(&data.test.labels)
        .filter(|(image, label)| {
            let nearest = (0..10u8).min_by(|&a, &b| {
                distance(image, &means[usize::from(a)]).total_cmp(&distance(image, &means[usize::from(b)]))
            });
            nearest == Some(**label)
        })
        .count();
    assert!(right > 750, "{right} of 1,000");
}

#[test]
fn the_sample_dealt_out_to_collaborators() {
    // Nothing is there to read: the sample needs no folder.
    let data = load("mnist-sample", &nowhere()).unwrap();
    let train = &data.train;
    let class_assignment_mode = ClassAssignment::Balanced;
    let two_each = Partitioner::Pathological { classes_per_collaborator: 2, class_assignment_mode };
    let parts = partition(&train.labels, 5, &two_each, 7).unwrap();
    for part in &parts {
        assert_eq!(part.len(), 1200);
        let classes: BTreeSet<_> = part.iter().map(|&sample| train.labels[sample]).collect();
        assert_eq!(classes.len(), 2);
        assert_eq!(epoch_order(part.len(), 7, 0, true).len(), part.len());
    }
}

#[test]
fn files_written_by_the_sample_script_load_as_a_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/data/sample");
    let from_folder = load(folder, &nowhere()).unwrap();
    let embedded = load("mnist-sample", &nowhere()).unwrap();
    assert_eq!(from_folder.train.images, embedded.train.images);
    assert_eq!(from_folder.test.labels, embedded.test.labels);
    assert_eq!(from_folder.train.name, folder);
}
