//! Pools by hand, and their gradients against finite differences.

use crate::support::{assert_gradients_agree, values, weighted_sum};
use fedfunnel::reference::finite_difference::central_gradient;
use fedfunnel::reference::pool::{PoolShape, average_backward, average_forward, max_backward, max_forward};

/// Two by two without overlap, with a row and a column left over.
const HALVES: PoolShape = PoolShape { planes: 6, size: [7, 9], window: [2, 2], stride: [2, 2] };
/// Overlapping down, with gaps across.
const UNEVEN: PoolShape = PoolShape { planes: 3, size: [7, 10], window: [3, 2], stride: [2, 3] };

/// How many values a plane of this size has.
fn plane([height, width]: [usize; 2]) -> usize {
    height * width
}

#[test]
fn output_sizes_are_rounded_down() {
    assert_eq!(HALVES.output_size(), [3, 4]);
    assert_eq!(UNEVEN.output_size(), [3, 3]);
}

#[test]
#[should_panic(expected = "a window of 3 with a stride of 2 does not fit 2 values")]
fn a_window_larger_than_the_plane_is_refused() {
    PoolShape { size: [2, 10], ..UNEVEN }.output_size();
}

#[test]
fn of_equals_the_first_wins() {
    let shape = PoolShape { planes: 2, size: [2, 4], window: [2, 2], stride: [1, 2] };
    let x = [[1.0, 3.0, 0.0, 0.0, 3.0, 3.0, 0.0, 0.0], [-5.0, -6.0, 2.0, 2.0, -5.0, -5.0, 1.0, 2.0]];
    let (y, argmax) = max_forward(x.as_flattened(), shape);
    assert_eq!((y, argmax), (vec![3.0, 0.0, -5.0, 2.0], vec![1, 2, 0, 2]));
}

#[test]
fn overlapping_windows_add_their_gradients_up() {
    let shape = PoolShape { planes: 1, size: [1, 4], window: [1, 3], stride: [1, 1] };
    let (y, argmax) = max_forward(&[0.0, 1.0, 7.0, 7.0], shape);
    assert_eq!((y, argmax.clone()), (vec![7.0, 7.0], vec![2, 2]));
    assert_eq!(max_backward(&[0.5, 0.25], &argmax, shape), [0.0, 0.0, 0.75, 0.0]);
    assert_eq!(average_forward(&[0.0, 1.5, 7.5, 9.0], shape), [3.0, 6.0]);
    assert_eq!(average_backward(&[3.0, 6.0], shape), [1.0, 3.0, 3.0, 2.0]);
}

#[test]
fn gradients_agree_with_finite_differences() {
    for shape in [HALVES, UNEVEN] {
        let x = values(shape.planes * plane(shape.size), 0);
        let weights = values(shape.planes * plane(shape.output_size()), 1);
        let largest = |at: &[f64]| weighted_sum(&max_forward(at, shape).0, &weights);
        let dx = max_backward(&weights, &max_forward(&x, shape).1, shape);
        assert_gradients_agree(&dx, &central_gradient(largest, &x, 1e-5));
        let mean = |at: &[f64]| weighted_sum(&average_forward(at, shape), &weights);
        assert_gradients_agree(&average_backward(&weights, shape), &central_gradient(mean, &x, 1e-5));
    }
}

/// At a tie the gradient is one of several; it is still all of dy, and within each window.
#[test]
fn a_plane_of_equals_sends_each_gradient_to_one_place() {
    let dy = values(HALVES.planes * plane(HALVES.output_size()), 1);
    let (_, argmax) = max_forward(&vec![0.0; HALVES.planes * plane(HALVES.size)], HALVES);
    let dx = max_backward(&dy, &argmax, HALVES);
    for plane in 0..HALVES.planes {
        for h in 0..7 {
            for w in 0..9 {
                let is_first = h % 2 == 0 && w % 2 == 0 && h < 6 && w < 8;
                let expected = if is_first { dy[(plane * 3 + h / 2) * 4 + w / 2] } else { 0.0 };
                assert_eq!(dx[(plane * 7 + h) * 9 + w], expected);
            }
        }
    }
}
