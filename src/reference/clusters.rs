//! Clusters of values on a line by Lloyd's iterations (Lloyd 1982, "Least squares quantization in PCM").

/// The place of the centroid that has the least distance from a value; of two that are as near, the lower one.
pub fn nearest(centroids: &[f64], value: f64) -> usize {
    let off = |place: &usize| (centroids[*place] - value).abs();
    (0..centroids.len()).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(0)
}

/// Moves each centroid to the mean of the values that it is the nearest to, so many times. One that is the nearest to
/// none stays.
pub fn lloyd(values: &[f32], centroids: &mut [f64], iterations: usize) {
    for _ in 0..iterations {
        let mut own = vec![Vec::new(); centroids.len()];
        for &value in values {
            own[nearest(centroids, value.into())].push(f64::from(value));
        }
        for (centroid, own) in centroids.iter_mut().zip(own).filter(|(_, own)| !own.is_empty()) {
            *centroid = own.iter().sum::<f64>() / own.len() as f64;
        }
    }
}

/// The sum of squares of the distances of values from their centroids.
pub fn squared_error(values: &[f32], centroids: &[f64]) -> f64 {
    let off = |&value: &f32| (centroids[nearest(centroids, value.into())] - f64::from(value)).powi(2);
    values.iter().map(off).sum()
}

/// How many values there are of each upper 16 bits, in the order of the values, and the sum of their next eight bits.
pub fn tally(values: &[f32]) -> Vec<[u32; 2]> {
    let mut bins = vec![[0; 2]; 1 << 16];
    for value in values {
        let [_, next, low, high] = value.to_bits().to_le_bytes();
        let upper = usize::from(u16::from_le_bytes([low, high]));
        // Negative values come first, the largest magnitude of them foremost.
        let bin = &mut bins[if value.is_sign_negative() { 0xffff - upper } else { 0x8000 + upper }];
        bin[0] += 1;
        bin[1] += u32::from(next);
    }
    bins
}
