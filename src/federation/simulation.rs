//! A whole simulation: pre-pass, codecs learned and shipped, and rounds, once for each codec.

use super::clients::{Clients, LocalSettings};
use super::due::Due;
use super::ledger::{Direction, Ledger};
use super::participants::Participants;
use super::parts::Parts;
use super::play::{RoundPlan, log_round, play};
use super::population::Population;
use super::prepass::log_weights;
use super::results::{FederationOutcome, Outcome, Tested};
use super::setup::{Logs, log_learned, set_up};
use super::spec::{Initial, LocalTests, PlannedCodec, SimulationSpec, refuse_few};
use super::state::{CODEC, Federation, FederationState};
use super::sub_models::check_sub_models;
use crate::bytes::{Writer, floats_to_bytes};
use crate::codec::{Context, ExpectedLogs, Message, MessageKind, Parking, PipelineSpec, Round, Setups};
use crate::data::DataDir;
use crate::model::{ClassifierSpec, ModelSpec};
use crate::report::slug;
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};

/// Checks all of a spec that can be checked without a device: its fields, models, data, and how it is dealt
/// out.
pub fn check(spec: &SimulationSpec, parts: &Parts, data_dir: &DataDir) -> Result<()> {
    spec.check(parts)?;
    let classifier = classifier(spec)?;
    let pipelines = spec.pipelines(parts, &classifier)?;
    pipelines.iter().try_for_each(|planned| check_sub_models(&planned.pipeline, &classifier))?;
    let population = Population::new(spec, &classifier, data_dir)?;
    if spec.learns(parts)? {
        refuse_few(*spec.snapshots(&population.shares)?.start())?;
    }
    Ok(())
}

/// Snapshots that every collaborator of a simulation logs at least, where codecs learn from them.
pub fn logged_snapshots(spec: &SimulationSpec, data_dir: &DataDir) -> Result<usize> {
    if spec.prepass.is_none() {
        return Ok(0);
    }
    let population = Population::new(spec, &classifier(spec)?, data_dir)?;
    Ok(*spec.snapshots(&population.shares)?.start() as usize)
}

pub(super) fn classifier(spec: &SimulationSpec) -> Result<ClassifierSpec> {
    ModelSpec::load(&spec.model)?.classifier()
}

/// Runs a simulation, or goes on with it. Errors where the training of any codec diverges.
pub fn simulate(run: &mut Run<'_>, spec: &SimulationSpec, parts: &Parts) -> Result<Outcome> {
    play_all(run, spec, parts, false)
}

/// The same, but a codec whose training diverges ends there, and the others go on.
pub fn simulate_past_divergence(run: &mut Run<'_>, spec: &SimulationSpec, parts: &Parts) -> Result<Outcome> {
    play_all(run, spec, parts, true)
}

