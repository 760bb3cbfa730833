//! Centroids against all ways to part a few values, and against Lloyd's iterations on many.

use super::{
    codec, floats, pipeline_for, places_of, refused, squares, there_and_back, two_layers, unsendable,
    values_of,
};
use crate::support::{gpu, receive};
use fedfunnel::codec::{Kept, Pipeline, Round, Values};
use fedfunnel::gpu::{DeviceClass, Gpu, GpuOptions, Tensor};
use fedfunnel::model::Layout;
use fedfunnel::reference::random::uniform_tensor;

fn kmeans(parameters: usize, clusters: usize) -> Pipeline {
    codec(&Layout::flat(parameters), &format!("[{{ stage = \"kmeans\", clusters = {clusters} }}]"))
}

fn distortion(values: &[f32], got: &[f32]) -> f64 {
    squares(values.iter().zip(got).map(|(value, got)| f64::from(*value) - f64::from(*got)))
}

/// The least distortion of all ways to give each value one of so many clusters.
fn least(values: &[f32], clusters: usize) -> f64 {
    let mut least = f64::INFINITY;
    for way in 0..clusters.pow(values.len() as u32) {
        let mut rest = way;
        let mut own = vec![Vec::new(); clusters];
        for value in values {
            own[rest % clusters].push(f64::from(*value));
            rest /= clusters;
        }
        let off = own.iter().map(|own| {
            let mean = own.iter().sum::<f64>() / own.len().max(1) as f64;
            squares(own.iter().map(|value| value - mean))
        });
        least = least.min(off.sum());
    }
    least
}

#[test]
fn of_a_few_values_no_other_clusters_are_better() {
    for number in 0..30 {
        let mut values = uniform_tensor(7, 0, number, 5, 1.0);
        if number % 3 == 0 {
            // Heavy tails, a common offset, and values that are there twice.
            values.iter_mut().for_each(|value| *value = 100.0 + value.powi(5));
            values[3] = values[4];
        }
        for clusters in 2..=3 {
            let (_, got) = there_and_back(&kmeans(7, clusters), &values);
            let (off, least) = (distortion(&values, &got), least(&values, clusters));
            assert!(off <= least * 1.0001 + 1e-9, "{values:?}: {off} {least}");
        }
    }
    // The negative control: levels that lie evenly are worse.
    let values = uniform_tensor(7, 0, 1, 5, 1.0).map_powers();
    let (_, got) = there_and_back(&kmeans(7, 3), &values);
    let even = codec(&Layout::flat(7), "[{ stage = \"quantize\", bits = 2, stochastic = false }]");
    let (_, even) = there_and_back(&even, &values);
    assert!(distortion(&values, &even) > 1.1 * distortion(&values, &got));
}

trait Powers {
    fn map_powers(self) -> Self;
}

impl Powers for Vec<f32> {
    fn map_powers(mut self) -> Self {
        self.iter_mut().for_each(|value| *value = value.powi(3));
        self
    }
}

/// Lloyd's iterations from so many of the values.
fn lloyd(values: &[f32], clusters: usize, start: u32) -> f64 {
    let chosen = uniform_tensor(clusters, 0, start, 8, values.len() as f32 / 2.0);
    let mut centroids: Vec<f64> = chosen
        .iter()
        .map(|place| values[(place + values.len() as f32 / 2.0) as usize % values.len()].into())
        .collect();
    let nearest = |centroids: &[f64], value: f64| {
        let off = |place: &usize| (centroids[*place] - value).abs();
        (0..centroids.len()).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap()
    };
    for _ in 0..25 {
        let mut sums = vec![(0.0, 0.0); clusters];
        for value in values {
            let own = &mut sums[nearest(&centroids, (*value).into())];
            *own = (own.0 + f64::from(*value), own.1 + 1.0);
        }
        for (centroid, (sum, count)) in centroids.iter_mut().zip(sums) {
            *centroid = if count > 0.0 { sum / count } else { *centroid };
        }
    }
    squares(values.iter().map(|value| f64::from(*value) - centroids[nearest(&centroids, (*value).into())]))
}

