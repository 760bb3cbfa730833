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
    expect_len("m", m.len(), p.len());
    expect_len("v", v.len(), p.len());
    for i in 0..p.len() {
        let penalised = g[i] + adam.weight_decay * p[i];
        adam_element(&mut p[i], penalised, &mut m[i], &mut v[i], t, adam);
    }
}

/// One step of torch.optim.AdamW (Loshchilov & Hutter 2019): as [`adam`], but weight decay shrinks the
/// parameters by `1 - learning_rate * weight_decay` before the step and never enters the moments.
pub fn adamw(p: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], t: u32, adam: Adam) {
    expect_len("g", g.len(), p.len());
    expect_len("m", m.len(), p.len());
    expect_len("v", v.len(), p.len());
    for i in 0..p.len() {
        p[i] *= 1.0 - adam.learning_rate * adam.weight_decay;
        adam_element(&mut p[i], g[i], &mut m[i], &mut v[i], t, adam);
    }
}

fn adam_element(p: &mut f64, g: f64, m: &mut f64, v: &mut f64, t: u32, adam: Adam) {
    assert!(t >= 1, "the first step is number 1");
    *m = adam.beta1 * *m + (1.0 - adam.beta1) * g;
    *v = adam.beta2 * *v + (1.0 - adam.beta2) * g * g;
    let correction1 = 1.0 - adam.beta1.powf(f64::from(t));
    let correction2 = 1.0 - adam.beta2.powf(f64::from(t));
    let denominator = v.sqrt() / correction2.sqrt() + adam.epsilon;
    *p -= adam.learning_rate / correction1 * *m / denominator;
}
