//! Rules that weigh updates otherwise than by images, by hand and by their properties.

use super::{arrived, assert_close, combined, strategy};
use crate::support::strategy_round;
use fedfunnel::federation::{Arrived, Combine, StrategyRound};
use fedfunnel::model::{Optimizer, OptimizerKind};

#[test]
fn principal_directions_are_as_counted_by_hand() {
    let rule = |part: &str| format!("{{preset=\"fedld\",combine={{part={part}}}}}");
    // Changes (2, 0) and (0, 1): the directions are the axes, with 4/5 and 1/5 of the squares. Of two directions 0.8 are
    // one: (2, 0) keeps 4/5 of its length, (0, 1) has nothing there. With both, 1/5 of (0, 1) comes to it.
    let two = arrived(&[(10, &[3.0, 1.0]), (30, &[1.0, 2.0])]);
    assert_close(&combined(&rule("0.8"), &[1.0; 2], &two), &[1.8, 1.0]);
    assert_close(&combined(&rule("1.0"), &[1.0; 2], &two), &[1.8, 1.1]);
    // At odds in one direction: each keeps its length and its sign, and the mean is the plain one.
    let odd = arrived(&[(1, &[2.0, 0.0]), (1, &[-1.0, 0.0])]);
    assert_close(&combined(&rule("1.0"), &[0.0; 2], &odd), &[0.5, 0.0]);
    // Where nothing changes there is no direction.
    assert_eq!(combined("\"fedld\"", &[1.0; 2], &arrived(&[(1, &[1.0; 2]), (1, &[1.0; 2])])), [1.0; 2]);
}

fn with_losses(losses: &[f64], updates: &[(usize, &[f32])]) -> Vec<Arrived> {
    let each = arrived(updates).into_iter().zip(losses);
    each.map(|(arrived, loss)| Arrived { loss: Some(*loss), ..arrived }).collect()
}

#[test]
fn fair_steps_are_as_counted_by_hand() {
    // A rate of 0.5 is L = 2, and q = 1. Of the first with a loss of 4: g = 2 (0 - 1) = -2, D = 4 * -2 = -8,
    // h = 1 * 4 + 2 * 4 = 12. Of the second with 1: g = -6, D = -6, h = 36 + 2 = 38. And 0 + 14 / 50 = 0.28.
    let two = with_losses(&[4.0, 1.0], &[(10, &[1.0]), (999, &[3.0])]);
    let rule = |q: &str| format!("{{preset=\"qfedavg\",combine={{q={q},rate=0.5}}}}");
    assert_close(&combined(&rule("1"), &[0.0], &two), &[0.28]);
    // With q = 0 it is the mean that no image weighs in, whatever the rate.
    assert_close(&combined(&rule("0"), &[0.0], &two), &[2.0]);
    assert_close(&combined("{combine={kind=\"qfair\",q=0}}", &[0.0], &two), &[2.0]);
    // The rate of the optimiser, 0.1, is taken where none is given.
    let of = |more: &str| combined(&format!("{{combine={{kind=\"qfair\",q=1{more}}}}}"), &[0.0], &two);
    assert_eq!(of(""), of(&format!(",rate={}", f64::from(0.1f32))));
    assert_ne!(of(""), of(",rate=0.2"));
    // Who has the larger loss draws more.
    let turned = with_losses(&[1.0, 4.0], &[(10, &[1.0]), (10, &[3.0])]);
    let share = |arrived: &[Arrived]| combined("{combine={kind=\"qfair\",q=1,rate=1e6}}", &[0.0], arrived)[0];
    assert!(share(&turned) > share(&two));
}

#[test]
fn fair_steps_want_losses() {
    assert!(strategy("\"qfedavg\"").unwrap().combine.wants_loss());
    assert!(!strategy("\"fedavg\"").unwrap().combine.wants_loss());
    let error =
        strategy("\"qfedavg\"").unwrap().combine.combine(&strategy_round(&[0.0]), &arrived(&[(1, &[1.0])]));
    assert!(error.unwrap_err().to_string().contains("collaborator 0 has sent no loss"));
}

fn with_steps(steps: &[u64], updates: &[(usize, &[f32])]) -> Vec<Arrived> {
    let each = arrived(updates).into_iter().zip(steps);
    each.map(|(arrived, steps)| Arrived { steps: *steps, ..arrived }).collect()
}

#[test]
fn changes_a_step_are_as_counted_by_hand() {
    // A quarter of the images with one step, which changes 4, and three quarters with three steps, which change 6:
    // 0.25 * 4 / 1 + 0.75 * 6 / 3 = 2.5 a step, times 0.25 * 1 + 0.75 * 3 = 2.5 steps.
    let two = with_steps(&[1, 3], &[(10, &[5.0]), (30, &[7.0])]);
    assert_close(&combined("\"fednova\"", &[1.0], &two), &[1.0 + 6.25]);
    // Equal steps are FedAvg.
    let equal = with_steps(&[3, 3], &[(10, &[5.0]), (30, &[7.0])]);
    assert_close(&combined("\"fednova\"", &[1.0], &equal), &[6.5]);
    // With a momentum of 0.5 three steps are 1 + 1.5 + 1.75 = 4.25: (0.25 * 4 + 0.75 * 6 / 4.25) times
    // (0.25 + 0.75 * 4.25) is 2.058824 * 3.4375.
    let optimizer = Optimizer { kind: OptimizerKind::Sgd, momentum: 0.5, ..Optimizer::default() };
    let round = StrategyRound { optimizer: &optimizer, ..strategy_round(&[1.0]) };
    let found = strategy("\"fednova\"").unwrap().combine.combine(&round, &two).unwrap();
    assert_close(&found, &[1.0 + 2.0588235 * 3.4375]);
    // Who took no step counts for nothing.
    let resting = with_steps(&[0, 3], &[(10, &[1.0]), (30, &[7.0])]);
    assert_close(&combined("\"fednova\"", &[1.0], &resting), &[1.0 + 0.75 * 0.75 * 6.0]);
}