#[test]
fn of_many_values_centroids_are_as_good_as_lloyds_and_each_value_has_the_nearest() {
    const N: usize = 6_000;
    let values = uniform_tensor(N, 0, 3, 5, 1.0).map_powers();
    let mut last = f64::INFINITY;
    for (clusters, bits) in [(2, 1), (5, 3), (8, 3), (16, 4), (100, 7), (256, 8)] {
        let (sent, got) = there_and_back(&kmeans(N, clusters), &values);
        assert_eq!(sent.len(), 1 + 4 * clusters + (N * bits).div_ceil(8));
        assert_eq!(usize::from(sent[0]) + 1, clusters);
        let codebook = floats(&sent[1..1 + 4 * clusters]);
        assert!(codebook.windows(2).all(|pair| pair[0] < pair[1]));
        for (value, got) in values.iter().zip(&got) {
            let off = |centroid: &f32| (centroid - value).abs();
            assert!(codebook.contains(got));
            assert!(codebook.iter().all(|other| off(got) <= off(other) * 1.0001), "{value}");
        }
        let off = distortion(&values, &got);
        assert!(off < last, "{clusters}: {off} {last}");
        last = off;
        if clusters <= 8 {
            let best = (0..3).map(|start| lloyd(&values, clusters, start)).fold(f64::INFINITY, f64::min);
            assert!(off <= 1.001 * best, "{clusters}: {off} {best}");
        }
    }
}

#[test]
fn a_codebook_has_no_more_centroids_than_there_are_values_to_tell_apart() {
    let layout = two_layers();
    let codec = codec(&layout, "[{ stage = \"kmeans\", clusters = 16 }]");
    assert_eq!(codec.label(), "kmeans(16)");
    let mut values = values_of(&layout, 0);
    values[54..60].fill(0.25);
    values[60..84].iter_mut().enumerate().for_each(|(place, value)| *value = (place % 3) as f32);
    let (sent, got) = there_and_back(&codec, &values);
    // 16, 1, 3 and 4 centroids, and for each value 4, 0, 2 and 2 bits.
    assert_eq!(sent.len(), 4 + 4 * (16 + 1 + 3 + 4) + (4 * 54 + 2 * 24 + 2 * 4_usize).div_ceil(8));
    assert_eq!(got[54..], values[54..]);
    assert_eq!(there_and_back(&codec, &[0.0; 88]).1, [0.0; 88]);
    // Rows have codebooks of their own, and what topk leaves has one.
    let rows = super::codec(&layout, "[{ stage = \"kmeans\", clusters = 2, per = \"row\" }]");
    assert_eq!(rows.label(), "kmeans(2,per=row)");
    assert_eq!(there_and_back(&rows, &values_of(&layout, 0)).0.len(), 12 * 9 + 88 / 8);
    let some =
        super::codec(&layout, "[{ stage = \"topk\", part = 0.25 }, { stage = \"kmeans\", clusters = 4 }]");
    let places = places_of(&layout, "{ stage = \"topk\", part = 0.25 }", &values, 22);
    assert_eq!(there_and_back(&some, &values).0.len(), 1 + 16 + (22 * 2_usize).div_ceil(8) + places);
}

