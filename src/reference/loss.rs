//! Losses with their gradients, and the count of correct predictions.
//!
//! A batch may hold padding samples, since the batches of one dispatch have one size while collaborators hold
//! unequal numbers of images. A padding sample has no loss, no gradient and no part in any mean.

use super::expect_len;

/// What [`softmax_cross_entropy`] yields.
#[derive(Clone, PartialEq, Debug)]
pub struct CrossEntropy {
    /// `-log softmax(logits)[label]` of each sample, `[R, B]`, 0 for padding.
    pub loss: Vec<f64>,
    /// Gradient of each replica's mean loss over its valid samples, `[R, B, C]`, 0 for padding.
    pub dlogits: Vec<f64>,
    /// 1 where the largest logit is the label's (the first of equals wins), else 0, `[R, B]`.
    pub correct: Vec<u32>,
}

/// Softmax and cross-entropy of `logits [R, B, C]` against `labels [R, B]` (`None`: padding), with the
/// gradient of the mean as torch.nn.CrossEntropyLoss takes it for each replica.
pub fn softmax_cross_entropy(
    logits: &[f64],
    labels: &[Option<usize>],
    replicas: usize,
    batch: usize,
    classes: usize,
) -> CrossEntropy {
    expect_len("logits", logits.len(), replicas * batch * classes);
    expect_len("labels", labels.len(), replicas * batch);
    let mut result = CrossEntropy {
        loss: vec![0.0; replicas * batch],
        dlogits: vec![0.0; replicas * batch * classes],
        correct: vec![0; replicas * batch],
    };
    for r in 0..replicas {
        let valid = labels[r * batch..(r + 1) * batch].iter().flatten().count() as f64;
        for b in 0..batch {
            let sample = r * batch + b;
            let Some(label) = labels[sample] else { continue };
            assert!(label < classes, "label {label} of sample {sample} is not below {classes}");
            let row = &logits[sample * classes..(sample + 1) * classes];
            let mut best = 0;
            for c in 1..classes {
                if row[c] > row[best] {
                    best = c;
                }
            }
            // The largest logit is taken off first, so that no exponential overflows.
            let mut sum = 0.0;
            for c in 0..classes {
                sum += (row[c] - row[best]).exp();
            }
            result.loss[sample] = sum.ln() - (row[label] - row[best]);
            result.correct[sample] = u32::from(best == label);
            for c in 0..classes {
                let target = if c == label { 1.0 } else { 0.0 };
                result.dlogits[sample * classes + c] = ((row[c] - row[best]).exp() / sum - target) / valid;
            }
        }
    }
    result
}

/// What [`mean_squared_error`] yields.
#[derive(Clone, PartialEq, Debug)]
pub struct SquaredError {
    /// Mean over I of the squared error of each sample, `[R, B]`, 0 for padding.
    pub loss: Vec<f64>,
    /// Gradient of each replica's mean over its valid samples and I, `[R, B, I]`, 0 for padding.
    pub dy: Vec<f64>,
}

/// Mean squared error of `y [R, B, I]` against `target [R, B, I]`, with the gradient of the mean over B and I
/// as torch.nn.MSELoss takes it for each replica. `valid [R, B]` is false for padding; `None` means no
/// padding.
pub fn mean_squared_error(
    y: &[f64],
    target: &[f64],
    valid: Option<&[bool]>,
    replicas: usize,
    batch: usize,
    inputs: usize,
) -> SquaredError {
    expect_len("y", y.len(), replicas * batch * inputs);
    expect_len("target", target.len(), replicas * batch * inputs);
    if let Some(valid) = valid {
        expect_len("valid", valid.len(), replicas * batch);
    }
    let is_valid = |sample: usize| valid.is_none_or(|valid| valid[sample]);
    let mut result =
        SquaredError { loss: vec![0.0; replicas * batch], dy: vec![0.0; replicas * batch * inputs] };
    for r in 0..replicas {
        let mut count = 0.0;
        for b in 0..batch {
            if is_valid(r * batch + b) {
                count += 1.0;
            }
        }
        for b in 0..batch {
            let sample = r * batch + b;
            if !is_valid(sample) {
                continue;
            }
            for i in 0..inputs {
                let error = y[sample * inputs + i] - target[sample * inputs + i];
                result.loss[sample] += error * error / inputs as f64;
                result.dy[sample * inputs + i] = 2.0 * error / (count * inputs as f64);
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::finite_difference::{assert_gradients_agree, central_gradient};
    use crate::reference::random::uniform_tensor;

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
                |at| {
                    objective(&mean_squared_error(at, &target, valid, 2, 3, 5).loss, valid.unwrap_or(&all), 3)
                },
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
}
