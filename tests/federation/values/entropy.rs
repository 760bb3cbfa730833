//! Coded bytes: lossless, and hardly more than their empirical entropy.

use super::{arrived, codec, pipeline_for, refused, sent, there_and_back, two_layers, values_of};
use fedfunnel::model::Layout;
use fedfunnel::reference::random::uniform_tensor;
use proptest::prelude::*;

/// Values whose bytes these are.
fn values(bytes: &[u8]) -> Vec<f32> {
    super::floats(bytes)
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// So many numbers from 0 to 1.
fn chances(count: usize, tensor: u32) -> Vec<f64> {
    uniform_tensor(count, 0, tensor, 77, 0.5).iter().map(|chance| f64::from(*chance) + 0.5).collect()
}

/// Bytes of an empirical entropy by how often each comes.
fn entropy_in_bytes(bytes: impl Iterator<Item = u8>) -> f64 {
    let (mut counts, mut all) = ([0f64; 256], 0.0);
    for byte in bytes {
        counts[usize::from(byte)] += 1.0;
        all += 1.0;
    }
    let bits = counts.iter().filter(|count| **count > 0.0).map(|count| -count * (count / all).log2());
    bits.sum::<f64>() / 8.0
}

#[test]
fn many_bytes_take_hardly_more_than_their_entropy() {
    const N: usize = 200_000;
    let coded = codec(&Layout::flat(N / 4), "\"entropy\"");
    assert_eq!(coded.label(), "entropy");
    // Bytes that fall off on both sides of the middle, few that are not zero, and two that are as frequent.
    let bell: Vec<u8> = (1..=4)
        .map(|t| chances(N, t))
        .reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect())
        .unwrap()
        .iter()
        .map(|sum| (sum * 60.0) as u8)
        .collect();
    let sparse: Vec<u8> = chances(N, 5).iter().map(|c| if *c < 0.9 { 0 } else { (c * 1e4) as u8 }).collect();
    let two: Vec<u8> = chances(N, 6).iter().map(|c| if *c < 0.5 { 17 } else { 200 }).collect();
    for (name, all) in [("bell", bell), ("sparse", sparse), ("two", two)] {
        let (sent, got) = there_and_back(&coded, &values(&all));
        assert!(bytes(&got) == all, "{name}");
        let entropy = entropy_in_bytes(all.iter().copied());
        let ratio = sent.len() as f64 / entropy;
        assert!((0.99..1.02).contains(&ratio), "{name}: {} bytes for {entropy}", sent.len());
    }
}

#[test]
fn bytes_that_mean_alike_are_counted_together() {
    const N: usize = 160_000;
    // The bytes of each f32 come from ranges of their own.
    let all: Vec<u8> = chances(N, 9)
        .iter()
        .enumerate()
        .map(|(place, chance)| {
            [0u8, 50, 100, 150][place % 4] + (chance * [250.0, 30.0, 4.0, 1.5][place % 4]) as u8 % 251
        })
        .collect();
    let (sent, got) = there_and_back(&codec(&Layout::flat(N / 4), "\"entropy\""), &values(&all));
    assert!(bytes(&got) == all && sent[0] == 4, "{} lanes", sent[0]);
    let lanes = |lane: usize| entropy_in_bytes(all.iter().skip(lane).step_by(4).copied());
    let apart: f64 = (0..4).map(lanes).sum();
    assert!((sent.len() as f64) < 1.01 * apart, "{} {apart}", sent.len());
    // The negative control: all together they are far more surprising.
    assert!(entropy_in_bytes(all.iter().copied()) > 1.3 * apart);
}

#[test]
fn what_cannot_be_shorter_is_sent_as_it_is() {
    let coded = codec(&Layout::flat(100), "\"entropy\"");
    let all: Vec<u8> = chances(400, 3).iter().map(|chance| (chance * 256.0) as u8).collect();
    let (sent, _) = there_and_back(&coded, &values(&all));
    assert_eq!(sent, [&[0, 0x90, 3][..], &all].concat());
    // And zeros are nearly nothing.
    assert!(there_and_back(&coded, &[0.0; 100]).0.len() < 20);
}

