//! How much each weight of a network carries from its inputs to its outputs, before it has seen any data.

use super::Layout;

/// The synaptic saliency `[P]` of weights `[P]` (SynFlow, Tanaka et al. 2020, arXiv 2006.05467): `|w| * dR/d|w|`, where R
/// is the sum of the outputs for an input of ones when all weights are their magnitudes. Those of a layer sum to R in each
/// layer. Biases have none.
///
/// Weights of magnitudes leave ReLU and pooling nothing to do, and all places of a channel are alike, so that a channel is
/// one number: a convolution is a matrix over its inputs' channels as a dense layer is over its inputs, or over channels
/// of so many places. What the edges of images lack is left out of account.
pub fn synaptic_saliency(layout: &Layout, weights: &[f32]) -> Vec<f64> {
    let matrices: Vec<_> = layout.tensors().iter().filter(|tensor| tensor.shape.len() > 1).collect();
    // What comes into each layer, a number for each channel: the input's are all one.
    let mut inputs = vec![vec![1f64]];
    for (place, tensor) in matrices.iter().enumerate() {
        let [rows, columns] = tensor.matrix();
        let (before, own) = (&inputs[place], &weights[tensor.range.clone()]);
        let channel = channel_of(columns, before.len());
        let mut out = vec![0f64; rows];
        for (out, row) in out.iter_mut().zip(own.chunks_exact(columns.max(1))) {
            *out = row.iter().enumerate().map(|(at, weight)| magnitude(weight) * before[channel(at)]).sum();
        }
        inputs.push(out);
    }
    let mut saliency = vec![0f64; weights.len()];
    // How much of R a unit of each layer's output is, of all places of a channel together.
    let mut carried = vec![1f64; inputs.last().map_or(0, Vec::len)];
    for (tensor, before) in matrices.iter().zip(&inputs).rev() {
        let columns = tensor.matrix()[1].max(1);
        let channel = channel_of(columns, before.len());
        let mut next = vec![0f64; before.len()];
        let rows = weights[tensor.range.clone()].chunks_exact(columns);
        let own = saliency[tensor.range.clone()].chunks_exact_mut(columns);
        for ((row, own), carried) in rows.zip(own).zip(&carried) {
            for (at, (weight, own)) in row.iter().zip(own).enumerate() {
                let part = magnitude(weight) * carried;
                *own = part * before[channel(at)];
                next[channel(at)] += part;
            }
        }
        carried = next;
    }
    saliency
}

fn magnitude(weight: &f32) -> f64 {
    f64::from(weight.abs())
}

/// Which of so many channels a column of a matrix takes: those of a channel lie side by side.
fn channel_of(columns: usize, channels: usize) -> impl Fn(usize) -> usize {
    let places = (columns / channels.max(1)).max(1);
    move |column| (column / places).min(channels.max(1) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelSpec, random_weights};

    #[test]
    fn saliency_is_what_a_weight_carries() {
        let tensors = [("0.weight", vec![2, 2]), ("0.bias", vec![2]), ("1.weight", vec![1, 2])];
        let layout = Layout::new(tensors.map(|(name, shape)| (name.to_string(), shape)));
        // The hidden units are 1 + 2 and 3 + 4, and R is 5 * 3 + 6 * 7 = 57.
        let weights = [1.0, -2.0, 3.0, 4.0, 9.0, 9.0, -5.0, 6.0];
        assert_eq!(synaptic_saliency(&layout, &weights), [5.0, 10.0, 18.0, 24.0, 0.0, 0.0, 15.0, 42.0]);
    }

    #[test]
    fn every_layer_carries_all_of_it() {
        for model in ["mnist-mlp", "cifar10-vgg3", "conv4"] {
            let layout = ModelSpec::load(model).unwrap().classifier().unwrap().layout();
            let saliency = synaptic_saliency(&layout, &random_weights(&layout, 3));
            let sums = layout.tensors().iter().filter(|tensor| tensor.shape.len() > 1);
            let sums: Vec<f64> = sums.map(|tensor| saliency[tensor.range.clone()].iter().sum()).collect();
            assert!(sums.iter().all(|sum| (sum / sums[0] - 1.0).abs() < 1e-9), "{model}: {sums:?}");
        }
    }
}
