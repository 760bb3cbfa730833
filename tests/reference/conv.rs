//! The convolutions by hand, and their gradients against finite differences.

use crate::support::{assert_gradients_agree, values, weighted_sum};
use fedfunnel::reference::activation::{self, Activation};
use fedfunnel::reference::conv::{
    ConvShape, backward_input, backward_weight, forward, transposed_backward_input,
    transposed_backward_weight, transposed_forward,
};
use fedfunnel::reference::dense::{self, DenseShape};
use fedfunnel::reference::finite_difference::central_gradient;

// No two sizes alike, and the padding lopsided, so that a swapped axis cannot pass.
const SHAPE: ConvShape = ConvShape {
    replicas: 2,
    batch: 2,
    inputs: 3,
    outputs: 5,
    size: [7, 9],
    kernel: [5, 5],
    stride: [2, 2],
    padding: [[2, 1], [0, 3]],
};

/// Another kernel, stride and padding along each axis.
const UNEVEN: ConvShape =
    ConvShape { kernel: [2, 5], stride: [3, 2], padding: [[0, 1], [3, 2]], outputs: 4, ..SHAPE };

const ALONG_A_LINE: ConvShape =
    ConvShape { size: [1, 9], kernel: [1, 4], stride: [1, 2], padding: [[0, 0], [1, 2]], batch: 3, ..SHAPE };

#[test]
fn output_sizes_are_rounded_down() {
    assert_eq!(SHAPE.output_size(), [3, 4]);
    assert_eq!(UNEVEN.output_size(), [3, 5]);
    let same = ConvShape { kernel: [3, 3], stride: [1, 1], padding: [[1, 1]; 2], ..SHAPE };
    assert_eq!(same.output_size(), [7, 9]);
    assert_eq!(SHAPE.transposed_output_size([1, 0]), [15, 18]);
}

#[test]
fn a_mirror_leads_back() {
    for extra in [[0, 0], [1, 0], [2, 1]] {
        let mirror = UNEVEN.mirrored(extra);
        assert_eq!(mirror.output_size(), UNEVEN.size);
        assert_eq!([mirror.inputs, mirror.outputs], [UNEVEN.outputs, UNEVEN.inputs]);
    }
}

#[test]
#[should_panic(expected = "a kernel of 5 with a stride of 2 does not fit 4 padded values")]
fn a_kernel_larger_than_the_image_is_refused() {
    ConvShape { size: [7, 1], ..SHAPE }.output_size();
}

#[test]
#[should_panic(expected = "an output padding of 2 is not below the stride of 2")]
fn an_output_padding_of_a_whole_stride_is_refused() {
    SHAPE.transposed_output_size([0, 2]);
}

#[test]
#[should_panic(expected = "w has 39 elements, its shape says 750")]
fn a_wrong_length_is_named() {
    forward(&vec![0.0; SHAPE.x()], &[0.0; 39], &[0.0; 10], SHAPE, Activation::Linear);
}

#[test]
fn a_layer_worked_by_hand() {
    let shape = ConvShape {
        replicas: 1,
        batch: 1,
        inputs: 1,
        outputs: 2,
        size: [2, 3],
        kernel: [2, 2],
        stride: [1, 2],
        padding: [[1, 0], [0, 1]],
    };
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let w = [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 1.0, 0.0];
    let y = forward(&x, &w, &[0.5, -4.0], shape, Activation::Linear);
    // Above the image there are zeros, right of it too.
    let first = [3.0 + 8.0, 9.0, 1.0 + 4.0 + 12.0 + 20.0, 3.0 + 18.0].map(|y| y + 0.5);
    assert_eq!(y, [first, [-3.0, -1.0, 0.0, 2.0]].concat());
    let y = forward(&x, &w, &[0.5, -4.0], shape, Activation::Relu);
    assert_eq!(y[4..], [0.0, 0.0, 0.0, 2.0]);
}

#[test]
fn a_transposed_layer_worked_by_hand() {
    let shape = ConvShape {
        replicas: 1,
        batch: 1,
        inputs: 2,
        outputs: 1,
        size: [1, 2],
        kernel: [2, 2],
        stride: [1, 2],
        padding: [[0, 0]; 2],
    };
    let x = [1.0, 2.0, 10.0, 20.0];
    let w = [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 1.0];
    let y = transposed_forward(&x, &w, &[0.5], shape, [0, 1], Activation::Linear);
    // Each input paints one kernel; the extra column on the right is left to the bias.
    let sums = [[1.0, 2.0, 2.0, 4.0, 0.0], [3.0, 14.0, 6.0, 28.0, 0.0]].concat();
    assert_eq!(y, sums.iter().map(|y| y + 0.5).collect::<Vec<_>>());
    // As much padding at the left and at the bottom is as much of the output cut away there.
    let cut = ConvShape { padding: [[0, 1], [1, 0]], ..shape };
    let y = transposed_forward(&x, &w, &[0.5], cut, [0, 1], Activation::Linear);
    assert_eq!(y, [2.5, 2.5, 4.5, 0.5]);
}

