//! Random directions, by what they are drawn from and by their moments.

use crate::support::values;
use fedfunnel::ops::directions::DirectionKind::{self, Normal, Rademacher};
use fedfunnel::reference::directions::{byte_value, direction, random_bits, replay, step, walk};

const KEY: [u32; 2] = [3, 4];

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn worked_by_hand() {
    let signs = direction(Rademacher, 3_000, KEY, 6);
    // Weights 0 and 3 are of the first quad of block 0; 259 is of quad 64, the second one of block 0; 2,052 is of quad
    // 513, the first one of block 65.
    for (place, block, bit) in [(0, 0, 0), (3, 0, 3), (259, 0, 7), (2_052, 65, 0)] {
        let word = random_bits([block, 1, 3, 4])[2];
        assert_eq!(signs[place], if word >> bit & 1 == 1 { -1.0 } else { 1.0 }, "{place}");
    }
    let normal = direction(Normal, 9, KEY, 6);
    assert_eq!(normal[8], (f64::from(random_bits([2, 6, 3, 4])[0].count_ones()) - 16.0) / 8f64.sqrt());
    // Losses of a linear function have its slope everywhere.
    let z = [1.0, -1.0, 1.0];
    let mut w = vec![0.5, 0.25, 0.0];
    let slope = step(&mut w, &z, 0.1, 0.01, |w| 2.0 * w[0] + w[1] - 3.0 * w[2] + 7.0);
    assert!((slope - (2.0 - 1.0 - 3.0)).abs() < 1e-12);
    let due = [0.5 + 0.02, 0.25 - 0.02, 0.02];
    assert!(w.iter().zip(due).all(|(w, due)| (w - due).abs() < 1e-12), "{w:?}");
}

#[test]
fn directions_have_the_moments_that_they_should_and_nothing_in_common() {
    let width = 40_000;
    let error = 5.0 / (width as f64).sqrt();
    for (kind, fourth) in [(Rademacher, 1.0), (Normal, 3.0 - 2.0 / 32.0)] {
        let of = |key, number| direction(kind, width, key, number);
        let all = [of(KEY, 0), of(KEY, 1), of(KEY, 4), of([4, 4], 0), of([3, 5], 0)];
        for z in &all {
            let moment = |power: i32| z.iter().map(|z| z.powi(power)).sum::<f64>() / width as f64;
            assert!(moment(1).abs() < error, "{kind:?}: {}", moment(1));
            assert!((moment(2) - 1.0).abs() < 2.0 * error, "{kind:?}: {}", moment(2));
            assert!(moment(3).abs() < 4.0 * error, "{kind:?}: {}", moment(3));
            assert!((moment(4) - fourth).abs() < 10.0 * error, "{kind:?}: {}", moment(4));
            // Neither neighbours nor weights a quad, a turn of quads or a turn of blocks apart.
            for apart in [1, 2, 4, 256, 2_048] {
                let products = dot(z, &z[apart..]) / width as f64;
                assert!(products.abs() < error, "{kind:?}, {apart} apart: {products}");
            }
        }
        for (place, z) in all.iter().enumerate() {
            for other in &all[..place] {
                assert!((dot(z, other) / width as f64).abs() < error, "{kind:?}");
            }
        }
    }
}

/// Of many directions in a row: at weights of one word of bits and of others, each value by itself and each two together.
#[test]
fn no_bit_of_a_direction_tells_of_another() {
    let draws = 4_096;
    let error = 5.0 / f64::from(draws).sqrt();
    let places: Vec<usize> = [0, 4, 256].iter().flat_map(|place| [place + 1, place + 2]).collect();
    for key in [KEY, [5, 0], [7, 7]] {
        let of = |number| {
            let z = direction(Rademacher, 259, key, number);
            places.iter().map(|&place| z[place]).collect::<Vec<_>>()
        };
        let all: Vec<_> = (0..draws).map(of).collect();
        for (a, _) in places.iter().enumerate() {
            let mean = |value: &dyn Fn(usize) -> f64| {
                (0..all.len()).map(value).sum::<f64>().abs() / f64::from(draws)
            };
            assert!(mean(&|draw| all[draw][a]) < error, "{key:?}, value {a}");
            for apart in [1, 4, 16] {
                let next = mean(&|draw| all[draw][a] * all[(draw + apart) % all.len()][a]);
                assert!(next < error, "{key:?}, value {a} of directions {apart} apart: {next}");
            }
            for b in 0..a {
                let both = mean(&|draw| all[draw][a] * all[draw][b]);
                assert!(both < error, "{key:?}, values {a} and {b}: {both}");
            }
        }
    }
}

#[test]
fn slopes_along_directions_are_the_gradient_on_average() {
    let gradient = values(40, 1);
    for kind in [Rademacher, Normal] {
        let mut mean = vec![0.0; gradient.len()];
        let draws = 20_000;
        for number in 0..draws {
            let z = direction(kind, gradient.len(), KEY, number);
            walk(&mut mean, &z, dot(&gradient, &z) / f64::from(draws));
        }
        let off: Vec<_> = mean.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let part = (dot(&off, &off) / dot(&gradient, &gradient)).sqrt();
        assert!(part < 0.06, "{kind:?}: {part}");
    }
}

#[test]
fn a_replay_is_the_steps_one_after_the_other() {
    let kind = DirectionKind::default();
    let keys = [KEY, [9, 1]];
    let factors = [vec![0.5, 0.0, -0.25], vec![0.125]];
    let mut weights = values(30, 2);
    let mut walked = weights.clone();
    replay(&mut weights, kind, &keys, &factors);
    for (key, number, factor) in [(KEY, 0, 0.5), (KEY, 2, -0.25), ([9, 1], 0, 0.125)] {
        walk(&mut walked, &direction(kind, 30, key, number), factor);
    }
    assert_eq!(weights, walked);
}

#[test]
fn bytes_say_the_nearest_number() {
    for (x, due) in [
        (0.0, 0.0),
        (1.0, 1.0),
        (1.06, 1.0),
        (1.07, 1.125),
        (-1.0625, -1.0),
        (-1.1875, -1.25),
        (448.0, 448.0),
        (1e9, 448.0),
        (-1e9, -448.0),
        (0.015625, 0.015625),
        (0.0029, 0.001953125),
        (0.003, 0.00390625),
        (0.0009, 0.0),
    ] {
        assert_eq!(byte_value(x), due, "{x}");
    }
}
