//! Optimisers, one step each, in place, exactly as PyTorch does them.

use super::expect_len;

/// The settings of torch.optim.SGD (no dampening, no Nesterov momentum).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sgd {
    /// Learning rate.
    pub learning_rate: f64,
    /// Momentum; 0 is plain gradient descent.
    pub momentum: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
}

/// One step of torch.optim.SGD on the parameters `p` with gradient `g` and momentum buffer `buffer`, all one
/// length. The buffer starts at zero: PyTorch sets it to the gradient in the first step, which is the same.
pub fn sgd(p: &mut [f64], g: &[f64], buffer: &mut [f64], sgd: Sgd) {
    expect_len("g", g.len(), p.len());
    expect_len("buffer", buffer.len(), p.len());
    for i in 0..p.len() {
        buffer[i] = sgd.momentum * buffer[i] + (g[i] + sgd.weight_decay * p[i]);
        p[i] -= sgd.learning_rate * buffer[i];
    }
}

/// The settings of torch.optim.Adam and torch.optim.AdamW.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Adam {
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator, after the bias correction.
    pub epsilon: f64,
    /// L2 penalty on the gradient ([`adam`]), or decay of the parameters themselves ([`adamw`]).
    pub weight_decay: f64,
}

impl Default for Adam {
    /// PyTorch's defaults for Adam. (Its AdamW differs in one: a weight decay of 0.01.)
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// One step of torch.optim.Adam (Kingma & Ba 2015, algorithm 1): `p`, gradient `g` and moments `m`, `v`, all
/// one length; the moments start at zero, the step number `t` at 1. Weight decay is an L2 penalty.
pub fn adam(p: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], t: u32, adam: Adam) {
    expect_len("g", g.len(), p.len());
    let penalised: Vec<f64> = (0..p.len()).map(|i| g[i] + adam.weight_decay * p[i]).collect();
    adamw(p, &penalised, m, v, t, Adam { weight_decay: 0.0, ..adam });
}

/// One step of torch.optim.AdamW (Loshchilov & Hutter 2019): as [`adam`], but weight decay shrinks the
/// parameters by `1 - learning_rate * weight_decay` before the step and never enters the moments.
pub fn adamw(p: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], t: u32, adam: Adam) {
    expect_len("g", g.len(), p.len());
    expect_len("m", m.len(), p.len());
    expect_len("v", v.len(), p.len());
    assert!(t >= 1, "the first step is number 1");
    let correction1 = 1.0 - adam.beta1.powf(f64::from(t));
    let correction2 = 1.0 - adam.beta2.powf(f64::from(t));
    for i in 0..p.len() {
        p[i] *= 1.0 - adam.learning_rate * adam.weight_decay;
        m[i] = adam.beta1 * m[i] + (1.0 - adam.beta1) * g[i];
        v[i] = adam.beta2 * v[i] + (1.0 - adam.beta2) * g[i] * g[i];
        let denominator = v[i].sqrt() / correction2.sqrt() + adam.epsilon;
        p[i] -= adam.learning_rate / correction1 * m[i] / denominator;
    }
}
