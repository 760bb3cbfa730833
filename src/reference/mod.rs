//! The f64 twins of the kernels, plain loops, no cleverness.
