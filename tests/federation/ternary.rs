//! Sparse ternary compression against an implementation of its own: bits as a text of zeros and ones.

use crate::support::{gpu, pipeline, receive, run, spec, through};
use fedfunnel::Error;
use fedfunnel::codec::{Kept, MessageKind, Pipeline, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::reference::random::uniform_tensor;
use proptest::prelude::*;

fn ternary(options: &str, parameters: usize) -> Pipeline {
    let text = format!("[{{ stage = \"ternary\", {options} }}]");
    pipeline(&Parts::default(), &text, parameters).unwrap_or_else(|error| panic!("{error}"))
}

/// Bits of a distance's rest, as the paper has them.
pub fn paper_rest(count: usize, of: usize) -> u32 {
    let golden = (1.0 + 5f64.sqrt()) / 2.0;
    let chance = count as f64 / of as f64;
    let ratio = (golden - 1.0).ln() / (1.0 - chance).ln();
    if count == of { 0 } else { (1.0 + ratio.log2().floor()).max(0.0) as u32 }
}

/// The mean of a distance's bits with so many bits of rest, for places that are taken by chance.
fn mean_bits(rest: u32, count: usize, of: usize) -> f64 {
    let stay = 1.0 - count as f64 / of as f64;
    f64::from(rest) + 1.0 / (1.0 - stay.powf(2f64.powi(rest as i32)))
}

/// The places of the largest, by sorting all of them, which the stage does not do.
fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    order.truncate(count);
    order.sort_unstable();
    order
}

fn magnitude(values: &[f32], places: &[usize]) -> f32 {
    let sum: f64 = places.iter().map(|&place| f64::from(values[place]).abs()).sum();
    (sum / places.len() as f64) as f32
}

/// What arrives of values.
pub fn ternarised(values: &[f32], count: usize) -> Vec<f32> {
    let places = largest(values, count);
    let magnitude = magnitude(values, &places);
    let mut all = vec![0.0; values.len()];
    places.iter().for_each(|&place| all[place] = if values[place] < 0.0 { -magnitude } else { magnitude });
    all
}

/// A message of these places, in order, and signs.
fn message(magnitude: f32, rest: u32, places: &[(usize, bool)]) -> Vec<u8> {
    let (mut text, mut next) = (String::new(), 0);
    for &(place, is_negative) in places {
        let distance = place - next;
        text += &"1".repeat(distance >> rest);
        text += "0";
        (0..rest).for_each(|bit| text.push(if distance >> bit & 1 == 1 { '1' } else { '0' }));
        text.push(if is_negative { '1' } else { '0' });
        next = place + 1;
    }
    pack(magnitude, &text)
}

/// A message of these bits.
fn pack(magnitude: f32, bits: &str) -> Vec<u8> {
    let byte = |bits: &[u8]| bits.iter().rev().fold(0u8, |byte, &bit| byte << 1 | (bit - b'0'));
    let bits: Vec<u8> = bits.bytes().collect();
    magnitude.to_le_bytes().into_iter().chain(bits.chunks(8).map(byte)).collect()
}

/// The places and signs of a message, and the bits behind them.
fn unpack(sent: &[u8], rest: usize, count: usize) -> (Vec<(usize, bool)>, String) {
    let mut text: String =
        sent[4..].iter().map(|byte| format!("{byte:08b}").chars().rev().collect::<String>()).collect();
    let (mut places, mut next) = (Vec::new(), 0);
    for _ in 0..count {
        let quotient = text.find('0').expect("the end of a quotient");
        let (distance, others) = text[quotient + 1..].split_at(rest);
        let distance: String = distance.chars().rev().collect();
        let distance = quotient << rest | usize::from_str_radix(&format!("0{distance}"), 2).expect("bits");
        places.push((next + distance, others.starts_with('1')));
        next += distance + 1;
        text = others[1..].to_string();
    }
    (places, text)
}

