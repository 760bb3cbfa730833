//! The codecs of a spec as pipelines, and which of them fit what else it says.

use super::{CodecSpec, Downlink, LocalTests, Rules, SimulationSpec};
use crate::codec::{Context, Kept, Pipeline};
use crate::federation::parts::Parts;
use crate::federation::strategy::Strategy;
use crate::federation::systems::{System, SystemContext};
use crate::model::ClassifierSpec;
use crate::{Error, Result};
use std::sync::Arc;

/// A codec of a spec, made for its classifier.
pub(in crate::federation) struct PlannedCodec {
    /// How updates cross the wire.
    pub pipeline: Pipeline,
    /// What its federation does otherwise than others.
    pub rules: Rules,
    /// What its rounds exchange in place of weights, where they do.
    pub system: Option<Box<dyn System>>,
}

impl PlannedCodec {
    /// The strategy of its federation: that of the spec, or its system's.
    pub fn strategy(&self, spec: &SimulationSpec, parts: &Parts) -> Result<Strategy> {
        match &self.system {
            Some(system) => Ok(system.strategy()),
            None => spec.strategy.make(&parts.strategies),
        }
    }
}

impl SimulationSpec {
    /// Refuses lists that leave nothing to compare with.
    pub(super) fn check_codecs(&self) -> Result<()> {
        if !self.codecs.iter().any(CodecSpec::is_raw) {
            let problem = "raw is missing, which all others are compared with";
            return Err(Error::setting("codecs", problem, "add it"));
        }
        if self.codecs.iter().any(|codec| codec.local_epochs == Some(0)) {
            let problem = "a codec's local_epochs of 0 train nothing";
            return Err(Error::setting("codecs", problem, "set it to 1 or more, or leave it out"));
        }
        if self.begins_federated() && self.codecs.iter().any(|codec| codec.local_epochs.is_some()) {
            let problem =
                "a codec has local_epochs of its own, and the rounds of the pre-pass are those of all codecs";
            return Err(Error::setting(
                "codecs",
                problem,
                "set local_epochs of the spec, or use an isolated pre-pass",
            ));
        }
        let twice = (1..self.codecs.len()).find(|&place| self.codecs[..place].contains(&self.codecs[place]));
        match twice {
            Some(place) => {
                let codec = &self.codecs[place];
                let names = codec.stages.names().collect::<Vec<_>>().join("+");
                let name = codec.system.as_ref().and_then(|system| system.name.clone()).unwrap_or(names);
                let problem = format!("{name} is listed twice");
                Err(Error::setting("codecs", problem, "list it once"))
            }
            None => Ok(()),
        }
    }

    /// The codecs, for this classifier.
    pub(in crate::federation) fn pipelines(
        &self,
        parts: &Parts,
        classifier: &ClassifierSpec,
    ) -> Result<Vec<PlannedCodec>> {
        let weights = classifier.layout();
        let make = |codec: &CodecSpec| {
            let of = SystemContext { classifier, seed: u64::from(self.seed), optimizer: &self.optimizer };
            let system = codec.system.as_ref().map(|system| parts.systems.make(system, &of)).transpose()?;
            let values = system.as_ref().map(|system| system.layout());
            let layout = values.as_ref().unwrap_or(&weights);
            let context = Context { layout, seed: self.seed, autoencoder: self.autoencoder.as_ref() };
            let pipeline = parts.stages.pipeline(&codec.stages, &context)?;
            match system {
                Some(ref system) => {
                    self.check_system(parts, codec, &pipeline)?;
                    if system.echoes() {
                        self.check_echo(parts, codec)?;
                    }
                }
                None => {
                    parts.stages.refuse_system_stages(&codec.stages)?;
                    self.check_downlink(codec, &pipeline)?;
                    self.check_joint(parts, &pipeline)?;
                }
            }
            self.check_loggers(&pipeline)?;
            self.check_faults(&pipeline)?;
            self.check_asynchronous_codec(&pipeline)?;
            self.check_parts_of_models(parts, &pipeline)?;
            self.check_private_codec(parts, &pipeline)?;
            let local_epochs = codec.local_epochs.unwrap_or(self.local_epochs);
            let down = codec.down.as_ref().map(|down| parts.stages.pipeline(down, &context)).transpose()?;
            let mut suffix = codec.suffix();
            if let Some(down) = &down {
                refuse_downlink(down, &pipeline)?;
                suffix += &format!(", {} down", down.label());
            }
            let echoes = down.is_none() && system.as_ref().is_some_and(|system| system.echoes());
            let downlink = if echoes { Downlink::Echo } else { codec.downlink };
            let rules = Rules { local_epochs, downlink, down: down.map(Arc::new) };
            let pipeline = match system {
                Some(_) => pipeline.called(codec.to_text()),
                None => pipeline,
            };
            Ok(PlannedCodec { pipeline: pipeline.with_suffix(&suffix, codec.is_raw()), rules, system })
        };
        let pipelines = self.codecs.iter().map(make).collect::<Result<Vec<_>>>()?;
        let labels: Vec<_> = pipelines.iter().map(|planned| planned.pipeline.label()).collect();
        match (1..labels.len()).find(|&place| labels[..place].contains(&labels[place])) {
            Some(place) => {
                let problem = format!("two are called {}", labels[place]);
                Err(Error::setting("codecs", problem, "leave one of them out"))
            }
            None => Ok(pipelines),
        }
    }

