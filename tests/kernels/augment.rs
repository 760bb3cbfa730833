//! Batches of images that are flipped, shifted and made grey on their way.

use crate::gather::{STEP, index, labels_of, places, upload};
use crate::support::{gpu, small_gpu};
use fedfunnel::gpu::{Gpu, Tensor, split_rows};
use fedfunnel::ops::augment::{self, Augmentation, Changes, ImageSource};
use fedfunnel::ops::gather::ImageShard;
use fedfunnel::reference::augment::{Batch, augmented_gather};
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::{gather as twin, random};

const PLAIN: Augmentation = Augmentation { flip: false, pad: 0, grayscale: false };
const FLIP: Augmentation = Augmentation { flip: true, ..PLAIN };
const ALL: Augmentation = Augmentation { flip: true, pad: 4, grayscale: true };
const CHANGES: &[Augmentation] = &[
    PLAIN,
    FLIP,
    Augmentation { pad: 2, ..PLAIN },
    Augmentation { pad: 4, ..PLAIN },
    Augmentation { grayscale: true, ..PLAIN },
    Augmentation { pad: 2, ..FLIP },
    ALL,
];
const SEED: u32 = 11;
/// Whose data each replica trains on: no two alike, and none its place.
const OWNERS: [u32; 3] = [7, 1_000_000, 3];

#[derive(Clone, Copy, Debug)]
struct Case {
    replicas: usize,
    batch: usize,
    count: usize,
    /// C, H and W.
    size: [usize; 3],
    /// Samples of a shard; as many as fit one binding where it is not given.
    shard: Option<usize>,
    /// The place in the epoch of the window's first sample, and the number of the epoch.
    epoch: [u32; 2],
}

const CASES: &[Case] = &[
    Case { replicas: 1, batch: 9, count: 11, size: [3, 8, 8], shard: None, epoch: [0, 0] },
    Case { replicas: 3, batch: 9, count: 13, size: [3, 5, 14], shard: None, epoch: [28_672, 5] },
    // More than one workgroup, and no whole number of them.
    Case { replicas: 1, batch: 7, count: 6, size: [3, 17, 9], shard: None, epoch: [12, u32::MAX] },
    // Shards, with and without whole words of labels and of pixels.
    Case { replicas: 3, batch: 11, count: 13, size: [3, 6, 4], shard: Some(4), epoch: [0, 3] },
    Case { replicas: 3, batch: 11, count: 13, size: [3, 3, 7], shard: Some(5), epoch: [77, 0] },
    // Smaller than its padding.
    Case { replicas: 1, batch: 30, count: 5, size: [3, 1, 3], shard: Some(2), epoch: [5, 2] },
];

struct Changed {
    samples: Vec<f32>,
    labels: Vec<u32>,
    pixels: Vec<u8>,
    places: Vec<Option<usize>>,
    expected_labels: Vec<u32>,
    means: Vec<f64>,
    deviations: Vec<f64>,
    shards: usize,
}

/// Runs one step on the device.
fn run(gpu: &Gpu, case: Case, augmentation: Augmentation) -> Changed {
    let Case { replicas, batch, count, size, shard, epoch } = case;
    let [channels, height, width] = size;
    let values = channels * height * width;
    let pixels: Vec<u8> = (0..(count * values) as u32).map(|i| random::bits(i, 0, 1, 3) as u8).collect();
    let labels: Vec<u8> = (0..count as u32).map(|i| random::bits(i, 0, 2, 3) as u8).collect();
    // One mean and one deviation for each channel, none alike.
    let means: Vec<f64> = (0..channels).map(|c| 0.125 * (c + 1) as f64).collect();
    let deviations: Vec<f64> = (0..channels).map(|c| 0.25 * (c + 2) as f64).collect();
    let scales: Vec<[f32; 2]> = means
        .iter()
        .zip(&deviations)
        .map(|(mean, std)| [(1.0 / 255.0 / std) as f32, (-mean / std) as f32])
        .collect();
    let limit = shard.map_or(gpu.max_binding_bytes(), |samples| (samples * values) as u64);
    let shards: Vec<_> = split_rows(count, values as u64, limit)
        .unwrap()
        .into_iter()
        .map(|range| ImageShard {
            pixels: gpu.upload("pixels", &pixels[range.start * values..][..range.len * values]).unwrap(),
            labels: gpu.upload("labels", &labels[range.start..][..range.len]).unwrap(),
            range,
        })
        .collect();
    let numbers = index(replicas, batch, count);
    let samples = Tensor::zeros(gpu, "samples", replicas, batch, values).unwrap();
    samples.write(gpu, &vec![9.0; replicas * batch * values]);
    let batch_labels = gpu.upload("batch labels", &vec![999u32; replicas * batch]).unwrap();
    let scales = gpu.upload("scales", &scales).unwrap();
    let epoch = gpu.upload("epoch", &[&epoch[..], &OWNERS[..replicas]].concat()).unwrap();
    let plan = augment::images(
        gpu,
        ImageSource { shards: &shards, scales: &scales, size },
        Changes { augmentation, epoch: &epoch, seed: SEED },
        &upload(gpu, &numbers),
        &batch_labels,
        &samples,
    )
    .unwrap();
    gpu.run_steps(&plan, STEP as u32..STEP as u32 + 1, &mut |_| ()).unwrap();
    let places = places(&numbers, replicas, batch);
    assert!(places.contains(&None) && places.iter().flatten().count() > 0, "{case:?}");
    Changed {
        samples: samples.read(gpu).unwrap(),
        labels: gpu.read(&batch_labels).unwrap(),
        expected_labels: labels_of(&twin::gather_labels(&labels, &places)),
        pixels,
        places,
        means,
        deviations,
        shards: shards.len(),
    }
}

