//! The f64 twins of the kernels, plain loops, no cleverness.
//!
//! One file or folder for each file in `shaders/`, of the same name; shaders that do the work of one layer have its
//! twin. A twin is what a kernel has to agree with, so it
//! is written to be read against the paper or PyTorch, not to be fast: row-major slices in, fresh vectors
//! out, one loop per index. [`compare`] decides what "agree" means, and [`finite_difference`] checks the
//! twins' own gradients.
// Loops over indexes are what makes a twin comparable, line by line, with its kernel.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod augment;
pub mod clusters;
pub mod code;
pub mod compare;
pub mod conv;
pub mod dense;
pub mod directions;
pub mod drift;
pub mod elementwise;
pub mod filters;
pub mod finite_difference;
pub mod gather;
pub mod gram;
pub mod hadamard;
pub mod largest;
pub mod loss;
pub mod masks;
pub mod mlp;
pub mod moments_bf16;
pub mod optimizer;
pub mod peaks;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod sketch;
pub mod standardize;
pub mod subspace;

/// Panics where a slice is not as long as its shape says: a twin that reads the wrong length proves nothing.
#[track_caller]
fn expect_len(what: &str, actual: usize, expected: usize) {
    assert_eq!(actual, expected, "{what} has {actual} elements, its shape says {expected}");
}

/// Visits each value of an output `[R, B, O, ..]` of `values` values: where it lies, and where its bias lies in
/// `[R, O]`.
fn each_output(values: usize, [replicas, batch, outputs]: [usize; 3], mut visit: impl FnMut(usize, usize)) {
    let plane = values / (replicas * batch * outputs);
    for r in 0..replicas {
        for b in 0..batch {
            for o in 0..outputs {
                let start = ((r * batch + b) * outputs + o) * plane;
                for i in start..start + plane {
                    visit(i, r * outputs + o);
                }
            }
        }
    }
}

/// Where a place of padded values lies in the values themselves; `None` in the padding.
fn inside(padded: usize, before: usize, size: usize) -> Option<usize> {
    padded.checked_sub(before).filter(|&place| place < size)
}
