//! Filling.

/// Sets every element of `x` to `value`.
pub fn fill(x: &mut [f64], value: f64) {
    for i in 0..x.len() {
        x[i] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_reaches_every_element() {
        let mut x = [1.0, 2.0, 3.0];
        fill(&mut x, -0.5);
        assert_eq!(x, [-0.5; 3]);
    }
}
