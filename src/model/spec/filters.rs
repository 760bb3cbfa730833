//! What one value for each filter and unit does to a model's weights.

use super::Layout;
use std::ops::Range;

/// One value for each row of a tensor of two axes or more (the weights of a filter or a unit), which scales that row, and
/// one for each value of any other tensor (a bias), which is added to it. Values of zero change nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters {
    tensors: Vec<Rows>,
    count: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Rows {
    /// Where its values lie among the weights.
    range: Range<usize>,
    columns: usize,
    /// Whether its rows are scaled.
    scales: bool,
    /// The value of its first row.
    first: usize,
}

impl Filters {
    /// Of a model's tensors; none where no tensor has rows.
    pub fn of(layout: &Layout) -> Option<Self> {
        let mut count = 0;
        let tensors = layout.tensors().iter().map(|tensor| {
            let [rows, columns] = tensor.matrix();
            let first = count;
            count += rows;
            Rows { range: tensor.range.clone(), columns, scales: tensor.shape.len() > 1, first }
        });
        let tensors: Vec<_> = tensors.collect();
        tensors.iter().any(|tensor| tensor.scales).then_some(Self { tensors, count })
    }

    /// How many values.
    pub fn count(&self) -> usize {
        self.count
    }

    /// `[P]`: which value each weight takes.
    pub fn of_weights(&self) -> Vec<u32> {
        let each = self.tensors.iter().flat_map(|tensor| {
            let rows = tensor.range.len() / tensor.columns.max(1);
            (tensor.first..tensor.first + rows)
                .flat_map(|row| std::iter::repeat_n(row as u32, tensor.columns))
        });
        each.collect()
    }

    /// `[P]`: how much of its value each weight takes, where `scaled` are the weights that are scaled, `[P]`.
    pub fn coefficients(&self, scaled: &[f32]) -> Vec<f32> {
        let mut coefficients = scaled.to_vec();
        for tensor in self.tensors.iter().filter(|tensor| !tensor.scales) {
            coefficients[tensor.range.clone()].fill(1.0);
        }
        coefficients
    }

    /// Adds to `weights` `[P]` what `values` make of those that are scaled, `[P]`.
    pub fn apply(&self, values: &[f32], scaled: &[f32], weights: &mut [f32]) {
        for tensor in &self.tensors {
            let own = weights[tensor.range.clone()].chunks_exact_mut(tensor.columns.max(1));
            let scaled = scaled[tensor.range.clone()].chunks_exact(tensor.columns.max(1));
            for ((row, scaled), value) in own.zip(scaled).zip(&values[tensor.first..]) {
                for (weight, scaled) in row.iter_mut().zip(scaled) {
                    *weight += value * if tensor.scales { *scaled } else { 1.0 };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;

    fn small() -> Filters {
        let tensors = [("0.weight", vec![2, 1, 2]), ("0.bias", vec![2]), ("1.weight", vec![1, 2])];
        let layout = Layout::new(tensors.map(|(name, shape)| (name.to_string(), shape)));
        Filters::of(&layout).unwrap()
    }

    #[test]
    fn rows_are_scaled_and_biases_moved() {
        let filters = small();
        assert_eq!(filters.count(), 5);
        assert_eq!(filters.of_weights(), [0, 0, 1, 1, 2, 3, 4, 4]);
        let scaled = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(filters.coefficients(&scaled), [1.0, 2.0, 3.0, 4.0, 1.0, 1.0, 7.0, 8.0]);
        let mut weights = [10.0; 8];
        filters.apply(&[0.5, -1.0, 2.0, -3.0, 0.25], &scaled, &mut weights);
        assert_eq!(weights, [10.5, 11.0, 7.0, 6.0, 12.0, 7.0, 11.75, 12.0]);
        let mut weights = [10.0; 8];
        filters.apply(&[0.0; 5], &scaled, &mut weights);
        assert_eq!(weights, [10.0; 8]);
    }

    #[test]
    fn the_classifiers_have_two_values_for_each_filter_and_unit() {
        let count = |name: &str| {
            let spec = ModelSpec::load(name).unwrap().classifier().unwrap();
            Filters::of(&spec.layout()).unwrap().count()
        };
        assert_eq!(count("mnist-mlp"), 2 * (20 + 10));
        assert_eq!(count("cifar10-vgg3"), 2 * (2 * (32 + 64 + 128) + 128 + 10));
    }

    #[test]
    fn weights_without_rows_have_no_filters() {
        assert_eq!(Filters::of(&Layout::flat(7)), None);
    }
}
