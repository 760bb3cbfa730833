//! Initial weights without a device.

use super::{ClassifierSpec, NetworkLayer};
use crate::ops::random::uniform_values;

impl ClassifierSpec {
    /// The weights `[P]` in `state_dict` order that a seed stands for: bit for bit those that devices draw.
    pub fn initial_weights(&self, seed: u32) -> Vec<f32> {
        let mut weights = Vec::with_capacity(self.parameters());
        let mut number = 0;
        let mut draw = |count: usize, bound: f32| {
            weights.extend(uniform_values(count, 0, number, seed, bound));
            number += 1;
        };
        for layer in self.network() {
            let tensors = match &layer {
                NetworkLayer::Dense(spec) => {
                    vec![(spec.layer.inputs * spec.layer.outputs, spec.layer.outputs, spec.bounds())]
                }
                NetworkLayer::Conv(specs) => {
                    let of = specs.iter().map(|spec| {
                        (spec.layer.shape.weights(), spec.layer.output_channels(), spec.bounds())
                    });
                    of.collect()
                }
                NetworkLayer::Pool(_) => Vec::new(),
            };
            for (count, biases, bounds) in tensors {
                draw(count, bounds.0);
                draw(biases, bounds.1);
            }
        }
        weights
    }
}
