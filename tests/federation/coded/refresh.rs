//! Axes of late: what codes miss in one round, the codes of later ones say.

use super::support::{Sides, dot, floats_of, left_by, made_up_logs};
use crate::support::{gpu, run, spec};
use fedfunnel::codec::{MessageKind, Round};
use fedfunnel::federation::{Direction, FederationOutcome, Parts};
use fedfunnel::reference::random::uniform_tensor;

const WIDTH: usize = 60;

fn codec(refresh: &str) -> String {
    format!("[\"prior\",{{stage=\"pca\",floats=3}},{{stage=\"refresh\",{refresh}}}]")
}

/// What each collaborator ships in a round, which the aggregator keeps.
fn refreshed(sides: &mut Sides, number: u32, global: &[f32]) -> Vec<Option<Vec<u8>>> {
    let round = Round { number, seed: 0, global, gpu: gpu(), local: None };
    let each = sides.senders.iter_mut().map(|kept| sides.codec.refresh(&round, kept).unwrap());
    let shipped: Vec<_> = each.collect();
    for (bytes, kept) in shipped.iter().zip(&mut sides.receivers) {
        bytes.iter().for_each(|bytes| sides.codec.replace_axes(bytes, kept).unwrap());
    }
    shipped
}

fn far(a: &[f32], b: &[f32]) -> f64 {
    let difference: Vec<_> = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
    dot(&difference, &difference).sqrt()
}

#[test]
fn the_direction_that_a_code_missed_becomes_its_last_axis() {
    let mut sides = Sides::new(&codec("every=1"), &made_up_logs(2, 6, WIDTH));
    let global = uniform_tensor(WIDTH, 0, 0, 21, 0.3);
    let moved = |by: f32| {
        let away = |who| uniform_tensor(WIDTH, who, 0, 22, 1.0);
        let weights = |who| global.iter().zip(away(who)).map(|(g, away)| g + by * away).collect();
        (0..2).map(weights).collect::<Vec<Vec<f32>>>()
    };
    assert!(refreshed(&mut sides, 1, &global).iter().all(Option::is_none), "nothing has been missed");
    sides.through(1, &global, &moved(1.0));
    assert!(refreshed(&mut sides, 2, &global).iter().all(Option::is_none), "no model went before");
    let before = sides.directions(3);
    let arrived = sides.through(2, &global, &moved(1.0));
    let shipped = refreshed(&mut sides, 3, &global);
    for who in 0..2 {
        let axis = floats_of(shipped[who].as_ref().expect("an axis"));
        assert_eq!(axis.len(), WIDTH);
        assert!((dot(&axis, &axis) - 1.0).abs() < 1e-6);
        // What was missed is a multiple of it.
        let missed: Vec<_> =
            moved(1.0)[who].iter().zip(&arrived[who]).map(|(w, d)| f64::from(*w) - f64::from(*d)).collect();
        assert!(dot(&missed, &missed).sqrt() > 0.5, "nothing was missed");
        assert!(left_by(&[axis], &missed) < 1e-5);
        // The first two axes are as they were, and the last one is not.
        let after = sides.directions(3);
        assert_eq!(before[who][..2], after[who][..2]);
        assert!(left_by(&before[who], &after[who][2]) > 0.9);
    }
    // The other way, by another length: what the third of the old axes says is in the model already here.
    let weights = moved(-0.5);
    for (weights, arrived) in weights.iter().zip(sides.through(3, &global, &weights)) {
        let part = far(weights, &arrived) / far(weights, &global);
        assert!(part < 0.35, "{part} is missed");
    }
    // The negative control: without it.
    let mut never = Sides::new(&codec("every=99"), &made_up_logs(2, 6, WIDTH));
    for (weights, arrived) in weights.iter().zip(never.through(3, &global, &weights)) {
        assert!(far(weights, &arrived) / far(weights, &global) > 0.9);
    }
}

