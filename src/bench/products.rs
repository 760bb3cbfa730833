//! Matrix products of the shapes that the models use, as the forward passes of dense layers take them.

use super::harness::{Ready, Unit};
use super::synthetic::{SEED, values};
use super::work::{Work, work};
use crate::Result;
use crate::gpu::{Cost, Gpu};
use crate::model::{Activation, Initializer, LayerSpec, Network};
use crate::ops::dense::{Dense, RowsAre};

/// The works of this file: batch, inputs and outputs.
pub(super) fn works() -> Vec<Work> {
    let product = |name, what, shape: [usize; 3]| work(name, what, move |gpu| product(gpu, shape));
    vec![
        product("matmul-512", "512x512 times 512x512", [512, 512, 512]),
        product("matmul-64x784x20", "the MNIST classifier's first layer, batch 64", [64, 784, 20]),
        product("matmul-500x784x20", "the same where it is evaluated, batch 500", [500, 784, 20]),
        product(
            "matmul-64x2048x128",
            "the CIFAR-10 classifier's first dense layer, batch 64",
            [64, 2048, 128],
        ),
        product("matmul-20x15910x32", "the MNIST autoencoder's encoder, 20 snapshots", [20, 15_910, 32]),
        product("matmul-20x32x15910", "its decoder", [20, 32, 15_910]),
    ]
}

fn product(gpu: &Gpu, [batch, inputs, outputs]: [usize; 3]) -> Result<Ready<'_>> {
    // The short side is contiguous, as autoencoders have it.
    let rows_are = if inputs > 4_096 { RowsAre::Inputs } else { RowsAre::Outputs };
    let layer = Dense::new(inputs, outputs, rows_are, Activation::Linear);
    let layer = LayerSpec { prefix: String::new(), layer, initializer: Initializer::Torch };
    let network = Network::new(gpu, &[layer], 1, None)?;
    network.parameters.initialize(gpu, SEED, true)?;
    let workspace = network.workspace(gpu, batch, false)?;
    workspace.input().write(gpu, &values(batch * inputs, 0, 1.0));
    let cost = Cost {
        bytes: 4 * (inputs * outputs + batch * (inputs + outputs)) as u64,
        operations: 2 * (batch * inputs * outputs) as u64,
    };
    Ready::dispatches(gpu, network.forward(gpu, &workspace)?, Some(cost), Unit::Gflops)
}
