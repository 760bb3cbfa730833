//! R replicas of a classifier whose weights are a base and what a decoder makes of a code: the code is what trains.
//!
//! A step decodes the codes into the parameters, takes the gradient of these as any step does, and takes it back through
//! the decoder to the codes. The gradient is what SGD without momentum leaves in its first moments, exact to the bit:
//! the difference of the weights before and after a step would lose what their own rounding takes.

mod decoder;
mod filters;
mod linear;
mod networks;

pub use decoder::CodeDecoder;
pub use filters::FilterSettings;

use super::cohort::{CohortSize, StepRules};
use super::{Cohort, ResidentImages, Tally};
use crate::gpu::{Buffer, Gpu};
use crate::model::{ClassifierSpec, Network, Optimizer};
use crate::ops::code::{self, Codes, Rounding};
use crate::{Error, Result};
use decoder::DecoderSteps;
use filters::FilterCodes;
use linear::LinearDecoders;
use networks::NetworkDecoders;

/// How codes train.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeSettings {
    /// Z
    pub floats: usize,
    /// Images per step.
    pub batch: usize,
    /// How codes learn.
    pub optimizer: Optimizer,
    /// What becomes of a code on the wire: it is trained for what arrives.
    pub rounding: Rounding,
    /// How values of filters train beside codes, where they do.
    pub filters: Option<FilterSettings>,
    /// Whether all replicas have one decoder, that of replica 0. Where it is linear, it lies on the device once.
    pub is_shared: bool,
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
    /// P weights that values of filters scale, where there are any; these start from zero.
    pub scaled: Vec<f32>,
}

/// A cohort whose codes train.
#[derive(Debug)]
pub struct CodeCohort {
    gpu: Gpu,
    cohort: Cohort,
    codes: Codes,
    /// Of each arena of the classifier, `[R, stride]`.
    bases: Vec<Buffer>,
    decoders: Decoders,
    filters: Option<FilterCodes>,
}

/// The decoders of all replicas, which have one form.
#[derive(Debug)]
enum Decoders {
    Linear(LinearDecoders),
    Network(NetworkDecoders),
}

impl Decoders {
    /// Decoders of this one's form, and what a step does with them.
    fn new(
        gpu: &Gpu,
        form: &CodeDecoder,
        classifier: &Network,
        bases: &[Buffer],
        codes: &Codes,
        is_shared: bool,
    ) -> Result<(Self, DecoderSteps)> {
        Ok(match form {
            CodeDecoder::Linear(_) => {
                let (decoders, steps) = LinearDecoders::new(gpu, classifier, bases, codes, is_shared)?;
                (Self::Linear(decoders), steps)
            }
            CodeDecoder::Network { layers, .. } => {
                let (decoders, steps) = NetworkDecoders::new(gpu, layers, classifier, bases, codes)?;
                (Self::Network(decoders), steps)
            }
            CodeDecoder::Factored { .. } => return Err(Error::fault("factors that are no layers yet")),
        })
    }
}

impl CodeCohort {
    /// Room for up to `replicas` replicas, or as many as the device has room for, whose decoders are all of the form of
    /// `decoder`.
    pub fn new(
        gpu: &Gpu,
        spec: &ClassifierSpec,
        images: &ResidentImages,
        replicas: usize,
        decoder: &CodeDecoder,
        settings: CodeSettings,
    ) -> Result<Self> {
        // A decoder that lies there once takes no more for many.
        let is_shared = settings.is_shared && matches!(decoder, CodeDecoder::Linear(_));
        let replicas = if is_shared {
            replicas
        } else {
            decoder.most_replicas(gpu, replicas, settings.floats, spec.parameters())
        };
        let CodeSettings { floats, batch, optimizer, rounding, filters, .. } = settings;
        let codes = match decoder {
            CodeDecoder::Linear(_) => Codes::new(gpu, replicas, floats)?,
            _ => Codes::whole(gpu, replicas, floats)?,
        };
        let rules = StepRules::gradient(optimizer);
        let size = CohortSize { replicas, batch };
        let (cohort, (bases, decoders, filters)) =
            Cohort::with_step(gpu, spec, images, size, rules, |network, writer, _, step| {
                let arenas = network.parameters.arenas.iter();
                let bases = arenas.map(|arena| gpu.zeros("base of codes", replicas * arena.stride));
                let bases = bases.collect::<Result<Vec<_>>>()?;
                let (decoders, mut steps) = Decoders::new(gpu, decoder, network, &bases, &codes, is_shared)?;
                steps.after.push(code::step(gpu, &codes, &steps.sums, writer.rule(), rounding)?);
                let filters = filters.map(|filters| FilterCodes::new(gpu, network, replicas, &filters));
                let filters = filters.transpose()?;
                if let Some(filters) = &filters {
                    filters.add_to(gpu, network, writer.rule(), &mut steps)?;
                }
                Ok(([steps.before, step, steps.after].concat(), (bases, decoders, filters)))
            })?;
        Ok(Self { gpu: gpu.clone(), cohort, codes, bases, decoders, filters })
    }

    /// R
    pub fn replicas(&self) -> usize {
        self.codes.replicas
    }

    /// How many decoders it has: one for each replica, or one for all.
    pub fn decoders(&self) -> usize {
        match &self.decoders {
            Decoders::Linear(decoders) if decoders.is_shared() => 1,
            _ => self.replicas(),
        }
    }

    /// Gives a replica its decoder.
    pub fn load(&self, replica: usize, decoder: &CodeDecoder) -> Result<()> {
        match (&self.decoders, decoder) {
            (Decoders::Linear(decoders), CodeDecoder::Linear(directions)) => {
                decoders.load(&self.gpu, &self.cohort.network, replica, directions);
            }
            (Decoders::Network(decoders), CodeDecoder::Network { parameters, scale, .. }) => {
                decoders.load(&self.gpu, replica, parameters, *scale);
            }
            _ => return Err(Error::fault("decoders of two forms in one cohort")),
        }
        Ok(())
    }

    /// Starts each replica with a new optimiser of this rate.
    pub fn restart<'s>(&mut self, starts: impl Iterator<Item = &'s CodeStart>, rate: f32) -> Result<()> {
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
        if let Some(filters) = &self.filters {
            filters.restart(&self.gpu, &self.cohort.network, starts.iter().map(|start| &start.scaled[..]));
        }
        self.cohort.restart_schedule(rate);
        match &self.decoders {
            Decoders::Linear(_) => Ok(()),
            Decoders::Network(decoders) => decoders.restart(&self.gpu),
        }
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

    /// The values of the filters of all replicas, `[R][F]`, where they train.
    pub fn filters(&self) -> Result<Option<Vec<Vec<f32>>>> {
        self.filters.as_ref().map(|filters| filters.read(&self.gpu)).transpose()
    }
}
