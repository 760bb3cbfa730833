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
