//! A step along random signs in two dispatches; see shaders/mlp_probe.wgsl.

use super::Mlp;
use crate::Result;
use crate::gpu::{Cost, Dispatch, Gpu, Grid, Kernel, SHARING_LANES, immediates};
use crate::ops::Arena;
use crate::ops::directions::{DirectionKind, Probe, SlopeForm, Stretch};

immediates! {
    struct Walk {
        u32: count, stride, end_block, batch, lines, step, slots;
        f32: rate, unit;
    }
}
immediates! {
    struct BothSides {
        u32: batch, steps, step, width, channel_width, hidden, outputs, hidden_weights, hidden_bias,
             output_weights, output_bias, replica_stride, activation, words;
        f32: reach;
    }
}

/// The kernel that goes along slopes, and the one along those that a byte can say.
pub const WALKS: [Kernel; 2] = [
    Kernel::new("mlp_probe", "mlp_probe_walk"),
    Kernel::new("mlp_probe", "mlp_probe_walk").tiled(&[("BYTE", 1)]),
];

/// Weights whose signs a lane has in one word, at four quads in a row.
const RUN: usize = 16;

/// A step of all replicas.
#[derive(Debug)]
pub struct BothSidesStep {
    /// Finishes the step before, and begins this one.
    pub walk: Dispatch,
    /// Forward with weights ahead and behind.
    pub pass: Dispatch,
}

impl Mlp<'_> {
    /// A step along random signs, in which `weights` are what steps go from and nothing else is: the weights that are
    /// tried are in no memory. One of `probe`, where these `parameters`, all that a replica has, lie as the kernels need
    /// it; the others are for every other case.
    pub fn both_sides(
        &self,
        gpu: &Gpu,
        weights: &Arena,
        parameters: Stretch,
        probe: &Probe,
    ) -> Result<Option<BothSidesStep>> {
        let settings = &probe.settings;
        let m = &self.immediates;
        let fits = settings.kind == DirectionKind::Rademacher
            && (parameters.first, parameters.offset) == (0, 0)
            && (m.channel_width as usize).is_multiple_of(RUN)
            && (m.hidden_weights as usize).is_multiple_of(RUN);
        if !fits {
            return Ok(None);
        }
        let [_, words] = parameters.blocks();
        let signs = gpu.zeros("signs of a direction", settings.replicas * words as usize)?;
        let walk = Walk {
            count: parameters.count as u32,
            stride: weights.stride as u32,
            end_block: words,
            batch: settings.batch as u32,
            lines: (settings.steps + 2) as u32,
            step: 0,
            slots: settings.slots as u32,
            rate: -settings.rate,
            unit: if let SlopeForm::Byte(unit) = settings.slopes { unit } else { 1.0 },
        };
        let buffers = [
            ("draws", &probe.draws),
            ("differences", &probe.put_aside),
            ("base4", &weights.buffer),
            ("put_signs", &signs),
            ("record", &probe.record),
        ];
        let kernel = &WALKS[usize::from(matches!(settings.slopes, SlopeForm::Byte(_)))];
        let lanes = parameters.lanes(gpu).next_multiple_of(SHARING_LANES);
        let walk = gpu.dispatch(kernel, &walk, &buffers, Grid(lanes, settings.replicas as u32, 1))?;
        let walk = walk.with_traffic(2 * settings.replicas * parameters.count, 0);
        let pass = BothSides {
            batch: m.batch,
            steps: m.steps,
            step: 0,
            width: m.width,
            channel_width: m.channel_width,
            hidden: m.hidden,
            outputs: m.outputs,
            hidden_weights: m.hidden_weights,
            hidden_bias: m.hidden_bias,
            output_weights: m.output_weights,
            output_bias: m.output_bias,
            replica_stride: m.replica_stride,
            activation: m.activation,
            words,
            reach: settings.reach,
        };
        let images = self.batches.images;
        let buffers = [
            ("index", &self.batches.index.buffer),
            ("bytes", &images.pixels),
            ("scales", self.batches.scales),
            ("signs", &signs),
            ("parameters", &weights.buffer),
            ("labels", &images.labels),
            ("differing", &probe.put_aside),
            ("tallies", &probe.totals),
        ];
        let grid = Grid(m.batch.div_ceil(2), 1, settings.replicas as u32);
        let pass = gpu.dispatch(&Kernel::new("mlp_probe", "mlp_probe_pass"), &pass, &buffers, grid)?;
        let Cost { bytes, operations } = self.cost(1, 1);
        Ok(Some(BothSidesStep { walk, pass: pass.with_cost(Cost { bytes, operations: 2 * operations }) }))
    }
}
