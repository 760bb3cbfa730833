//! What an update that arrives means: for the step of the global model, and for who begins next.

use super::begin::pause;
use crate::Result;
use crate::codec::{Message, MessageKind, Round};
use crate::federation::arrivals::{decode, decode_guarded};
use crate::federation::flow::{Arrival, Arrives, Flow, Task};
use crate::federation::participants::Participants;
use crate::federation::spec::{Asynchrony, AsynchronyKind};
use crate::federation::state::{CODEC, Federation};
use crate::federation::uplink::deliver;

/// The update of the task at this place arrives. Gives the updates that the global model changes with, where it does
/// now.
pub(super) fn arrive(
    participants: &Participants,
    federation: &mut Federation,
    flow: &mut Flow,
    rules: &Asynchrony,
    round: u32,
    place: usize,
) -> Result<Option<Vec<Arrival>>> {
    let task = flow.tasks.remove(place);
    let (who, number) = (task.who, task.number);
    flow.now = task.sent.as_ref().map_or(flow.now, |sent| sent.arrives);
    let now = flow.now;
    if rules.kind == AsynchronyKind::Compass {
        flow.compass.measure(who, now - task.begin, task.steps);
    }
    let group = task.group;
    match take_in(participants, federation, flow, task, round)? {
        Some(arrival) => flow.arrived.push(arrival),
        None => flow.rejected += 1,
    }
    match rules.kind {
        AsynchronyKind::Buffered | AsynchronyKind::Mixed => flow.come(now, None),
        AsynchronyKind::Anarchic => {
            let at = now + pause(rules, u64::from(participants.spec.seed), who, number);
            flow.come(at, Some(who));
        }
        AsynchronyKind::Compass => {
            return Ok(match flow.compass.arrive(who, group) {
                Arrives::First => None,
                Arrives::Last(group) => end_group(flow, group),
                Arrives::Late => {
                    flow.come(now, Some(who));
                    None
                }
                Arrives::Alone => {
                    flow.come(now, Some(who));
                    let is_own = |arrival: &Arrival| arrival.who == who && arrival.number == number;
                    Some(take_out(&mut flow.arrived, is_own))
                }
            });
        }
    }
    let is_enough = flow.arrived.len() >= rules.buffer(participants.spec.collaborators);
    Ok(is_enough.then(|| std::mem::take(&mut flow.arrived)))
}

/// A group is not waited for any longer: gives what its members have sent, with what came too late for others, and lets
/// them begin again, the fastest first.
pub(super) fn end_group(flow: &mut Flow, group: u64) -> Option<Vec<Arrival>> {
    let waited = flow.compass.close(group);
    let now = flow.now;
    waited.into_iter().for_each(|who| flow.come(now, Some(who)));
    let groups = &flow.compass.groups;
    let is_waiting = |own: &Arrival| own.group.is_some_and(|own| own != group && groups.contains_key(&own));
    Some(take_out(&mut flow.arrived, |arrival| !is_waiting(arrival)))
}

/// Takes those out that `which` picks, in their order.
fn take_out(arrived: &mut Vec<Arrival>, which: impl Fn(&Arrival) -> bool) -> Vec<Arrival> {
    let (taken, left) = std::mem::take(arrived).into_iter().partition(which);
    *arrived = left;
    taken
}

/// The update as the aggregator has it, where it counts. Its message says the round that its task began in; in the ledger
/// it stands in the round that it arrives in.
fn take_in(
    participants: &Participants,
    federation: &mut Federation,
    flow: &Flow,
    task: Task,
    round: u32,
) -> Result<Option<Arrival>> {
    let Participants { gpu, spec, .. } = participants;
    let Federation { pipeline, state, .. } = federation;
    let Task { who, number, version, steps, group, sent, .. } = task;
    let Some(sent) = sent else { return Ok(None) };
    let began = version + 1;
    let message =
        Message { kind: MessageKind::Update, round: began, collaborator: who, payload: sent.payload };
    let first = state.ledger.transfers.len();
    let fate = spec.fate(number, 0, who);
    let payload = deliver(&mut state.ledger, &message, fate, spec.is_guarded())?;
    state.ledger.transfers[first..].iter_mut().for_each(|transfer| transfer.round = round);
    let Some(payload) = payload else { return Ok(None) };
    let seed = u64::from(spec.seed);
    let view = Round { number: began, seed, global: &flow.models[&version], gpu, local: None };
    let payloads = [(who, payload)];
    let received = if spec.is_guarded() {
        decode_guarded(pipeline, &view, state, &payloads, None)?
    } else {
        decode(pipeline, &view, state, &payloads)?
    };
    let Some((_, mut received)) = received.into_iter().next() else { return Ok(None) };
    state.aggregator.of_mut(who).scope_mut(CODEC).merge(std::mem::take(&mut received.news));
    if received.is_left_out {
        return Ok(None);
    }
    let weights = received.values.take(gpu)?;
    Ok(Some(Arrival { who, number, version, steps, group, train_loss: sent.train_loss, weights }))
}