impl Changed {
    /// What the twin makes of the same batch.
    fn expected(&self, case: Case, augmentation: Augmentation, seed: u32) -> Vec<f64> {
        let batch = Batch {
            replicas: case.replicas,
            index: &self.places,
            first_place: case.epoch[0] + (STEP * case.batch) as u32,
            owners: &OWNERS[..case.replicas],
            stream: case.epoch[1],
            seed,
        };
        augmented_gather(&self.pixels, case.size, batch, &self.means, &self.deviations, augmentation)
    }
}

fn check(gpu: &Gpu, case: Case, augmentation: Augmentation) -> usize {
    let changed = run(gpu, case, augmentation);
    let what = format!("{case:?}, {augmentation:?}");
    let expected = changed.expected(case, augmentation, SEED);
    // Balanced, for the reason that the plain gather has: a byte near the mean cancels.
    compare(&what, &changed.samples, &expected, Tolerance::Balanced)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(changed.labels, changed.expected_labels, "{what}");
    changed.shards
}

#[test]
fn changed_images_agree_with_their_twin() {
    for &case in CASES {
        for &augmentation in CHANGES {
            let shards = check(gpu(), case, augmentation);
            assert_eq!(shards > 1, case.shard.is_some(), "{case:?}");
        }
    }
}

#[test]
fn grey_images_are_flipped_and_shifted_as_well() {
    for replicas in [1, 3] {
        let case = Case { replicas, batch: 9, count: 11, size: [1, 6, 7], shard: None, epoch: [36, 4] };
        for augmentation in [FLIP, Augmentation { pad: 2, ..FLIP }] {
            check(gpu(), case, augmentation);
        }
    }
}

#[test]
fn data_sets_beyond_one_binding_agree_with_their_twin() {
    let case = Case { replicas: 3, batch: 5, count: 101, size: [3, 20, 14], shard: None, epoch: [64, 1] };
    for augmentation in [FLIP, ALL] {
        assert!(check(small_gpu(), case, augmentation) > 1, "{case:?} is one shard");
    }
}

#[test]
fn nothing_changes_where_nothing_is_asked_for() {
    let changed = run(gpu(), CASES[1], PLAIN);
    let width = CASES[1].size.iter().product();
    let plain = twin::gather(&changed.pixels, width, &changed.places, &changed.means, &changed.deviations);
    compare("plain", &changed.samples, &plain, Tolerance::Balanced).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_wrong_change_fails() {
    let case = CASES[1];
    let fails = |what: &str, changed: &Changed, case: Case, augmentation: Augmentation, seed: u32| {
        let wrong = changed.expected(case, augmentation, seed);
        assert!(compare(what, &changed.samples, &wrong, Tolerance::Balanced).is_err(), "{what}");
    };
    for augmentation in [FLIP, Augmentation { pad: 2, ..PLAIN }, ALL] {
        let changed = run(gpu(), case, augmentation);
        fails("another seed", &changed, case, augmentation, SEED + 1);
        let [place, number] = case.epoch;
        fails("another epoch", &changed, Case { epoch: [place, number + 1], ..case }, augmentation, SEED);
        fails("another place", &changed, Case { epoch: [place + 1, number], ..case }, augmentation, SEED);
        fails("no change", &changed, case, PLAIN, SEED);
    }
    let changed = run(gpu(), case, ALL);
    fails("not flipped", &changed, case, Augmentation { flip: false, ..ALL }, SEED);
    fails("another padding", &changed, case, Augmentation { pad: 3, ..ALL }, SEED);
    fails("in colour", &changed, case, Augmentation { grayscale: false, ..ALL }, SEED);
}
