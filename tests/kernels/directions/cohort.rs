//! Cohorts that train without gradients, against zeroth-order descent in f64.

use crate::code::cohort::Shape;
use crate::support::{gpu, plain_gpu, posing_gpu, small_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::ops::directions::DirectionKind::{Normal, Rademacher};
use fedfunnel::ops::directions::{DirectionKind, SlopeForm};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::directions as twin;
use fedfunnel::training::{
    Drawn, Family, ResidentImages, Tally, ZerothOrderCohort, ZerothOrderSettings, replay,
};

/// The first has a kernel for the whole classifier on processors, and the second one a layer at a time. The last is as the
/// first, with more rows than a lane takes at once and more weights than blocks have in turn.
const SHAPES: [Shape; 3] = [
    Shape { side: 4, hidden: 4, classes: 3 },
    Shape { side: 3, hidden: 5, classes: 3 },
    Shape { side: 16, hidden: 12, classes: 4 },
];
const BATCH: usize = 3;
const SLOTS: usize = 8;

fn settings(directions: DirectionKind, slopes: SlopeForm) -> ZerothOrderSettings {
    ZerothOrderSettings { batch: BATCH, reach: 0.05, rate: 0.02, directions, slopes, slots: SLOTS }
}

/// What a collaborator draws in a step of an epoch, from its id and not from its place.
fn drawn(who: u32, epoch: u64, step: usize) -> Drawn {
    Drawn { key: [17, who], number: (5 * epoch as u32 + 3 * step as u32) % SLOTS as u32 }
}

/// The samples of a collaborator: they have unequal numbers.
fn order(who: u32, epoch: u64) -> Vec<u32> {
    let count = [7, 4, 5][who as usize];
    (0..count).map(|place| 5 * who + (place + epoch as u32) % count).collect()
}

/// What training comes to: the weights and slopes of each, and the tallies of the last epoch.
type Trained = (Vec<Vec<f32>>, Vec<Vec<f32>>, Vec<Tally>);

fn trained(gpu: &Gpu, shape: Shape, who: &[u32], how: ZerothOrderSettings, epochs: u64) -> Trained {
    let images = ResidentImages::upload(gpu, &shape.dataset()).unwrap();
    let mut cohort = ZerothOrderCohort::new(gpu, &shape.spec(), &images, who.len(), how).unwrap();
    // What was trained before leaves nothing behind.
    for start in [2, 1] {
        cohort.restart_from(&values(shape.parameters(), start));
        for epoch in 0..if start == 1 { epochs } else { 1 } {
            let orders = who.iter().map(|&who| order(who, epoch)).collect();
            let draw = |replica: usize, step| drawn(who[replica], epoch, step);
            let tallies = cohort.epoch(epoch, who, orders, &draw, &mut |_| ()).unwrap();
            if start == 1 && epoch + 1 == epochs {
                return (cohort.weights().unwrap(), cohort.slopes().unwrap(), tallies);
            }
        }
    }
    panic!("no epochs")
}

/// The same by the twin, of one collaborator: weights, slopes, and the loss of the last epoch ahead.
fn descended(
    shape: Shape,
    who: u32,
    how: ZerothOrderSettings,
    epochs: u64,
    rate: f64,
) -> (Vec<f64>, Vec<f64>) {
    let data = shape.dataset();
    let mut weights = wide(&values(shape.parameters(), 1));
    let mut slopes = vec![0.0; SLOTS];
    for epoch in 0..epochs {
        for (step, samples) in order(who, epoch).chunks(BATCH).enumerate() {
            let Drawn { key, number } = drawn(who, epoch, step);
            let z = twin::direction(how.directions, weights.len(), key, number);
            let loss = |weights: &[f64]| shape.loss(&data, samples, weights);
            let before = weights.clone();
            let mut slope = twin::step(&mut weights, &z, how.reach.into(), rate, loss);
            if let SlopeForm::Byte(unit) = how.slopes {
                slope = f64::from(unit) * twin::byte_value(slope / f64::from(unit));
                weights = before;
                twin::walk(&mut weights, &z, -rate * slope);
            }
            slopes[number as usize] += slope;
        }
    }
    (weights, slopes)
}

#[test]
fn steps_are_those_of_zeroth_order_descent() {
    for shape in SHAPES {
        for kind in [Rademacher, Normal] {
            for slopes in [SlopeForm::Exact, SlopeForm::Byte(1.0 / 16.0)] {
                let how = settings(kind, slopes);
                for gpu in [gpu(), plain_gpu(), posing_gpu()] {
                    let (weights, recorded, _) = trained(gpu, shape, &[0, 1, 2], how, 2);
                    for who in 0..3 {
                        let (due, slopes_due) = descended(shape, who, how, 2, f64::from(how.rate));
                        let (own, slopes) = (&weights[who as usize], &recorded[who as usize]);
                        assert_close("weights", own, &due, Tolerance::Balanced);
                        assert_close("slopes", slopes, &slopes_due, Tolerance::Permissive);
                        let (other, _) = descended(shape, who, how, 2, 1.01 * f64::from(how.rate));
                        assert!(compare("weights", own, &other, Tolerance::Balanced).is_err());
                    }
                }
            }
        }
    }
}

#[test]
fn the_loss_falls_as_that_of_plain_zeroth_order_descent_does() {
    let shape = SHAPES[0];
    let how = settings(Rademacher, SlopeForm::Exact);
    let (weights, _, tallies) = trained(gpu(), shape, &[0, 1, 2], how, 60);
    let data = shape.dataset();
    for who in 0..3 {
        let loss = |weights: &[f64]| shape.loss(&data, &order(who, 0), weights);
        let before = loss(&wide(&values(shape.parameters(), 1)));
        let (due, _) = descended(shape, who, how, 60, f64::from(how.rate));
        let (own, plain) = (loss(&wide(&weights[who as usize])), loss(&due));
        assert!(own < 0.9 * before, "{who}: {before} to {own}");
        assert!((own - plain).abs() < 1e-3 * plain, "{who}: {own} and {plain}");
        let seen = tallies[who as usize];
        assert!((seen.loss - own).abs() < 0.3 * own, "{who}: {} seen of {own}", seen.loss);
        assert_eq!(seen.samples, order(who, 0).len());
    }
}

#[test]
fn neither_its_place_nor_the_width_of_the_cohort_changes_what_a_collaborator_comes_to() {
    for shape in SHAPES {
        let how = settings(Normal, SlopeForm::Exact);
        let (weights, slopes, tallies) = trained(gpu(), shape, &[0, 1, 2], how, 2);
        for (who, place, cohort) in [(1, 0, &[1][..]), (2, 0, &[2, 0]), (0, 1, &[2, 0])] {
            let (own, own_slopes, own_tallies) = trained(gpu(), shape, cohort, how, 2);
            assert_eq!(own[place], weights[who]);
            assert_eq!(own_slopes[place], slopes[who]);
            assert_eq!(own_tallies[place].accuracy, tallies[who].accuracy);
        }
    }
}

/// More steps than have room on the device at a time.
#[test]
fn windows_of_steps_change_no_bit() {
    for shape in &SHAPES[..2] {
        hold_windows(*shape);
    }
}

fn hold_windows(shape: Shape) {
    let run = |gpu: &Gpu| {
        let images = ResidentImages::upload(gpu, &shape.dataset()).unwrap();
        let how = ZerothOrderSettings { batch: 1, ..settings(Rademacher, SlopeForm::Exact) };
        let mut cohort = ZerothOrderCohort::new(gpu, &shape.spec(), &images, 3, how).unwrap();
        cohort.restart_from(&values(shape.parameters(), 1));
        let orders = (0..3).map(|who| (0..1_500 - who).map(|place| place % 16).collect()).collect();
        let draw = |replica: usize, step| drawn(replica as u32, 0, step);
        let tallies = cohort.epoch(0, &[0, 1, 2], orders, &draw, &mut |_| ()).unwrap();
        (cohort.weights().unwrap(), cohort.slopes().unwrap(), tallies)
    };
    assert_eq!(run(small_gpu()), run(gpu()));
}

#[test]
fn who_has_no_images_rests() {
    let shape = SHAPES[0];
    let images = ResidentImages::upload(gpu(), &shape.dataset()).unwrap();
    let how = settings(Rademacher, SlopeForm::Exact);
    let mut cohort = ZerothOrderCohort::new(gpu(), &shape.spec(), &images, 3, how).unwrap();
    let start = values(shape.parameters(), 1);
    cohort.restart_from(&start);
    let draw = |_, step| drawn(1, 0, step);
    let orders = vec![Vec::new(), order(1, 0)];
    let tallies = cohort.epoch(0, &[0, 1], orders, &draw, &mut |_| ()).unwrap();
    assert_eq!(tallies.iter().map(|tally| tally.samples).collect::<Vec<_>>(), [0, 4]);
    let weights = cohort.weights().unwrap();
    assert_eq!((&weights[0], &weights[2]), (&start, &start));
    assert_ne!(weights[1], start);
    let slopes = cohort.slopes().unwrap();
    assert!(slopes[0].iter().chain(&slopes[2]).all(|&slope| slope == 0.0));
}

#[test]
fn images_of_another_size_are_refused() {
    let images = ResidentImages::upload(gpu(), &SHAPES[0].dataset()).unwrap();
    let how = settings(Rademacher, SlopeForm::Exact);
    let error = ZerothOrderCohort::new(gpu(), &SHAPES[1].spec(), &images, 1, how).unwrap_err();
    assert!(error.to_string().contains("16 values"), "{error}");
}

/// What a collaborator has sent is all that another side needs.
#[test]
fn slopes_replayed_from_the_start_are_the_weights_wherever_that_is_done() {
    let (shape, who) = (SHAPES[0], 1);
    let start = values(shape.parameters(), 1);
    for kind in [Rademacher, Normal] {
        let how = settings(kind, SlopeForm::Byte(1.0 / 16.0));
        // Two steps: each direction is drawn once, and in the order of numbers.
        let (weights, slopes, _) = trained(gpu(), shape, &[who], how, 1);
        let factors: Vec<_> = slopes[0].iter().map(|slope| -how.rate * slope).collect();
        let family = [Family { key: [17, who], factors: &factors }];
        for gpu in [gpu(), small_gpu(), posing_gpu()] {
            assert_eq!(replay(gpu, &start, kind, &family).unwrap(), weights[0]);
        }
        // Families one after the other, and more weights than one binding has room for.
        let (many, more) = (values(20_001, 3), values(11, 4));
        let both = [family[0], Family { key: [1, 1], factors: &more }];
        let once = replay(gpu(), &many, kind, &both).unwrap();
        let first = replay(small_gpu(), &many, kind, &both[..1]).unwrap();
        assert_eq!(replay(small_gpu(), &first, kind, &both[1..]).unwrap(), once);
        assert_ne!(once, first);
    }
}
