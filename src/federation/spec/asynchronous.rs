//! What a federation whose collaborators do not wait for each other cannot have.

use super::{AttackKind, Below, Downlink, LocalTests, SimulationSpec};
use crate::codec::Pipeline;
use crate::federation::parts::Parts;
use crate::{Error, Result};

impl SimulationSpec {
    /// Refuses what makes no sense where nobody waits for all.
    pub(super) fn check_asynchrony(&self, parts: &Parts) -> Result<()> {
        let Some(asynchrony) = &self.asynchrony else { return Ok(()) };
        asynchrony.check(self.collaborators)?;
        let refuse = |field: &str, problem: &str, mend: &str| Err(Error::setting(field, problem, mend));
        if self.clock.is_none() {
            let problem = "nothing says how long collaborators take, and so who is first";
            return refuse("asynchrony", problem, "add a table [clock]");
        }
        if self.participation.is_some() {
            let problem = "in an asynchronous federation nobody is asked for a round";
            return refuse("participation", problem, "set asynchrony.concurrency in its place");
        }
        if self.local_tests.is_some_and(|tests| tests != LocalTests::None) {
            let problem = "collaborators' own models are tested where they end together";
            return refuse("local_tests", problem, "leave it out, or asynchrony");
        }
        if self.begins_federated() {
            let problem = "the rounds of a federated pre-pass wait for all";
            return refuse("prepass.kind", problem, "set it to isolated, or leave asynchrony out");
        }
        if self.prepass.as_ref().is_some_and(|prepass| prepass.collaborators.is_some()) {
            let problem = "those that log nothing get the decoder with the model of a round";
            return refuse("prepass.collaborators", problem, "leave it out, or asynchrony");
        }
        if self.attack.as_ref().is_some_and(|attack| attack.kind == AttackKind::Little) {
            let problem = "its attackers look at the updates of all others of a round";
            return refuse("attack.kind", problem, "use another attack, or leave asynchrony out");
        }
        self.check_asynchronous_faults()?;
        if self.codecs.iter().any(|codec| codec.downlink != Downlink::Model || codec.down.is_some()) {
            let problem = "what goes down is a change of the model of the round before, and collaborators begin with any";
            return refuse("codecs: downlink", problem, "leave it out, or asynchrony");
        }
        let local = self.strategy.local(&parts.strategies)?;
        if local != "plain" {
            let problem = format!("{local} looks at rounds that all begin with the same model");
            return refuse("strategy.local", &problem, "use a strategy with plain local training");
        }
        let combine = self.strategy.make(&parts.strategies)?.combine;
        if combine.noise().is_some() {
            let problem = "what its noise hides is counted for rounds, and a collaborator may send twice for a step here";
            return refuse("strategy.combine", problem, "use another, or leave asynchrony out");
        }
        if combine.wants_loss() {
            let problem = "it asks collaborators for their losses of a round's global model";
            return refuse("strategy.combine", problem, "use another, or leave asynchrony out");
        }
        Ok(())
    }

    /// Refuses faults of rounds.
    fn check_asynchronous_faults(&self) -> Result<()> {
        let Some(faults) = &self.faults else { return Ok(()) };
        let given = [
            ("absent", faults.absent > 0.0),
            ("breaks_off", faults.breaks_off > 0.0),
            ("late", faults.late > 0.0),
            ("deadline", faults.deadline.is_some()),
            ("min_results", faults.min_results != 1),
            ("below", faults.below != Below::Skip),
            ("longest", faults.longest.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => Err(Error::setting(
                format!("faults.{name}"),
                "it is about rounds, and nobody waits for one",
                "leave it out, or asynchrony; duplicate and corrupt can be",
            )),
            None => Ok(()),
        }
    }

    /// Refuses codecs that need all updates of a round, or to know which came before.
    pub(super) fn check_asynchronous_codec(&self, pipeline: &Pipeline) -> Result<()> {
        if self.asynchrony.is_none() {
            return Ok(());
        }
        let label = pipeline.label();
        let problem = if pipeline.is_joint() {
            format!("{label} is added up before it is decoded, and updates begin with different models")
        } else if pipeline.keeps_arrivals() {
            format!("{label} is decoded with what came before, which is another order here")
        } else if pipeline.refreshes() {
            format!("{label} ships new axes between updates, and updates wait to be decoded")
        } else if pipeline.sub_model(1, 0, 0).is_some() {
            format!("{label} sends each a part of the model, which it draws for a round")
        } else {
            return Ok(());
        };
        Err(Error::setting("codecs", problem, "use another codec, or leave asynchrony out"))
    }
}
