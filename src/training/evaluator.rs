//! Loss and accuracy of any number of models on one data set.

use super::step::StepParts;
use super::{ResidentImages, Tally};
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu};
use crate::model::{ClassifierSpec, Network, Optimizer, ScheduleWriter};
use crate::ops::gather::{NOTHING, SampleIndex};

/// Samples that one dispatch takes, where they fit.
const BATCH: usize = 500;
/// Models that are evaluated in the same dispatches, where they fit.
const REPLICAS: usize = 16;

/// Values of the widest layer that keep a device busy. More models at a time gain nothing, and a group that is not
/// full costs as much as a full one.
const ENOUGH: usize = 8 << 20;

/// Evaluates models of one spec on one data set.
#[derive(Debug)]
pub struct Evaluator {
    gpu: Gpu,
    network: Network,
    tallies: Buffer,
    step: Vec<Dispatch>,
    steps: usize,
    samples: usize,
}

impl Evaluator {
    /// Makes everything that an evaluation needs. `models` is how many there usually are at a time.
    pub fn new(gpu: &Gpu, spec: &ClassifierSpec, images: &ResidentImages, models: usize) -> Result<Self> {
        let layers = spec.network();
        let widest = spec.widest();
        let room = gpu.max_binding_bytes() as usize / 4;
        let batch = BATCH.min(images.len).min(room / widest).max(1);
        let steps = images.len.div_ceil(batch);
        let replicas = REPLICAS
            .min(models)
            .min(room / (batch * widest))
            .min(ENOUGH / (batch * widest))
            .min(room / (steps * batch))
            .min(room / spec.parameters())
            .max(1);
        let network = Network::new(gpu, &layers, replicas, None)?;
        let mut numbers: Vec<u32> = (0..images.len as u32).collect();
        numbers.resize(steps * batch, NOTHING);
        let index = SampleIndex { buffer: gpu.upload("sample index", &numbers.repeat(replicas))?, steps };
        let tallies = gpu.zeros("tallies", replicas * batch * 2)?;
        let spare = gpu.zeros("spare", 4)?;
        // The loss kernel binds a schedule, which it reads for gradients only.
        let schedule = ScheduleWriter::new(gpu, Optimizer::default(), 1, 1)?.schedule;
        let parts =
            StepParts { images, index: &index, batch, epoch: &spare, schedule: &schedule, tallies: &tallies };
        let step = parts.dispatches(gpu, &network, None)?;
        Ok(Self { gpu: gpu.clone(), network, tallies, step, steps, samples: images.len })
    }

    /// Evaluates models given by their parameters in `state_dict` order.
    pub fn evaluate<P: AsRef<[f32]>>(&self, models: &[P]) -> Result<Vec<Tally>> {
        let mut tallies = Vec::with_capacity(models.len());
        for group in models.chunks(self.network.replicas()) {
            for (replica, flat) in group.iter().enumerate() {
                self.network.parameters.write(&self.gpu, replica, flat.as_ref());
            }
            let zeros = vec![0f32; self.tallies.len()];
            self.gpu.write(&self.tallies, 0, &zeros);
            self.gpu.run_steps(&self.step, 0..self.steps as u32, &mut |_| ())?;
            let values: Vec<f32> = self.gpu.read(&self.tallies)?;
            let all = Tally::of(&values, &vec![self.samples; self.network.replicas()]);
            tallies.extend_from_slice(&all[..group.len()]);
        }
        Ok(tallies)
    }
}
