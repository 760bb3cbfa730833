//! The codecs of a comparison as they are run: options found for the budget, and what they are compared with.

use super::spec::CodecsExperiment;
use crate::codec::{Context, Fitted, Message, MessageKind, PipelineSpec, Sizing, Stages};
use crate::federation::{CodecSpec, FirstUpdates, PrepassKind, SimulationSpec, logged_snapshots};
use crate::model::ModelSpec;
use crate::run::Run;
use crate::story::codecs::Asked;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// The codecs as they are run, as that is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Resolved {
    /// The simulation with them, as TOML.
    simulation: String,
    /// Each of them in words.
    pub asked: Vec<Asked>,
    /// Bytes that a message was allowed to have.
    pub budget: Option<u64>,
    /// Whether codes are tuned.
    pub tunes: bool,
}

impl Resolved {
    /// Finds the options that are left open.
    pub fn find(experiment: &CodecsExperiment, run: &mut Run<'_>) -> Result<Self> {
        let stages = Stages::default();
        let spec = &experiment.federation;
        let layout = ModelSpec::load(&spec.model)?.classifier()?.layout();
        let context = Context { layout: &layout, seed: spec.seed, autoencoder: spec.autoencoder.as_ref() };
        let around = message_bytes(spec, 0);
        let raw = message_bytes(spec, 4 * layout.parameters());
        let budget = experiment.budget.or(experiment.ratio.map(|ratio| (raw as f64 / ratio) as u64));
        let payload = match budget.map(|budget| budget.checked_sub(around).filter(|payload| *payload > 0)) {
            None => None,
            Some(Some(payload)) => Some(payload),
            Some(None) => {
                let field = if experiment.ratio.is_some() { "ratio" } else { "budget" };
                let problem = format!("the header of a message has {around} bytes already");
                return Err(Error::setting(field, problem, "allow more bytes"));
            }
        };
        let mut is_open = false;
        let of_weights = spec.codecs.iter().filter(|codec| codec.system.is_none());
        for codec in of_weights.filter(|_| payload.is_some()) {
            is_open |= Sizing::is_open(&stages, &context, &codec.stages)?;
        }
        let updates = if is_open { FirstUpdates::train(run, spec)? } else { FirstUpdates::default() };
        let sizing = Sizing {
            stages: &stages,
            context,
            axes: logged_snapshots(spec, run.data_dir()?)?.saturating_sub(1),
            round: spec.rounds,
            gpu: run.gpu()?,
            global: &updates.global,
            weights: &updates.weights,
        };
        let mut found = Vec::new();
        let codecs = with_raw(&spec.codecs).into_iter().map(|codec| {
            // What a system sends is no update of weights, and has the bytes that it has.
            if codec.system.is_some() {
                found.push(None);
                return Ok(codec);
            }
            let Fitted { spec, found: value } = sizing.fit(&codec.stages, payload)?;
            found.push(value);
            Ok(CodecSpec { stages: spec, ..codec })
        });
        let codecs = codecs.collect::<Result<Vec<_>>>()?;
        let (codecs, added) = with_equal_work(&stages, &context, spec, codecs)?;
        // What is added has nothing that is left open; it stands behind the first.
        let added_at = codecs.iter().position(CodecSpec::is_raw).map_or(0, |place| place + 1);
        found.splice(added_at..added_at, std::iter::repeat_n(None, added));
        let asked = codecs.iter().zip(found).map(|(codec, found)| Asked {
            codec: format!("{}{}", codec.to_text(), codec.suffix()),
            found: found.map(|found| format!("{} of {} is {}", found.option, found.stage, found.value)),
        });
        let tunes = tuned(&stages, &context, spec, &codecs)?;
        Ok(Self {
            asked: asked.collect(),
            simulation: SimulationSpec { codecs, ..spec.clone() }.to_toml()?,
            budget,
            tunes: !tunes.is_empty(),
        })
    }

