//! The optimisers by hand.

use fedfunnel::reference::optimizer::{Adam, Sgd, adam, adamw, sgd};

fn assert_near(actual: &[f64], expected: &[f64]) {
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() < 1e-14, "{actual} and {expected}");
    }
}

#[test]
fn sgd_worked_by_hand() {
    let settings = Sgd { learning_rate: 0.1, momentum: 0.5, weight_decay: 0.01 };
    let (mut p, mut buffer) = ([2.0], [0.0]);
    sgd(&mut p, &[1.0], &mut buffer, settings);
    assert_near(&[p[0], buffer[0]], &[1.898, 1.02]);
    sgd(&mut p, &[1.0], &mut buffer, settings);
    assert_near(&[buffer[0], p[0]], &[0.51 + 1.01898, 1.898 - 0.152898]);
}

#[test]
fn first_adam_step_has_the_length_of_the_learning_rate() {
    // m / correction1 = g and v / correction2 = g^2, so the step is lr * g / (|g| + epsilon).
    let mut p = [0.0, 0.0, 0.0];
    let g = [1e-3, -20.0, 1e-8];
    adam(&mut p, &g, &mut [0.0; 3], &mut [0.0; 3], 1, Adam::default());
    assert_near(&p, &[-1e-3 * 1e-3 / (1e-3 + 1e-8), 1e-3 * 20.0 / (20.0 + 1e-8), -0.5e-3]);
}

#[test]
fn weight_decay_is_a_penalty_in_adam_and_a_shrinking_in_adamw() {
    let settings = Adam { weight_decay: 0.1, ..Adam::default() };
    let (mut p, mut m, mut v) = ([1.0], [0.0], [0.0]);
    adam(&mut p, &[0.0], &mut m, &mut v, 1, settings);
    assert_near(&[m[0], v[0]], &[0.01, 1e-5]);
    assert_near(&p, &[1.0 - 1e-3 * 0.1 / (0.1 + 1e-8)]);
    let (mut p, mut m, mut v) = ([1.0], [0.0], [0.0]);
    adamw(&mut p, &[0.0], &mut m, &mut v, 1, settings);
    assert_eq!((p, m, v), ([1.0 - 1e-4], [0.0], [0.0]));
}
