//! Random directions, by what they are drawn from.

use crate::support::values;
use fedfunnel::reference::random::pcg4d;
use fedfunnel::reference::subspace::{directions, spread, sums};

const KEY: [u32; 2] = [3, 4];

#[test]
fn worked_by_hand() {
    // Five values and two directions: two runs of two, and one of one.
    let start = |run: u32| (pcg4d([run, 1, 3, 4])[0] % 2) as usize;
    let sign = |place: u32| if pcg4d([place, 0, 3, 4])[0] >> 31 == 1 { -1.0 } else { 1.0 };
    let due = [(start(0), 0), (1 - start(0), 1), (start(1), 2), (1 - start(1), 3), (start(2), 4)]
        .map(|(d, p)| (d, sign(p)));
    assert_eq!(directions(5, 2, KEY), due);
    let x = [1.0, 2.0, 4.0, 8.0, 16.0];
    let mut expected = [0.0; 2];
    due.iter().zip(x).for_each(|((direction, sign), x)| expected[*direction] += sign * x);
    assert_eq!(sums(&x, 2, KEY), expected);
    let shares = [10.0, 20.0];
    assert_eq!(spread(&shares, 5, KEY), due.map(|(direction, sign)| sign * shares[direction]));
    // Of another key, other directions or signs.
    assert_ne!(directions(50, 2, KEY), directions(50, 2, [3, 5]));
    assert_ne!(directions(50, 2, KEY), directions(50, 2, [2, 4]));
}

#[test]
fn each_run_has_one_value_of_each_direction() {
    for (width, floats) in [(1, 1), (10, 1), (10, 3), (64, 8), (100, 99)] {
        let all = directions(width, floats, KEY);
        assert_eq!(all.len(), width);
        for run in all.chunks(floats) {
            let mut found: Vec<_> = run.iter().map(|(direction, _)| *direction).collect();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.len(), run.len(), "{floats} of {width}");
            assert!(found.iter().all(|&direction| direction < floats));
        }
    }
}

#[test]
fn spreading_is_the_transpose_of_summing_and_undone_by_it() {
    for (width, floats) in [(10, 1), (10, 3), (64, 8), (100, 99), (1_031, 16)] {
        let (x, shares) = (values(width, 1), values(floats, 2));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let there = dot(&sums(&x, floats, KEY), &shares);
        let back = dot(&x, &spread(&shares, width, KEY));
        assert!((there - back).abs() < 1e-12 * width as f64, "{floats} of {width}: {there} {back}");
        let mut counts = vec![0.0; floats];
        directions(width, floats, KEY).iter().for_each(|(direction, _)| counts[*direction] += 1.0);
        for (place, sum) in sums(&spread(&shares, width, KEY), floats, KEY).iter().enumerate() {
            assert!(
                (sum - counts[place] * shares[place]).abs() < 1e-12 * width as f64,
                "{floats} of {width}"
            );
        }
    }
}