#[test]
fn what_stages_write_is_coded_together_and_comes_back() {
    let layout = two_layers();
    let text =
        "[\"delta\", \"feedback\", { stage = \"topk\", part = 0.5 }, { stage = \"kmeans\", clusters = 4 }";
    let coded = codec(&layout, &format!("{text}, \"entropy\"]"));
    let plain = codec(&layout, &format!("{text}]"));
    assert_eq!(coded.label(), "delta+feedback+topk(0.5)+kmeans(4)+entropy");
    assert!(!coded.is_raw() && coded.floats(88, &Default::default()).is_none());
    let values = values_of(&layout, 0);
    let (sent, got) = there_and_back(&coded, &values);
    let (plain_sent, plain_got) = there_and_back(&plain, &values);
    assert_eq!(got, plain_got);
    assert!(sent.len() <= plain_sent.len() + 3);
    // Values that are rarely other than zero are shorter than a bit.
    let few = Layout::flat(8_000);
    let mut values = vec![0.0; 8_000];
    (0..8_000).step_by(100).for_each(|place| values[place] = 1.0);
    let coded = codec(&few, "[{ stage = \"quantize\", bits = 2, stochastic = false }, \"entropy\"]");
    let (sent, got) = there_and_back(&coded, &values);
    assert!(got == values && sent.len() < 400, "{}", sent.len());
    assert!(!codec(&few, "[\"raw\", \"entropy\"]").is_raw());
}

#[test]
fn orders_that_cannot_work_are_refused_with_one_that_does() {
    for (text, words) in [
        (
            "[\"entropy\", \"delta\", \"sign\"]",
            ["delta stands behind it", "list it last: delta, sign, entropy"],
        ),
        (
            "[\"delta\", \"entropy\", \"feedback\", \"sign\"]",
            ["feedback stands behind it", "list it last: delta, feedback, sign, entropy"],
        ),
        ("[\"delta\", \"feedback\", \"entropy\", \"sign\"]", ["sign stands behind it", "list it last"]),
        ("[\"sign\", \"entropy\", \"entropy\"]", ["coded already", "list it once"]),
        ("[\"delta\", \"feedback\", \"entropy\"]", ["feedback", "list one behind it"]),
        ("[{ stage = \"entropy\", order = 2 }]", ["order", "correct it"]),
        (
            "[{ stage = \"pca\", floats = 2 }, { stage = \"residual\", stages = \"sign\" }, \"entropy\", \"tune\"]",
            ["behind what is about the whole code", "before residual, filters and tune"],
        ),
    ] {
        let error = pipeline_for(&two_layers(), text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.is_usage(), "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{word}: {error}"));
    }
}

#[test]
fn hostile_lengths_are_refused_before_they_take_memory() {
    let coded = codec(&Layout::flat(10), "\"entropy\"");
    for (bytes, words) in [
        (vec![9, 40, 1, 0], "9 lanes"),
        (vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0], "4294967295 bytes in 1 lanes, where 4256 are possible"),
        (vec![1, 0xa1, 0x21, 0], "4257 bytes"),
        (vec![0, 40, 1, 2, 3], "too early"),
        (vec![1, 40, 9, 2, 3], "too early"),
        (vec![], "too early"),
        // More than the values take, and fewer.
        (vec![0, 41].into_iter().chain([0; 41]).collect(), "1 bytes more than are due"),
        (vec![0, 39].into_iter().chain([0; 39]).collect(), "too early"),
        // Zeros without end behind a message that ends.
        (vec![1, 0xa0, 0x21, 0], "coded bytes end too early"),
        (vec![1, 40].into_iter().chain([100]).chain([7; 100]).collect(), "not as many as are due"),
    ] {
        let error = refused(&coded, 10, &bytes);
        assert!(error.contains(words), "{bytes:?}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_come_back(seed: Vec<u32>, repeated in 1..60usize, alphabet in 1..=256u32) {
        let all: Vec<u32> = seed.iter().map(|word| {
            word.to_le_bytes().iter().fold(0, |all, byte| (all << 8) | (u32::from(*byte) % alphabet))
        }).collect();
        let all = all.repeat(repeated);
        let values: Vec<f32> = all.iter().map(|bits| f32::from_bits(*bits)).collect();
        let coded = codec(&Layout::flat(values.len()), "\"entropy\"");
        let sent = sent(&coded, (1, 0), 0, &values);
        let got = arrived(&coded, values.len(), &sent).unwrap();
        prop_assert!(got.iter().map(|value| value.to_bits()).eq(all));
    }

    #[test]
    fn coded_bytes_of_anybody_are_refused_or_read(lanes in 1..=8u8, count in 0..=60u8, coded: Vec<u8>) {
        let codec = codec(&Layout::flat(10), "\"entropy\"");
        let length = coded.len().min(127);
        let message = [&[lanes, count, length as u8][..], &coded[..length]].concat();
        let got = arrived(&codec, 10, &message);
        prop_assert!(got.is_err() || count == 40);
    }
}
