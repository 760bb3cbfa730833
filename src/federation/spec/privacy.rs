//! What a simulation's strategy promises about privacy, and what it does not hold for.

use super::SimulationSpec;
use super::faults::Below;
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

    /// Refuses what tells more of a collaborator than the guarantee of a strategy that adds noise says: rules for local
    /// training that tell without noise, a bound on lengths by which one update decides about others, a number of
    /// results by which one decides whether a round counts, and collaborators without images, since those that are
    /// drawn are drawn from fewer than all.
    pub(super) fn check_private(&self, parts: &Parts) -> Result<()> {
        if !self.adds_noise(parts)? {
            return Ok(());
        }
        if self.faults.is_some_and(|faults| faults.longest.is_some()) {
            let problem =
                "which updates are too long depends on all of them, which the strategy's noise does not hide";
            return Err(Error::setting(
                "faults.longest",
                problem,
                "leave it out: updates are clipped anyway",
            ));
        }
        if self.faults.is_some_and(|faults| faults.min_results > 1 || faults.below == Below::Repeat) {
            let problem = "a round that does not count tells how many were in it, which the strategy's noise does not hide";
            return Err(Error::setting("faults.min_results", problem, "leave it out, and below"));
        }
        if self.partition.min_size == 0 {
            let problem =
                "collaborators without images are never drawn, and its noise counts on chances among all";
            return Err(Error::setting("partition.min_size", problem, "set it to 1 or more"));
        }
        let local = self.strategy.local(&parts.strategies)?;
        if SILENT.contains(&&*local) {
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
