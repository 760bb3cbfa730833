//! What the kernels that find an adapter's peaks compute.

/// What one lane leaves: sixteen values from 0 to 15 stepped `rounds` times, added up four by four.
pub fn arithmetic(rounds: usize, factor: f64, summand: f64) -> [f64; 4] {
    let mut sums = [0.0; 4];
    for chain in 0..16 {
        let mut x = chain as f64;
        for _ in 0..rounds {
            x = x * factor + summand;
        }
        sums[chain % 4] += x;
    }
    sums
}

/// `source * factor`
pub fn stream(source: &[f64], factor: f64) -> Vec<f64> {
    source.iter().map(|value| value * factor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_a_geometric_series() {
        assert_eq!(arithmetic(0, 3.0, 5.0), [24.0, 28.0, 32.0, 36.0]);
        assert_eq!(arithmetic(1, 2.0, 1.0), [52.0, 60.0, 68.0, 76.0]);
        let settled = arithmetic(200, 0.5, 3.0);
        assert!(settled.iter().all(|sum| (sum - 24.0).abs() < 1e-12), "{settled:?}");
        assert_eq!(stream(&[1.0, -2.0], 0.5), [0.5, -1.0]);
    }
}
