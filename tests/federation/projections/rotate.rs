//! Rotations, and one bit for each rotated value, by what the papers say of them.

use super::support::{
    assert_goes_on, assert_works_in_company, distance, energy, layout, once, refused, round, values,
};
use crate::support::pipeline as flat;
use fedfunnel::codec::{Kept, Pipeline, Values};
use fedfunnel::federation::Parts;
use fedfunnel::reference::hadamard;
use std::f64::consts::PI;

fn drive(options: &str, width: usize) -> Pipeline {
    flat(&Parts::default(), &format!("[{{stage=\"drive\"{options}}}]"), width).unwrap()
}

/// Values of very different sizes.
fn skewed(width: usize) -> Vec<f32> {
    values(width, 4).into_iter().map(|value| value.powi(9)).collect()
}

#[test]
fn rotated_values_arrive_as_they_were_and_are_all_of_one_size() {
    for width in [1, 3, 1_000, 1_234, 20_000] {
        let codec = flat(&Parts::default(), "[\"rotate\"]", width).unwrap();
        let update = skewed(width);
        let (sent, got) = once(&codec, &round(1, 1, &update), &update);
        assert_eq!((sent.len(), codec.label()), (4 * width, "rotate"));
        assert!(distance(&got, &update) < 1e-10 * energy(&update), "{width}");
        let rotated: Vec<f32> =
            sent.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert!((energy(&rotated) - energy(&update)).abs() < 1e-5 * energy(&update));
        // The fourth moment over the square of the second is 3 for what is normally distributed.
        let kurtosis = |values: &[f32]| {
            let fourth: f64 = values.iter().map(|&value| f64::from(value).powi(4)).sum();
            fourth * values.len() as f64 / energy(values).powi(2)
        };
        if width == 1_000 || width == 1_234 {
            assert!(kurtosis(&update) > 6.0 && (kurtosis(&rotated) - 3.0).abs() < 0.6, "{width}");
        }
        // Another collaborator, another round and another seed are rotated otherwise.
        let other =
            [(1, 2), (2, 1)].map(|(seed, number)| once(&codec, &round(seed, number, &update), &update).0);
        assert!(width < 10 || other.iter().all(|other| *other != sent));
        let kept = &mut Kept::default();
        let other = codec.send(&round(1, 1, &update), vec![(4, kept, Values::Host(update.clone()))]).unwrap();
        assert!(width < 10 || other[0] != sent);
    }
}

#[test]
fn one_bit_for_each_value_and_a_scale_for_each_block_arrive_with_the_errors_of_the_paper() {
    for (width, blocks) in [(1_000, 1), (4_096, 1), (20_000, 2)] {
        let update = skewed(width);
        for (options, label, due) in
            [("", "drive", PI / 2.0 - 1.0), (",unbiased=false", "drive(biased)", 1.0 - 2.0 / PI)]
        {
            let codec = drive(options, width);
            assert_eq!((codec.label(), codec.floats(width, &Kept::default())), (label, Some(0)));
            let (sent, got) = once(&codec, &round(1, 1, &update), &update);
            assert_eq!(sent.len(), 4 * blocks + width.div_ceil(8));
            let error = distance(&got, &update) / energy(&update);
            assert!((error - due).abs() < 0.06, "{label}, {width}: {error} and not {due}");
        }
    }
}

#[test]
fn the_mean_over_rounds_is_the_update_where_it_is_unbiased() {
    const ROUNDS: u32 = 60;
    let update = skewed(500);
    let error = |options: &str| {
        let (codec, mut mean) = (drive(options, 500), vec![0f32; 500]);
        for number in 1..=ROUNDS {
            let (_, got) = once(&codec, &round(1, number, &update), &update);
            mean.iter_mut().zip(got).for_each(|(mean, value)| *mean += value / ROUNDS as f32);
        }
        distance(&mean, &update) / energy(&update)
    };
    let noise = (PI / 2.0 - 1.0) / f64::from(ROUNDS);
    assert!(error("") < 2.0 * noise, "{} {noise}", error(""));
    // The negative control: what is too short stays so.
    assert!(error(",unbiased=false") > 0.8 * (1.0 - 2.0 / PI).powi(2));
}

/// The block's rotation, sign for sign, and the scales of the paper.
#[test]
fn bits_are_the_signs_of_the_twin() {
    let update = skewed(200);
    let (sent, _) = once(&drive("", 200), &round(1, 1, &update), &update);
    let rotate = flat(&Parts::default(), "[\"rotate\"]", 200).unwrap();
    let (rotated, _) = once(&rotate, &round(1, 1, &update), &update);
    let rotated: Vec<f64> =
        rotated.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()).collect();
    let scale = energy(&update) / rotated.iter().map(|value| value.abs()).sum::<f64>();
    let got = f32::from_le_bytes([sent[0], sent[1], sent[2], sent[3]]);
    assert!((f64::from(got) - scale).abs() < 1e-5 * scale);
    for (place, value) in rotated.iter().enumerate() {
        assert_eq!(sent[4 + place / 8] >> (place % 8) & 1 == 1, *value < 0.0, "{place}");
    }
    // What is combined and separated again by the twin is as long: the rotation is one.
    let mut again = rotated.clone();
    hadamard::separate(&mut again);
    let length = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
    assert!((length(&again) - length(&rotated)).abs() < 1e-9 * length(&rotated));
}

#[test]
fn rotations_work_in_company_and_are_gone_on_with_to_the_same_bits() {
    for stage in ["\"rotate\"", "\"rotate\",\"f16\"", "\"drive\"", "{stage=\"drive\",unbiased=false}"] {
        assert_works_in_company(stage, &layout());
        assert_goes_on(stage, &layout());
    }
}

#[test]
fn what_one_bit_cannot_say_is_refused_in_words() {
    assert!(refused("[{stage=\"rotate\",seed=3}]", &layout()).contains("seed"));
    assert!(refused("[{stage=\"drive\",unbiased=2}]", &layout()).contains("codecs: drive"));
    let codec = drive("", 8);
    let send = |update: Vec<f32>| {
        let error =
            codec.send(&round(1, 1, &[0.0; 8]), vec![(5, &mut Kept::default(), Values::Host(update))]);
        error.unwrap_err()
    };
    for value in [f32::NAN, f32::INFINITY] {
        let error = send(vec![value; 8]);
        assert!(error.is_usage() && error.to_string().contains("collaborator 5"), "{error}");
    }
    for scale in [f32::NAN, f32::INFINITY, -1.0] {
        let bytes = [&scale.to_le_bytes()[..], &[0]].concat();
        let error = codec.receive(&round(1, 1, &[0.0; 8]), vec![(5, &Kept::default(), &bytes)]).unwrap_err();
        assert!(error.to_string().contains("scale"), "{error}");
    }
    // Zeros are zeros.
    let (sent, got) = once(&codec, &round(1, 1, &[0.0; 8]), &[0.0; 8]);
    assert_eq!((sent, got), (vec![0; 5], vec![0.0; 8]));
}
