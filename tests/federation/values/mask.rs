//! Masks in at most a bit a place.

use super::{codec, refused, there_and_back, unsendable};
use crate::support::{gpu, receive};
use fedfunnel::codec::{Kept, Pipeline, Round, Values};
use fedfunnel::model::Layout;
use fedfunnel::reference::random::bits;
use proptest::prelude::*;

/// Ones with these probabilities.
fn drawn(probabilities: &[f32], seed: u32) -> Vec<f32> {
    let uniform = |place: u32| (bits(place, 0, 0, seed) >> 8) as f32 / 16_777_216.0;
    (0..).zip(probabilities).map(|(place, &p)| if uniform(place) < p { 1.0 } else { 0.0 }).collect()
}

/// What is sent of a mask where the global model is this, and what arrives.
fn between(mask: &Pipeline, global: &[f32], values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    let mut kept = Kept::default();
    let round = Round { number: 1, seed: 3, global, gpu: gpu(), local: None };
    let bytes = mask.send(&round, vec![(7, &mut kept, Values::Host(values.to_vec()))]).unwrap().remove(0);
    let arrived = receive(mask, global, &bytes).unwrap();
    (bytes, arrived)
}

#[test]
fn a_mask_costs_what_it_differs_from_the_global_probabilities() {
    let count = 30_000;
    let mask = codec(&Layout::flat(count), "\"mask\"");
    let probabilities: Vec<_> = (0..count).map(|place| [0.02, 0.5, 0.97, 0.2][place % 4]).collect();
    let values = drawn(&probabilities, 5);
    let (sent, arrived) = between(&mask, &probabilities, &values);
    assert_eq!(arrived, values);
    let entropy = |p: f64| -p * p.log2() - (1.0 - p) * (1.0 - p).log2();
    let due: f64 = probabilities.iter().map(|&p| entropy(p.into())).sum();
    let written = 8.0 * sent.len() as f64;
    assert!(written < 1.02 * due + 300.0 && written > 0.97 * due, "{written} of {due}");
    // Probabilities that say something else cost no more than none.
    let (without, arrived) = between(&mask, &vec![0.5; count], &values);
    assert_eq!(arrived, values);
    assert!(without.len() > sent.len());
    let turned: Vec<_> = probabilities.iter().map(|p| 1.0 - p).collect();
    let (turned, arrived) = between(&mask, &turned, &values);
    assert!(arrived == values && (turned.len() as f64) < 1.02 * sent.len() as f64);
}

#[test]
fn a_mask_without_order_is_sent_as_it_is_in_a_bit_a_place_and_a_byte() {
    let mask = codec(&Layout::flat(88), "\"mask\"");
    let values = drawn(&[0.5; 88], 1);
    let (sent, arrived) = there_and_back(&mask, &values);
    assert_eq!((sent.len(), mask.label()), (1 + 11, "mask"));
    assert_eq!((sent[0], arrived), (0, values));
    let (sent, arrived) = there_and_back(&mask, &[0.0; 88]);
    assert!(sent.len() < 6 && arrived == [0.0; 88], "{}", sent.len());
}

#[test]
fn values_that_are_neither_zero_nor_one_arrive_as_the_nearer() {
    let mask = codec(&Layout::flat(5), "\"mask\"");
    assert_eq!(there_and_back(&mask, &[0.49, 0.5, -7.0, 1e9, 1.0]).1, [0.0, 1.0, 0.0, 1.0, 1.0]);
    let error = unsendable(&mask, &[0.0, f32::NAN, 0.0, 0.0, 0.0]);
    assert!(error.contains("collaborator 5 has a value of NaN"), "{error}");
}

#[test]
fn hostile_masks_are_refused_in_words() {
    let mask = codec(&Layout::flat(11), "\"mask\"");
    for (bytes, words) in [
        (&[][..], "too early"),
        (&[0, 1], "too early"),
        (&[0, 1, 8], "not zero"),
        (&[0, 1, 0, 0], "more than are due"),
        (&[2, 1], "its kind is 2"),
        (&[1, 9, 1], "too early"),
        (&[1, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], "not as many"),
    ] {
        let error = refused(&mask, 11, bytes);
        assert!(error.contains(words), "{bytes:?}: {error}");
    }
}

proptest! {
    #[test]
    fn any_mask_comes_back_whatever_the_global_model_is(
        places in prop::collection::vec((any::<bool>(), any::<f32>(), 0.0f32..1.0, any::<bool>()), 1..600),
    ) {
        let values: Vec<_> = places.iter().map(|place| if place.0 { 1.0 } else { 0.0 }).collect();
        let global: Vec<_> = places.iter().map(|place| if place.3 { place.2 } else { place.1 }).collect();
        let mask = codec(&Layout::flat(values.len()), "\"mask\"");
        let (sent, arrived) = between(&mask, &global, &values);
        prop_assert_eq!(arrived, values);
        prop_assert!(sent.len() <= 1 + places.len().div_ceil(8));
    }

    #[test]
    fn any_bytes_are_refused_or_decode_to_zeros_and_ones(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        kind in 0u8..3,
        count in 1usize..300,
    ) {
        let mask = codec(&Layout::flat(count), "\"mask\"");
        let bytes = [&[kind][..], &bytes].concat();
        match receive(&mask, &vec![0.25; count], &bytes) {
            Ok(values) => prop_assert!(values.len() == count && values.iter().all(|v| [0.0, 1.0].contains(v))),
            Err(error) => prop_assert!(matches!(error, fedfunnel::Error::Message { .. }), "{}", error),
        }
    }
}
