//! Random directions: what arrives is the projection on their span.

use super::support::{
    assert_goes_on, assert_works_in_company, distance, energy, layout, once, pipeline, refused, round, values,
};
use crate::support::{gpu, pipeline as flat};
use fedfunnel::codec::{Kept, Pipeline, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::gpu::{DeviceClass, Gpu, GpuOptions, Tensor};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};

fn subspace(options: &str, width: usize) -> Pipeline {
    flat(&Parts::default(), &format!("[{{stage=\"subspace\",{options}}}]"), width).unwrap()
}

fn sum(values: &[f32], others: &[f32]) -> f64 {
    values.iter().zip(others).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Directions, by what arrives of one weight after the other: the columns of `B B^T`, which is a projection.
#[test]
fn what_arrives_is_an_orthogonal_projection_on_as_many_directions_as_floats() {
    let (width, floats) = (50, 8);
    let codec = subspace("floats=8", width);
    let columns: Vec<Vec<f32>> = (0..width)
        .map(|place| {
            let mut update = vec![0.0; width];
            update[place] = 1.0;
            once(&codec, &round(3, 2, &update), &update).1
        })
        .collect();
    let mut trace = 0.0;
    for i in 0..width {
        trace += f64::from(columns[i][i]);
        for j in 0..width {
            assert_eq!(columns[i][j], columns[j][i], "symmetric");
            // B B^T twice is B B^T.
            assert!((sum(&columns[i], &columns[j]) - f64::from(columns[i][j])).abs() < 1e-6, "{i} {j}");
        }
    }
    assert!((trace - floats as f64).abs() < 1e-5, "the rank is {trace}");
    // Each direction has six or seven of 50 weights.
    for column in &columns {
        let size = column.iter().filter(|value| **value != 0.0).count();
        assert!(size == 6 || size == 7, "{size}");
    }
}

#[test]
fn coordinates_take_what_lies_along_the_directions_and_no_more() {
    let update = values(1_000, 3);
    let codec = subspace("floats=100", 1_000);
    let (sent, got) = once(&codec, &round(3, 2, &update), &update);
    assert_eq!((sent.len(), codec.label()), (400, "subspace(100)"));
    // What is left out is orthogonal to what arrives, and the coordinates are as long as that.
    assert!((distance(&got, &update) + energy(&got) - energy(&update)).abs() < 1e-5 * energy(&update));
    let floats: Vec<f32> =
        sent.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert!((energy(&floats) - energy(&got)).abs() < 1e-5 * energy(&got));
    assert!((energy(&got) / energy(&update) - 0.1).abs() < 0.04, "{}", energy(&got) / energy(&update));
    // Twice projected is projected; the negative control: in another round or of another seed the directions are others.
    let (_, again) = once(&codec, &round(3, 2, &update), &got);
    assert!(distance(&again, &got) < 1e-10 * energy(&got));
    for (seed, number) in [(3, 3), (4, 2), (3 | 1 << 40, 2)] {
        let (_, other) = once(&codec, &round(seed, number, &update), &got);
        assert!(distance(&other, &got) > 0.5 * energy(&got));
    }
    // As many as there are values say all.
    let (_, whole) = once(&subspace("floats=1000", 1_000), &round(3, 2, &update), &update);
    assert_eq!(whole, update);
}

#[test]
fn the_mean_over_rounds_is_the_update_where_it_is_unbiased_and_a_part_of_it_otherwise() {
    const ROUNDS: u32 = 400;
    let (width, floats) = (200, 50);
    let update = values(width, 6);
    let mean = |options: &str| {
        let (codec, mut mean) = (subspace(options, width), vec![0f64; width]);
        for number in 1..=ROUNDS {
            let (_, got) = once(&codec, &round(1, number, &update), &update);
            mean.iter_mut().zip(got).for_each(|(mean, value)| *mean += f64::from(value) / f64::from(ROUNDS));
        }
        mean.into_iter().map(|value| value as f32).collect::<Vec<_>>()
    };
    let unbiased = mean("floats=50,unbiased=true");
    let noise = (width / floats - 1) as f64 / f64::from(ROUNDS);
    let error = distance(&unbiased, &update) / energy(&update);
    assert!(error < 2.0 * noise, "{error} {noise}");
    let projected: Vec<_> =
        mean("floats=50").into_iter().map(|value| value * (width / floats) as f32).collect();
    let error = distance(&projected, &update) / energy(&update);
    assert!(error < 2.0 * noise, "{error} {noise}");
    assert_eq!(subspace("floats=50,unbiased=true", width).label(), "subspace(50,unbiased)");
}

#[test]
fn all_collaborators_have_the_same_directions() {
    let (codec, updates) = (subspace("floats=20", 100), [values(100, 1), values(100, 2)]);
    let both: Vec<f32> = updates[0].iter().zip(&updates[1]).map(|(a, b)| a + b).collect();
    let round = round(1, 5, &both);
    let (_, arrived) =
        super::support::batch_through(&codec, &round, &mut [Kept::default(), Kept::default()], &updates);
    let (_, whole) = once(&codec, &round, &both);
    let sum: Vec<f32> = arrived[0].iter().zip(&arrived[1]).map(|(a, b)| a + b).collect();
    assert!(distance(&sum, &whole) < 1e-10 * energy(&whole));
}

/// A device with kernels of this class.
fn posing(class: DeviceClass) -> Gpu {
    // The shared one keeps drivers quiet.
    gpu();
    Gpu::open(&GpuOptions { posing: Some(class), ..Default::default() }).unwrap()
}

/// A round on this device.
fn round_on<'a>(gpu: &'a Gpu, number: u32, global: &'a [f32]) -> Round<'a> {
    Round { gpu, ..round(3, number, global) }
}

/// Lines on a GPU are projected where they lie, and what arrives is the same to the bit wherever it is decoded.
#[test]
fn a_gpu_sends_what_the_host_does_within_rounding_and_decodes_the_same_bits() {
    // Few values, which are decoded on the host everywhere, and many, which a GPU decodes.
    for (lines, width, options) in [
        (3, 5_003, "floats=77"),
        (3, 400_003, "floats=1000"),
        (3, 400_003, "floats=3,unbiased=true"),
        (1, 1_100_001, "floats=1100001"),
    ] {
        let codec = subspace(options, width);
        let updates: Vec<_> = (0..lines).map(|line| values(width, line as u32)).collect();
        let [processor, device] = [DeviceClass::CpuPlain, DeviceClass::Gpu].map(posing);
        let sent = |gpu: &Gpu| {
            let tensor = Tensor::zeros(gpu, "updates", lines, 1, width).unwrap();
            tensor.write(gpu, &updates.concat());
            let mut kept = vec![Kept::default(); lines];
            let outgoing = kept
                .iter_mut()
                .enumerate()
                .map(|(line, kept)| (line as u32, kept, Values::Device { tensor: tensor.clone(), line }));
            codec.send(&round_on(gpu, 2, &updates[0]), outgoing.collect()).unwrap()
        };
        let received = |gpu: &Gpu, number, payloads: &[Vec<u8>]| {
            let nothing = Kept::default();
            let each = payloads.iter().enumerate();
            let each = each.map(|(line, bytes)| (line as u32, &nothing, bytes.as_slice())).collect();
            let mut values = codec.receive(&round_on(gpu, number, &updates[0]), each).unwrap();
            let is_there = values.iter().all(|values| matches!(values, Values::Device { .. }));
            let bits = Values::take_all(gpu, values.iter_mut().collect()).unwrap();
            let bits: Vec<_> = bits.concat().into_iter().map(f32::to_bits).collect();
            (is_there, bits)
        };
        let [by_host, by_device] = [sent(&processor), sent(&device)];
        // Long sums show that they were added up elsewhere, by their last digits.
        assert!(by_host != by_device || !options.starts_with("floats=3,"), "{options}");
        for (place, (host, device)) in by_host.iter().zip(&by_device).enumerate() {
            let floats = |bytes: &[u8]| -> Vec<f32> {
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            };
            let what = format!("{options}, line {place}");
            let due: Vec<_> = floats(host).into_iter().map(f64::from).collect();
            assert_close(&what, &floats(device), &due, Tolerance::Balanced);
            // The negative control: another collaborator sends something else.
            let other = floats(&by_device[(place + 1) % lines]);
            assert!(lines == 1 || compare(&what, &other, &due, Tolerance::Permissive).is_err(), "{what}");
        }
        let (is_there, bits) = received(&device, 2, &by_device);
        assert_eq!(is_there, lines * width >= 1 << 20, "{options}");
        let (is_elsewhere, due) = received(&processor, 2, &by_device);
        assert!(!is_elsewhere && bits == due, "{options}");
        // The negative control: another round has other directions.
        assert!(received(&device, 3, &by_device).1 != due, "{options}");
    }
}

#[test]
fn directions_work_in_company_and_are_gone_on_with_to_the_same_bits() {
    for stage in ["{stage=\"subspace\",floats=40}", "{stage=\"subspace\",floats=40},\"f16\""] {
        assert_works_in_company(stage, &layout());
        assert_goes_on(stage, &layout());
    }
    // Behind a stage that leaves fewer values than there are directions, each value has its own.
    let few = pipeline("[{stage=\"topk\",part=0.02},{stage=\"subspace\",floats=40}]", &layout()).unwrap();
    let width = layout().parameters();
    let update = values(width, 1);
    let (_, got) = once(&few, &round(1, 1, &update), &update);
    assert_eq!(got.iter().filter(|value| **value != 0.0).count(), 10);
}

#[test]
fn what_are_no_directions_is_refused_in_words() {
    for (options, words) in [
        ("", ["floats", "correct it"]),
        (",floats=0", ["0 directions", "1 or more"]),
        (",floats=1000", ["1000 directions", "up to 490"]),
        (",floats=3,bias=true", ["bias", "correct it"]),
    ] {
        let error = refused(&format!("[{{stage=\"subspace\"{options}}}]"), &layout());
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
    }
}
