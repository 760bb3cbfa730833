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
