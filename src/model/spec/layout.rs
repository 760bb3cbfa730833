//! How a model's tensors lie in its flat vector of weights.

use super::NetworkLayer;
use std::ops::Range;

/// The tensors of a model, in the order of its weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    tensors: Vec<LayoutTensor>,
    layers: Vec<NetworkLayer>,
}

/// A tensor of a [`Layout`].
#[derive(Clone, Debug, PartialEq)]
pub struct LayoutTensor {
    /// Its PyTorch name: "0.weight".
    pub name: String,
    /// Its PyTorch shape.
    pub shape: Vec<usize>,
    /// Where its values lie among the weights.
    pub range: Range<usize>,
}

impl LayoutTensor {
    /// Its rows and columns as a matrix: the first axis, and all others together. A tensor of one axis is one column.
    pub fn matrix(&self) -> [usize; 2] {
        let rows = self.shape.first().copied().unwrap_or(1);
        [rows, self.shape.iter().skip(1).product()]
    }
}

impl Layout {
    /// Of names and shapes, in order.
    pub fn new(tensors: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        let mut next = 0;
        let placed = tensors.into_iter().map(|(name, shape)| {
            let start = next;
            next += shape.iter().product::<usize>();
            LayoutTensor { name, shape, range: start..next }
        });
        Self { tensors: placed.collect(), layers: Vec::new() }
    }

    /// Of the weights of these layers.
    pub fn of_layers(layers: Vec<NetworkLayer>) -> Self {
        Self { layers: layers.clone(), ..Self::new(layers.iter().flat_map(NetworkLayer::tensors)) }
    }

    /// Of weights without tensors: one vector of `parameters` values.
    pub fn flat(parameters: usize) -> Self {
        Self::new([("weights".to_string(), vec![parameters])])
    }

    /// In the order of the weights.
    pub fn tensors(&self) -> &[LayoutTensor] {
        &self.tensors
    }

    /// The layers whose weights they are, from the input on; empty where these are not known.
    pub fn layers(&self) -> &[NetworkLayer] {
        &self.layers
    }

    /// P
    pub fn parameters(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::ModelSpec;

    #[test]
    fn tensors_lie_one_behind_the_other() {
        let spec = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
        let layout = spec.layout();
        assert_eq!(layout.parameters(), spec.parameters());
        let first = &layout.tensors()[0];
        assert_eq!((first.matrix(), first.range.clone()), ([20, 784], 0..15_680));
        let bias = &layout.tensors()[1];
        assert_eq!((bias.matrix(), bias.range.clone()), ([20, 1], 15_680..15_700));
    }

    #[test]
    fn a_convolution_is_a_matrix_with_a_row_for_each_filter() {
        let spec = ModelSpec::load("cifar10-vgg3").unwrap().classifier().unwrap();
        let layout = spec.layout();
        assert_eq!(layout.parameters(), spec.parameters());
        assert_eq!(layout.tensors()[0].matrix(), [32, 27]);
    }
}
