//! Dense layers by hand, and their gradients against finite differences.

use crate::support::{assert_gradients_agree, values, weighted_sum};
use fedfunnel::reference::activation::{self, Activation};
use fedfunnel::reference::dense::{DenseShape, backward_input, backward_weight, forward};
use fedfunnel::reference::finite_difference::central_gradient;

// No two sizes alike, so that a swapped axis cannot pass.
const SHAPE: DenseShape = DenseShape { replicas: 2, batch: 3, inputs: 5, outputs: 4 };

#[test]
fn a_layer_worked_by_hand() {
    let shape = DenseShape { replicas: 1, batch: 2, inputs: 3, outputs: 2 };
    let x = [1.0, 2.0, 3.0, -1.0, 0.0, 1.0];
    let w = [1.0, 0.0, -1.0, 0.5, 0.5, 0.5];
    let y = forward(&x, &w, &[0.25, -1.0], shape, Activation::Linear);
    assert_eq!(y, [-1.75, 2.0, -1.75, -1.0]);
    assert_eq!(forward(&x, &w, &[0.25, -1.0], shape, Activation::Relu), [0.0, 2.0, 0.0, 0.0]);
}

#[test]
fn gradients_agree_with_finite_differences_for_each_activation() {
    let x = values(SHAPE.x(), 0);
    let w = values(SHAPE.weight(), 1);
    let bias = values(SHAPE.replicas * SHAPE.outputs, 2);
    // The objective is a weighted sum of the outputs, so that the gradient at each output differs.
    let weights = values(SHAPE.y(), 3);
    for activation in Activation::ALL {
        let y = forward(&x, &w, &bias, SHAPE, activation);
        let dy = activation::backward(&weights, &y, activation);
        let dx = backward_input(&dy, &w, SHAPE);
        let (dw, dbias) = backward_weight(&dy, &x, SHAPE);
        let objective = |x: &[f64], w: &[f64], bias: &[f64]| {
            weighted_sum(&forward(x, w, bias, SHAPE, activation), &weights)
        };
        assert_gradients_agree(&dx, &central_gradient(|at| objective(at, &w, &bias), &x, 1e-5));
        assert_gradients_agree(&dw, &central_gradient(|at| objective(&x, at, &bias), &w, 1e-5));
        assert_gradients_agree(&dbias, &central_gradient(|at| objective(&x, &w, at), &bias, 1e-5));
    }
}

#[test]
fn replicas_do_not_touch_each_other() {
    let one = DenseShape { replicas: 1, ..SHAPE };
    let x = values(SHAPE.x(), 0);
    let w = values(SHAPE.weight(), 1);
    let bias = values(SHAPE.replicas * SHAPE.outputs, 2);
    let both = forward(&x, &w, &bias, SHAPE, Activation::Tanh);
    let second = forward(&x[one.x()..], &w[one.weight()..], &bias[one.outputs..], one, Activation::Tanh);
    assert_eq!(both[one.y()..], second);
}

#[test]
#[should_panic(expected = "w has 39 elements, its shape says 40")]
fn a_wrong_length_is_named() {
    forward(&vec![0.0; SHAPE.x()], &[0.0; 39], &[0.0; 8], SHAPE, Activation::Linear);
}