fn play_all(
    run: &mut Run<'_>,
    spec: &SimulationSpec,
    parts: &Parts,
    goes_past_divergence: bool,
) -> Result<Outcome> {
    let gpu = run.gpu()?;
    let classifier = classifier(spec)?;
    let layout = classifier.layout();
    let pipelines = spec.pipelines(parts, &classifier)?;
    pipelines.iter().try_for_each(|planned| check_sub_models(&planned.pipeline, &classifier))?;
    let population = Population::new(spec, &classifier, run.data_dir()?)?;
    let learns = pipelines.iter().any(|planned| planned.pipeline.learns());
    let snapshots = if learns { *spec.snapshots(&population.shares)?.end() as usize } else { 0 };
    let samples: Vec<_> = population.shares.iter().map(Vec::len).collect();
    let loggers = spec.loggers(&samples);
    let together = spec.per_round().min(samples.len());
    let expected = ExpectedLogs { collaborators: loggers.len(), snapshots, together };
    pipelines.iter().try_for_each(|planned| planned.pipeline.check_room(gpu, expected))?;
    let (images, shares) = (population.train(gpu)?, population.shares.clone());
    let collaborators = Clients::new(gpu, &classifier, &images, shares, LocalSettings::of(spec))?;
    let initial = collaborators.initial_weights(gpu, spec.seed)?;
    let ids = collaborators.ids();
    let tests = population.test(gpu, &classifier, models_tested(spec))?;
    let mut participants = Participants::new(gpu, spec, collaborators, tests)?;

    // What every federation begins with, and those that learn from logged weights.
    let raw = || {
        let context = Context { layout: &layout, seed: spec.seed, autoencoder: None };
        parts.stages.pipeline(&PipelineSpec::raw(), &context)
    };
    let strategy = || spec.strategy.make(&parts.strategies);
    let begun = FederationState::new(initial.clone(), join(spec, &ids, &samples)?);
    let rules = spec.rules();
    let mut begun = Federation::new(raw()?, strategy()?, rules.clone(), begun);
    let mut logged = begun.fork(raw()?, strategy()?, rules);
    if learns {
        if !spec.begins_federated() {
            send_initial(&mut logged.state, spec, &loggers)?;
        }
        log_weights(&mut participants, run, &mut logged)?;
    }
    let mut setups = Setups::of(pipelines.iter().filter_map(|planned| planned.pipeline.learned_label()));
    let mut federations = Vec::with_capacity(pipelines.len());
    for (place, planned) in pipelines.into_iter().enumerate() {
        let own_strategy = planned.strategy(spec, parts)?;
        let PlannedCodec { pipeline, rules, system } = planned;
        // The first rounds of a federated pre-pass are those of the raw federation too.
        let goes_on = learns && (pipeline.learns() || spec.begins_federated());
        let start = if goes_on { &mut logged } else { &mut begun };
        let mut federation = match system {
            None => start.fork(pipeline, own_strategy, rules),
            // It begins with rounds of its own, of which weights are no part.
            Some(system) => {
                let state = FederationState::new(Vec::new(), begun.state.ledger.clone());
                Federation::new(pipeline, own_strategy, rules, state).of_system(system)
            }
        };
        let stage = format!("{place}-{}", slug(federation.pipeline.label()));
        let logs = Logs { ids: &loggers, snapshots: &logged.state.snapshots };
        let played = federate(&mut participants, run, &mut federation, logs, &stage, &mut setups);
        let diverged = match played {
            Err(Error::Diverged(error)) if goes_past_divergence => Some(error.to_string()),
            played => played.map(|()| None)?,
        };
        let tuned_alone = match diverged {
            Some(_) => None,
            None => tuned_alone(&participants, run, &federation)?,
        };
        let model = federation.weights(gpu)?.into_owned();
        let outcome = outcome(federation, tuned_alone, model, loggers.first().copied().unwrap_or(0));
        federations.push(FederationOutcome { diverged, ..outcome });
    }
    let logged = logged.state;
    let logged_samples: Vec<_> = loggers.iter().map(|&who| samples[who as usize]).collect();
    let mean = if logged.snapshots.is_empty() {
        None
    } else {
        Some(weighted_mean(&logged.snapshots, &logged_samples))
    };
    let uncompressed = (!logged.rounds.is_empty()).then_some(&logged.global);
    let models: Vec<_> = [Some(&initial), mean.as_ref(), uncompressed].into_iter().flatten().collect();
    let mut tested = participants.tests.all(&models)?.into_iter();
    Ok(Outcome {
        spec: spec.clone(),
        classifier,
        federations,
        initial: tested.next().unwrap_or_default(),
        mean_of_snapshots: mean.and(tested.next()),
        after_uncompressed: uncompressed.and(tested.next()),
        snapshots: logged.snapshots.iter().map(Snapshots::len).collect(),
        samples,
        label_counts: population.label_counts(),
        tests: population.tests(),
        speeds: participants.speeds.clone(),
        privacy: spec.guarantee(parts)?,
        wall: run.wall(),
    })
}

/// Models that are tested in a round.
fn models_tested(spec: &SimulationSpec) -> usize {
    if spec.local_tests() == LocalTests::None { 1 } else { spec.per_round() + 1 }
}

fn outcome(
    federation: Federation,
    tuned_alone: Option<Tested>,
    model: Vec<f32>,
    first: u32,
) -> FederationOutcome {
    let Federation { pipeline, rules, state, .. } = federation;
    FederationOutcome {
        label: pipeline.label().into(),
        is_raw: pipeline.is_raw(),
        learned_label: pipeline.learned_label(),
        local_epochs: rules.local_epochs,
        tuning_epochs: pipeline.epochs(),
        floats: pipeline.floats(state.global.len(), state.aggregator.of(first).scope(CODEC)),
        rounds: state.rounds,
        learned: state.learned,
        ledger: state.ledger,
        tuned_alone,
        diverged: None,
        seconds: state.seconds,
        model,
    }
}

