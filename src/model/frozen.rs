//! Weights that no training moves: a random network, of which masks choose a part.

use super::Layout;
use crate::ops::random;

/// Streams of draws, apart from each other and from initial weights of the same seed.
const FROZEN: u32 = 0x6d61_736b;
const MODEL: u32 = 0x6d6f_6465;
const SENT: u32 = 0x7365_6e74;
const SCORES: u32 = 0x7363_6f72;
const RANDOM: u32 = 0x7261_6e64;

/// Signed constants `[P]` from a seed: each weight of a tensor is `+c` or `-c` with `c = sqrt(2 / fan-in)`, the deviation
/// of He et al. 2015 (arXiv 1502.01852), as Ramanujan et al. 2019 (arXiv 1911.13299) draw them. Biases, the tensors of
/// one axis, are zero: the networks that masks were tried on have none.
pub fn frozen_weights(layout: &Layout, seed: u32) -> Vec<f32> {
    let mut weights = vec![0.0; layout.parameters()];
    for (tensor, number) in layout.tensors().iter().zip(0u32..) {
        if tensor.shape.len() < 2 {
            continue;
        }
        let [_, fan_in] = tensor.matrix();
        let size = (2.0 / fan_in.max(1) as f64).sqrt() as f32;
        for (weight, index) in weights[tensor.range.clone()].iter_mut().zip(0u32..) {
            let is_minus = random::bits(index, number, FROZEN, seed) >> 31 == 1;
            *weight = if is_minus { -size } else { size };
        }
    }
    weights
}

/// Weights `[P]` from a seed that differ in magnitude: uniform up to `sqrt(6 / fan-in)` (He et al. 2015, arXiv
/// 1502.01852). Biases are zero.
pub fn random_weights(layout: &Layout, seed: u32) -> Vec<f32> {
    drawn_up_to(layout, |fan_in| (6.0 / fan_in).sqrt(), RANDOM, seed)
}

/// Scores `[P]` from a seed, none below zero: the magnitudes of what PyTorch draws for a layer's weights, uniform up to
/// `1 / sqrt(fan-in)`. Those of biases are zero.
pub fn initial_scores(layout: &Layout, seed: u32) -> Vec<f32> {
    let drawn = drawn_up_to(layout, |fan_in| (1.0 / fan_in).sqrt(), SCORES, seed);
    drawn.into_iter().map(f32::abs).collect()
}

/// Values of matrices `[P]`, uniform between bounds that their fan-in gives; zeros for tensors of one axis.
fn drawn_up_to(layout: &Layout, bound: impl Fn(f64) -> f64, stream: u32, seed: u32) -> Vec<f32> {
    let mut values = vec![0.0; layout.parameters()];
    for (tensor, number) in layout.tensors().iter().zip(0u32..) {
        if tensor.shape.len() < 2 {
            continue;
        }
        let [_, fan_in] = tensor.matrix();
        let most = bound(fan_in.max(1) as f64) as f32;
        for (value, index) in values[tensor.range.clone()].iter_mut().zip(0u32..) {
            *value = random::from_bits(random::bits(index, number, stream, seed), most);
        }
    }
    values
}

/// A frozen network, and the masks that are drawn for it.
#[derive(Clone, Debug)]
pub struct FrozenNetwork {
    seed: u32,
    weights: Vec<f32>,
}

impl FrozenNetwork {
    /// That of a seed.
    pub fn new(layout: &Layout, seed: u32) -> Self {
        Self { seed, weights: frozen_weights(layout, seed) }
    }

    /// The seed.
    pub fn seed(&self) -> u32 {
        self.seed
    }

    /// Its weights `[P]`, zero where there is nothing to keep.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The weights that a mask keeps, and zero elsewhere.
    pub fn masked(&self, mask: &[bool]) -> Vec<f32> {
        let kept = |(weight, kept): (&f32, &bool)| if *kept { *weight } else { 0.0 };
        self.weights.iter().zip(mask).map(kept).collect()
    }

    /// The mask of a model with these probabilities: parameters are held against the same numbers whenever one is drawn.
    pub fn drawn(&self, probabilities: &[f32]) -> Vec<bool> {
        let numbers = self.numbers([MODEL, 0, 0]);
        numbers.zip(probabilities).map(|(number, &probability)| number < probability).collect()
    }

    /// How probable it is at each place that such a mask keeps the parameter, as far as that is known before the
    /// probabilities are: a small number is below most of them.
    pub fn expected(&self) -> Vec<f32> {
        self.numbers([MODEL, 0, 0]).take(self.weights.len()).map(|number| 1.0 - number).collect()
    }