    /// The simulation with the smallest values of all that is left open, for checks without a device.
    pub fn smallest(experiment: &CodecsExperiment, stages: &Stages) -> Result<SimulationSpec> {
        let spec = &experiment.federation;
        let layout = ModelSpec::load(&spec.model)?.classifier()?.layout();
        let context = Context { layout: &layout, seed: spec.seed, autoencoder: spec.autoencoder.as_ref() };
        let has_budget = experiment.budget.is_some() || experiment.ratio.is_some();
        let smallest = |codec: CodecSpec| -> Result<CodecSpec> {
            let stages = if has_budget && codec.system.is_none() {
                Sizing::smallest(stages, &context, &codec.stages)?
            } else {
                codec.stages.clone()
            };
            Ok(CodecSpec { stages, ..codec })
        };
        let codecs = with_raw(&spec.codecs).into_iter().map(smallest).collect::<Result<_>>()?;
        Ok(SimulationSpec { codecs, ..spec.clone() })
    }

    /// Whether it is of this simulation.
    pub fn is_of(&self, spec: &SimulationSpec) -> bool {
        let bare = |spec: &SimulationSpec| SimulationSpec { codecs: Vec::new(), ..spec.clone() };
        self.simulation().is_ok_and(|own| bare(&own) == bare(spec) && own.codecs.len() == self.asked.len())
    }

    /// The simulation with the codecs as they are run.
    pub fn simulation(&self) -> Result<SimulationSpec> {
        crate::files::parse_toml(&self.simulation, Path::new("the codecs that were found"))
    }
}

/// Bytes of the last message of the last collaborator, with a payload of so many.
fn message_bytes(spec: &SimulationSpec, payload: usize) -> u64 {
    let collaborator = spec.collaborators.saturating_sub(1) as u32;
    let message =
        Message { kind: MessageKind::Update, round: spec.rounds, collaborator, payload: Vec::new() };
    message.length(spec.checksum) + payload as u64
}

/// The codecs, with raw updates before them where these are missing.
fn with_raw(codecs: &[CodecSpec]) -> Vec<CodecSpec> {
    let raw = (!codecs.iter().any(CodecSpec::is_raw)).then(CodecSpec::raw);
    raw.into_iter().chain(codecs.iter().cloned()).collect()
}

/// Local epochs, tuning included, of codecs that tune.
fn tuned(
    stages: &Stages,
    context: &Context<'_>,
    spec: &SimulationSpec,
    codecs: &[CodecSpec],
) -> Result<BTreeSet<u64>> {
    let mut epochs = BTreeSet::new();
    for codec in codecs.iter().filter(|codec| codec.system.is_none()) {
        let tuning = stages.pipeline(&codec.stages, context)?.epochs();
        if tuning > 0 {
            epochs.insert(codec.local_epochs.unwrap_or(spec.local_epochs) + tuning);
        }
    }
    Ok(epochs)
}

/// Adds raw updates with as many local epochs as codecs have that tune, behind those that there are; gives how many.
fn with_equal_work(
    stages: &Stages,
    context: &Context<'_>,
    spec: &SimulationSpec,
    mut codecs: Vec<CodecSpec>,
) -> Result<(Vec<CodecSpec>, usize)> {
    // The first rounds of a federated pre-pass are those of all codecs.
    if spec.prepass.as_ref().is_some_and(|prepass| prepass.kind == PrepassKind::Federated) {
        return Ok((codecs, 0));
    }
    let raw = |epochs| CodecSpec { local_epochs: Some(epochs), ..CodecSpec::of(PipelineSpec::raw()) };
    let missing: Vec<_> = tuned(stages, context, spec, &codecs)?.into_iter().map(raw).collect();
    let missing: Vec<_> = missing.into_iter().filter(|raw| !codecs.contains(raw)).collect();
    let place = codecs.iter().position(CodecSpec::is_raw).map_or(0, |place| place + 1);
    let added = missing.len();
    codecs.splice(place..place, missing);
    Ok((codecs, added))
}
