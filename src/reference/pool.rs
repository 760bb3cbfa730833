//! Pooling: the largest or the mean of each window of a plane.
//!
//! There is no twin for flattening images into rows: `[R, B, C, H, W]` and `[R, B, I]` with I = C * H * W are
//! the same values in the same order, so that a dense layer reads a pooled batch as it lies.

use super::expect_len;

/// The sizes of a pooling; pairs are vertical first. Nothing is padded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolShape {
    /// R * B * C.
    pub planes: usize,
    /// H and W of the input.
    pub size: [usize; 2],
    /// Height and width of a window.
    pub window: [usize; 2],
    /// How far apart windows start; a window that is taller or wider than that overlaps the next one.
    pub stride: [usize; 2],
}

impl PoolShape {
    /// OH and OW. As in PyTorch, rows and columns that are too few for one more window are left over.
    pub fn output_size(&self) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let (size, window, stride) = (self.size[axis], self.window[axis], self.stride[axis]);
            assert!(
                (1..=size).contains(&window) && stride > 0,
                "a window of {window} with a stride of {stride} does not fit {size} values"
            );
            (size - window) / stride + 1
        })
    }

    fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn out_plane(&self) -> usize {
        let [height, width] = self.output_size();
        height * width
    }

    /// Visits each place of each window, window by window and there row by row: the plane, the place of the
    /// window among the plane's outputs, and the place in the plane.
    fn each_place(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let out = self.output_size();
        for plane in 0..self.planes {
            for oy in 0..out[0] {
                for ox in 0..out[1] {
                    for wy in 0..self.window[0] {
                        for wx in 0..self.window[1] {
                            let (h, w) = (oy * self.stride[0] + wy, ox * self.stride[1] + wx);
                            visit(plane, oy * out[1] + ox, h * self.size[1] + w);
                        }
                    }
                }
            }
        }
    }
}

/// `y [planes, OH, OW]` from `x [planes, H, W]` as torch.nn.MaxPool2d, and where in its plane each largest
/// value lies (`h * W + w`, as PyTorch's `return_indices` gives it). Of equals the first one counts, row by
/// row.
pub fn max_forward(x: &[f64], shape: PoolShape) -> (Vec<f64>, Vec<u32>) {
    let (plane_size, out) = (shape.plane(), shape.out_plane());
    expect_len("x", x.len(), shape.planes * plane_size);
    let mut y = vec![f64::NEG_INFINITY; shape.planes * out];
    let mut argmax = vec![0; shape.planes * out];
    shape.each_place(|plane, window, place| {
        let value = x[plane * plane_size + place];
        if value > y[plane * out + window] {
            y[plane * out + window] = value;
            argmax[plane * out + window] = place as u32;
        }
    });
    (y, argmax)
}

/// `dx [planes, H, W]` from the gradient `dy [planes, OH, OW]`: each goes to where its largest value lay, and
/// those of overlapping windows add up.
pub fn max_backward(dy: &[f64], argmax: &[u32], shape: PoolShape) -> Vec<f64> {
    let (plane_size, out) = (shape.plane(), shape.out_plane());
    expect_len("dy", dy.len(), shape.planes * out);
    expect_len("argmax", argmax.len(), shape.planes * out);
    let mut dx = vec![0.0; shape.planes * plane_size];
    for plane in 0..shape.planes {
        for window in plane * out..(plane + 1) * out {
            dx[plane * plane_size + argmax[window] as usize] += dy[window];
        }
    }
    dx
}

/// `y [planes, OH, OW]` from `x [planes, H, W]`, as torch.nn.AvgPool2d.
pub fn average_forward(x: &[f64], shape: PoolShape) -> Vec<f64> {
    let (plane_size, out) = (shape.plane(), shape.out_plane());
    expect_len("x", x.len(), shape.planes * plane_size);
    let share = 1.0 / (shape.window[0] * shape.window[1]) as f64;
    let mut y = vec![0.0; shape.planes * out];
    shape.each_place(|plane, window, place| {
        y[plane * out + window] += share * x[plane * plane_size + place];
    });
    y
}

/// `dx [planes, H, W]` from the gradient `dy [planes, OH, OW]`: an equal share to each place of the window.
pub fn average_backward(dy: &[f64], shape: PoolShape) -> Vec<f64> {
    let (plane_size, out) = (shape.plane(), shape.out_plane());
    expect_len("dy", dy.len(), shape.planes * out);
    let share = 1.0 / (shape.window[0] * shape.window[1]) as f64;
    let mut dx = vec![0.0; shape.planes * plane_size];
    shape.each_place(|plane, window, place| {
        dx[plane * plane_size + place] += share * dy[plane * out + window];
    });
    dx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::finite_difference::{assert_gradients_agree, central_gradient};
    use crate::reference::random::uniform_tensor;

    /// Two by two without overlap, with a row and a column left over.
    const HALVES: PoolShape = PoolShape { planes: 6, size: [7, 9], window: [2, 2], stride: [2, 2] };
    /// Overlapping down, with gaps across.
    const UNEVEN: PoolShape = PoolShape { planes: 3, size: [7, 10], window: [3, 2], stride: [2, 3] };

    fn values(length: usize, tensor: u32) -> Vec<f64> {
        uniform_tensor(length, 0, tensor, 11, 1.0).into_iter().map(f64::from).collect()
    }

    fn weighted_sum(y: &[f64], weights: &[f64]) -> f64 {
        y.iter().zip(weights).map(|(y, weight)| y * weight).sum()
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
            let x = values(shape.planes * shape.plane(), 0);
            let weights = values(shape.planes * shape.out_plane(), 1);
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
        let dy = values(HALVES.planes * HALVES.out_plane(), 1);
        let (_, argmax) = max_forward(&vec![0.0; HALVES.planes * HALVES.plane()], HALVES);
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
}
