//! The step of a network of two dense layers.

use crate::support::assert_gradients_agree;
use fedfunnel::ops::Activation;
use fedfunnel::reference::finite_difference::central_gradient;
use fedfunnel::reference::mlp::{MlpShape, step};
use fedfunnel::reference::random::uniform_tensor;

#[test]
fn gradients_agree_with_finite_differences() {
    let values = |length, tensor| -> Vec<f64> {
        uniform_tensor(length, 0, tensor, 5, 1.0).into_iter().map(f64::from).collect()
    };
    let shape = MlpShape { batch: 3, inputs: 5, hidden: 4, outputs: 2, activation: Activation::Tanh };
    let images = values(15, 0);
    let parameters = [values(20, 1), values(4, 2), values(8, 3), values(2, 4)];
    // The place that is empty counts in neither.
    let labels = [Some(1), None, Some(0)];
    let (_, gradients) = step(&images, &parameters, &labels, shape);
    for (place, gradient) in gradients.iter().enumerate() {
        let mean_loss = |at: &[f64]| {
            let mut parameters = parameters.clone();
            parameters[place] = at.to_vec();
            step(&images, &parameters, &labels, shape).0.loss.iter().sum::<f64>() / 2.0
        };
        assert_gradients_agree(gradient, &central_gradient(mean_loss, &parameters[place], 1e-5));
    }
}
