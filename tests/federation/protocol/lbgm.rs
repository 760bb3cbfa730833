//! The look-back gradient multiplier.

use super::support::{Sides, numbers, refused};

/// What arrives of a multiple of what arrived before.
fn times(coefficient: f32, values: &[f32]) -> Vec<f32> {
    values.iter().map(|value| coefficient * value).collect()
}

fn whole(values: &[f32]) -> Vec<u8> {
    std::iter::once(0).chain(values.iter().flat_map(|value| value.to_le_bytes())).collect()
}

fn multiple(coefficient: f32) -> Vec<u8> {
    std::iter::once(1).chain(coefficient.to_le_bytes()).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn lbgm_is_as_counted_by_hand() {
    let mut sides = Sides::new("[\"delta\", { stage = \"lbgm\", threshold = 0.2 }]", 4, 1);
    assert_eq!(sides.codec.label(), "delta+lbgm(0.2)");
    let global = [0.0; 4];
    let mut cross = |values: [f32; 4]| {
        let crossed = sides.one(&global, &values);
        (crossed.bytes, crossed.values)
    };
    let first = [3.0, 0.0, 4.0, 0.0];
    assert_eq!(cross(first), (whole(&first), first.to_vec()));
    // Twice as far the same way.
    assert_eq!(cross([6.0, 0.0, 8.0, 0.0]), (multiple(2.0), vec![6.0, 0.0, 8.0, 0.0]));
    // <u, l> = 25, |u|^2 = 50 and |l|^2 = 25, so that sin^2 is a half.
    let second = [3.0, 4.0, 4.0, 3.0];
    assert_eq!(cross(second), (whole(&second), second.to_vec()));
    // <u, l> = 48 and both squares 50: sin^2 = 0.0784 and rho = 0.96.
    assert_eq!(cross([4.0, 3.0, 3.0, 4.0]), (multiple(0.96), times(0.96, &second)));
    // A multiple is no new look-back: this one is 0.5 of the second, not of what came between.
    assert_eq!(cross([1.5, 2.0, 2.0, 1.5]), (multiple(0.5), times(0.5, &second)));
    // Back the same way.
    assert_eq!(cross([-3.0, -4.0, -4.0, -3.0]), (multiple(-1.0), times(-1.0, &second)));
    // Nothing at all goes no way.
    assert_eq!(cross([0.0; 4]), (whole(&[0.0; 4]), vec![0.0; 4]));
    // And nothing goes the way of that.
    assert_eq!(cross(first), (whole(&first), first.to_vec()));
}

#[test]
fn what_a_multiple_misses_is_the_sine_of_the_angle() {
    const P: usize = 300;
    let threshold = 0.3;
    let mut sides = Sides::new("[\"delta\", { stage = \"lbgm\", threshold = 0.3 }]", P, 1);
    let global = numbers(P, 9, 9);
    let base = numbers(P, 0, 0);
    let mut look_back: Vec<f32> = Vec::new();
    let mut multiples = 0;
    for round in 0..40u32 {
        let noise = numbers(P, 1, round);
        let share = (round % 10) as f32 / 8.0;
        let update: Vec<f32> = base.iter().zip(&noise).map(|(base, noise)| base + share * noise).collect();
        let weights: Vec<f32> = update.iter().zip(&global).map(|(update, global)| update + global).collect();
        let update: Vec<f32> = weights.iter().zip(&global).map(|(weight, global)| weight - global).collect();
        let crossed = sides.one(&global, &weights);
        let arrived: Vec<f32> =
            crossed.values.iter().zip(&global).map(|(value, global)| value - global).collect();
        if crossed.bytes[0] == 0 {
            look_back = update;
            continue;
        }
        multiples += 1;
        assert_eq!(crossed.bytes.len(), 5);
        let sine =
            1.0 - dot(&update, &look_back).powi(2) / (dot(&update, &update) * dot(&look_back, &look_back));
        let missed: Vec<f32> =
            update.iter().zip(&arrived).map(|(update, arrived)| update - arrived).collect();
        let part = dot(&missed, &missed) / dot(&update, &update);
        assert!((part - sine).abs() < 1e-5 && sine <= threshold, "{part} {sine}");
    }
    assert!((10..40).contains(&multiples), "{multiples}");
}

#[test]
fn both_sides_look_back_to_what_arrived() {
    const P: usize = 100;
    let text =
        "[\"delta\", { stage = \"lbgm\", threshold = 0.9 }, \"feedback\", { stage = \"topk\", part = 0.1 }]";
    let mut sides = Sides::new(text, P, 1);
    assert_eq!(sides.codec.label(), "delta+lbgm(0.9)+feedback+topk(0.1)");
    let global = vec![0.0; P];
    let mut lengths = Vec::new();
    for round in 0..12 {
        let crossed = sides.one(&global, &numbers(P, 0, round / 3));
        let [sender, receiver] =
            [&sides.senders[0], &sides.receivers[0]].map(|kept| kept.scope("1").get("look-back"));
        let look_back = receiver.expect("a look-back");
        assert_eq!(sender, Some(look_back));
        assert_eq!(look_back.iter().filter(|value| **value != 0.0).count(), 10);
        if crossed.bytes[0] == 0 {
            assert_eq!(crossed.values, look_back);
        }
        lengths.push(crossed.bytes.len());
    }
    // What topk leaves of an update goes its way, as far as the threshold asks, until the update is another.
    assert!(lengths.chunks(3).all(|of| of[0] > 40 && of[1..] == [5, 5]), "{lengths:?}");
}

#[test]
fn feedback_owes_what_multiples_miss() {
    const P: usize = 200;
    let text = "[\"delta\", \"feedback\", { stage = \"lbgm\", threshold = 0.5 }]";
    let mut sides = Sides::new(text, P, 1);
    let global = numbers(P, 9, 9);
    let (mut given, mut arrived, mut multiples) = (vec![0f64; P], vec![0f64; P], 0);
    for round in 0..30 {
        let (base, noise) = (numbers(P, 0, 0), numbers(P, 1, round));
        let weights: Vec<f32> =
            (0..P).map(|place| global[place] + base[place] + 0.5 * noise[place]).collect();
        let crossed = sides.one(&global, &weights);
        multiples += usize::from(crossed.bytes.len() == 5);
        for place in 0..P {
            given[place] += f64::from(weights[place] - global[place]);
            arrived[place] += f64::from(crossed.values[place] - global[place]);
        }
    }
    let owed = sides.senders[0].scope("1").get("error").expect("an error");
    let missing = |place: usize| given[place] - arrived[place];
    let largest = (0..P).map(|place| (missing(place) - f64::from(owed[place])).abs()).fold(0.0, f64::max);
    let sum = (0..P).map(|place| missing(place).abs()).fold(0.0, f64::max);
    assert!(largest < 1e-4 && sum > 0.1 && multiples > 5, "{largest} {sum} {multiples}");
}

#[test]
fn a_cohort_is_as_each_of_it_alone() {
    const P: usize = 60;
    let text = "[\"delta\", { stage = \"lbgm\", threshold = 0.4 }, { stage = \"topk\", part = 0.5 }]";
    let mut together = Sides::new(text, P, 50);
    let mut alone: Vec<_> = (0..50).map(|_| Sides::new(text, P, 1)).collect();
    let global = numbers(P, 99, 9);
    let mut kinds = [0; 2];
    for round in 0..3 {
        // Some go on as they did, and others do not.
        let of = |who: u32| numbers(P, who, if who.is_multiple_of(3) { round } else { 0 });
        let weights: Vec<_> = (0..50).map(of).collect();
        let crossed = together.round(&global, &weights);
        for ((alone, weights), crossed) in alone.iter_mut().zip(&weights).zip(crossed) {
            kinds[usize::from(crossed.bytes[0])] += 1;
            assert_eq!(alone.one(&global, weights), crossed);
        }
    }
    assert!(kinds[0] > 50 && kinds[1] > 20, "{kinds:?}");
}

#[test]
fn what_lbgm_cannot_be_is_refused_in_words() {
    for (text, words) in [
        ("[{ stage = \"lbgm\", threshold = 0.2 }]", "list delta before it"),
        ("[\"delta\", { stage = \"lbgm\" }]", "threshold"),
        ("[\"delta\", { stage = \"lbgm\", threshold = 1.0 }]", "to below 1"),
        ("[\"delta\", { stage = \"lbgm\", threshold = nan }]", "to below 1"),
        (
            "[\"delta\", { stage = \"topk\", part = 0.1 }, { stage = \"lbgm\", threshold = 0.2 }]",
            "right behind delta",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains("codecs: lbgm") && error.contains(words), "{error}");
    }
    let sides = Sides::new("[\"delta\", { stage = \"lbgm\", threshold = 0.2 }]", 4, 1);
    for (bytes, word) in [
        (vec![], "too early"),
        (multiple(0.5), "did not arrive"),
        (vec![2, 0, 0, 0, 0], "neither whole nor a multiple"),
        (whole(&[1.0, f32::NAN, 0.0, 0.0]), "NaN"),
    ] {
        let error = sides.receive(&[0.0; 4], &[bytes]).expect_err(word).to_string();
        assert!(error.contains(word), "{error}");
    }
}
