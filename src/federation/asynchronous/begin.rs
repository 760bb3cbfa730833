//! Who begins a task, when, and of how many steps.

use crate::data::{derive_seed, draw_below, uniform_above_zero};
use crate::federation::down::send_down;
use crate::federation::flow::{CompassRules, Flow, Task};
use crate::federation::participants::Participants;
use crate::federation::spec::{Asynchrony, AsynchronyKind};
use crate::federation::state::Federation;
use crate::{Error, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// The streams of the seed that collaborators, their numbers of steps and their pauses are drawn from.
const WHO: u64 = 0x6173_796e;
const STEPS: u64 = WHO + 1;
const PAUSE: u64 = WHO + 2;

/// Before the first event: those that come first.
pub(super) fn everybody(participants: &Participants, rules: &Asynchrony) -> Flow {
    let Participants { spec, collaborators, .. } = participants;
    let mut flow = Flow::default();
    let with_images: Vec<u32> =
        collaborators.ids().into_iter().filter(|&who| collaborators.samples(who) > 0).collect();
    match rules.kind {
        AsynchronyKind::Buffered | AsynchronyKind::Mixed => {
            let count = rules.concurrency(spec.collaborators).min(with_images.len());
            (0..count).for_each(|_| flow.come(0.0, None));
        }
        AsynchronyKind::Compass => with_images.iter().for_each(|&who| flow.come(0.0, Some(who))),
        AsynchronyKind::Anarchic => {
            let seed = u64::from(spec.seed);
            with_images.iter().for_each(|&who| flow.come(pause(rules, seed, who, 0), Some(who)));
        }
    }
    flow
}

/// Seconds until a collaborator comes for the task after its `number`th: exponential, so that it may come at any time.
pub(super) fn pause(rules: &Asynchrony, seed: u64, who: u32, number: u32) -> f64 {
    let stream = u64::from(who) << 32 | u64::from(number);
    let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(derive_seed(seed, PAUSE), stream));
    rules.pause() * -uniform_above_zero(&mut rng).ln()
}

/// The one at this place of those that come gets the global model and begins.
pub(super) fn begin(
    participants: &Participants,
    federation: &mut Federation,
    flow: &mut Flow,
    rules: &Asynchrony,
    round: u32,
    place: usize,
) -> Result<()> {
    let Participants { spec, collaborators, speeds, .. } = participants;
    let coming = flow.coming.remove(place);
    flow.now = coming.at;
    let seed = u64::from(spec.seed);
    let who = match coming.who {
        Some(who) => who,
        None => {
            let is_idle =
                |who: &u32| collaborators.samples(*who) > 0 && flow.tasks.iter().all(|task| task.who != *who);
            let idle: Vec<u32> = collaborators.ids().into_iter().filter(is_idle).collect();
            if idle.is_empty() {
                return Err(Error::fault("more are to train than there are collaborators with images"));
            }
            let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(derive_seed(seed, WHO), coming.number));
            idle[draw_below(idle.len() as u64, &mut rng) as usize]
        }
    };
    let Federation { strategy, rules: own, state, pipeline, .. } = federation;
    let version = round - 1;
    let before = state.ledger.transfers.len();
    let (start, _) = send_down(state, strategy, own, round, &[who], false)?;
    flow.models.entry(version).or_insert_with(|| Arc::new(start));
    let down = state.ledger.transfers[before..].iter().map(|transfer| transfer.bytes).sum();
    let begun = flow.begun.entry(who).or_default();
    begun.tasks += 1;
    let (number, first_epoch) = (begun.tasks, begun.epochs);
    let of_epoch = collaborators.steps_of(&[who]);
    let (group, steps) = match (rules.kind, rules.steps()) {
        (AsynchronyKind::Compass, Some((least, most))) => {
            let rules = CompassRules { least, most, latest: rules.latest() };
            flow.compass.assign(rules, coming.at, who)
        }
        (_, Some((least, most))) => {
            let stream = u64::from(who) << 32 | u64::from(number);
            let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(derive_seed(seed, STEPS), stream));
            (None, least + draw_below(most - least + 1, &mut rng))
        }
        (_, None) => (None, own.local_epochs * of_epoch),
    };
    begun.epochs += steps.div_ceil(of_epoch.max(1));
    let all_steps = steps + pipeline.epochs() * of_epoch;
    let takes = speeds.as_ref().map_or(0.0, |speeds| speeds[who as usize].seconds(down, all_steps, 0));
    flow.tasks.push(Task {
        who,
        number,
        version,
        first_epoch,
        steps,
        group,
        begin: coming.at,
        down,
        earliest: coming.at + takes,
        sent: None,
    });
    Ok(())
}
