//! Whatever becomes of a message, it is refused or decoded to as many values as are due.

use super::support::{Sides, numbers};
use fedfunnel::Error;
use proptest::prelude::*;

const P: usize = 12;

const CODECS: [&str; 9] = [
    "[\"delta\", { stage = \"lbgm\", threshold = 0.5 }]",
    "[\"delta\", \"feedback\", { stage = \"lbgm\", threshold = 0.5 }, { stage = \"ternary\", count = 3 }]",
    "[\"delta\", { stage = \"relevance\", threshold = 0.4 }, { stage = \"topk\", part = 0.3 }, \"f16\"]",
    "[\"delta\", { stage = \"relevance\", threshold = 1.0 }]",
    "[\"scallion\"]",
    "[\"delta\", \"scafcom\", { stage = \"ternary\", part = 0.3 }]",
    "[\"delta\", \"control\", { stage = \"lbgm\", threshold = 0.5 }, { stage = \"topk\", part = 0.3 }]",
    "[\"delta\", { stage = \"lbgm\", threshold = 0.5 }, \"scallion\", { stage = \"topk\", part = 0.3 }]",
    "[\"delta\", \"control\", { stage = \"relevance\", threshold = 0.5 }]",
];

/// Whether a message is refused, or decoded to as many values as are due.
fn is_decent(sides: &Sides, global: &[f32], bytes: Vec<u8>) -> bool {
    match sides.receive(global, &[bytes]) {
        Ok(received) => received[0].values.len() == P,
        Err(error) => matches!(error, Error::Message { .. }),
    }
}

#[test]
fn every_byte_that_is_changed_cut_off_or_added_is_seen_or_does_no_harm() {
    for text in CODECS {
        let mut sides = Sides::new(text, P, 1);
        for round in 0..3 {
            let global = numbers(P, 9, round);
            let weights: Vec<f32> =
                numbers(P, 0, 0).iter().zip(&global).map(|(new, old)| new + old).collect();
            let whole = sides.one(&global, &weights).bytes;
            for place in 0..whole.len() {
                for byte in 0..=255 {
                    let mut bytes = whole.clone();
                    bytes[place] = byte;
                    assert!(is_decent(&sides, &global, bytes), "{text}");
                }
                let error = sides.receive(&global, &[whole[..place].to_vec()]).expect_err("cut off");
                assert!(matches!(error, Error::Message { .. }), "{text}: {error}");
            }
            for byte in [0, 1, 255] {
                let bytes = [&whole[..], &[byte]].concat();
                assert!(sides.receive(&global, &[bytes]).is_err(), "{text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_refused_or_decoded(bytes: Vec<u8>, kind in 0..3u8) {
        for text in CODECS {
            let mut sides = Sides::new(text, P, 1);
            let global = numbers(P, 9, 9);
            for bytes in [&bytes[..], &[&[kind], &bytes[..]].concat()] {
                prop_assert!(is_decent(&sides, &global, bytes.to_vec()));
            }
            sides.one(&global, &numbers(P, 0, 0));
            for bytes in [&bytes[..], &[&[kind], &bytes[..]].concat()] {
                prop_assert!(is_decent(&sides, &global, bytes.to_vec()));
            }
        }
    }
}
