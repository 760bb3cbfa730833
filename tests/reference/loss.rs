//! The losses by hand, and their gradients against finite differences.

use crate::support::assert_gradients_agree;
use fedfunnel::reference::finite_difference::central_gradient;
use fedfunnel::reference::loss::{CrossEntropy, SquaredError, mean_squared_error, softmax_cross_entropy};
use fedfunnel::reference::random::uniform_tensor;

fn values(length: usize, tensor: u32) -> Vec<f64> {
    uniform_tensor(length, 0, tensor, 5, 3.0).into_iter().map(f64::from).collect()
}

/// The sum over replicas of each one's mean over its valid samples: what the gradients are gradients of.
fn objective(loss: &[f64], valid: &[bool], batch: usize) -> f64 {
    let mut total = 0.0;
    for (loss, valid) in loss.chunks(batch).zip(valid.chunks(batch)) {
        let count = valid.iter().filter(|&&valid| valid).count();
        if count > 0 {
            total += loss.iter().sum::<f64>() / count as f64;
        }
    }
    total
}

#[test]
fn cross_entropy_worked_by_hand() {
    let two = 2f64.ln();
    let CrossEntropy { loss, dlogits, correct } =
        softmax_cross_entropy(&[two, 0.0, 0.0, 1.0, 1.0, 1.0], &[Some(0), Some(2)], 1, 2, 3);
    assert!((loss[0] - two).abs() < 1e-15 && (loss[1] - 3f64.ln()).abs() < 1e-15);
    assert_gradients_agree(&dlogits, &[-0.25, 0.125, 0.125, 1.0 / 6.0, 1.0 / 6.0, -1.0 / 3.0]);
    // Of three equal logits the first counts as the prediction.
    assert_eq!(correct, [1, 0]);
}

#[test]
fn cross_entropy_gradient_agrees_with_finite_differences() {
    let labels = [Some(3), None, Some(0), Some(1), Some(2), Some(1)];
    let valid = labels.map(|label| label.is_some());
    let logits = values(2 * 3 * 4, 0);
    let result = softmax_cross_entropy(&logits, &labels, 2, 3, 4);
    let numeric = central_gradient(
        |at| objective(&softmax_cross_entropy(at, &labels, 2, 3, 4).loss, &valid, 3),
        &logits,
        1e-5,
    );
    assert_gradients_agree(&result.dlogits, &numeric);
    assert_eq!(result.loss[1], 0.0);
    assert_eq!(result.dlogits[4..8], [0.0; 4]);
}

#[test]
fn huge_logits_do_not_overflow() {
    let result = softmax_cross_entropy(&[1e4, -1e4, 0.0], &[Some(1)], 1, 1, 3);
    assert_eq!(result.loss, [2e4]);
    assert_eq!(result.dlogits, [1.0, -1.0, 0.0]);
}

#[test]
fn a_batch_of_padding_is_all_zero() {
    let result = softmax_cross_entropy(&[1.0, 2.0], &[None], 1, 1, 2);
    assert_eq!(result, CrossEntropy { loss: vec![0.0], dlogits: vec![0.0; 2], correct: vec![0] });
    let result = mean_squared_error(&[1.0, 2.0], &[0.0, 0.0], Some(&[false]), 1, 1, 2);
    assert_eq!(result, SquaredError { loss: vec![0.0], dy: vec![0.0; 2] });
}

#[test]
fn squared_error_gradient_agrees_with_finite_differences() {
    let y = values(2 * 3 * 5, 0);
    let target = values(2 * 3 * 5, 1);
    for valid in [None, Some(&[true, false, true, true, true, false][..])] {
        let all = [true; 6];
        let numeric = central_gradient(
            |at| objective(&mean_squared_error(at, &target, valid, 2, 3, 5).loss, valid.unwrap_or(&all), 3),
            &y,
            1e-5,
        );
        assert_gradients_agree(&mean_squared_error(&y, &target, valid, 2, 3, 5).dy, &numeric);
    }
}

#[test]
fn squared_error_worked_by_hand() {
    let result = mean_squared_error(&[1.0, 2.0, 0.0, 4.0], &[0.0, 0.0, 0.0, 1.0], None, 1, 2, 2);
    assert_eq!(result.loss, [2.5, 4.5]);
    assert_eq!(result.dy, [0.5, 1.0, 0.0, 1.5]);
}