    /// Refuses what is made for weights where rounds exchange other values.
    fn check_system(&self, parts: &Parts, codec: &CodecSpec, pipeline: &Pipeline) -> Result<()> {
        let label = codec.to_text();
        let refuse = |field: &str, problem: String, mend: &str| Err(Error::setting(field, problem, mend));
        if codec.downlink == Downlink::Code || pipeline.is_joint() {
            let problem =
                format!("the values of {label} are combined by a rule of its own, one update by one");
            return refuse(
                "codecs",
                problem,
                "leave the downlink out, and use stages that are decoded alone",
            );
        }
        if pipeline.learns() || pipeline.epochs() > 0 || pipeline.sub_model(1, 0, 0).is_some() {
            let problem = format!("a stage of {label} works on weights, which it does not send");
            return refuse("codecs", problem, "use the system's own stages");
        }
        if self.begins_federated() {
            let problem = format!("the rounds of the pre-pass exchange weights, and those of {label} do not");
            return refuse("prepass.kind", problem, "set it to isolated, or leave the system out");
        }
        if self.asynchrony.is_some() {
            let problem = format!("{label} takes the updates of a round together");
            return refuse("asynchrony", problem, "leave it out, or leave the system out");
        }
        if self.local_tests() == LocalTests::Epoch {
            let problem = format!("collaborators of {label} have a model of their own after a round alone");
            return refuse("local_tests", problem, "set it to round or none");
        }
        if self.strategy.make(&parts.strategies)?.combine.noise().is_some() {
            let problem = format!("{label} combines updates by a rule of its own, which adds no noise");
            return refuse("strategy", problem, "use another strategy, or leave the system out");
        }
        Ok(())
    }

    /// Refuses what takes the updates of a system for models where they are steps.
    fn check_echo(&self, parts: &Parts, codec: &CodecSpec) -> Result<()> {
        let name = codec.system.as_ref().and_then(|system| system.name.as_deref()).unwrap_or_default();
        let usual = parts.systems.find(name)?.stages.split('+').next();
        if codec.stages.names().next() != usual {
            let first = usual.unwrap_or_default();
            let problem = format!(
                "{} sends as many values as it takes steps, which {first} alone takes",
                codec.to_text()
            );
            return Err(Error::setting(
                "codecs",
                problem,
                format!("list {first} first, or leave stages out"),
            ));
        }
        if self.faults.is_some_and(|faults| faults.longest.is_some()) {
            let problem = format!("updates of {} are steps, of which none is too long", codec.to_text());
            return Err(Error::setting("faults.longest", problem, "leave it out, or leave the system out"));
        }
        Ok(())
    }

