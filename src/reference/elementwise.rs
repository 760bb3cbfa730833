//! Filling.

/// Sets every element of `x` to `value`.
pub fn fill(x: &mut [f64], value: f64) {
    for i in 0..x.len() {
        x[i] = value;
    }
}
