//! What a simulation's strategy promises about privacy, and what it does not hold for.

use super::SimulationSpec;
use super::participation::Sampling as Drawn;
use crate::codec::Pipeline;
use crate::federation::parts::Parts;
use crate::federation::privacy::{Guarantee, Sampling};
use crate::{Error, Result};

/// Rules for local training that nothing but clipped updates leaves the aggregator by. Others have collaborators send
/// values that all get to see the sum of.
const SILENT: &[&str] = &["plain", "prox"];

impl SimulationSpec {
    /// What the global models of a federation tell of a collaborator at most, where the strategy adds noise.
    pub fn guarantee(&self, parts: &Parts) -> Result<Option<Guarantee>> {
        let noise = self.strategy.make(&parts.strategies)?.combine.noise();
        let (rate, sampling) = self.sampled();
        Ok(noise.map(|noise| Guarantee::of(noise, self.collaborators, rate, sampling, self.rounds)))
    }

    /// The part of the collaborators in a round, and how it is drawn. What is not drawn by itself in each round hides
    /// nobody, so that all count as if they took part in all.
    fn sampled(&self) -> (f64, Sampling) {
        let rate = self.per_round() as f64 / self.collaborators as f64;
        match self.participation.map(|participation| participation.sampling) {
            Some(Drawn::Uniform) => (rate, Sampling::WithoutReplacement),
            Some(Drawn::Poisson) => (rate, Sampling::Poisson),
            _ => (1.0, Sampling::WithoutReplacement),
        }
    }

    fn adds_noise(&self, parts: &Parts) -> Result<bool> {
        Ok(self.strategy.make(&parts.strategies)?.combine.noise().is_some())
    }

    /// Refuses rules for local training that tell of collaborators without noise, where the strategy adds any.
    pub(super) fn check_private_local(&self, parts: &Parts) -> Result<()> {
        let local = self.strategy.local(&parts.strategies)?;
        if SILENT.contains(&&*local) || !self.adds_noise(parts)? {
            return Ok(());
        }
        let problem = format!("what collaborators send for {local} goes to all of them without noise");
        Err(Error::setting("strategy.local", problem, "set it to plain, or set noise to 0"))
    }

    /// The same of a codec.
    pub(super) fn check_private_codec(&self, parts: &Parts, pipeline: &Pipeline) -> Result<()> {
        if !pipeline.is_shared() || !self.adds_noise(parts)? {
            return Ok(());
        }
        let problem = format!(
            "the decoder of {} is made of those of all and goes to all without noise",
            pipeline.label()
        );
        Err(Error::setting("codecs", problem, "leave shared out, or set the strategy's noise to 0"))
    }
}
