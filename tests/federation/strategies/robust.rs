//! Rules that do not trust every update, by hand and by their properties.

use super::{PLAIN_COMBINES, arrived, assert_close, combined, refusal, strategy};
use crate::support::{gpu, strategy_round};
use fedfunnel::codec::Values;
use fedfunnel::federation::{Arrived, StrategyRound};
use fedfunnel::gpu::Tensor;

/// Updates of one weight each, with ten images each.
fn points(values: &[f32]) -> Vec<Arrived> {
    arrived(&values.iter().map(|value| (10, std::slice::from_ref(value))).collect::<Vec<_>>())
}

/// Five updates of 300 weights with uneven numbers of images; the last one is far away.
fn five() -> Vec<Arrived> {
    let line = |who: usize| -> Vec<f32> {
        let far = if who == 4 { 50.0 } else { 0.0 };
        (0..300).map(|at| ((at * (who + 2)) as f32).sin() * 0.1 + (at as f32).cos() + far).collect()
    };
    let lines: Vec<_> = (0..5).map(line).collect();
    arrived(&[3, 10, 40, 7, 9].into_iter().zip(&lines).map(|(n, line)| (n, &line[..])).collect::<Vec<_>>())
}

#[test]
fn medians_are_as_counted_by_hand() {
    // 1, 3, 100 and 5 in order are 1, 3, 5, 100: the mean of 3 and 5. Below: -8, -7, 0, 4, of which -7 and 0.
    let four = arrived(&[(1, &[1.0, 4.0]), (99, &[3.0, -7.0]), (1, &[100.0, 0.0]), (1, &[5.0, -8.0])]);
    assert_eq!(combined("\"fedmedian\"", &[0.0; 2], &four), [4.0, -3.5]);
    assert_eq!(combined("\"fedmedian\"", &[0.0], &points(&[7.0, f32::INFINITY, -2.0])), [7.0]);
    // What is no number stands at an end, whichever sign it has.
    for no_number in [f32::NAN, -f32::NAN] {
        let median = combined("\"fedmedian\"", &[0.0], &points(&[1.0, no_number, 2.0, no_number, 3.0]));
        assert!((1.0..=3.0).contains(&median[0]), "{median:?}");
    }
}

#[test]
fn trimmed_means_are_as_counted_by_hand() {
    // A fifth of five is one at each end: of 1, 2, 4, 6 and 900 the mean of 2, 4 and 6.
    let five = points(&[900.0, 2.0, 4.0, 1.0, 6.0]);
    assert_eq!(combined("\"fedtrimmedavg\"", &[0.0], &five), [4.0]);
    // 0.39 of five is one too, and 0.4 is two, which leaves the median.
    for (part, due) in [("0.39", 4.0), ("0.4", 4.0), ("0.0", 913.0 / 5.0)] {
        let rule = format!("{{combine={{kind=\"trimmed-mean\",part={part}}}}}");
        assert_close(&combined(&rule, &[0.0], &five), &[due]);
    }
    // A fifth of four is none.
    assert_eq!(combined("\"fedtrimmedavg\"", &[0.0], &points(&[900.0, 2.0, 4.0, 2.0])), [227.0]);
}

#[test]
fn krum_is_as_counted_by_hand() {
    // Of five with one byzantine, the two closest count. Squared distances:
    // 0: 1 and 6.25; 1: 1 and 2.25; 2.5: 0.25 and 2.25; 3: 0.25 and 4; 10: 49 and 56.25.
    let five = points(&[0.0, 10.0, 1.0, 2.5, 3.0]);
    let krum = "{preset=\"krum\",combine={byzantine=1}}";
    assert_eq!(combined(krum, &[0.0], &five), [2.5]);
    // Scores of 7.25, 105.25, 3.25, 2.5 and 4.25: the best three are 2.5, 1 and 3.
    let multi =
        |options: &str| combined(&format!("{{preset=\"multikrum\",combine={{{options}}}}}"), &[0.0], &five);
    assert_close(&multi("byzantine=1,keep=3"), &[6.5 / 3.0]);
    // All but the byzantine one.
    assert_close(&multi("byzantine=1"), &[6.5 / 4.0]);
    // Where nobody is byzantine the three closest count, and 10 still is the worst of all.
    assert_close(&multi("byzantine=0,keep=4"), &[6.5 / 4.0]);
}

