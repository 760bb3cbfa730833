//! Control variates around compressors.

use super::support::{Sides, numbers, refused};

#[test]
fn scallion_is_as_counted_by_hand() {
    let text = "[\"delta\", { stage = \"scallion\", alpha = 0.5 }, { stage = \"topk\", part = 0.5 }]";
    let mut sides = Sides::new(text, 2, 1);
    assert_eq!(sides.codec.label(), "delta+scallion(0.5)+topk(0.5)");
    let mut cross = |values: [f32; 2]| sides.one(&[0.0; 2], &values).values;
    // d = C(1, 2) = (0, 2), w' = (0, 4) and c = (0, 2).
    assert_eq!(cross([2.0, 4.0]), [0.0, 4.0]);
    // d = C((3 - 0) / 2, (4 - 2) / 2) = (1.5, 0), w' = (3, 2) and c = (1.5, 2).
    assert_eq!(cross([3.0, 4.0]), [3.0, 2.0]);
    // d = C(-0.25, 1) = (0, 1), w' = (1.5, 4) and c = (1.5, 3).
    assert_eq!(cross([1.0, 4.0]), [1.5, 4.0]);
    assert_eq!(sides.receivers[0].scope("1").get("control"), Some(&[1.5f32, 3.0][..]));
    // Without momentum there is nothing else to keep.
    assert_eq!(sides.senders[0].scope("1").get("average"), None);
}

#[test]
fn scafcom_is_as_counted_by_hand() {
    let text = "[\"delta\", { stage = \"scafcom\", momentum = 0.5 }, { stage = \"topk\", part = 0.5 }]";
    let mut sides = Sides::new(text, 2, 1);
    assert_eq!(sides.codec.label(), "delta+scafcom(0.5)+topk(0.5)");
    let mut cross = |values: [f32; 2]| sides.one(&[0.0; 2], &values).values;
    // v = (2, 4), d = (0, 4).
    assert_eq!(cross([2.0, 4.0]), [0.0, 4.0]);
    // v = (3, 4), d = C(3, 0).
    assert_eq!(cross([4.0, 4.0]), [3.0, 4.0]);
    // v = (2, 6), d = C(-1, 2).
    assert_eq!(cross([1.0, 8.0]), [3.0, 6.0]);
    for (kept, average) in [(&sides.senders[0], Some(&[2.0f32, 6.0][..])), (&sides.receivers[0], None)] {
        assert_eq!(kept.scope("1").get("control"), Some(&[3.0f32, 6.0][..]));
        assert_eq!(kept.scope("1").get("average"), average);
    }
}

#[test]
fn control_with_both_parts_is_either_of_the_presets() {
    let pairs = [
        ("{ stage = \"scallion\", alpha = 0.25 }", "{ stage = \"control\", alpha = 0.25 }"),
        ("{ stage = \"scafcom\", momentum = 0.25 }", "{ stage = \"control\", momentum = 0.25 }"),
        ("\"scallion\"", "{ stage = \"control\", alpha = 0.1 }"),
        ("\"scafcom\"", "{ stage = \"control\", momentum = 0.2 }"),
    ];
    for (preset, parts) in pairs {
        let mut both = [preset, parts].map(|stage| {
            Sides::new(&format!("[\"delta\", {stage}, {{ stage = \"ternary\", count = 4 }}]"), 20, 1)
        });
        for round in 0..3 {
            let [preset, parts] = both.each_mut().map(|sides| sides.one(&[0.0; 20], &numbers(20, 0, round)));
            assert_eq!(preset, parts);
        }
    }
}

#[test]
fn a_compressor_alone_sends_all_of_an_update_that_stays_the_same() {
    const P: usize = 100;
    // k of P values a round: after P / k rounds all of it has arrived, where without control only k ever do.
    for alpha in [1.0, 0.5] {
        let text = format!(
            "[\"delta\", {{ stage = \"control\", alpha = {alpha:?} }}, {{ stage = \"topk\", part = 0.1 }}]"
        );
        let mut sides = Sides::new(&text, P, 1);
        let (global, update) = (vec![0.0; P], numbers(P, 0, 0));
        let missed = |values: &[f32]| -> f64 {
            values.iter().zip(&update).map(|(value, update)| f64::from(value - update).powi(2)).sum()
        };
        let first = missed(&vec![0.0; P]);
        sides.one(&global, &update);
        let mut before = first;
        for _ in 0..80 {
            let control = sides.receivers[0].scope("1").get("control").unwrap().to_vec();
            let now = missed(&control);
            // What the paper asks of a biased compressor: |C(x) - x|^2 <= (1 - k / P) |x|^2.
            let arrived = missed(&sides.one(&global, &update).values);
            assert!(arrived <= 0.9 * now + 1e-9, "{arrived} of {now}");
            assert!(now <= before + 1e-9);
            before = now;
        }
        assert!(before < 1e-3 * first, "{before} of {first}");
    }
}

#[test]
fn both_sides_keep_the_same_control_variates_of_a_cohort() {
    const P: usize = 40;
    let text = "[\"delta\", \"scafcom\", \"feedback\", { stage = \"ternary\", count = 5 }]";
    let mut together = Sides::new(text, P, 50);
    let mut alone: Vec<_> = (0..50).map(|_| Sides::new(text, P, 1)).collect();
    let global = numbers(P, 99, 9);
    for round in 0..3 {
        let weights: Vec<_> = (0..50).map(|who| numbers(P, who, round)).collect();
        let crossed = together.round(&global, &weights);
        for ((alone, weights), crossed) in alone.iter_mut().zip(&weights).zip(crossed) {
            assert_eq!(alone.one(&global, weights), crossed);
        }
        for (sender, receiver) in together.senders.iter().zip(&together.receivers) {
            let [sender, receiver] = [sender, receiver].map(|kept| kept.scope("1").get("control").unwrap());
            assert_eq!(sender, receiver);
        }
    }
}

#[test]
fn what_control_cannot_be_is_refused_in_words() {
    for (text, words) in [
        ("[{ stage = \"control\", alpha = 0.0 }]", "alpha is 0"),
        ("[{ stage = \"scallion\", alpha = 1.5 }]", "alpha is 1.5"),
        ("[{ stage = \"scafcom\", momentum = nan }]", "momentum is NaN"),
        ("[{ stage = \"scafcom\", alpha = 0.5 }]", "`alpha`"),
        ("[\"delta\", { stage = \"topk\", part = 0.1 }, \"control\"]", "right behind delta"),
        ("[\"prior\", { stage = \"pca\", floats = 2 }, \"control\", \"tune\"]", "right behind delta"),
    ] {
        let error = refused(text);
        assert!(error.contains(words), "{error}");
    }
}