#[test]
fn only_steps_of_sgd_are_counted() {
    let nova = strategy("\"fednova\"").unwrap();
    for kind in [OptimizerKind::Adam, OptimizerKind::AdamW] {
        let error = nova.check(&Optimizer { kind, ..Optimizer::default() }).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("optimizer.kind"), "{error}");
    }
    nova.check(&Optimizer { kind: OptimizerKind::Sgd, ..Optimizer::default() }).unwrap();
}

/// Rounds of four collaborators, of whom these come with a change of 4.
fn rounds_of(combine: &mut dyn Combine, first: u32, came: &[&[u32]]) -> Vec<f32> {
    let round = |(number, came): (u32, &&[u32])| {
        let all = arrived(&vec![(10, &[5.0f32][..]); came.len()]);
        let all: Vec<_> = all.into_iter().zip(*came).map(|(a, who)| Arrived { who: *who, ..a }).collect();
        let round = StrategyRound { number, ..strategy_round(&[1.0]) };
        combine.combine(&round, &all).unwrap()[0] - 1.0
    };
    (first..).zip(came).map(round).collect()
}

const CAME: [&[u32]; 5] = [&[0, 1], &[0], &[2], &[1, 2, 3], &[1]];

#[test]
fn intervals_are_as_counted_by_hand() {
    let rule = "{preset=\"fedau\",combine={cutoff=3}}";
    // A weight of 1 is a change of 4 / 4. At first all weigh 1. After round 3 the interval of 2 is 3, and that of 3 is
    // cut off at 3: in round 4 they weigh 1, 3 and 3. 1 came in rounds 1 and 4, after 1 and 3: it weighs 2 in round 5.
    let mut combine = strategy(rule).unwrap().combine;
    assert_close(&rounds_of(&mut *combine, 1, &CAME), &[2.0, 1.0, 1.0, 7.0, 2.0]);
    // Where all come to all rounds, it is the plain mean.
    let all: &[u32] = &[0, 1, 2, 3];
    let mut combine = strategy(rule).unwrap().combine;
    assert_close(&rounds_of(&mut *combine, 1, &[all, all, all]), &[4.0; 3]);
    // Rounds that nobody came to count too: 0 came after 1 and after 3 rounds, and weighs 2 in the next.
    let mut combine = strategy("\"fedau\"").unwrap().combine;
    assert_close(&rounds_of(&mut *combine, 1, &[&[0]]), &[1.0]);
    assert_close(&rounds_of(&mut *combine, 4, &[&[0], &[0]]), &[1.0, 2.0]);
}

#[test]
fn a_history_is_gone_on_with_to_the_same_bits() {
    let make = || strategy("{preset=\"fedau\",combine={cutoff=3}}").unwrap().combine;
    for stop in 1..CAME.len() {
        let mut whole = make();
        let due = rounds_of(&mut *whole, 1, &CAME);
        let (mut first, mut second) = (make(), make());
        let mut found = rounds_of(&mut *first, 1, &CAME[..stop]);
        second.kept().clone_from(first.kept());
        second.check_kept(1).unwrap();
        found.extend(rounds_of(&mut *second, 1 + stop as u32, &CAME[stop..]));
        assert_eq!(found, due);
        assert_eq!(second.kept(), whole.kept());
    }
    // The negative control: it does depend on the history.
    assert_ne!(rounds_of(&mut *make(), 4, &CAME[3..]), rounds_of(&mut *make(), 1, &CAME)[3..]);
}

#[test]
fn a_history_that_is_none_is_refused() {
    let begun = || {
        let mut combine = strategy("\"fedau\"").unwrap().combine;
        rounds_of(&mut *combine, 1, &CAME);
        combine
    };
    for (name, values) in [
        ("waited", vec![0.0, 1.0, f32::NAN, 0.0]),
        ("rounds", vec![0.0, 1.5, 0.0, 0.0]),
        ("intervals", vec![-1.0, 0.0, 0.0, 0.0]),
        ("intervals", vec![0.0; 3]),
        ("last", vec![1.0, 2.0]),
    ] {
        let mut combine = begun();
        combine.kept().put(name, values);
        let error = combine.check_kept(1).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    // Of another number of collaborators.
    let mut combine = begun();
    ["waited", "rounds", "intervals"].into_iter().for_each(|name| combine.kept().put(name, vec![1.0; 9]));
    combine.check_kept(1).unwrap();
    let error = combine.combine(&strategy_round(&[0.0]), &arrived(&[(1, &[1.0])])).unwrap_err();
    assert!(error.to_string().contains("9 values where 4 are due"), "{error}");
}