#[test]
fn ternary_is_as_counted_by_hand() {
    let two = ternary("count = 2", 8);
    assert_eq!((two.label(), two.floats(8, &Kept::default())), ("ternary(2)", Some(0)));
    let values = [0.0, 0.5, 0.0, -3.0, 0.0, 1.0, 0.0, 0.0];
    let (sent, got) = through(&two, &mut Kept::default(), &[0.0; 8], &values);
    // One bit of rest: distance 3 is 10 1 and 1 for its sign, distance 1 is 0 1 and 0, and a bit is left.
    assert_eq!(sent, [&2f32.to_le_bytes()[..], &[0b0010_1101]].concat());
    assert_eq!(got, [0.0, 0.0, 0.0, -2.0, 0.0, 2.0, 0.0, 0.0]);
    // Of equal magnitudes the first.
    let (_, got) =
        through(&two, &mut Kept::default(), &[0.0; 8], &[-1.0, 1.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(got[..4], [-1.0, 1.0, 0.0, 0.0]);
    // Zeros are zeros, whichever sign they have.
    let (sent, got) = through(&two, &mut Kept::default(), &[0.0; 8], &[-0.0; 8]);
    assert!(sent.iter().all(|&byte| byte == 0) && got.iter().all(|value| value.to_bits() == 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn ternary_sends_what_a_naive_implementation_does(
        values in prop_oneof![
            prop::collection::vec(-10f32..10.0, 1..600),
            prop::collection::vec((-2i8..=2).prop_map(f32::from), 1..80),
        ],
        chosen: prop::sample::Index,
    ) {
        let (of, count) = (values.len(), chosen.index(values.len()) + 1);
        let rest = paper_rest(count, of);
        let places = largest(&values, count);
        let signs: Vec<_> = places.iter().map(|&place| (place, values[place] < 0.0)).collect();
        let (sent, got) = through(&ternary(&format!("count = {count}"), of), &mut Kept::default(), &values, &values);
        prop_assert_eq!(&sent, &message(magnitude(&values, &places), rest, &signs));
        prop_assert_eq!(&got, &ternarised(&values, count));
        let (read, padding) = unpack(&sent, rest as usize, count);
        prop_assert_eq!(read, signs);
        prop_assert!(padding.len() < 8 && !padding.contains('1'));
        // The same by a part.
        let part = (count as f64 - 0.5) / of as f64;
        let (by_part, _) = through(&ternary(&format!("part = {part:?}"), of), &mut Kept::default(), &values, &values);
        prop_assert_eq!(by_part, sent);
    }

    #[test]
    fn damaged_bits_are_refused_and_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        count in 1..=50usize,
    ) {
        let codec = ternary(&format!("count = {count}"), 50);
        let magnitude = [&1f32.to_le_bytes()[..], &bytes].concat();
        for bytes in [&bytes, &magnitude] {
            match receive(&codec, &[0.0; 50], bytes) {
                Ok(values) => {
                    let sent = values.iter().filter(|value| **value != 0.0).count();
                    prop_assert!(sent == count || bytes[..4] == [0; 4] || bytes[..4] == (-0f32).to_le_bytes());
                }
                Err(error) => prop_assert!(matches!(error, Error::Message { .. }), "{}", error),
            }
        }
    }
}

#[test]
fn a_part_is_rounded_up_and_at_least_one_value() {
    let values = uniform_tensor(1_234, 0, 0, 3, 1.0);
    for (part, count) in [(0.01, 13), (0.5, 617), (1.0, 1_234), (1e-9, 1)] {
        let codec = ternary(&format!("part = {part:?}"), values.len());
        let (_, got) = through(&codec, &mut Kept::default(), &values, &values);
        assert_eq!(got, ternarised(&values, count), "{part}");
        assert_eq!(codec.label(), format!("ternary({part:?})"));
    }
    assert_ne!(ternary("part = 1.0", 9).label(), ternary("count = 1", 9).label());
}

#[test]
fn messages_are_as_long_as_golomb_codes_of_places_taken_by_chance() {
    for (of, count, bytes) in [(550_570, 4_000, 4_828), (15_910, 90, 116), (15_910, 9_000, 3_118)] {
        let values = uniform_tensor(of, 0, 1, 7, 1.0);
        let codec = ternary(&format!("count = {count}"), of);
        let (sent, got) = through(&codec, &mut Kept::default(), &values, &values);
        assert_eq!(got, ternarised(&values, count));
        let rest = paper_rest(count, of);
        let mean = mean_bits(rest, count, of);
        let due = 4.0 + count as f64 * (1.0 + mean) / 8.0;
        assert!((due - f64::from(bytes)).abs() < 1.0, "{due}");
        // The ones of a quotient deviate by less than the mean of its bits.
        let doubt = 4.0 * (count as f64).sqrt() * (mean - f64::from(rest)) / 8.0;
        assert!((sent.len() as f64 - due).abs() < doubt && doubt < 0.1 * due, "{} of {due}", sent.len());
    }
}

#[test]
fn no_other_power_of_two_makes_shorter_messages() {
    for of in [7, 100, 15_910, 550_570] {
        for count in (0..=12).map(|step| (of >> step).max(1)).chain([of / 3, of * 5 / 13]) {
            let best = (0..24).min_by(|&a, &b| mean_bits(a, count, of).total_cmp(&mean_bits(b, count, of)));
            let rest = best.expect("one of them");
            // The last places of all: one long distance, which each power of two divides differently.
            let places: Vec<_> = (0..count).map(|place| (of - count + place, false)).collect();
            let mut values = vec![0f32; of];
            values[of - count..].fill(1.0);
            let (sent, _) =
                through(&ternary(&format!("count = {count}"), of), &mut Kept::default(), &values, &values);
            assert_eq!(sent, message(1.0, rest, &places), "{count} of {of}");
        }
    }
}

#[test]
fn what_ternary_has_sent_and_what_feedback_still_owes_is_all_that_there_was() {
    const P: usize = 1_234;
    let codec = "[\"delta\", \"feedback\", { stage = \"ternary\", count = 60 }]";
    let codec = pipeline(&Parts::default(), codec, P).unwrap();
    assert_eq!(codec.label(), "delta+feedback+ternary(60)");
    let global = uniform_tensor(P, 0, 9, 3, 1.0);
    let (mut kept, mut given, mut arrived) = (Kept::default(), vec![0f64; P], vec![0f64; P]);
    let mut naive = vec![0f32; P];
    for round in 0..40 {
        let moved = uniform_tensor(P, 0, round % 3, 3, 0.1);
        let weights: Vec<f32> = moved.iter().zip(&global).map(|(v, g)| v + g).collect();
        let (_, got) = through(&codec, &mut kept, &global, &weights);
        // Error feedback by hand.
        naive.iter_mut().zip(&weights).zip(&global).for_each(|((sum, w), g)| *sum += w - g);
        let sent = ternarised(&naive, 60);
        naive.iter_mut().zip(&sent).for_each(|(sum, sent)| *sum -= sent);
        for place in 0..P {
            assert_eq!(got[place], sent[place] + global[place]);
            given[place] += f64::from(weights[place] - global[place]);
            arrived[place] += f64::from(sent[place]);
        }
    }
    let owed = kept.scope("1").get("error").expect("an error").to_vec();
    assert_eq!(owed, naive);
    let missing = |place: usize| given[place] - arrived[place];
    let largest = (0..P).map(|place| (missing(place) - f64::from(owed[place])).abs()).fold(0.0, f64::max);
    let sum = (0..P).map(|place| missing(place).abs()).fold(0.0, f64::max);
    // What is owed is by far more than what rounding leaves.
    assert!(largest < 1e-4 && sum > 0.1, "{largest} {sum}");
}

#[test]
fn what_no_message_can_say_is_refused_in_words() {
    // Two of eight have one bit of rest: place 3 is 1, 0, 1 and a sign, and place 5 behind it 0, 1 and a sign.
    let (codec, whole) = (ternary("count = 2", 8), "1011010");
    let got = receive(&codec, &[0.0; 8], &pack(2.0, whole)).unwrap();
    assert_eq!(got, [0.0, 0.0, 0.0, -2.0, 0.0, 2.0, 0.0, 0.0]);
    for (bytes, word) in [
        // A distance of eight from the start, and one of four from place 4.
        (pack(2.0, "1111000"), "place beyond its 8 values"),
        (pack(2.0, "101111000"), "place beyond its 8 values"),
        (pack(2.0, &"1".repeat(800)), "place beyond its 8 values"),
        (pack(2.0, "10110101"), "not zero"),
        (pack(2.0, "101101000"), "more than are due"),
        // Before the last sign, and before there are bits at all.
        (pack(2.0, "11001100"), "too early"),
        (pack(2.0, ""), "too early"),
        (2f32.to_le_bytes()[..3].to_vec(), "too early"),
        (pack(-2.0, whole), "magnitude -2"),
        (pack(f32::NAN, whole), "magnitude NaN"),
        (pack(f32::INFINITY, whole), "magnitude inf"),
    ] {
        let error = receive(&codec, &[0.0; 8], &bytes).unwrap_err();
        assert!(
            matches!(error, Error::Message { .. }) && error.to_string().contains(word),
            "{word}: {error}"
        );
    }
    let error = receive(&codec, &[0.0], &pack(2.0, whole)).unwrap_err();
    assert!(error.to_string().contains("2 of 1 values"), "{error}");
}

#[test]
fn what_ternary_cannot_send_is_refused_in_words() {
    let refused = |codec: &Pipeline, values: Vec<f32>| {
        let global = values.clone();
        let (round, mut kept) =
            (Round { number: 1, seed: 0, global: &global, gpu: gpu(), local: None }, Kept::default());
        let error = codec.send(&round, vec![(5, &mut kept, Values::Host(values))]).unwrap_err();
        assert!(error.is_usage(), "{error}");
        error.to_string()
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = refused(&ternary("count = 2", 3), vec![1.0, value, 2.0]);
        let words = ["collaborator 5", &value.to_string(), "ternary", "optimizer.lr"];
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
    }
    let error = refused(&ternary("count = 3", 3), vec![1.0, 2.0]);
    assert!(error.contains("3 of 2 values") && error.contains("smaller count"), "{error}");

    for (options, words) in [
        ("", ["nothing says how many", "set part"]),
        (", part = 0.1, count = 3", ["part and count both", "leave one of them out"]),
        (", part = 0.0", ["a part of 0", "above 0"]),
        (", part = 1.5", ["a part of 1.5", "up to 1"]),
        (", part = nan", ["a part of NaN", "up to 1"]),
        (", count = 0", ["a count of 0", "1 or more"]),
        (", count = 51", ["a count of 51", "up to 50"]),
        (", count = -1", ["-1", "correct it"]),
        (", count = 1.5", ["1.5", "correct it"]),
        (", k = 3", ["`k`", "correct it"]),
    ] {
        let text = format!("[{{ stage = \"ternary\"{options} }}]");
        let error = pipeline(&Parts::default(), &text, 50).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.is_usage(), "{error}");
        let error = error.to_string();
        assert!(error.contains("codecs: ternary"), "{error}");
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
    }
}

#[test]
fn what_a_code_misses_goes_beside_it_in_ternary() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let codecs = "codecs=[\"raw\",[{stage=\"pca\",floats=2}],[\"prior\",{stage=\"pca\",floats=2},\
                  {stage=\"residual\",stages=[{stage=\"ternary\",count=90}]}]]";
    let outcome = run(folder.path(), &spec(&parts, &[codecs]), &parts);
    let [_, plain, both] = outcome.federations.as_slice() else { panic!("three federations") };
    assert_eq!(both.label, "prior+pca(2)+residual(feedback+ternary(90))");
    assert_ne!(both.model, plain.model);
    let updates = both.ledger.transfers.iter().filter(|t| t.kind == MessageKind::Update);
    let bytes: Vec<_> = updates.map(|t| t.bytes).collect();
    // A header of three bytes, two floats and a magnitude; each place has 7 bits of rest, a zero and a sign, and all of
    // their quotients together are at most a 128th of the places.
    let bits = 90 * (7 + 1 + 1);
    let due = 3 + 2 * 4 + 4 + bits / 8..=3 + 2 * 4 + 4 + (bits + 15_910 / 128_u64).div_ceil(8);
    assert!(bytes.len() == 4 && bytes.iter().all(|bytes| due.contains(bytes)), "{bytes:?}");
}
