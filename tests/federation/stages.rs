//! Each stage by a property or an independent implementation, and what arrives damaged.

use crate::support::{gpu, pipeline, receive, through};
use crate::ternary::paper_rest;
use fedfunnel::Error;
use fedfunnel::codec::{Kept, Options, PartSpec, PipelineSpec, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::reference::random::uniform_tensor;
use proptest::prelude::*;

const P: usize = 1_234;

fn values(tensor: u32) -> Vec<f32> {
    uniform_tensor(P, 0, tensor, 3, 1.0)
}

#[test]
fn raw_is_four_bytes_a_weight_and_every_bit_of_it() {
    let raw = pipeline(&Parts::default(), "\"raw\"", P).unwrap();
    let (sent, got) = through(&raw, &mut Kept::default(), &values(1), &values(0));
    assert_eq!((sent.len(), raw.label()), (4 * P, "raw"));
    assert!(got.iter().zip(values(0)).all(|(got, value)| got.to_bits() == value.to_bits()));
    assert!(raw.is_raw() && !raw.learns() && raw.floats(P, &Kept::default()) == Some(P));
}

#[test]
fn delta_sends_what_the_round_changed() {
    let delta = pipeline(&Parts::default(), "[\"delta\"]", P).unwrap();
    let (global, weights) = (values(1), values(0));
    let (sent, got) = through(&delta, &mut Kept::default(), &global, &weights);
    let due: Vec<u8> = weights.iter().zip(&global).flat_map(|(w, g)| (w - g).to_le_bytes()).collect();
    assert_eq!(sent, due);
    for ((got, weight), global) in got.iter().zip(&weights).zip(&global) {
        assert!((got - weight).abs() <= 2.0 * f32::EPSILON * (weight.abs() + global.abs()));
    }
    // The negative control: with another global model, something else arrives.
    let other = receive(&delta, &weights, &sent).unwrap();
    assert!(other.iter().zip(&weights).any(|(other, weight)| (other - weight).abs() > 0.1));
}

/// Half precision by its definition: the nearest multiple of the spacing at that magnitude, ties to even.
fn nearest_half(value: f32) -> f32 {
    let value = f64::from(value);
    let exponent = if value == 0.0 { -14 } else { (value.abs().log2().floor() as i32).max(-14) };
    let spacing = 2f64.powi(exponent - 10);
    let steps = value / spacing;
    let even = 2.0 * (steps / 2.0).round();
    let nearest = if (steps - steps.trunc()).abs() == 0.5 { even } else { steps.round() };
    (nearest * spacing) as f32
}

#[test]
fn f16_rounds_to_the_nearest_and_refuses_what_is_too_large() {
    let half = pipeline(&Parts::default(), "[\"f16\"]", P).unwrap();
    let mut weights = values(0);
    weights[..6].copy_from_slice(&[1e-7, -3e-6, 2049.0, 2051.0, -65_504.0, 0.0]);
    let (sent, got) = through(&half, &mut Kept::default(), &values(1), &weights);
    assert_eq!(sent.len(), 2 * P);
    for (got, &weight) in got.iter().zip(&weights) {
        assert_eq!(*got, nearest_half(weight), "{weight}");
    }
    let (again, _) = through(&half, &mut Kept::default(), &values(1), &got);
    assert_eq!(again, sent);
    weights[3] = 65_520.0;
    let (round, mut kept) =
        (Round { number: 1, seed: 0, global: &got, gpu: gpu(), local: None }, Kept::default());
    let error = half.send(&round, vec![(5, &mut kept, Values::Host(weights))]).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("collaborator 5"), "{error}");
}

#[test]
fn topk_keeps_the_largest_and_counts_its_places() {
    let parts = Parts::default();
    for (part, count) in [(0.01, 13), (0.5, 617), (1.0, P), (1e-9, 1)] {
        let topk = pipeline(&parts, &format!("[{{ stage = \"topk\", part = {part:?} }}]"), P).unwrap();
        let weights = values(0);
        let (sent, got) = through(&topk, &mut Kept::default(), &values(1), &weights);
        // By sorting all of them, which the stage does not do.
        let mut order: Vec<usize> = (0..P).collect();
        order.sort_by(|&a, &b| weights[b].abs().total_cmp(&weights[a].abs()).then(a.cmp(&b)));
        let mut due = vec![0.0; P];
        order[..count].iter().for_each(|&place| due[place] = weights[place]);
        assert_eq!(got, due, "{part}");
        let mut places = order[..count].to_vec();
        places.sort_unstable();
        // Each distance in a Golomb code with so many bits of rest.
        let (mut next, rest) = (0, paper_rest(count, P) as usize);
        let bits = places.iter().map(|&place| {
            let distance = place - next;
            next = place + 1;
            (distance >> rest) + 1 + rest
        });
        assert_eq!(sent.len(), 4 * count + bits.sum::<usize>().div_ceil(8), "{part}");
        assert_eq!(topk.floats(P, &Kept::default()), Some(count));
    }
    // Of equal magnitudes the first.
    let two = pipeline(&parts, "[{ stage = \"topk\", part = 0.5 }]", 4).unwrap();
    let (_, got) = through(&two, &mut Kept::default(), &[0.0; 4], &[1.0, -1.0, 1.0, -1.0]);
    assert_eq!(got, [1.0, -1.0, 0.0, 0.0]);
}