/// What collaborators come to in the mean by as many epochs of tuning as all rounds have, each for itself. Where a part
/// of them takes part in each round, they do not have as many.
fn tuned_alone(
    participants: &Participants,
    run: &mut Run<'_>,
    federation: &Federation,
) -> Result<Option<Tested>> {
    let Participants { gpu, collaborators, tests, spec, .. } = participants;
    let Federation { pipeline, state, .. } = federation;
    let epochs = pipeline.epochs() * (state.rounds.len() as u64).saturating_sub(u64::from(spec.raw_rounds()));
    // Axes of late have heard of the others; and without rounds each has tuned in a number of epochs of its own.
    let is_uneven = spec.participation.is_some() || spec.asynchrony.is_some();
    if epochs == 0 || pipeline.refreshes() || is_uneven {
        return Ok(None);
    }
    let ids = collaborators.ids();
    run.observer.begin("tuned alone", "steps", collaborators.steps(&ids) * epochs);
    let mut progress = |steps| run.observer.advance(u64::from(steps));
    let order = |who, epoch| collaborators.order(who, epoch);
    let local = collaborators.local_data(&order, &mut progress);
    let seed = u64::from(spec.seed);
    let view = Round { number: 1, seed, global: &state.global, gpu, local: Some(&local) };
    let whose: Vec<_> = ids.iter().map(|&who| (who, state.collaborators.of(who).scope(CODEC))).collect();
    let weights = pipeline.alone(&view, &whose, epochs)?;
    let tested = weights.map(|weights| tests.all(&weights)).transpose()?;
    run.observer.end();
    Ok(tested.map(|tested| Tested::mean(&tested)))
}

/// Plays all rounds of a federation, or those that are left of it.
fn federate(
    participants: &mut Participants,
    run: &mut Run<'_>,
    federation: &mut Federation,
    logs: Logs<'_>,
    stage: &str,
    setups: &mut Setups,
) -> Result<()> {
    let spec = participants.spec.clone();
    let due = Due::of(&spec, &participants.collaborators, federation.state.global.len());
    let due = Due { local_epochs: federation.rules.local_epochs, ..due };
    federation.park_in(Parking { folder: run.scratch()?, limit: spec.idle_bytes });
    federation.load(run, stage, &due, spec.rounds)?;
    if !federation.state.is_set_up {
        set_up(run, &spec, federation, logs, stage, setups)?;
    }
    if let Some(label) = federation.pipeline.learned_label() {
        setups.pass(&label);
    }
    log_learned(run, federation)?;
    let label = federation.pipeline.label().to_string();
    federation.state.rounds.iter().try_for_each(|round| log_round(run, &label, round, spec.rounds))?;
    let what = format!("{label} rounds");
    let plan = RoundPlan { stage, what: &what, last: spec.rounds, snapshots: None, is_logged: true };
    play(participants, run, federation, &plan)
}

/// Every collaborator says how many images it has, since the average is weighted by that.
fn join(spec: &SimulationSpec, ids: &[u32], samples: &[usize]) -> Result<Ledger> {
    let mut ledger = Ledger::new(spec.checksum);
    for (&collaborator, &samples) in ids.iter().zip(samples) {
        let mut payload = Writer::default();
        payload.number(samples as u32);
        let (kind, payload) = (MessageKind::Join, payload.into_bytes());
        ledger.send(Direction::Up, &Message { kind, round: 0, collaborator, payload })?;
    }
    Ok(ledger)
}

/// The model that a pre-pass in isolation starts from crosses the wire too.
fn send_initial(begun: &mut FederationState, spec: &SimulationSpec, ids: &[u32]) -> Result<()> {
    let payload = match spec.initial {
        Initial::Model => floats_to_bytes(&begun.global),
        // Drawn from counters, it is the same on every device.
        Initial::Seed => spec.seed.to_le_bytes().to_vec(),
    };
    begun.ledger.broadcast(MessageKind::Model, 0, ids, payload).map(drop)
}

/// The mean of the collaborators' snapshots, weighted as the aggregator weighs.
fn weighted_mean(logs: &[Snapshots], samples: &[usize]) -> Vec<f32> {
    let total: usize = samples.iter().sum();
    let mut mean = vec![0f64; logs.first().map_or(0, Snapshots::width)];
    for (log, &samples) in logs.iter().zip(samples) {
        let weight = samples as f64 / (total.max(1) * log.len().max(1)) as f64;
        for row in log.rows() {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * f64::from(value));
        }
    }
    mean.into_iter().map(|value| value as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_weighs_images_and_not_snapshots() {
        let log = |rows: &[[f32; 2]]| {
            let mut log = Snapshots::new("m");
            rows.iter().for_each(|row| log.push(row.to_vec(), 0, 0));
            log
        };
        // Means 2, 4 with 30 images, and 6, 0 with 10 of them.
        let logs = [log(&[[1.0, 4.0], [3.0, 4.0]]), log(&[[6.0, 0.0]])];
        assert_eq!(weighted_mean(&logs, &[30, 10]), [3.0, 3.0]);
    }
}
