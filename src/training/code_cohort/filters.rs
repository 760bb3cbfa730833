//! Values of filters and units that train beside codes.

use super::decoder::DecoderSteps;
use crate::Result;
use crate::gpu::Gpu;
use crate::model::{Filters, Network};
use crate::ops::UpdateRule;
use crate::ops::code::{self, Codes, PartialSums, Rounding};
use crate::ops::filters::{self, FilterPart};

/// How values of filters train beside codes.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterSettings {
    /// Which weights each value scales or moves.
    pub filters: Filters,
    /// What the rate of codes is multiplied by for them.
    pub rate: f32,
    /// What becomes of a value on the wire: it is trained for what arrives.
    pub rounding: Rounding,
}

/// The values of all replicas.
#[derive(Debug)]
pub(super) struct FilterCodes {
    filters: Filters,
    rounding: Rounding,
    codes: Codes,
    /// Of each arena of the classifier.
    parts: Vec<FilterPart>,
}

impl FilterCodes {
    /// Zeros.
    pub fn new(gpu: &Gpu, classifier: &Network, replicas: usize, settings: &FilterSettings) -> Result<Self> {
        let FilterSettings { filters, rate, rounding } = settings;
        // Numbers up to 2^24 are exact in f32; 0 stands where there is no parameter.
        let numbers: Vec<_> = filters.of_weights().iter().map(|&filter| (filter + 1) as f32).collect();
        let parts = classifier.parameters.laid_out(&numbers).into_iter().map(|numbers| {
            let own: Vec<_> = numbers.iter().map(|&number| (number as u32).checked_sub(1)).collect();
            FilterPart::new(gpu, &own, filters.count(), replicas)
        });
        let parts = parts.collect::<Result<_>>()?;
        let codes = Codes::whole(gpu, replicas, filters.count())?.at_rate(*rate);
        Ok(Self { filters: filters.clone(), rounding: *rounding, codes, parts })
    }

    /// Adds what a step does with them to what it does with codes.
    pub fn add_to(
        &self,
        gpu: &Gpu,
        classifier: &Network,
        rule: UpdateRule<'_>,
        steps: &mut DecoderSteps,
    ) -> Result<()> {
        let Codes { replicas, floats, .. } = self.codes;
        let lanes_of_one = filters::lanes_of_a_filter(gpu, replicas * floats * self.parts.len());
        let lanes = lanes_of_one * self.parts.len();
        let replica_stride = floats * lanes;
        let buffer = gpu.zeros("gradients of filters", replicas * replica_stride)?;
        let sums = PartialSums { buffer, replicas, replica_stride, lanes };
        let arenas = classifier.trained_arenas();
        for (place, (arena, part)) in arenas.iter().zip(&self.parts).enumerate() {
            let (parameters, own) = (&arena.parameters, place * lanes_of_one..(place + 1) * lanes_of_one);
            steps.before.push(filters::apply(gpu, parameters, part, &self.codes)?);
            let gradients = &arena.first_moments;
            steps.after.push(filters::gradient(gpu, parameters, gradients, part, &sums, own)?);
        }
        steps.after.push(code::step(gpu, &self.codes, &sums, rule, self.rounding)?);
        Ok(())
    }

    /// Starts each replica from zeros that scale these weights, `[P]` of each.
    pub fn restart<'s>(&self, gpu: &Gpu, classifier: &Network, scaled: impl Iterator<Item = &'s [f32]>) {
        for (replica, scaled) in scaled.enumerate() {
            let laid_out = classifier.parameters.laid_out(&self.filters.coefficients(scaled));
            for (part, values) in self.parts.iter().zip(&laid_out) {
                gpu.write(&part.coefficients, replica * values.len(), values);
            }
        }
        let zeros = vec![vec![0.0; self.codes.floats]; self.codes.replicas];
        self.codes.restart(gpu, &zeros, &zeros);
    }

    /// The values of all replicas, `[R][F]`.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        self.codes.read(gpu)
    }
}
