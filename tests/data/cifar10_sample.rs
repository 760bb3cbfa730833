//! The embedded sample of CIFAR-10: balanced natural images, loaded, cut and dealt out as by an experiment.

use crate::support::{class_counts, image, nowhere};
use fedfunnel::data::{DataDir, DataPair, Dataset, ImageShape, Partitioner, load, partition, sample};

/// The sample, which this program includes.
fn embedded() -> DataPair {
    sample::include_cifar10();
    load("cifar10-sample", &nowhere()).unwrap()
}

#[test]
fn it_is_balanced_mixed_and_small() {
    let data = embedded();
    let shape = ImageShape { channels: 3, height: 32, width: 32 };
    assert_eq!((data.train.shape, data.test.shape), (shape, shape));
    assert_eq!((data.train.len(), data.test.len()), (1_200, 300));
    assert_eq!(data.train.images.len(), 1_200 * 3072);
    assert_eq!(class_counts(&data.train), [120; 10]);
    assert_eq!(class_counts(&data.test), [30; 10]);
    for (dataset, split) in [(&data.train, "train"), (&data.test, "test")] {
        // Random order has a change of class at nine places out of ten; sorted order at nine in all.
        let changes = dataset.labels.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes > dataset.len() * 8 / 10, "{split}: {changes} changes");
    }
    let sample = sample::find("cifar10-sample").unwrap();
    assert_eq!((sample.train, sample.test), (1_200, 300));
    assert!(sample.bytes < 3 << 20);
}

#[test]
fn its_images_are_natural_ones_in_the_right_colours() {
    let data = embedded();
    // Known of CIFAR-10: means 0.491, 0.482, 0.447 and deviations 0.247, 0.243, 0.262.
    let known = [(0.491, 0.247), (0.482, 0.243), (0.447, 0.262)];
    for ((mean, std), (known_mean, known_std)) in data.train.channel_statistics().into_iter().zip(known) {
        assert!((mean - known_mean).abs() < 0.02 && (std - known_std).abs() < 0.02, "{mean} {std}");
    }
    // Neighbours are alike in rows and in columns, as they are not where axes are mixed up.
    let difference = |step: usize| {
        let image = image(&data.train, 0);
        image.iter().zip(&image[step..]).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / 3072.0
    };
    assert!(difference(1) < 0.5 * difference(16), "{} {}", difference(1), difference(16));
    assert!(difference(32) < 0.5 * difference(16), "{} {}", difference(32), difference(16));
}

/// The samples as records of a batch: label, then pixels.
fn records(dataset: &Dataset, range: std::ops::Range<usize>) -> Vec<u8> {
    let record = |i: usize| [&[dataset.labels[i]][..], image(dataset, i)].concat();
    range.flat_map(record).collect()
}

#[test]
fn the_sample_dealt_out_to_collaborators() {
    let data = embedded();
    assert_eq!(data.train.shape, ImageShape { channels: 3, height: 32, width: 32 });
    assert_eq!((data.train.classes, data.test.len()), (10, 300));
    let first = data.train.clone().limit(256).unwrap();
    assert_eq!((first.len(), image(&first, 255)), (256, image(&data.train, 255)));
    let whole = data.train.channel_statistics();
    for (part, all) in first.channel_statistics().iter().zip(&whole) {
        assert!((part.0 - all.0).abs() < 0.05 && (part.1 - all.1).abs() < 0.05, "{part:?} {all:?}");
    }
    let parts = partition(&data.train.labels, 4, &Partitioner::Iid, 7).unwrap();
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 1200);
}

#[test]
fn batches_written_to_a_folder_load_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let data = embedded();
    let write = |name: &str, content: Vec<u8>| std::fs::write(folder.path().join(name), content).unwrap();
    for batch in 0..5 {
        write(&format!("data_batch_{}.bin", batch + 1), records(&data.train, batch * 240..(batch + 1) * 240));
    }
    write("test_batch.bin", records(&data.test, 0..300));
    let name = folder.path().to_string_lossy();
    let read = load(&name, &nowhere()).unwrap();
    assert_eq!((read.train.images, read.train.labels), (data.train.images, data.train.labels));
    assert_eq!((read.test.images, read.test.labels), (data.test.images, data.test.labels));
    assert_eq!((&*read.train.name, read.train.classes), (&*name, 10));

    std::fs::remove_file(folder.path().join("data_batch_5.bin")).unwrap();
    let error = load(&name, &nowhere()).unwrap_err().to_string();
    assert!(error.contains("data_batch_5.bin is missing; put all six batches there"), "{error}");
}

/// Needs the data set: `fedfunnel data fetch cifar10`, then `cargo test --release -- --ignored whole`.
#[test]
#[ignore = "reads 184 MB of the default data folder"]
fn the_sample_is_part_of_the_whole() {
    let data_dir = DataDir::resolve(None).unwrap();
    let whole = load("cifar10", &data_dir).unwrap();
    assert_eq!((whole.train.len(), whole.test.len()), (50_000, 10_000));
    let sample = embedded();
    for (sample, whole) in [(&sample.train, &whole.train), (&sample.test, &whole.test)] {
        let known: std::collections::HashSet<_> =
            (0..whole.len()).map(|i| (whole.labels[i], image(whole, i))).collect();
        for i in 0..sample.len() {
            assert!(known.contains(&(sample.labels[i], image(sample, i))), "sample {i}");
        }
    }
}
