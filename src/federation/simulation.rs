//! A whole simulation: pre-pass, codecs learned and shipped, and rounds, once for each codec.

use super::clients::Clients;
use super::fit::{check_room, learn_codec, log_fit};
use super::ledger::{Direction, Ledger};
use super::participants::Participants;
use super::population::Population;
use super::prepass::log_weights;
use super::results::{FederationOutcome, Outcome};
use super::round::{RoundPlan, log_round, play};
use super::spec::{Codec, SimulationSpec, refuse_few};
use super::state::FederationState;
use crate::Result;
use crate::codec::{Message, MessageKind, floats_to_bytes, push_number};
use crate::data::DataDir;
use crate::model::{AutoencoderSpec, ClassifierSpec, ModelSpec};
use crate::run::Run;
use crate::training::Snapshots;

/// Checks all of a spec that can be checked without a device: its fields, models, data, and how it is dealt
/// out.
pub fn check(spec: &SimulationSpec, data_dir: &DataDir) -> Result<()> {
    spec.check()?;
    let (classifier, _) = parts(spec)?;
    let population = Population::new(spec, &classifier, data_dir)?;
    if spec.learns() {
        refuse_few(spec.most_snapshots(&population.shares)?)?;
    }
    Ok(())
}

/// Checks that the parts of a spec fit each other. There is an autoencoder where a codec learns.
fn parts(spec: &SimulationSpec) -> Result<(ClassifierSpec, Option<AutoencoderSpec>)> {
    let classifier = ModelSpec::load(&spec.model)?.classifier()?;
    let autoencoder =
        if spec.learns() { Some(spec.autoencoder()?.shape(classifier.parameters())?) } else { None };
    Ok((classifier, autoencoder))
}

/// Runs a simulation, or goes on with it.
pub fn simulate(run: &mut Run<'_>, spec: &SimulationSpec) -> Result<Outcome> {
    let gpu = run.gpu()?;
    let (classifier, autoencoder) = parts(spec)?;
    let population = Population::new(spec, &classifier, run.data_dir()?)?;
    if let Some(autoencoder) = &autoencoder {
        check_room(gpu, spec, autoencoder, &population.shares)?;
    }
    let local = (spec.batch, spec.optimizer, spec.seed);
    let collaborators =
        Clients::new(gpu, &classifier, &population.train(gpu)?, population.shares.clone(), local)?;
    let initial = collaborators.initial_weights(gpu, spec.seed)?;
    let mut participants =
        Participants { spec: spec.clone(), collaborators, tests: population.test(gpu, &classifier)? };
    let samples = participants.collaborators.samples();

    // What every federation begins with, and those that learn from logged weights.
    let begun = FederationState::new(Codec::Raw, initial.clone(), join(&samples)?);
    let logged = if spec.learns() {
        let mut begun = begun.clone();
        if !spec.begins_federated() {
            send_initial(&mut begun, samples.len())?;
        }
        log_weights(&mut participants, run, begun)?
    } else {
        begun.clone()
    };
    let mut federations = Vec::with_capacity(spec.codecs.len());
    let mut ledger = Ledger::default();
    for &codec in &spec.codecs {
        // The first rounds of a federated pre-pass are those of the raw federation too.
        let alike = codec.learns() || spec.begins_federated();
        let start = if alike { &logged } else { &begun };
        let state =
            federate(&mut participants, run, (start.begin(codec), &logged.snapshots), autoencoder.as_ref())?;
        ledger.transfers.extend(state.ledger.transfers);
        let FederationState { codec, rounds, fit, global, .. } = state;
        federations.push(FederationOutcome { codec, rounds, fit, model: global });
    }
    let mean =
        if logged.snapshots.is_empty() { None } else { Some(weighted_mean(&logged.snapshots, &samples)) };
    let uncompressed = (!logged.rounds.is_empty()).then_some(&logged.global);
    let models: Vec<_> = [Some(&initial), mean.as_ref(), uncompressed].into_iter().flatten().collect();
    let mut tested = participants.tests.all(&models)?.into_iter();
    Ok(Outcome {
        spec: spec.clone(),
        classifier,
        autoencoder,
        federations,
        initial: tested.next().unwrap_or_default(),
        mean_of_snapshots: mean.and(tested.next()),
        after_uncompressed: uncompressed.and(tested.next()),
        snapshots: logged.snapshots.iter().map(Snapshots::len).collect(),
        samples,
        tests: population.tests(),
        ledger,
        wall: run.wall(),
    })
}

/// Plays all rounds of a federation, or those that are left of it.
fn federate(
    participants: &mut Participants,
    run: &mut Run<'_>,
    (begun, snapshots): (FederationState, &[Snapshots]),
    autoencoder: Option<&AutoencoderSpec>,
) -> Result<FederationState> {
    let (spec, codec) = (participants.spec.clone(), begun.codec);
    let mut state = FederationState::load(run, codec.run(), begun.global.len(), Vec::new())?.unwrap_or(begun);
    let left = state.rounds.len() < spec.rounds as usize;
    let wire = if left { Some(learn_codec(run, &spec, autoencoder, snapshots, &mut state)?) } else { None };
    log_fit(run, &state.fit)?;
    state.rounds.iter().try_for_each(|round| log_round(run, codec, round))?;
    if let Some(mut wire) = wire {
        let what = format!("{} rounds", codec.name());
        let plan = RoundPlan {
            stage: codec.run(),
            what: &what,
            last: spec.rounds,
            snapshots: None,
            is_logged: true,
        };
        play(participants, run, &mut state, &plan, &mut wire)?;
    }
    Ok(state)
}

/// Everybody says how many images it has, since the average is weighted by that.
fn join(samples: &[usize]) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    for (collaborator, samples) in samples.iter().enumerate() {
        let mut payload = Vec::new();
        push_number(&mut payload, *samples as u32);
        let message =
            Message { kind: MessageKind::Join, round: 0, collaborator: collaborator as u32, payload };
        ledger.send(Codec::Raw, Direction::Up, &message)?;
    }
    Ok(ledger)
}

/// The model that everybody starts a pre-pass in isolation from crosses the wire too.
fn send_initial(begun: &mut FederationState, collaborators: usize) -> Result<()> {
    for collaborator in 0..collaborators as u32 {
        let payload = floats_to_bytes(&begun.global);
        let message = Message { kind: MessageKind::GlobalModel, round: 0, collaborator, payload };
        begun.ledger.send(Codec::Raw, Direction::Down, &message)?;
    }
    Ok(())
}

/// The mean of everybody's snapshots, weighted as the aggregator weighs.
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
