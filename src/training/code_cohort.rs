//! R replicas of a classifier whose weights are a base and what a decoder makes of a code: the code is what trains.
//!
//! A step decodes the codes into the parameters, takes the gradient of these as any step does, and takes it back through
//! the decoder to the codes. The gradient is what SGD without momentum leaves in its first moments, exact to the bit:
//! the difference of the weights before and after a step would lose what their own rounding takes.

use super::cohort::{CohortSize, StepRules};
use super::{Cohort, ResidentImages, Tally};
use crate::gpu::{Buffer, Dispatch, Gpu};
use crate::model::{ClassifierSpec, Network, Optimizer, OptimizerKind, ScheduleWriter};
use crate::ops::code::{self, BasisPart, Codes, PartialSums, Rounding};
use crate::{Error, Result};

/// Most bytes of bases that lie on the device together: a fixed number, so that a run does not depend on how much
/// memory happens to be free.
const MOST_BYTES: usize = 1 << 30;

/// How codes train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeSettings {
    /// Z
    pub floats: usize,
    /// Images per step.
    pub batch: usize,
    /// How codes learn.
    pub optimizer: Optimizer,
    /// What becomes of a code on the wire: it is trained for what arrives.
    pub rounding: Rounding,
}

/// Where a replica's code starts.
#[derive(Clone, Debug)]
pub struct CodeStart {
    /// P weights: what the code at its start is decoded to.
    pub base: Vec<f32>,
    /// The code.
    pub code: Vec<f32>,
    /// What arrives of it.
    pub arrives: Vec<f32>,
}

/// A cohort whose codes train.
#[derive(Debug)]
pub struct CodeCohort {
    gpu: Gpu,
    cohort: Cohort,
    codes: Codes,
    /// Of each arena of the classifier, `[R, stride]`.
    bases: Vec<Buffer>,
    /// Of each arena, the vectors of the decoders in as many parts as it takes to bind them.
    parts: Vec<Vec<BasisPart>>,
}

/// How many replicas' bases of `floats` vectors of `parameters` values lie on the device together: at least one.
fn most_replicas(gpu: &Gpu, floats: usize, parameters: usize) -> usize {
    let bytes = 4 * parameters.next_multiple_of(4);
    // Four vectors of each replica have to fit one binding.
    let bound = gpu.max_binding_bytes() as usize / (bytes * 4);
    bound.min(MOST_BYTES / (bytes * floats.next_multiple_of(4))).max(1)
}

/// The rule whose first moments are the gradient.
fn gradient_rule() -> Optimizer {
    Optimizer { kind: OptimizerKind::Sgd, momentum: 0.0, ..Optimizer::default() }
}

impl CodeCohort {
    /// Room for up to `replicas` replicas, or as many as the device has room for.
    pub fn new(
        gpu: &Gpu,
        spec: &ClassifierSpec,
        images: &ResidentImages,
        replicas: usize,
        settings: CodeSettings,
    ) -> Result<Self> {
        let CodeSettings { floats, batch, optimizer, rounding } = settings;
        let replicas = replicas.min(most_replicas(gpu, floats, spec.parameters())).max(1);
        let codes = Codes::new(gpu, replicas, floats)?;
        let (mut bases, mut parts) = (Vec::new(), Vec::new());
        let around = |network: &Network, writer: &ScheduleWriter, step: Vec<Dispatch>| {
            let arenas = network.trained_arenas();
            let lanes: usize = arenas.iter().map(|arena| code::lanes_of(&arena.parameters)).sum();
            let replica_stride = codes.stride * lanes;
            let buffer = gpu.zeros("gradients of codes", replicas * replica_stride)?;
            let sums = PartialSums { buffer, replicas, replica_stride, lanes };
            let (mut before, mut after, mut first_lane) = (Vec::new(), Vec::new(), 0);
            for arena in &arenas {
                let parameters = &arena.parameters;
                let base = gpu.zeros("base of codes", replicas * parameters.stride)?;
                let own = basis_parts(gpu, floats, replicas * parameters.stride)?;
                for part in &own {
                    before.push(code::decode(gpu, parameters, &base, part, &codes)?);
                    after.push(code::gradient(
                        gpu,
                        parameters,
                        &arena.first_moments,
                        part,
                        &sums,
                        first_lane,
                    )?);
                }
                first_lane += code::lanes_of(parameters);
                bases.push(base);
                parts.push(own);
            }
            after.push(code::step(gpu, &codes, &sums, writer.rule(), rounding)?);
            Ok([before, step, after].concat())
        };
        let rules = StepRules { network: gradient_rule(), schedule: optimizer };
        let cohort = Cohort::with_step(gpu, spec, images, CohortSize { replicas, batch }, rules, around)?;
        Ok(Self { gpu: gpu.clone(), cohort, codes, bases, parts })
    }