#[test]
fn axes_are_those_of_all_that_was_missed_since_the_last_ones() {
    let mut sides = Sides::new(&codec("every=3,axes=2"), &made_up_logs(1, 6, WIDTH));
    let global = vec![0.0; WIDTH];
    let base = [0, 1].map(|place| uniform_tensor(WIDTH, 7, place, 23, 1.0));
    let mut shipped = Vec::new();
    for number in 2..=4 {
        shipped = refreshed(&mut sides, number, &global);
        if number < 4 {
            assert_eq!(shipped, [None]);
        }
        let (a, b) = (number as f32, 3.0 - number as f32);
        let weights = base[0].iter().zip(&base[1]).map(|(x, y)| a * x + b * y).collect();
        sides.through(number, &global, &[weights]);
    }
    // Two misses lie behind round 4, and they span two axes.
    let axes = floats_of(shipped[0].as_ref().expect("axes"));
    let axes: Vec<_> = axes.chunks(WIDTH).map(<[f64]>::to_vec).collect();
    assert_eq!(axes.len(), 2);
    assert!(dot(&axes[0], &axes[1]).abs() < 1e-5);
    let own = sides.directions(3);
    for base in base {
        let base: Vec<_> = base.into_iter().map(f64::from).collect();
        // The first of the old axes is the only one that is left of them.
        assert!(left_by(&[own[0][0].clone(), axes[0].clone(), axes[1].clone()], &base) < 0.35);
    }
}

#[test]
fn a_collaborator_whose_codes_miss_little_ships_nothing() {
    let logs = made_up_logs(2, 6, WIDTH);
    let mut sides = Sides::new(&codec("threshold=0.5"), &logs);
    let global = vec![0.0; WIDTH];
    let inside: Vec<f32> = sides.directions(3)[0][0].iter().map(|value| *value as f32).collect();
    let outside = uniform_tensor(WIDTH, 3, 0, 24, 1.0);
    sides.through(2, &global, &[inside, outside]);
    let shipped = refreshed(&mut sides, 3, &global);
    assert!(shipped[0].is_none() && shipped[1].is_some());
}

#[test]
fn what_is_shipped_in_rounds_is_counted_as_setup_and_the_codes_stay_as_long() {
    let own = "{stage=\"pca\",floats=4,ship=\"int8\"}";
    let codecs = format!(
        "codecs=[\"raw\",[\"prior\",{own},\"f16\",\"tune\"],\
         [\"prior\",{own},\"f16\",\"tune\",{{stage=\"refresh\",every=2,axes=2}}]]"
    );
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts::default();
    let outcome = run(folder.path(), &spec(&parts, &["rounds=5", &codecs]), &parts);
    let [_, plain, fresh] = &outcome.federations[..] else { panic!("three federations") };
    assert_eq!(fresh.label, "prior+pca(4,int8)+f16+tune+refresh(every=2,axes=2)");
    let bytes = |run: &FederationOutcome, kind: MessageKind, round: u32| {
        run.ledger.bytes(|t| (t.direction, t.kind, t.round) == (Direction::Up, kind, round))
    };
    for round in 0..=5 {
        assert_eq!(bytes(plain, MessageKind::Update, round), bytes(fresh, MessageKind::Update, round));
    }
    let setups = |run| (0..=5).map(|round| bytes(run, MessageKind::Setup, round)).collect::<Vec<_>>();
    let (plain_setups, fresh_setups) = (setups(plain), setups(fresh));
    assert_eq!(plain_setups[1..], [0; 5]);
    // Of two collaborators: a scale and a byte a value for each axis, the number of the message, and what frames it. Behind
    // round 3 lies one miss, since nothing went before round 1, and behind round 5 there are two.
    let width = outcome.classifier.parameters() as u64;
    for (round, axes) in [(1, 0), (2, 0), (3, 1), (4, 0), (5, 2)] {
        let due = 2 * axes * (width + 4);
        let framed = if axes > 0 { due + 1..due + 16 } else { 0..1 };
        assert!(framed.contains(&fresh_setups[round]), "{round}: {fresh_setups:?}");
    }
    assert_eq!(fresh_setups[0], plain_setups[0]);
    assert!(plain.tuned_alone.is_some() && fresh.tuned_alone.is_none(), "its axes have heard of the others");
    // The rounds before the first refresh are the same.
    assert_eq!(plain.rounds[..2], fresh.rounds[..2]);
    assert_ne!(plain.model, fresh.model);
}
