//! The values of the largest magnitude of a line.

/// The places of the `count` values of the largest magnitude, in order, by sorting all of them. What is no number is
/// larger than what is infinite, and of equal magnitudes the first is larger.
pub fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()).then(a.cmp(&b)));
    places.truncate(count);
    places.sort_unstable();
    places
}