    /// Refuses codes on their way down where the global model is no average of codes.
    fn check_downlink(&self, codec: &CodecSpec, pipeline: &Pipeline) -> Result<()> {
        if codec.downlink == Downlink::Model {
            return Ok(());
        }
        if self.is_guarded() {
            let problem = "codes go down where those that took part have the model before, and some may not";
            return Err(Error::setting(
                "codecs: downlink",
                problem,
                "leave faults and attack out, or downlink",
            ));
        }
        if self.participation.is_some() {
            let problem = "the code of a round changes the model of the round before, which only those have that took part";
            let mend = "leave participation out, or send the model down";
            return Err(Error::setting("codecs: downlink", problem, mend));
        }
        if !self.strategy.is_plain_average() {
            let problem = "codes go down where the global model is the average of the updates, and the strategy is another";
            return Err(Error::setting(
                "codecs: downlink",
                problem,
                "set strategy to fedavg, or leave downlink out",
            ));
        }
        pipeline.check_averages()
    }

    /// Refuses codecs that lost or doubtful messages leave without sense.
    fn check_faults(&self, pipeline: &Pipeline) -> Result<()> {
        if !self.is_guarded() {
            return Ok(());
        }
        let label = pipeline.label();
        if pipeline.keeps_arrivals() {
            let problem = format!("{label} is decoded with what came before, and updates can get lost");
            return Err(Error::setting(
                "codecs",
                problem,
                "use another codec, or leave faults and attack out",
            ));
        }
        if pipeline.is_joint() && self.faults.is_some_and(|faults| faults.longest.is_some()) {
            let problem = format!("{label} is added up before it is decoded, so that no update has a length");
            return Err(Error::setting("faults.longest", problem, "leave it out, or use another codec"));
        }
        Ok(())
    }

    /// Refuses a codec of which each collaborator has to learn its own where only some log weights.
    fn check_loggers(&self, pipeline: &Pipeline) -> Result<()> {
        let loggers = self.prepass.as_ref().and_then(|prepass| prepass.collaborators);
        match loggers {
            Some(count) if pipeline.learns() && !pipeline.is_shared() => {
                let label = pipeline.label();
                let problem = format!("{label} is learned by each collaborator, and {count} log weights");
                let mend = "set shared = true on the stage that learns, or leave prepass.collaborators out";
                Err(Error::setting("prepass.collaborators", problem, mend))
            }
            _ => Ok(()),
        }
    }

    /// Refuses updates that the aggregator joins where they are combined otherwise than by their mean.
    fn check_joint(&self, parts: &Parts, pipeline: &Pipeline) -> Result<()> {
        let combine = self.strategy.combine(&parts.strategies)?;
        if !pipeline.is_joint() || combine == "mean" {
            return Ok(());
        }
        let problem = format!(
            "{} takes the mean of the updates before they are decoded, not {combine}",
            pipeline.label()
        );
        Err(Error::setting("strategy.combine", problem, "set it to mean, or use another codec"))
    }

    /// Refuses codecs by which collaborators train parts of the model, where the strategy adds to steps of all of it.
    fn check_parts_of_models(&self, parts: &Parts, pipeline: &Pipeline) -> Result<()> {
        let local = self.strategy.make(&parts.strategies)?.local;
        if pipeline.sub_model(1, 0, 0).is_none()
            || local.drift(&self.optimizer, None, &Kept::default()).is_none()
        {
            return Ok(());
        }
        let problem = format!(
            "with {} collaborators train parts of the model, and it adds to the steps of all of it",
            pipeline.label()
        );
        Err(Error::setting("strategy.local", problem, "set it to plain, or use another codec"))
    }
}

/// Refuses stages of a downlink by which no change of the global model can go to all.
fn refuse_downlink(down: &Pipeline, up: &Pipeline) -> Result<()> {
    let label = down.label();
    let problem = if down.learns() {
        format!("{label} learns from the weights that collaborators log")
    } else if down.is_joint() {
        format!("{label} is added up by the aggregator, and there is one global model")
    } else if down.keeps_arrivals() {
        format!("{label} is decoded with what came before, which those that join late have not seen")
    } else if [down, up].iter().any(|stages| stages.sub_model(1, 0, 0).is_some()) {
        let (up, mend) = (up.label(), "leave downlink out");
        let problem = format!("with {up} and {label} down, parts of the model are trained, not what arrives");
        return Err(Error::setting("codecs: downlink", problem, mend));
    } else {
        return Ok(());
    };
    let mend = "use stages that learn nothing and look at one round alone, such as [{ stage = \"stc\", part = 0.01 }], or \"code\"";
    Err(Error::setting("codecs: downlink", problem, mend))
}
