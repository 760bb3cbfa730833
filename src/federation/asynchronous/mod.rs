//! Federations whose collaborators do not wait for each other, on a clock that stands in for that of real devices.
//!
//! A step of the global model is a round of the results. Events are in order by their time and, at the same time, by
//! kind and id ([`Flow::next`]); what tasks come to is only computed when the order of events needs it, for all that
//! are under way in the same dispatches. Nothing depends on which of them that were.

mod arrive;
mod begin;
mod step;
mod work;

use super::flow::{Flow, Next};
use super::participants::Participants;
use super::results::RoundResult;
use super::spec::Asynchrony;
use super::state::Federation;
use crate::progress::Observer;
use crate::{Error, Result};

/// Updates in a row that do not count, after which a federation will not go on by itself.
const MOST_REJECTED: usize = 1_000;

/// Goes on until the global model changes for the `round`th time. Nothing of it is logged or saved.
pub fn play_step(
    participants: &mut Participants,
    observer: &mut dyn Observer,
    federation: &mut Federation,
    round: u32,
) -> Result<RoundResult> {
    let rules = participants.spec.asynchrony.ok_or_else(|| Error::fault("rounds wait for all"))?;
    let mut flow = match federation.state.flow.take() {
        Some(flow) => flow,
        None => begin::everybody(participants, &rules),
    };
    let result = until_step(participants, observer, federation, &mut flow, &rules, round)?;
    federation.state.flow = Some(flow);
    Ok(result)
}

fn until_step(
    participants: &mut Participants,
    observer: &mut dyn Observer,
    federation: &mut Federation,
    flow: &mut Flow,
    rules: &Asynchrony,
    round: u32,
) -> Result<RoundResult> {
    loop {
        let due = match flow.next() {
            Next::Begins(place) => {
                begin::begin(participants, federation, flow, rules, round, place)?;
                continue;
            }
            Next::IsUnknown => {
                work::find_out(participants, observer, federation, flow)?;
                continue;
            }
            Next::Arrives(place) => arrive::arrive(participants, federation, flow, rules, round, place)?,
            Next::Ends(at, group) => {
                flow.now = at;
                arrive::end_group(flow, group)
            }
            Next::Nothing => return Err(Error::fault("an asynchronous federation has nobody under way")),
        };
        if flow.rejected > MOST_REJECTED {
            let problem = format!("{MOST_REJECTED} updates in a row did not count");
            return Err(Error::setting(
                "faults",
                problem,
                "make fewer of them fail, or use a smaller optimizer.lr",
            ));
        }
        // A step of updates that all turned out to be none is no step.
        if let Some(taken) = due.filter(|taken| !taken.is_empty()) {
            return step::step(participants, federation, flow, rules, round, taken);
        }
    }
}

/// Steps of local training until so many steps of the global model are made, about.
pub(super) fn expected_steps(participants: &Participants, federation: &Federation, rounds: u64) -> u64 {
    let Participants { spec, collaborators, .. } = participants;
    let Some(rules) = spec.asynchrony else { return 0 };
    let ids = collaborators.ids();
    let all: u64 = ids.iter().map(|&who| collaborators.steps_of(&[who])).sum();
    let epochs = federation.rules.local_epochs + federation.pipeline.epochs();
    let of_epochs = (all * epochs).div_ceil(ids.len().max(1) as u64);
    let each = rules.steps().map_or(of_epochs, |(least, most)| least.midpoint(most));
    let side_by_side =
        collaborators.cohorts(&ids).first().map_or(1, Vec::len).min(rules.concurrency(ids.len()));
    (rounds * rules.buffer(spec.collaborators) as u64 * each).div_ceil(side_by_side.max(1) as u64)
}
