//! Batches of images and of rows.

use crate::support::{assert_tensor, gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Buffer, Gpu, RowRange, Tensor, split_rows};
use fedfunnel::ops::gather::{self, ImageShard, NOTHING, SampleIndex};
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::{gather as twin, random};
use std::collections::BTreeSet;

/// Steps in the index, and the one that is run: not the first, so that its place matters.
const STEPS: usize = 3;
pub const STEP: usize = 1;

/// `[R, STEPS, B]` sample numbers below `samples`, about one place in five empty.
pub fn index(replicas: usize, batch: usize, samples: usize) -> Vec<u32> {
    let place = |i: u32| match random::bits(i, 0, 0, 3) % 5 {
        0 => NOTHING,
        _ => random::bits(i, 1, 0, 3) % samples as u32,
    };
    let mut index: Vec<u32> = (0..(replicas * STEPS * batch) as u32).map(place).collect();
    // At least one empty place and one that is not, whatever the draw.
    index[STEP * batch..][..2].copy_from_slice(&[NOTHING, samples as u32 - 1]);
    index
}

/// What the twin takes: the places of one step, `[R, B]`.
pub fn places(index: &[u32], replicas: usize, batch: usize) -> Vec<Option<usize>> {
    let line = |r: usize| &index[(r * STEPS + STEP) * batch..][..batch];
    (0..replicas)
        .flat_map(line)
        .map(|&sample| if sample == NOTHING { None } else { Some(sample as usize) })
        .collect()
}

pub fn upload(gpu: &Gpu, index: &[u32]) -> SampleIndex {
    SampleIndex { buffer: gpu.upload("index", index).unwrap(), steps: STEPS }
}

#[derive(Clone, Copy, Debug)]
struct Images {
    replicas: usize,
    batch: usize,
    count: usize,
    channels: usize,
    plane: usize,
    /// Samples of a shard; as many as fit one binding where it is not given.
    shard: Option<usize>,
}

const IMAGES: &[Images] = &[
    Images { replicas: 1, batch: 5, count: 11, channels: 1, plane: 36, shard: None },
    Images { replicas: 3, batch: 7, count: 13, channels: 3, plane: 20, shard: None },
    // Widths and planes that are no multiples of four.
    Images { replicas: 1, batch: 5, count: 11, channels: 1, plane: 35, shard: None },
    Images { replicas: 3, batch: 7, count: 13, channels: 3, plane: 7, shard: None },
    Images { replicas: 3, batch: 7, count: 13, channels: 4, plane: 7, shard: None },
    // Shards, with and without whole words of labels.
    Images { replicas: 3, batch: 9, count: 13, channels: 3, plane: 20, shard: Some(4) },
    Images { replicas: 3, batch: 9, count: 13, channels: 3, plane: 8, shard: Some(5) },
    Images { replicas: 1, batch: 9, count: 10, channels: 3, plane: 7, shard: Some(4) },
];

struct Gathered {
    samples: Vec<f32>,
    labels: Vec<u32>,
    expected: Vec<f64>,
    expected_labels: Vec<u32>,
    shards: usize,
    entry: &'static str,
}

fn images(gpu: &Gpu, case: Images) -> Gathered {
    let Images { replicas, batch, count, channels, plane, shard } = case;
    let width = channels * plane;
    let pixels: Vec<u8> = (0..(count * width) as u32).map(|i| random::bits(i, 0, 1, 3) as u8).collect();
    let labels: Vec<u8> = (0..count as u32).map(|i| random::bits(i, 0, 2, 3) as u8).collect();
    // One mean and one deviation for each channel, none alike.
    let means: Vec<f64> = (0..channels).map(|c| 0.125 * (c + 1) as f64).collect();
    let deviations: Vec<f64> = (0..channels).map(|c| 0.25 * (c + 2) as f64).collect();
    let scales: Vec<[f32; 2]> = means
        .iter()
        .zip(&deviations)
        .map(|(mean, std)| [(1.0 / 255.0 / std) as f32, (-mean / std) as f32])
        .collect();
    let limit = shard.map_or(gpu.max_binding_bytes(), |samples| (samples * width) as u64);
    let shards: Vec<_> = split_rows(count, width as u64, limit)
        .unwrap()
        .into_iter()
        .map(|range| ImageShard {
            pixels: gpu.upload("pixels", &pixels[range.start * width..][..range.len * width]).unwrap(),
            labels: gpu.upload("labels", &labels[range.start..][..range.len]).unwrap(),
            range,
        })
        .collect();
    let numbers = index(replicas, batch, count);
    let samples = Tensor::zeros(gpu, "samples", replicas, batch, width).unwrap();
    samples.write(gpu, &vec![9.0; replicas * batch * width]);
    let batch_labels = gpu.upload("batch labels", &vec![999u32; replicas * batch]).unwrap();
    let scales = gpu.upload("scales", &scales).unwrap();
    let plan = gather::images(gpu, &shards, &scales, plane, &upload(gpu, &numbers), &batch_labels, &samples)
        .unwrap();
    let entry = plan[0].name();
    gpu.run_steps(&plan, STEP as u32..STEP as u32 + 1, &mut |_| ()).unwrap();
    let places = places(&numbers, replicas, batch);
    assert!(places.contains(&None) && places.iter().flatten().count() > 0, "{case:?}");
    Gathered {
        samples: samples.read(gpu).unwrap(),
        labels: gpu.read(&batch_labels).unwrap(),
        expected: twin::gather(&pixels, width, &places, &means, &deviations),
        expected_labels: labels_of(&twin::gather_labels(&labels, &places)),
        shards: shards.len(),
        entry,
    }
}

