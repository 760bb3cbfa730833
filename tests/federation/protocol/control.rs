//! Control variates around compressors.

use super::support::{Sides, numbers, refused};

#[test]
fn scallion_is_as_counted_by_hand() {
    let text = "[\"delta\", { stage = \"scallion\", alpha = 0.5 }, { stage = \"topk\", part = 0.5 }]";
    let mut sides = Sides::new(text, 2, 1);
    assert_eq!(sides.codec.label(), "delta+scallion(0.5)+topk(0.5)");
    let mut cross = |values: [f32; 2]| sides.one(&[0.0; 2], &values).values;
    // d = C(1, 2), and c = (0, 2) arrives.
    assert_eq!(cross([2.0, 4.0]), [0.0, 2.0]);
    // d = C((3 - 0) / 2, (4 - 2) / 2) = (1.5, 0).
    assert_eq!(cross([3.0, 4.0]), [1.5, 2.0]);
    // d = C(-0.25, 1).
    assert_eq!(cross([1.0, 4.0]), [1.5, 3.0]);
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
    // v = (2, 4), d = C(2, 4), and c = (0, 4) arrives.
    assert_eq!(cross([4.0, 8.0]), [0.0, 4.0]);
    // v = (3, 4), d = C(3, 0).
    assert_eq!(cross([4.0, 4.0]), [3.0, 4.0]);
    // v = (2, 6), d = C(-1, 2).
    assert_eq!(cross([1.0, 8.0]), [3.0, 6.0]);
    for (kept, average) in [(&sides.senders[0], Some(&[2.0f32, 6.0][..])), (&sides.receivers[0], None)] {
        assert_eq!(kept.scope("1").get("control"), Some(&[3.0f32, 6.0][..]));
        assert_eq!(kept.scope("1").get("average"), average);
    }
}

/// One round of SCAFFOLD (Karimireddy et al. 2020, option II) in f64, on `|A (x - b)|^2 / 2` of each collaborator. Changes the
/// model and the control variates, and gives the mean gradient of each collaborator.
fn scaffold(x: &mut [f64], own: &mut [Vec<f64>], problems: &[Vec<(f64, f64)>]) -> Vec<Vec<f64>> {
    let count = own.len() as f64;
    let all: Vec<f64> = (0..x.len()).map(|at| own.iter().map(|own| own[at]).sum::<f64>() / count).collect();
    let mut moved = vec![0.0; x.len()];
    let mut gradients = Vec::new();
    for (own, problem) in own.iter_mut().zip(problems) {
        let mut y = x.to_vec();
        let mut gradient = vec![0.0; x.len()];
        for _ in 0..STEPS {
            for (at, (a, b)) in problem.iter().enumerate() {
                let slope = a * a * (y[at] - b);
                gradient[at] += slope / STEPS as f64;
                y[at] -= RATE * (slope - own[at] + all[at]);
            }
        }
        for (at, (x, y)) in x.iter().zip(y).enumerate() {
            own[at] += (x - y) / (STEPS as f64 * RATE) - all[at];
            moved[at] += (y - x) / count;
        }
        gradients.push(gradient);
    }
    x.iter_mut().zip(moved).for_each(|(x, moved)| *x += moved);
    gradients
}

const STEPS: usize = 5;
const RATE: f64 = 0.05;

#[test]
fn without_compression_it_is_scaffold_with_one_variable_on_the_way_up() {
    const P: usize = 12;
    let problems: Vec<Vec<_>> = (0..3)
        .map(|who| numbers(P, who, 70).iter().map(|b| (1.0 + f64::from(who), f64::from(*b))).collect())
        .collect();
    for stage in
        ["\"control\"", "{ stage = \"scallion\", alpha = 1.0 }", "{ stage = \"scafcom\", momentum = 1.0 }"]
    {
        let mut sides = Sides::new(&format!("[\"delta\", {stage}]"), P, 3);
        let mut x: Vec<f64> = numbers(P, 9, 71).iter().map(|x| f64::from(*x)).collect();
        let mut own = vec![vec![0.0; P]; 3];
        let mut first = None;
        for _ in 0..40 {
            let global: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            let gradients = scaffold(&mut x, &mut own, &problems);
            // What a collaborator comes to is its own gradients, wherever along the way they are taken.
            let step = |gradient: &f64, x: &f32| (f64::from(*x) - STEPS as f64 * RATE * gradient) as f32;
            let come_to =
                |gradient: &Vec<f64>| gradient.iter().zip(&global).map(|(g, x)| step(g, x)).collect();
            let crossed = sides.round(&global, &gradients.iter().map(come_to).collect::<Vec<Vec<f32>>>());
            for (at, x) in x.iter().enumerate() {
                let mean = crossed.iter().map(|crossed| f64::from(crossed.values[at])).sum::<f64>() / 3.0;
                assert!((mean - x).abs() < 1e-5, "{stage}: {mean} for {x}");
            }
            for (kept, own) in sides.receivers.iter().zip(&own) {
                let control = kept.scope("1").get("control").unwrap();
                for (control, own) in control.iter().zip(own) {
                    assert!((f64::from(*control) + STEPS as f64 * RATE * own).abs() < 1e-5, "{stage}");
                }
            }
            // Every update is four bytes a value, not eight.
            assert!(crossed.iter().all(|crossed| crossed.bytes.len() == 4 * P));
            first.get_or_insert(x.clone());
        }
        // Shares differ, and it comes to where their gradients cancel.
        for (at, x) in x.iter().enumerate() {
            let sums = |(above, below), (a, b): (f64, f64)| (above + a * a * b, below + a * a);
            let (above, below) = problems.iter().map(|problem| problem[at]).fold((0.0, 0.0), sums);
            assert!((x - above / below).abs() < 1e-4, "{x} for {}", above / below);
        }
        assert!(first.is_some_and(|first| first.iter().zip(&x).any(|(first, x)| (first - x).abs() > 1e-2)));
    }
}

