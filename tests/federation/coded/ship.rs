//! Axes in fewer bits.

use super::support::{Sides, dot, floats_of, made_up_logs};
use crate::support::pipeline;
use fedfunnel::Error;
use fedfunnel::autoencoder::pca::Pca;
use fedfunnel::codec::Kept;
use fedfunnel::federation::Parts;

/// An odd number, so that the last half of a byte has no partner.
const P: usize = 61;
const Z: usize = 3;

fn codec(ship: &str) -> String {
    format!("[{{ stage = \"pca\", floats = 3, ship = \"{ship}\" }}]")
}

/// Bytes of an axis and of the mean.
const BYTES: [(&str, usize, usize); 4] = [
    ("f32", 4 * P, 4 * P),
    ("f16", 2 * P, 2 * P),
    ("int8", 4 + P, 4 + P),
    ("int4", 4 + P.div_ceil(2), 4 + P),
];

/// The values of a row, and how far each may be from what it was.
fn row(ship: &str, bytes: &[u8]) -> Vec<(f64, f64)> {
    let unit = || floats_of(&bytes[..4])[0];
    // Two to the eleventh part of a value, or half of the smallest step that there is.
    let half = |value: f64| (value, (value.abs() / 2048.0).max(2f64.powi(-25)) * 1.001);
    match ship {
        "f32" => floats_of(bytes).into_iter().map(|value| (value, 0.0)).collect(),
        "f16" => {
            let halves = bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f64());
            halves.map(half).collect()
        }
        "int8" => bytes[4..].iter().map(|&b| (f64::from(b as i8) * unit(), unit() * 0.5001)).collect(),
        _ => {
            let halves = bytes[4..].iter().flat_map(|byte| [byte % 16, byte / 16]);
            let signed = halves.map(|half| f64::from(half) - if half > 7 { 16.0 } else { 0.0 });
            signed.take(P).map(|whole| (whole * unit(), unit() * 0.5001)).collect()
        }
    }
}

#[test]
fn axes_cross_the_wire_within_half_a_step_and_are_orthonormal_afterwards() {
    let logs = made_up_logs(2, 6, P);
    for (ship, axis, mean) in BYTES {
        let sides = Sides::new(&codec(ship), &logs);
        let label = if ship == "f32" { "pca(3,f32)".into() } else { format!("pca(3,{ship})") };
        assert_eq!(sides.codec.label(), label);
        let directions = sides.directions(Z);
        for (who, shipped) in sides.shipped.iter().enumerate() {
            assert_eq!(shipped.len(), Z * axis + mean, "{ship}");
            // As they are fitted, by the library's own analysis.
            let fitted = Pca::fit(&logs[who].rows(), &[]).unwrap().state(Z).unwrap();
            let lines = shipped[..Z * axis].chunks(axis).chain([&shipped[Z * axis..]]);
            let values = fitted.rows.chunks(P).chain([&fitted.means[..]]);
            let mut furthest = 0f64;
            for (place, (line, values)) in lines.zip(values).enumerate() {
                let ship = if (ship, place) == ("int4", Z) { "int8" } else { ship };
                let row = row(ship, line);
                assert_eq!(row.len(), P);
                for ((value, bound), &fitted) in row.into_iter().zip(values) {
                    let off = (value - f64::from(fitted)).abs();
                    assert!(off <= bound, "{ship}: {fitted} arrives as {value}");
                    furthest = furthest.max(off);
                }
            }
            // The negative control: what is rounded is not what it was.
            assert_eq!(furthest > 0.0, ship != "f32", "{ship}");
            if ship == "f32" {
                assert_eq!(*shipped, fitted.to_bytes(), "every bit");
            }
            for (j, a) in directions[who].iter().enumerate() {
                for (k, b) in directions[who].iter().enumerate() {
                    let due = f64::from(u8::from(j == k));
                    assert!((dot(a, b) - due).abs() < 2e-6, "{ship} {j} {k}: {}", dot(a, b));
                }
                let fitted: Vec<_> = fitted.rows[j * P..][..P].iter().map(|&value| value.into()).collect();
                // A step of int4 is a seventh of the largest value.
                let least = if ship == "int4" { 0.97 } else { 0.9999 };
                assert!(dot(a, &fitted) > least, "{ship} {j}: {}", dot(a, &fitted));
            }
            for (side, kept) in [("sender", &sides.senders[who]), ("receiver", &sides.receivers[who])] {
                assert_eq!(kept.scope("0").bytes("axes"), Some(&shipped[..]), "{side}");
            }
        }
    }
}

#[test]
fn both_sides_have_the_same_axes_however_they_are_shipped() {
    // What is decoded is in the span of the axes, where encoding and decoding change nothing.
    for (ship, ..) in BYTES {
        let mut sides = Sides::new(&codec(ship), &made_up_logs(2, 6, P));
        let code = [0.5f32, -1.25, 2.0];
        let decoded = sides.decoded(&code);
        for sent in sides.send(1, &[0.0; P], &decoded, None) {
            for (sent, due) in floats_of(&sent).into_iter().zip(code) {
                assert!((sent - f64::from(due)).abs() < 1e-5, "{ship}: {sent} {due}");
            }
        }
    }
}

#[test]
fn axes_with_spreads_are_four_bytes_longer_each() {
    for (ship, axis, mean) in BYTES {
        let text = format!("[{{ stage = \"pca\", floats = 3, ship = \"{ship}\", shared = true }}]");
        let sides = Sides::new(&text, &made_up_logs(2, 6, P));
        assert!(sides.shipped.iter().all(|shipped| shipped.len() == Z * (axis + 4) + mean), "{ship}");
        assert_eq!(sides.sent_back.map(|bytes| bytes.len()), Some(Z * axis + mean), "{ship}");
    }
}

#[test]
fn bytes_that_are_no_axes_are_refused_in_a_sentence() {
    for (ship, axis, mean) in BYTES {
        let codec = pipeline(&Parts::default(), &codec(ship), P).unwrap();
        let install = |length: usize| codec.install(&vec![0; length], &mut Kept::default());
        for length in [0, 1, mean - 1, mean, mean + 1, mean + axis - 1, mean + axis + 1, mean + 2 * axis + 4]
        {
            let error = install(length).err().unwrap_or_else(|| panic!("{ship}: {length}"));
            let words = format!("{length} bytes are no PCA decoder of 61 values");
            assert!(matches!(error, Error::Message { .. }), "{error}");
            assert!(error.to_string().contains(&words), "{ship}: {error}");
        }
        install(mean + 2 * axis).unwrap();
    }
    let error = pipeline(&Parts::default(), &codec("int3"), P).err().unwrap();
    assert!(error.is_usage(), "{error}");
    ["codecs: pca", "int3", "int8"]
        .iter()
        .for_each(|word| assert!(error.to_string().contains(word), "{error}"));
}
