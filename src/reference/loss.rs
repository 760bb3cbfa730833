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