#[test]
fn one_kernel_of_one_pixel_is_a_dense_layer() {
    let shape = ConvShape { size: [1, 1], kernel: [1, 1], padding: [[0, 0]; 2], ..SHAPE };
    let ConvShape { replicas, batch, inputs, outputs, .. } = shape;
    let dense = DenseShape { replicas, batch, inputs, outputs };
    let (x, w, bias) = (values(shape.x(), 0), values(shape.weight(), 1), vec![0.0; shape.bias()]);
    let y = forward(&x, &w, &bias, shape, Activation::Tanh);
    assert_eq!(y, dense::forward(&x, &w, &bias, dense, Activation::Tanh));
    assert_eq!(backward_weight(&y, &x, shape), dense::backward_weight(&y, &x, dense));
}

/// The gradients of a weighted sum of the outputs, so that the gradient at each output differs.
#[track_caller]
fn assert_gradients(shape: ConvShape, activation: Activation) {
    let (x, w, bias) = (values(shape.x(), 0), values(shape.weight(), 1), values(shape.bias(), 2));
    let weights = values(shape.y(), 3);
    let y = forward(&x, &w, &bias, shape, activation);
    let dy = activation::backward(&weights, &y, activation);
    let (dw, dbias) = backward_weight(&dy, &x, shape);
    let objective =
        |x: &[f64], w: &[f64], bias: &[f64]| weighted_sum(&forward(x, w, bias, shape, activation), &weights);
    let dx = backward_input(&dy, &w, shape);
    assert_gradients_agree(&dx, &central_gradient(|at| objective(at, &w, &bias), &x, 1e-5));
    assert_gradients_agree(&dw, &central_gradient(|at| objective(&x, at, &bias), &w, 1e-5));
    assert_gradients_agree(&dbias, &central_gradient(|at| objective(&x, &w, at), &bias, 1e-5));
}

#[test]
fn gradients_agree_with_finite_differences() {
    for activation in Activation::ALL {
        assert_gradients(SHAPE, activation);
    }
    assert_gradients(UNEVEN, Activation::Linear);
}

#[test]
fn gradients_along_a_line_agree_with_finite_differences() {
    assert_gradients(ALONG_A_LINE, Activation::Tanh);
}

#[track_caller]
fn assert_transposed_gradients(shape: ConvShape, output_padding: [usize; 2], activation: Activation) {
    let (x, w, bias) = (values(shape.x(), 0), values(shape.weight(), 1), values(shape.bias(), 2));
    let apply = |x: &[f64], w: &[f64], bias: &[f64]| {
        transposed_forward(x, w, bias, shape, output_padding, activation)
    };
    let y = apply(&x, &w, &bias);
    let [height, width] = shape.transposed_output_size(output_padding);
    assert_eq!(y.len(), shape.replicas * shape.batch * shape.outputs * height * width);
    let weights = values(y.len(), 3);
    let dy = activation::backward(&weights, &y, activation);
    let dx = transposed_backward_input(&dy, &w, shape, output_padding);
    let (dw, dbias) = transposed_backward_weight(&dy, &x, shape, output_padding);
    let objective = |x: &[f64], w: &[f64], bias: &[f64]| weighted_sum(&apply(x, w, bias), &weights);
    assert_gradients_agree(&dx, &central_gradient(|at| objective(at, &w, &bias), &x, 1e-5));
    assert_gradients_agree(&dw, &central_gradient(|at| objective(&x, at, &bias), &w, 1e-5));
    assert_gradients_agree(&dbias, &central_gradient(|at| objective(&x, &w, at), &bias, 1e-5));
}

#[test]
fn transposed_gradients_agree_with_finite_differences() {
    let small = ConvShape { size: [3, 4], ..SHAPE };
    for activation in Activation::ALL {
        assert_transposed_gradients(small, [1, 0], activation);
    }
    assert_transposed_gradients(ConvShape { size: [3, 4], ..UNEVEN }, [2, 1], Activation::Linear);
    assert_transposed_gradients(ALONG_A_LINE, [0, 1], Activation::Sigmoid);
}

#[test]
fn replicas_do_not_touch_each_other() {
    let one = ConvShape { replicas: 1, ..SHAPE };
    let (x, w, bias) = (values(SHAPE.x(), 0), values(SHAPE.weight(), 1), values(SHAPE.bias(), 2));
    let dy = values(SHAPE.y(), 3);
    let (x2, w2, bias2, dy2) = (&x[one.x()..], &w[one.weight()..], &bias[one.bias()..], &dy[one.y()..]);
    let both = forward(&x, &w, &bias, SHAPE, Activation::Tanh);
    assert_eq!(both[one.y()..], forward(x2, w2, bias2, one, Activation::Tanh));
    assert_eq!(backward_input(&dy, &w, SHAPE)[one.x()..], backward_input(dy2, w2, one));
    let (dw, dbias) = backward_weight(&dy, &x, SHAPE);
    let (dw2, dbias2) = backward_weight(dy2, x2, one);
    assert_eq!((&dw[one.weight()..], &dbias[one.bias()..]), (&dw2[..], &dbias2[..]));
}