#[test]
fn kept_updates_weigh_by_images_unless_they_shall_not() {
    let three = arrived(&[(30, &[1.0]), (10, &[2.0]), (5, &[90.0])]);
    let multi =
        |more: &str| combined(&format!("{{combine={{kind=\"multi-krum\",keep=2{more}}}}}"), &[0.0], &three);
    // (30 * 1 + 10 * 2) / 40, and (1 + 2) / 2.
    assert_eq!((multi(""), multi(",weighted=false")), (vec![1.25], vec![1.5]));
}

#[test]
fn krum_leaves_out_what_is_far_and_what_is_no_number() {
    for bad in [1e9, f32::INFINITY, f32::NAN, -f32::NAN] {
        let five = points(&[bad, 1.0, 1.25, 1.5, 2.0]);
        for rule in ["krum", "multi-krum"] {
            let found = combined(&format!("{{combine={{kind=\"{rule}\",byzantine=1}}}}"), &[0.0], &five);
            assert!((1.0..=2.0).contains(&found[0]), "{rule} {bad}: {found:?}");
        }
    }
}

#[test]
fn krum_wants_enough_collaborators_for_its_proof() {
    let five = points(&[0.0; 5]);
    for rule in ["krum", "multi-krum"] {
        let text = format!("{{combine={{kind=\"{rule}\",byzantine=2}}}}");
        let of = |asked: usize| {
            let round = StrategyRound { asked, ..strategy_round(&[0.0]) };
            strategy(&text).unwrap().combine.combine(&round, &five)
        };
        let error = of(6).unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert!(error.to_string().contains("2 byzantine collaborators takes 7 a round"), "{error}");
        // Where seven were asked and five came, it goes on with them.
        assert_eq!(of(7).unwrap(), [0.0]);
    }
}

#[test]
fn the_geometric_median_is_as_counted_by_hand() {
    // 0 with a quarter of the images and 4 with three quarters: the mean is 3, the distances 3 and 1. The weights
    // 0.25 / 3 and 0.75 / 1 are 0.1 and 0.9 of their sum: 3.6. Then 0.25 / 3.6 and 0.75 / 0.4 give 4 * 27 / 28.
    let two = arrived(&[(10, &[0.0]), (30, &[4.0])]);
    let after = |iterations: u32| {
        let rule = format!("{{preset=\"rfa\",combine={{iterations={iterations}}}}}");
        combined(&rule, &[0.0], &two)
    };
    assert_close(&after(1), &[3.6]);
    assert_close(&after(2), &[4.0 * 27.0 / 28.0]);
    assert_close(&after(60), &[4.0]);
    // The three corners of a triangle with equal sides are as far from its middle.
    let high = 3f32.sqrt();
    let corners = arrived(&[(1, &[0.0, 0.0]), (1, &[2.0, 0.0]), (1, &[1.0, high])]);
    assert_close(&combined("\"rfa\"", &[0.0; 2], &corners), &[1.0, f64::from(high) / 3.0]);
    // Less than half of the images cannot carry it away: in the end it is where the others are, and a mean is not.
    let five = points(&[1.0, 1.0, 1.0, 1e6, 1e6]);
    let rule = "{combine={kind=\"geometric-median\",iterations=200}}";
    assert!((combined(rule, &[0.0], &five)[0] - 1.0).abs() < 1.0);
    assert_eq!(combined("\"fedavg\"", &[0.0], &five), [400_000.6]);
}

#[test]
fn bounded_norms_are_as_counted_by_hand() {
    // (3, 4) is 5 long and becomes (1.5, 2); (0, 1) stays. A quarter of one and three quarters of the other.
    let two = arrived(&[(10, &[4.0, 5.0]), (30, &[1.0, 2.0])]);
    let rule = "{preset=\"normbound\",combine={bound=2.5}}";
    assert_close(&combined(rule, &[1.0; 2], &two), &[1.375, 2.25]);
    // A bound that nobody reaches is FedAvg.
    let loose = combined("{combine={kind=\"norm-bound\",bound=1e6}}", &[1.0; 2], &two);
    assert_close(&loose, &[1.75, 2.75]);
}

