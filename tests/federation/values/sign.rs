//! Scaled signs by what their paper states.

use super::{codec, floats, refused, squares, there_and_back, two_layers, values_of};
use crate::support::{gpu, receive};
use fedfunnel::codec::{Kept, Round, Values};
use fedfunnel::model::Layout;

/// `|v|_1 / n sign(v)` for each tensor.
fn scaled_signs(layout: &Layout, values: &[f32]) -> Vec<f32> {
    let each = layout.tensors().iter().flat_map(|tensor| {
        let own = &values[tensor.range.clone()];
        let scale = own.iter().map(|value| f64::from(value.abs())).sum::<f64>() / own.len() as f64;
        own.iter().map(move |value| if *value < 0.0 { -scale as f32 } else { scale as f32 })
    });
    each.collect()
}

#[test]
fn a_sign_is_one_bit_and_a_tensor_has_one_scale() {
    let layout = two_layers();
    let sign = codec(&layout, "\"sign\"");
    let values = values_of(&layout, 2);
    let (sent, got) = there_and_back(&sign, &values);
    assert_eq!((sent.len(), sign.label()), (4 * 4 + 88 / 8, "sign"));
    assert_eq!(got, scaled_signs(&layout, &values));
    for (place, value) in values.iter().enumerate() {
        assert_eq!(sent[16 + place / 8] >> (place % 8) & 1 == 1, *value < 0.0);
    }
    // The paper's measure of a compressor: |v - C(v)|^2 = (1 - |v|_1^2 / (n |v|^2)) |v|^2, here of a single block.
    let whole = codec(&Layout::flat(88), "\"sign\"");
    let (sent, got) = there_and_back(&whole, &values);
    let sum: f64 = values.iter().map(|value| f64::from(value.abs())).sum();
    let all = squares(values.iter().map(|value| f64::from(*value)));
    let off = squares(values.iter().zip(&got).map(|(v, g)| f64::from(*v) - f64::from(*g)));
    let due = (1.0 - sum * sum / (88.0 * all)) * all;
    assert!((off / due - 1.0).abs() < 1e-5, "{off} {due}");
    // The negative control: any other scale is further away.
    for factor in [0.9, 1.1] {
        let other = values.iter().zip(&got).map(|(v, g)| f64::from(*v) - factor * f64::from(*g));
        assert!(squares(other) > 1.001 * off);
    }
    assert_eq!(sent.len(), 4 + 11);
}

#[test]
fn what_feedback_owes_behind_signs_is_what_the_paper_says() {
    let layout = two_layers();
    let fed = codec(&layout, "[\"feedback\", \"sign\"]");
    let (mut kept, global) = (Kept::default(), vec![0.0; 88]);
    let mut owed = vec![0f32; 88];
    for number in 1..=6 {
        let round = Round { number, seed: 3, global: &global, gpu: gpu(), local: None };
        let gradient = values_of(&layout, number % 3);
        let bytes = fed.send(&round, vec![(7, &mut kept, Values::Host(gradient.clone()))]).unwrap().remove(0);
        // p = g + e; e = p - |p|_1 / n sign(p)
        let p: Vec<f32> = gradient.iter().zip(&owed).map(|(g, e)| g + e).collect();
        let step = scaled_signs(&layout, &p);
        assert_eq!(receive(&fed, &global, &bytes).unwrap(), step);
        owed = p.iter().zip(&step).map(|(p, step)| p - step).collect();
        assert_eq!(kept.scope("0").get("error"), Some(&owed[..]), "round {number}");
    }
    assert!(owed.iter().any(|owed| owed.abs() > 0.01));
}

#[test]
fn signs_of_zeros_and_hostile_scales() {
    let sign = codec(&Layout::flat(3), "\"sign\"");
    assert_eq!(there_and_back(&sign, &[0.0, -0.0, 0.0]).1, [0.0; 3]);
    assert_eq!(there_and_back(&sign, &[0.0, -3.0, 0.0]).1, [1.0, -1.0, 1.0]);
    assert_eq!(floats(&there_and_back(&sign, &[f32::MAX, f32::MIN, f32::MAX]).0[..4]), [f32::MAX]);
    for (scale, bits, words) in
        [(f32::NAN, 0, "the scale NaN"), (-2.0, 0, "the scale -2"), (1.0, 8, "not zero")]
    {
        let error = refused(&sign, 3, &[&scale.to_le_bytes()[..], &[bits]].concat());
        assert!(error.contains(words), "{error}");
    }
}