    /// The mask that a collaborator draws from its probabilities in a round, as zeros and ones.
    pub fn sent(&self, probabilities: &[f32], who: u32, round: u32) -> Vec<f32> {
        let drawn = self.numbers([SENT, who, round]).zip(probabilities);
        drawn.map(|(number, &probability)| if number < probability { 1.0 } else { 0.0 }).collect()
    }

    /// Numbers in `[0, 1)` for all parameters, of a stream of draws.
    fn numbers(&self, [stream, who, round]: [u32; 3]) -> impl Iterator<Item = f32> {
        let [x, y, z, _] = random::pcg4d([stream, who, round, self.seed]);
        (0..).map(move |place| (random::pcg4d([place, x, y, z])[0] >> 8) as f32 / 16_777_216.0)
    }

    /// Which of its weights a model has, where the model is this network under a mask. What is kept of a zero makes no
    /// difference, and is none.
    pub fn mask_of(&self, model: &[f32]) -> Option<Vec<bool>> {
        let kept = |(own, weight): (&f32, &f32)| {
            if *weight == 0.0 { Some(false) } else { (weight == own).then_some(true) }
        };
        (self.weights.len() == model.len()).then(|| self.weights.iter().zip(model).map(kept).collect())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;

    fn layout(model: &str) -> Layout {
        ModelSpec::load(model).unwrap().classifier().unwrap().layout()
    }

    #[test]
    fn weights_are_signed_constants_by_fan_in_and_biases_are_zero() {
        let layout = layout("cifar10-vgg3");
        let weights = frozen_weights(&layout, 3);
        for tensor in layout.tensors() {
            let own = &weights[tensor.range.clone()];
            if tensor.name.ends_with("bias") {
                assert!(own.iter().all(|&weight| weight == 0.0), "{}", tensor.name);
                continue;
            }
            let due = (2.0 / tensor.matrix()[1] as f32).sqrt();
            assert!(own.iter().all(|weight| (weight.abs() - due).abs() < 1e-7), "{}", tensor.name);
            let plus = own.iter().filter(|&&weight| weight > 0.0).count() as f64 / own.len() as f64;
            assert!((plus - 0.5).abs() < 0.06, "{}: {plus}", tensor.name);
        }
        // The first convolution of 27 inputs.
        assert_eq!(weights[0].abs(), (2f64 / 27.0).sqrt() as f32);
        assert_ne!(weights, frozen_weights(&layout, 4));
        assert_eq!(weights, frozen_weights(&layout, 3));
    }

    #[test]
    fn scores_are_magnitudes_up_to_the_root_of_the_fan_in() {
        let layout = layout("mnist-mlp");
        let scores = initial_scores(&layout, 3);
        let first = &scores[layout.tensors()[0].range.clone()];
        assert!(first.iter().all(|score| (0.0..=1.0 / 28.0).contains(score)));
        let mean = first.iter().sum::<f32>() / first.len() as f32;
        assert!((mean * 56.0 - 1.0).abs() < 0.03, "{mean}");
        assert!(scores[layout.tensors()[1].range.clone()].iter().all(|score| *score == 0.0));
        assert!(scores == initial_scores(&layout, 3) && scores != initial_scores(&layout, 4));
    }

    #[test]
    fn masks_are_drawn_as_often_as_probabilities_say_and_are_told_from_models() {
        let network = FrozenNetwork::new(&layout("mnist-mlp"), 5);
        let probabilities: Vec<_> = (0..15_910).map(|place| [0.0, 0.2, 1.0][place % 3]).collect();
        let mask = network.drawn(&probabilities);
        let part = |first: usize| {
            let own: Vec<_> = mask.iter().skip(first).step_by(3).collect();
            own.iter().filter(|kept| ***kept).count() as f64 / own.len() as f64
        };
        assert_eq!((part(0), part(2)), (0.0, 1.0));
        assert!((part(1) - 0.2).abs() < 0.02, "{}", part(1));
        let model = network.masked(&mask);
        assert_eq!(network.masked(&network.mask_of(&model).unwrap()), model);
        let mut other = model;
        other[0] += 0.5;
        assert_eq!(network.mask_of(&other), None);
        // What collaborators send differs between them, between rounds, and from the model.
        let masks = [network.sent(&probabilities, 1, 1), network.sent(&probabilities, 2, 1)];
        let again = network.sent(&probabilities, 1, 2);
        assert!(masks[0] != masks[1] && masks[0] != again);
        assert_eq!(masks[0], network.sent(&probabilities, 1, 1));
    }
}
