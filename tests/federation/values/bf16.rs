//! The upper halves of f32 by their definition.

use super::{codec, there_and_back, two_layers, unsendable, values_of};
use fedfunnel::model::Layout;

/// The nearest multiple of the spacing at that magnitude, ties to even.
fn nearest(value: f32) -> f32 {
    let value = f64::from(value);
    let exponent = if value == 0.0 { -126 } else { (value.abs().log2().floor() as i32).max(-126) };
    let spacing = 2f64.powi(exponent - 7);
    ((value / spacing).round_ties_even() * spacing) as f32
}

#[test]
fn bf16_rounds_to_the_nearest_and_keeps_the_range_of_f32() {
    let layout = two_layers();
    let bf16 = codec(&layout, "\"bf16\"");
    let mut values = values_of(&layout, 0);
    values[..6].copy_from_slice(&[1e-40, -3e38, 1.003_906_3, 1.011_718_8, -1e-30, 0.0]);
    let (sent, got) = there_and_back(&bf16, &values);
    assert_eq!((sent.len(), bf16.label()), (2 * values.len(), "bf16"));
    for (got, value) in got.iter().zip(&values) {
        assert_eq!(*got, nearest(*value), "{value}");
    }
    // What it sends are the upper halves of what arrives.
    let halves: Vec<u8> = got.iter().flat_map(|got| got.to_le_bytes()[2..].to_vec()).collect();
    assert_eq!(sent, halves);
    // The negative control: cutting the lower halves off is another rounding.
    let cut = |value: &f32| f32::from_bits(value.to_bits() & 0xffff_0000);
    assert!(values.iter().map(cut).zip(&got).any(|(cut, got)| cut != *got));
}

#[test]
fn what_bf16_cannot_say_is_refused_in_words() {
    let bf16 = codec(&Layout::flat(3), "[\"bf16\"]");
    for (value, words) in [(f32::MAX, "too large for bf16"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let error = unsendable(&bf16, &[1.0, value, 2.0]);
        assert!(error.contains(words) && error.contains("collaborator 5"), "{error}");
    }
}