    /// R
    pub fn replicas(&self) -> usize {
        self.codes.replicas
    }

    /// Gives a replica its decoder: `[Z, P]`, what each value of a code adds to the weights.
    pub fn load(&self, replica: usize, directions: &[f32]) {
        let parameters = &self.cohort.network.parameters;
        for (vector, values) in directions.chunks_exact(parameters.count()).enumerate() {
            for (laid_out, parts) in parameters.laid_out(values).iter().zip(&self.parts) {
                let of = |part: &&BasisPart| (part.first..part.first + part.count).contains(&vector);
                if let Some(part) = parts.iter().find(of) {
                    let line = replica * part.count + vector - part.first;
                    self.gpu.write(&part.vectors, line * laid_out.len(), laid_out);
                }
            }
        }
    }

    /// Starts each replica with a new optimiser.
    pub fn restart<'s>(&mut self, starts: impl Iterator<Item = &'s CodeStart>) {
        let starts: Vec<_> = starts.collect();
        for (replica, start) in starts.iter().enumerate() {
            let laid_out = self.cohort.network.parameters.laid_out(&start.base);
            for (base, values) in self.bases.iter().zip(&laid_out) {
                self.gpu.write(base, replica * values.len(), values);
            }
        }
        let codes: Vec<_> = starts.iter().map(|start| &start.code[..]).collect();
        let arrives: Vec<_> = starts.iter().map(|start| &start.arrives[..]).collect();
        self.codes.restart(&self.gpu, &codes, &arrives);
        self.cohort.restart_schedule();
    }

    /// Trains an epoch in which replica `r`, whose data are `owners[r]`'s, sees the samples `orders[r]` in that order;
    /// gives what each came to on its samples.
    pub fn epoch(
        &mut self,
        number: u64,
        owners: &[u32],
        mut orders: Vec<Vec<u32>>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Tally>> {
        orders.resize(self.replicas(), Vec::new());
        self.cohort.begin_epoch(number, owners);
        let steps = self.cohort.steps(&orders);
        self.cohort.train(&orders, 0..steps, progress)?;
        let mut tallies = self.cohort.take_tallies()?;
        tallies.truncate(owners.len());
        Ok(tallies)
    }

    /// The codes of all replicas, `[R][Z]`.
    pub fn codes(&self) -> Result<Vec<Vec<f32>>> {
        self.codes.read(&self.gpu)
    }
}

/// Memory for the vectors of decoders, `elements` of each vector, in parts that fit one binding each.
fn basis_parts(gpu: &Gpu, floats: usize, elements: usize) -> Result<Vec<BasisPart>> {
    let fitting = gpu.max_binding_bytes() as usize / (4 * elements);
    let floats = floats.next_multiple_of(4);
    let each = if floats <= fitting { floats } else { fitting - fitting % 4 };
    if each == 0 {
        let problem = format!("{} bytes of a decoder's vectors do not fit one binding", 16 * elements);
        return Err(Error::device(problem, "use a larger --max-binding-bytes, or leave out tune"));
    }
    let part = |first: usize| {
        let count = each.min(floats - first);
        let vectors = gpu.zeros("basis of codes", count * elements)?;
        Ok(BasisPart { vectors, count, first, is_shared: false })
    };
    (0..floats).step_by(each).map(part).collect()
}