#[test]
fn awkward_values_have_centroids_and_what_cannot_have_is_refused_in_words() {
    let two = kmeans(3, 2);
    let (_, got) = there_and_back(&two, &[f32::MAX, f32::MIN, 0.0]);
    assert!(got.iter().all(|value| value.is_finite()), "{got:?}");
    assert_eq!(there_and_back(&two, &[1e-45, -1e-45, 1e-45]).1, [1e-45, -1e-45, 1e-45]);
    assert!(unsendable(&two, &[0.0, f32::INFINITY, 0.0]).contains("a value of inf"));
    let many = vec![0.0; 5_000];
    assert_eq!(there_and_back(&kmeans(5_000, 7), &many).1, many);
    let message = |count: u8, centroids: &[f32], bits: &[u8]| {
        let centroids = centroids.iter().flat_map(|centroid| centroid.to_le_bytes());
        [count - 1].into_iter().chain(centroids).chain(bits.iter().copied()).collect::<Vec<_>>()
    };
    for (bytes, words) in [
        (message(3, &[0.0; 3], &[0]), "3 centroids of 3 values"),
        (message(2, &[0.0, f32::NAN], &[0]), "the centroid NaN"),
        (message(2, &[0.0, 1.0], &[8]), "not zero"),
        (message(2, &[0.0, 1.0], &[]), "too early"),
    ] {
        let error = refused(&two, 3, &bytes);
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(refused(&kmeans(3, 3), 3, &message(3, &[0.0; 3], &[3])).contains("centroid 3 of 3"));
    for (options, words) in [
        ("clusters = 1", "2 to 256"),
        ("clusters = 257", "2 to 256"),
        ("per = 3", "clusters"),
        ("clusters = 4, k = 3", "`k`"),
    ] {
        let text = format!("[{{ stage = \"kmeans\", {options} }}]");
        let error = pipeline_for(&Layout::flat(3), &text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
}

/// Lines on a GPU, of which two are far from being normally distributed, come to codebooks that are as good as the
/// host's; whoever reads the messages needs no GPU.
#[test]
fn long_blocks_on_a_gpu_have_centroids_that_are_as_good() {
    const LENGTHS: [usize; 2] = [280_000, 5_003];
    const P: usize = LENGTHS[0] + LENGTHS[1];
    gpu();
    let posing = Gpu::open(&GpuOptions { posing: Some(DeviceClass::Gpu), ..Default::default() }).unwrap();
    let mut lines: Vec<_> = (0..3).map(|line| uniform_tensor(P, line, 3, 5, 1.0)).collect();
    lines[1] = lines[1].iter().map(|value| 0.01 * value.powi(9)).collect();
    // Clumps, and one value that is as far as there is any.
    let clump = |(place, value): (usize, &f32)| (place % 5) as f32 - 2.0 + 0.001 * value;
    lines[2] = lines[2].iter().enumerate().map(clump).collect();
    lines[2][77] = -300.0;
    let text =
        |clusters: usize| format!("[{{ stage = \"kmeans\", clusters = {clusters}, per = {} }}]", LENGTHS[0]);
    let send = |codec: &Pipeline, lines: &[Vec<f32>], is_on_device: bool| {
        let tensor = Tensor::zeros(&posing, "updates", lines.len(), 1, P).unwrap();
        tensor.write(&posing, &lines.concat());
        let round = Round { number: 1, seed: 0, global: &lines[0], gpu: &posing, local: None };
        let mut kept = vec![Kept::default(); lines.len()];
        let updates = kept.iter_mut().enumerate().map(|(line, kept)| {
            let host = || Values::Host(lines[line].clone());
            let device = || Values::Device { tensor: tensor.clone(), line };
            (line as u32, kept, if is_on_device { device() } else { host() })
        });
        codec.send(&round, updates.collect())
    };
    let mut fewer = [f64::INFINITY; 3];
    for clusters in [2, 6, 16] {
        let codec = codec(&Layout::flat(P), &text(clusters));
        let [host, device] = [false, true].map(|is_on_device| send(&codec, &lines, is_on_device).unwrap());
        for ((line, fewer), (host, device)) in lines.iter().zip(&mut fewer).zip(host.iter().zip(&device)) {
            assert_eq!(host.len(), device.len());
            let got = [host, device].map(|sent| receive(&codec, line, sent).unwrap());
            // The short block is the host's to the bit.
            assert_eq!(got[0][LENGTHS[0]..], got[1][LENGTHS[0]..]);
            let [host, device] = got.map(|got| distortion(line, &got));
            assert!(device <= 1.01 * host, "{clusters}: {device} {host}");
            // The negative control: fewer clusters are worse than that.
            assert!(*fewer > 1.01 * host, "{clusters}: {fewer} {host}");
            *fewer = device;
        }
        // The device was at work: its centroids are not the host's to the bit.
        assert_ne!(host, device);
        // By itself an update comes to the same.
        let alone = send(&codec, &lines[1..2], true).unwrap();
        assert_eq!(alone[0], device[1]);
    }
    // Blocks that are all of one value, and what cannot be sent.
    let same = vec![vec![0.1f32; P]; 2];
    let codec = codec(&Layout::flat(P), &text(16));
    let sent = send(&codec, &same, true).unwrap();
    assert_eq!(sent[0].len(), 2 * 5);
    assert_eq!(receive(&codec, &same[0], &sent[0]).unwrap(), same[0]);
    lines[1][9] = f32::INFINITY;
    let error = send(&codec, &lines, true).unwrap_err().to_string();
    assert!(error.contains("collaborator 1") && error.contains("inf"), "{error}");
}