#[test]
fn of_equal_updates_every_rule_makes_the_same() {
    let update = [0.5f32, -1.25, 3.0, 0.0];
    let global = [0.375f32, -1.0, 2.75, 0.0];
    for rule in PLAIN_COMBINES {
        let found = combined(
            &format!("{{combine={rule}}}"),
            &global,
            &arrived(&[(10, &update), (70, &update), (1, &update), (5, &update), (3, &update)]),
        );
        assert_close(&found, &update.map(f64::from));
        let one = combined(
            &format!("{{combine={}}}", rule.replace(",byzantine=1", "")),
            &global,
            &arrived(&[(4, &update)]),
        );
        assert_close(&one, &update.map(f64::from));
    }
}

#[test]
fn the_order_of_updates_makes_no_difference() {
    let global = vec![0.0; 300];
    for rule in PLAIN_COMBINES {
        let rule = format!("{{combine={rule}}}");
        let due: Vec<_> = combined(&rule, &global, &five()).into_iter().map(f64::from).collect();
        let mut turned = five();
        turned.reverse();
        turned.swap(1, 3);
        assert_close(&combined(&rule, &global, &turned), &due);
    }
}

#[test]
fn updates_on_the_device_are_read_back_once_and_come_to_the_same() {
    let (global, five) = (vec![0.25; 300], five());
    let tensor = Tensor::zeros(gpu(), "updates", 5, 1, 300).unwrap();
    let on_device = |line: usize, tensor: &Tensor| Values::Device { tensor: tensor.clone(), line };
    for (line, arrived) in five.iter().enumerate() {
        let Values::Host(values) = &arrived.update else { panic!("on the host") };
        tensor.write_line(gpu(), line, values);
    }
    for rule in PLAIN_COMBINES {
        let rule = format!("{{combine={rule}}}");
        let due = combined(&rule, &global, &five);
        let moved = |line: usize, arrived: &Arrived, update: Values| Arrived {
            update,
            who: line as u32,
            samples: arrived.samples,
            steps: arrived.steps,
            loss: None,
            staleness: 0,
        };
        // Lines of one tensor, and a part of them beside those of the host.
        let all: Vec<_> =
            five.iter().enumerate().map(|(line, a)| moved(line, a, on_device(line, &tensor))).collect();
        assert_eq!(combined(&rule, &global, &all), due, "{rule}");
        let some = five.iter().enumerate().map(|(line, a)| {
            moved(line, a, if line % 2 == 0 { on_device(line, &tensor) } else { a.update.clone() })
        });
        assert_eq!(combined(&rule, &global, &some.collect::<Vec<_>>()), due, "{rule}");
    }
}

#[test]
fn options_that_cannot_work_are_refused_in_words() {
    for (combine, words) in [
        ("{kind=\"trimmed-mean\",part=0.5}", "a part of 0.5"),
        ("{kind=\"trimmed-mean\",part=-0.1}", "a part of -0.1"),
        ("{kind=\"multi-krum\",keep=0}", "keep is 0"),
        ("{kind=\"krum\",byzantine=-1}", "integer `-1`"),
        ("{kind=\"krum\",keep=1}", "unknown field `keep`"),
        ("{kind=\"geometric-median\",iterations=0}", "iterations is 0"),
        ("{kind=\"geometric-median\",smoothing=0}", "a smoothing of 0"),
        ("{kind=\"norm-bound\",bound=0}", "a bound of 0"),
        ("{kind=\"norm-bound\",bound=nan}", "a bound of NaN"),
        ("{kind=\"median\",part=0.1}", "unknown field `part`"),
        ("{kind=\"principal\",part=0}", "a part of 0"),
        ("{kind=\"qfair\",q=-1}", "a q of -1"),
        ("{kind=\"qfair\",rate=0}", "a rate of 0"),
        ("{kind=\"participation\",cutoff=0}", "a cutoff of 0 rounds"),
        ("\"medain\"", "did you mean median?"),
    ] {
        let refused = refusal(&format!("{{combine={combine}}}"));
        assert!(refused.contains("strategy.combine") && refused.contains(words), "{refused}");
    }
}