pub fn labels_of(labels: &[Option<usize>]) -> Vec<u32> {
    labels.iter().map(|label| label.map_or(NOTHING, |label| label as u32)).collect()
}

fn check_images(gpu: &Gpu, case: Images) -> (usize, &'static str) {
    let gathered = images(gpu, case);
    // Balanced, not Strict: factor and summand are rounded to f32 before they meet, and a byte near the
    // mean leaves that rounding behind.
    compare(&format!("{case:?}"), &gathered.samples, &gathered.expected, Tolerance::Balanced)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(gathered.labels, gathered.expected_labels, "{case:?}");
    (gathered.shards, gathered.entry)
}

#[test]
fn images_agree_with_their_twin() {
    let reached: BTreeSet<_> = IMAGES.iter().map(|case| check_images(gpu(), *case).1).collect();
    assert_eq!(reached, ["gather_images", "gather_images_naive"].into());
}

#[test]
fn data_sets_beyond_one_binding_agree_with_their_twin() {
    for (channels, plane) in [(1, 784), (3, 333)] {
        let case = Images { replicas: 3, batch: 5, count: 201, channels, plane, shard: None };
        assert!(check_images(small_gpu(), case).0 > 1, "{case:?} is one shard");
    }
}

#[test]
fn a_wrong_batch_fails() {
    let gathered = images(gpu(), IMAGES[1]);
    let width = IMAGES[1].channels * IMAGES[1].plane;
    let fails = |what: &str, wrong: &[f64]| {
        assert!(compare(what, &gathered.samples, wrong, Tolerance::Balanced).is_err(), "{what}");
    };
    let mut wrong = gathered.expected.clone();
    wrong.rotate_left(width);
    fails("another sample", &wrong);
    let mut wrong = gathered.expected.clone();
    wrong.rotate_left(IMAGES[1].plane);
    fails("another channel", &wrong);
    // One byte's step is 1/255 of the range.
    let mut wrong = gathered.expected;
    wrong[width / 2] += 1.0 / 255.0;
    fails("a byte off by one", &wrong);
}

/// `rows` is `[1 or R, N, width]`, and the expected batch follows by plain indexing. Returns how many shards the
/// rows were cut into; the batch is cut alike, or `whole`.
fn check_rows(gpu: &Gpu, [replicas, row_replicas, batch, count, width]: [usize; 5], whole: bool) -> usize {
    let content = values(row_replicas * count * width, 7);
    // Cut where the larger of the two has to be.
    let lines = (row_replicas * count).max(replicas * batch);
    let ranges = split_rows(width, 4 * lines as u64, gpu.max_binding_bytes()).unwrap();
    let rows = Tensor::zeros_cut(gpu, "rows", row_replicas, count, &ranges).unwrap();
    rows.write(gpu, &content);
    let cut = if whole { vec![RowRange { start: 0, len: width }] } else { ranges };
    let samples = Tensor::zeros_cut(gpu, "samples", replicas, batch, &cut).unwrap();
    samples.write(gpu, &vec![9.0; replicas * batch * width]);
    let batch_labels: Buffer = gpu.upload("labels", &vec![999u32; replicas * batch]).unwrap();
    let numbers = index(replicas, batch, count);
    let plan = gather::rows(gpu, &rows, &upload(gpu, &numbers), &batch_labels, &samples).unwrap();
    gpu.run_steps(&plan, STEP as u32..STEP as u32 + 1, &mut |_| ()).unwrap();
    let mut expected = Vec::new();
    let places = places(&numbers, replicas, batch);
    assert!(places.contains(&None));
    for (line, place) in places.iter().enumerate() {
        let owner = if row_replicas == 1 { 0 } else { line / batch };
        match place {
            Some(row) => expected.extend_from_slice(&content[(owner * count + row) * width..][..width]),
            None => expected.extend(vec![0.0; width]),
        }
    }
    let what = format!("rows of {row_replicas} for {replicas}");
    assert_tensor(&what, gpu, &samples, &wide(&expected), Tolerance::Exact);
    let numbers: Vec<u32> = gpu.read(&batch_labels).unwrap();
    assert_eq!(numbers, labels_of(&places), "the labels are the numbers of the rows");
    rows.shards.len()
}

#[test]
fn rows_are_copied_exactly_shared_or_each_replica_its_own() {
    for [replicas, row_replicas] in [[1, 1], [3, 1], [3, 3]] {
        assert_eq!(check_rows(gpu(), [replicas, row_replicas, 7, 5, 13], false), 1);
        assert!(check_rows(small_gpu(), [replicas, row_replicas, 7, 5, 4099], false) > 1);
        // More rows than one binding holds, of which a few make a batch that fits it.
        assert!(check_rows(small_gpu(), [replicas, row_replicas, 2, 19, 2053], true) > 1);
    }
}