#[test]
fn feedback_is_as_counted_by_hand() {
    let parts = Parts::default();
    let fed = pipeline(&parts, "[\"feedback\", { stage = \"topk\", part = 0.25 }]", 4).unwrap();
    let plain = pipeline(&parts, "[{ stage = \"topk\", part = 0.25 }]", 4).unwrap();
    assert_eq!(fed.label(), "feedback+topk(0.25)");
    let (mut kept, global) = (Kept::default(), [0.0; 4]);
    let first = [3.0, -1.0, 2.0, 0.0];
    let (sent, got) = through(&fed, &mut kept, &global, &first);
    assert_eq!((sent.len(), got), (5, vec![3.0, 0.0, 0.0, 0.0]));
    // e = (0, -1, 2, 0), and v + e = (0, -3, 2, 1).
    let second = [0.0, -2.0, 0.0, 1.0];
    let (_, got) = through(&fed, &mut kept, &global, &second);
    assert_eq!(got, [0.0, -3.0, 0.0, 0.0]);
    // e = (0, 0, 2, 1), and with nothing new the largest of it goes.
    let (_, got) = through(&fed, &mut kept, &global, &[0.0; 4]);
    assert_eq!(got, [0.0, 0.0, 2.0, 0.0]);
    // The negative control: without feedback the second is what it is.
    through(&plain, &mut Kept::default(), &global, &first);
    let (_, got) = through(&plain, &mut Kept::default(), &global, &second);
    assert_eq!(got, [0.0, -2.0, 0.0, 0.0]);
}

#[test]
fn what_feedback_has_sent_and_what_it_still_owes_is_all_that_there_was() {
    let text = "[\"delta\", \"feedback\", { stage = \"topk\", part = 0.05 }, \"f16\"]";
    let codec = pipeline(&Parts::default(), text, P).unwrap();
    let (mut kept, global) = (Kept::default(), values(9));
    let (mut given, mut arrived) = (vec![0f64; P], vec![0f64; P]);
    for round in 0..40 {
        let weights: Vec<f32> = values(round % 3).iter().zip(&global).map(|(v, g)| v * 0.1 + g).collect();
        let (_, got) = through(&codec, &mut kept, &global, &weights);
        for place in 0..P {
            given[place] += f64::from(weights[place] - global[place]);
            arrived[place] += f64::from(got[place] - global[place]);
        }
    }
    let owed = kept.scope("1").get("error").expect("an error").to_vec();
    let (mut largest, mut sum) = (0f64, 0f64);
    for place in 0..P {
        largest = largest.max((given[place] - arrived[place] - f64::from(owed[place])).abs());
        sum = sum.max((given[place] - arrived[place]).abs());
    }
    // What is owed is by far more than what rounding leaves.
    assert!(largest < 1e-4 && sum > 0.1, "{largest} {sum}");
}

