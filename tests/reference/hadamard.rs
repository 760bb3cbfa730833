//! Rotations of lines, by the definition of what they are made of.

use fedfunnel::reference::hadamard::{combine, rotate, rotate_back, separate};
use fedfunnel::reference::random::uniform_tensor;

fn values(length: usize) -> Vec<f64> {
    uniform_tensor(length, 0, 0, 5, 1.0).into_iter().map(f64::from).collect()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[track_caller]
fn assert_alike(a: &[f64], b: &[f64]) {
    for i in 0..a.len().max(b.len()) {
        assert!((a[i] - b[i]).abs() < 1e-12, "{i}: {} and {}", a[i], b[i]);
    }
}

#[test]
fn worked_by_hand() {
    let root = 2f64.sqrt();
    let mut three = [3.0, 1.0, 5.0];
    combine(&mut three);
    // 3 and 5 are two apart; their sum and 1 are one apart, and their difference is alone.
    assert_alike(&three, &[(8.0 / root + 1.0) / root, (8.0 / root - 1.0) / root, -2.0 / root]);
    separate(&mut three);
    assert_alike(&three, &[3.0, 1.0, 5.0]);
}

#[test]
fn powers_of_two_are_combined_by_the_hadamard_matrix_which_is_its_own_inverse() {
    for power in 0..8 {
        let n = 1usize << power;
        let x = values(n);
        let mut combined = x.clone();
        combine(&mut combined);
        for i in 0..n {
            // H[i, j] = (-1)^(bits that i and j have in common) / sqrt(n)
            let terms = (0..n).map(|j| if (i & j).count_ones() % 2 == 1 { -x[j] } else { x[j] });
            let due = terms.sum::<f64>() / (n as f64).sqrt();
            assert!((combined[i] - due).abs() < 1e-12, "{n}, {i}");
        }
        combine(&mut combined);
        assert_alike(&combined, &x);
    }
}

#[test]
fn rotations_keep_norms_and_angles_and_are_undone_by_the_way_back() {
    for n in [1, 2, 3, 5, 8, 9, 31, 33, 64, 100, 129] {
        let (x, key) = (values(n), [3, 4]);
        let mut rotated = x.clone();
        rotate(&mut rotated, 32, key);
        assert!((norm(&rotated) - norm(&x)).abs() < 1e-12);
        let mut again = rotated.clone();
        rotate_back(&mut again, 32, key);
        assert_alike(&again, &x);
        // The negative control: the way back of another key leads elsewhere.
        let mut other = rotated.clone();
        rotate_back(&mut other, 32, [3, 5]);
        let away = (0..n).map(|i| (other[i] - x[i]).abs()).fold(0.0, f64::max);
        assert!(away > 0.1 || n == 1, "{n}");
    }
}

/// One value alone is spread over its whole block, wherever it stands: no rotated value has 20 times its share of the
/// energy.
#[test]
fn one_value_is_spread_over_its_block() {
    for n in [64, 65, 70, 96, 100, 127, 128] {
        for place in 0..n {
            let mut x = vec![0.0; n];
            x[place] = 1.0;
            rotate(&mut x, 128, [8, 9]);
            let largest = x.iter().map(|x| x * x).fold(0.0, f64::max);
            assert!(largest < 20.0 / n as f64, "{n}, {place}: {largest}");
            if n.is_power_of_two() {
                assert!((largest - 1.0 / n as f64).abs() < 1e-12);
            }
        }
    }
}