#[test]
fn without_compression_both_are_the_same_average_of_updates() {
    const P: usize = 20;
    let stages = ["{ stage = \"scallion\", alpha = 0.25 }", "{ stage = \"scafcom\", momentum = 0.25 }"];
    let mut both = stages.map(|stage| Sides::new(&format!("[\"delta\", {stage}]"), P, 1));
    let mut average = [0f64; P];
    for round in 0..6 {
        let update = numbers(P, 0, round);
        average.iter_mut().zip(&update).for_each(|(v, u)| *v = 0.75 * *v + 0.25 * f64::from(*u));
        for sides in &mut both {
            for (arrived, average) in sides.one(&[0.0; P], &update).values.iter().zip(&average) {
                assert!((f64::from(*arrived) - average).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn the_mean_of_what_arrives_is_the_step_of_the_papers_aggregator() {
    const P: usize = 60;
    const ALL: u32 = 4;
    // Control variates and their mean in f64, and a compressor that leaves most out.
    for (stage, alpha, momentum) in [
        ("{ stage = \"scallion\", alpha = 0.5 }", 0.5, 1.0),
        ("{ stage = \"scafcom\", momentum = 0.25 }", 1.0, 0.25),
        ("{ stage = \"control\", alpha = 0.5, momentum = 0.25 }", 0.5, 0.25),
    ] {
        let text = format!("[\"delta\", {stage}, {{ stage = \"topk\", part = 0.1 }}]");
        let mut sides = Sides::new(&text, P, ALL as usize);
        let (mut own, mut average) = (vec![vec![0f64; P]; ALL as usize], vec![vec![0f64; P]; ALL as usize]);
        let mut mean = vec![0f64; P];
        for round in 0..12 {
            let updates: Vec<_> = (0..ALL).map(|who| numbers(P, who, round / 4)).collect();
            let arrived = sides.round(&[0.0; P], &updates);
            let mut step = mean.clone();
            for ((update, v), c) in updates.iter().zip(&mut average).zip(&mut own) {
                v.iter_mut()
                    .zip(update)
                    .for_each(|(v, u)| *v = (1.0 - momentum) * *v + momentum * f64::from(*u));
                let away: Vec<f64> = v.iter().zip(&*c).map(|(v, c)| alpha * (v - c)).collect();
                let mut order: Vec<_> = (0..P).collect();
                order.sort_by(|a, b| away[*b].abs().total_cmp(&away[*a].abs()));
                for at in &order[..6] {
                    c[*at] += away[*at];
                    step[*at] += away[*at] / f64::from(ALL);
                    mean[*at] += away[*at] / f64::from(ALL);
                }
            }
            for (at, step) in step.iter().enumerate() {
                let came = arrived.iter().map(|crossed| f64::from(crossed.values[at])).sum::<f64>();
                assert!((came / f64::from(ALL) - step).abs() < 1e-5, "{stage}: {came} for {step}");
            }
        }
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
        // Of what is sent, (1 - alpha) stays.
        let stays = 1.0 - 0.1 * (1.0 - (1.0 - alpha) * (1.0 - alpha));
        for _ in 0..80 {
            let control = sides.receivers[0].scope("1").get("control").unwrap().to_vec();
            let now = missed(&control);
            // What the paper asks of a biased compressor: |C(x) - x|^2 <= (1 - k / P) |x|^2.
            let arrived = missed(&sides.one(&global, &update).values);
            assert!(arrived <= stays * now + 1e-9, "{arrived} of {now}");
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
