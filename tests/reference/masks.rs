//! Masks by hand, and the chain rule against finite differences of the expectation.

use fedfunnel::reference::finite_difference::central_gradient;
use fedfunnel::reference::masks::{
    DrawAt, bernoulli_gradient, draw, keep, probability, sign, sign_gradient, threshold_gradient, uniform,
};

#[test]
fn masks_by_hand() {
    let frozen = [0.5, -0.5, 0.25, 0.0];
    // Probabilities of a half, 3/4, a quarter and a half.
    let scores = [0.0, 3f64.ln(), -(3f64.ln()), 0.0];
    assert_eq!(draw(&scores, &frozen, &[0.5, 0.74, 0.2, 0.1]), [0.0, -0.5, 0.25, 0.0]);
    assert_eq!(keep(&scores, &frozen, &[0, 0, 1, 1], &[0.5, -2.0]), [0.0, -0.5, 0.25, 0.0]);
    assert_eq!(keep(&[0.5, 0.4], &[1.0, 1.0], &[0, 0], &[0.5]), [1.0, 0.0], "the threshold itself is kept");
    assert_eq!(sign(&scores, &frozen), [0.5, 0.5, -0.25, 0.0]);
    let slopes = [2.0, 2.0, -4.0, 1.0];
    assert_eq!(threshold_gradient(&slopes, &frozen), [1.0, -1.0, -1.0, 0.0]);
    assert_eq!(sign_gradient(&slopes, &frozen), [1.0, 1.0, -1.0, 0.0]);
    let due = [0.25, -3.0 / 16.0, -3.0 / 16.0, 0.0];
    for (got, due) in bernoulli_gradient(&slopes, &frozen, &scores).into_iter().zip(due) {
        assert!((got - due).abs() < 1e-15, "{got} {due}");
    }
}

/// With a loss that is linear in the weights, the expectation of its gradient is that of the expected loss.
#[test]
fn the_chain_rule_is_that_of_the_expected_loss() {
    let frozen = [0.5, -0.25, 1.5];
    let slopes = [0.75, 2.0, -1.0];
    let scores = [0.3, -1.2, 2.0];
    let expected = |scores: &[f64]| -> f64 {
        (0..scores.len()).map(|i| slopes[i] * frozen[i] * probability(scores[i])).sum()
    };
    let numeric = central_gradient(expected, &scores, 1e-5);
    for (got, due) in bernoulli_gradient(&slopes, &frozen, &scores).into_iter().zip(numeric) {
        assert!((got - due).abs() < 1e-8, "{got} {due}");
    }
}

#[test]
fn draws_are_uniform_and_others_for_each_collaborator_step_epoch_and_seed() {
    let numbers: Vec<u32> = (0..20_000).collect();
    let at = DrawAt { place: 64, who: 7, epoch: 3, seed: 5 };
    let drawn = uniform(&numbers, at);
    assert!(drawn.iter().all(|u| (0.0..1.0).contains(u)));
    let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
    assert!((mean - 0.5).abs() < 0.01, "{mean}");
    let below = drawn.iter().filter(|&&u| u < 0.1).count();
    assert!((1_850..2_150).contains(&below), "{below}");
    for other in [
        DrawAt { place: 0, ..at },
        DrawAt { who: 8, ..at },
        DrawAt { epoch: 4, ..at },
        DrawAt { seed: 6, ..at },
    ] {
        let same = uniform(&numbers, other).iter().zip(&drawn).filter(|(a, b)| a == b).count();
        assert!(same < 10, "{other:?}: {same}");
    }
    // What is drawn for a parameter does not depend on which others are drawn beside it.
    assert_eq!(uniform(&numbers[100..200], at), drawn[100..200]);
}