#[test]
fn what_cannot_be_a_pipeline_is_refused_in_words() {
    let parts = Parts::default();
    for (text, words) in [
        ("[\"topkk\"]", ["topkk", "did you mean topk?"]),
        ("[\"feedback\"]", ["feedback", "list one behind it"]),
        ("[{ stage = \"topk\", part = 0.0 }]", ["topk", "above 0"]),
        ("[{ stage = \"topk\" }]", ["topk", "part"]),
        ("[{ stage = \"topk\", part = 0.1, count = 3 }]", ["part and count both", "leave one"]),
        ("[{ stage = \"randk\", count = 0 }]", ["codecs: randk", "1 or more"]),
        (
            "[\"feedback\", { stage = \"randk\", part = 0.1, unbiased = true }]",
            ["grows", "leave unbiased out"],
        ),
        ("[\"threshold\"]", ["nothing says", "of = \"rms\""]),
        ("[{ stage = \"threshold\", value = 0.0 }]", ["a threshold of 0", "above 0"]),
        ("[{ stage = \"threshold\", of = \"max\", multiple = 2.0 }]", ["\"max\"", "\"rms\""]),
        ("[{ stage = \"threshold\", of = \"rms\" }]", ["no multiple", "set multiple"]),
        ("[{ stage = \"threshold\", value = 1.0, multiple = 2.0 }]", ["both", "set value"]),
        ("[{ stage = \"feedback\", decay = 0.0 }, \"f16\"]", ["a decay of 0", "leave feedback out"]),
        ("[{ stage = \"feedback\", momentum = 1.0 }, \"f16\"]", ["a momentum of 1", "below 1"]),
        ("[{ stage = \"feedback\", clip = -1.0 }, \"f16\"]", ["a clip of -1", "above 0"]),
        ("[{ stage = \"topk\", part = 0.1, k = 3 }]", ["topk", "`k`"]),
        ("[{ stage = \"f16\", bits = 3 }]", ["f16", "bits"]),
        ("[\"delta\", { stage = \"pca\", floats = 3 }]", ["pca", "list it first"]),
        ("[\"rotate\", \"delta\"]", ["delta", "list it first"]),
        ("[\"delta\", \"delta\"]", ["delta", "leave it out"]),
        ("[\"autoencoder\"]", ["autoencoder", "add it"]),
        ("[{ stage = \"pca\", floats = 0 }]", ["pca", "1 or more"]),
    ] {
        let error = pipeline(&parts, text, P).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.is_usage(), "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{word}: {error}"));
    }
    for (text, word) in [("[]", "without stages"), ("[{ part = 1 }]", "no name"), ("3", "neither a name")] {
        let table: toml::Table = format!("codec = {text}").parse().unwrap();
        let error = PipelineSpec::try_from(table["codec"].clone()).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_spec_is_written_as_it_was_read() {
    #[derive(serde::Deserialize, serde::Serialize, PartialEq, Debug)]
    struct Spec {
        codecs: Vec<PipelineSpec>,
    }
    let text = "codecs = [\"raw\", [\"delta\", { part = 0.01, stage = \"topk\" }]]\n";
    let spec: Spec = toml::from_str(text).unwrap();
    assert_eq!(toml::to_string(&spec).unwrap(), text);
    // A list of one name is that name.
    let one: Spec = toml::from_str("codecs = [[\"raw\"]]").unwrap();
    assert_eq!(one.codecs, [PipelineSpec::raw()]);
    let options = Options { place: "codecs: x".into(), table: toml::Table::new() };
    assert!(options.parse::<toml::Table>().is_ok());
    assert!(PartSpec::named("raw").options.is_empty());
}

#[test]
fn an_update_before_its_decoder_is_refused() {
    let pca = pipeline(&Parts::default(), "[{ stage = \"pca\", floats = 2 }]", P).unwrap();
    let error = receive(&pca, &values(0), &[0; 8]).unwrap_err();
    assert!(matches!(error, Error::Message { .. }) && error.to_string().contains("setup"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_updates_are_refused_and_never_panic(bytes: Vec<u8>, cut in 0..200usize) {
        let global = [0.5; 40];
        for text in [
            "\"raw\"",
            "[\"delta\", \"f16\"]",
            "[{ stage = \"topk\", part = 0.1 }]",
            "[{ stage = \"ternary\", count = 7 }]",
            "[\"feedback\", { stage = \"ternary\", part = 0.3 }]",
            "[\"feedback\", { stage = \"topk\", part = 0.2 }, \"f16\"]",
            "[{ stage = \"randk\", part = 0.2, unbiased = true }]",
            "[\"delta\", { stage = \"threshold\", value = 0.1 }, \"f16\"]",
            "[{ stage = \"stc\", count = 9 }]",
            "[{ stage = \"dgc\", count = 2 }, \"f16\"]",
        ] {
            let codec = pipeline(&Parts::default(), text, global.len()).unwrap();
            let is_message = |bytes: &[u8]| match receive(&codec, &global, bytes) {
                Ok(values) => values.len() == global.len(),
                Err(error) => matches!(error, Error::Message { .. }),
            };
            prop_assert!(is_message(&bytes));
            let (whole, _) = through(&codec, &mut Kept::default(), &global, &[0.25; 40]);
            if cut < whole.len() {
                let error = receive(&codec, &global, &whole[..cut]).unwrap_err();
                prop_assert!(matches!(error, Error::Message { .. }), "{}", error);
            }
            let longer = [&whole[..], &[0]].concat();
            prop_assert!(receive(&codec, &global, &longer).is_err());
        }
    }
}
