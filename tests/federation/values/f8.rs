//! One byte a value against a table of all bytes, counted by hand from the format's definition.

use super::{codec, floats, places_of, refused, there_and_back, two_layers, unsendable, values_of};
use fedfunnel::model::Layout;

/// The values of the bytes that have no sign, in order.
fn table() -> Vec<f64> {
    let mut all = Vec::new();
    for exponent in 0..16 {
        for mantissa in 0..8 {
            let size = match exponent {
                0 => f64::from(mantissa) / 8.0 * 2f64.powi(-6),
                _ => (1.0 + f64::from(mantissa) / 8.0) * 2f64.powi(exponent - 7),
            };
            all.push(size);
        }
    }
    all.pop();
    all
}

/// The byte of a value by looking at all of them; of two that are as near, the even one.
fn byte_of(value: f64) -> u8 {
    let table = table();
    let off = |byte: usize| (table[byte] - value.abs()).abs();
    let best = (0..table.len()).min_by(|&a, &b| off(a).total_cmp(&off(b)).then((a % 2).cmp(&(b % 2))));
    best.unwrap() as u8 | if value.is_sign_negative() { 0x80 } else { 0 }
}

#[test]
fn every_value_of_f8_and_all_between_goes_to_the_nearest() {
    let table = table();
    assert_eq!((table.len(), table[126], table[1], table[8]), (127, 448.0, 1.0 / 512.0, 1.0 / 64.0));
    let mut values: Vec<f32> = Vec::new();
    for pair in table.windows(2) {
        let [low, middle] = [pair[0] as f32, ((pair[0] + pair[1]) / 2.0) as f32];
        values.extend([low, middle, middle.next_up(), middle.next_down()]);
    }
    values.push(448.0);
    values.extend(values.clone().iter().map(|value| -value));
    // Another tensor has the same values at another scale.
    let scaled = values.iter().map(|value| value / 1024.0);
    let all: Vec<f32> = values.iter().copied().chain(scaled).collect();
    let shapes = [("a", vec![values.len()]), ("b", vec![2, values.len() / 2])];
    let f8 = codec(&Layout::new(shapes.map(|(name, shape)| (name.to_string(), shape))), "\"f8\"");
    let (sent, got) = there_and_back(&f8, &all);
    assert_eq!((sent.len(), f8.label()), (8 + all.len(), "f8"));
    assert_eq!(floats(&sent[..8]), [1.0, 1.0 / 1024.0]);
    for (place, (&value, &byte)) in all.iter().zip(&sent[8..]).enumerate() {
        let scale = if place < values.len() { 1.0 } else { 1.0 / 1024.0 };
        let due = byte_of(f64::from(value) / scale);
        assert_eq!(byte, due, "{value}");
        let size = table[usize::from(due & 0x7f)] * scale;
        assert_eq!(f64::from(got[place]), if due >= 0x80 { -size } else { size });
    }
    assert!((0..=0xfe).filter(|byte| byte & 0x7f != 0x7f).all(|byte| sent[8..].contains(&byte)));
}

#[test]
fn the_largest_of_a_tensor_is_the_largest_byte_and_others_are_wrong_by_a_16th_at_most() {
    let layout = two_layers();
    let f8 = codec(&layout, "\"f8\"");
    let values = values_of(&layout, 1);
    let (sent, got) = there_and_back(&f8, &values);
    let scales = floats(&sent[..16]);
    for (tensor, scale) in layout.tensors().iter().zip(scales) {
        let own = &values[tensor.range.clone()];
        let largest = own.iter().fold(0f32, |most, value| most.max(value.abs()));
        assert_eq!(scale, largest / 448.0);
        assert!(sent[16..][tensor.range.clone()].iter().any(|byte| byte & 0x7f == 0x7e));
        for (value, got) in own.iter().zip(&got[tensor.range.clone()]) {
            let most = (value.abs() / 16.0).max(scale / 1024.0) * 1.000_01;
            assert!((value - got).abs() <= most, "{value} {got}");
        }
    }
    // What topk leaves has one scale.
    let some = codec(&layout, "[{ stage = \"topk\", part = 0.1 }, \"f8\"]");
    let places = places_of(&layout, "{ stage = \"topk\", part = 0.1 }", &values, 9);
    assert_eq!(there_and_back(&some, &values).0.len(), 4 + 9 + places);
}

#[test]
fn f8_takes_zeros_and_the_largest_and_refuses_what_is_no_number() {
    let f8 = codec(&Layout::flat(3), "\"f8\"");
    assert_eq!(there_and_back(&f8, &[0.0, -0.0, 0.0]).1, [0.0; 3]);
    assert_eq!(there_and_back(&f8, &[1e-45, 0.0, -1e-45]).1, [0.0; 3]);
    let (_, got) = there_and_back(&f8, &[f32::MAX, f32::MIN, 0.0]);
    assert!(got.iter().all(|value| value.is_finite()) && got[0] > 3.4e38 && got[1] < -3.4e38, "{got:?}");
    assert!(unsendable(&f8, &[1.0, f32::NAN, 0.0]).contains("collaborator 5 has a value of NaN"));
    for (scale, bytes, words) in [
        (1f32, [0x7f, 0, 0], "no number"),
        (1.0, [0, 0, 0xff], "no number"),
        (f32::NAN, [0; 3], "the scale NaN"),
        (-1.0, [0; 3], "the scale -1"),
        (f32::INFINITY, [0; 3], "the scale inf"),
    ] {
        let error = refused(&f8, 3, &[&scale.to_le_bytes()[..], &bytes].concat());
        assert!(error.contains(words), "{error}");
    }
}
