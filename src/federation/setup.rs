//! What collaborators learn from their logs before the first update, and ship.

use super::ledger::Direction;
use super::shared_decoder::SharedDecoder;
use super::spec::SimulationSpec;
use super::state::{CODEC, Federation, FederationState};
use crate::codec::{Message, MessageKind, Pipeline, Round, SetupJob, Setups, ShareJob};
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};
use std::time::Instant;

/// What collaborators have logged.
#[derive(Clone, Copy, Debug)]
pub struct Logs<'a> {
    /// Who has.
    pub ids: &'a [u32],
    /// The weights of each.
    pub snapshots: &'a [Snapshots],
}

/// Sets a codec up: those that have logged weights learn, and the aggregator installs what arrives. `stage` is what
/// the names of its states begin with.
pub fn set_up(
    run: &mut Run<'_>,
    spec: &SimulationSpec,
    federation: &mut Federation,
    Logs { ids, snapshots: logs }: Logs<'_>,
    stage: &str,
    setups: &mut Setups,
) -> Result<()> {
    let start = Instant::now();
    let Federation { pipeline, state, .. } = federation;
    let names = [format!("{stage}-learning"), format!("{stage}-sharing")];
    let mut kept: Vec<_> = ids.iter().map(|&who| state.collaborators.take(who)).collect();
    let gpu = run.gpu()?;
    let shipped = pipeline.setup(&mut SetupJob {
        run: &mut *run,
        name: &names[0],
        gpu,
        ids,
        logs,
        kept: kept.iter_mut().map(|kept| kept.scope_mut(CODEC)).collect(),
        learned: &mut state.learned,
        setups,
    })?;
    ids.iter().zip(kept).for_each(|(&who, kept)| state.collaborators.put_back(who, kept));
    for (&collaborator, payload) in ids.iter().zip(shipped) {
        let message = Message { kind: MessageKind::Setup, round: spec.raw_rounds(), collaborator, payload };
        let arrived = state.ledger.send(Direction::Up, &message)?;
        pipeline.install(&arrived.payload, state.aggregator.of_mut(collaborator).scope_mut(CODEC))?;
    }
    if pipeline.is_shared() {
        let kept = ids.iter().map(|&who| state.aggregator.of(who).scope(CODEC)).collect();
        let payload = pipeline.share(&mut ShareJob { run: &mut *run, name: &names[1], gpu, kept })?;
        let arrived = state.ledger.broadcast(MessageKind::Setup, spec.raw_rounds(), ids, payload)?;
        let mut shared = SharedDecoder::new(gpu, pipeline, &arrived)?;
        for &who in ids {
            shared.hand_to(who, &mut state.collaborators, &mut state.aggregator);
        }
        state.shared = shared;
    }
    state.is_set_up = true;
    state.seconds += start.elapsed().as_secs_f64();
    if pipeline.learns() {
        federation.save_setup(run, stage)?;
        names.iter().try_for_each(|name| run.forget(name))?;
    }
    Ok(())
}

/// Sends the decoder that is for all, where there is one, to those of a round that have not got it.
pub fn send_decoder(state: &mut FederationState, round: u32, who: &[u32]) -> Result<()> {
    let Some(payload) = state.shared.payload() else { return Ok(()) };
    let new: Vec<_> = who.iter().copied().filter(|&who| !state.shared.is_held_by(who)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let arrived = state.ledger.broadcast(MessageKind::Setup, round, &new, payload.to_vec())?;
    if arrived != payload {
        return Err(Error::fault("a decoder arrived otherwise than it was sent"));
    }
    for who in new {
        state.shared.hand_to(who, &mut state.collaborators, &mut state.aggregator);
    }
    Ok(())
}

/// Ships what codecs of these collaborators are refreshed with before they send in a round.
pub fn refresh(
    pipeline: &Pipeline,
    round: &Round<'_>,
    state: &mut FederationState,
    ids: &[u32],
) -> Result<()> {
    if !pipeline.refreshes() {
        return Ok(());
    }
    for &collaborator in ids {
        let kept = state.collaborators.of_mut(collaborator).scope_mut(CODEC);
        let Some(payload) = pipeline.refresh(round, kept)? else { continue };
        let message = Message { kind: MessageKind::Setup, round: round.number, collaborator, payload };
        let arrived = state.ledger.send(Direction::Up, &message)?;
        pipeline.replace_axes(&arrived.payload, state.aggregator.of_mut(collaborator).scope_mut(CODEC))?;
    }
    Ok(())
}

/// Writes into the metrics how a codec was learned.
pub fn log_learned(run: &mut Run<'_>, federation: &Federation) -> Result<()> {
    let label = federation.pipeline.label();
    for (collaborator, curve) in federation.state.learned.curves.iter().enumerate() {
        for point in curve {
            run.log(&serde_json::json!({ "learned": label, "collaborator": collaborator, "point": point }))?;
        }
    }
    Ok(())
}
