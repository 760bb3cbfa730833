//! What tasks come to: local training of all that are under way side by side, and their updates' bytes.

use crate::Result;
use crate::codec::{Message, MessageKind, Round};
use crate::federation::clients::OwnWork;
use crate::federation::flow::{Flow, Sent, Task};
use crate::federation::participants::Participants;
use crate::federation::state::Federation;
use crate::federation::uplink::encode;
use crate::progress::Observer;
use std::collections::BTreeMap;

/// Trains and encodes all that is under way and not known yet.
pub(super) fn find_out(
    participants: &mut Participants,
    observer: &mut dyn Observer,
    federation: &mut Federation,
    flow: &mut Flow,
) -> Result<()> {
    let Participants { gpu, spec, collaborators, speeds, attackers, .. } = participants;
    let Federation { pipeline, state, .. } = federation;
    let mut unknown: Vec<&mut Task> = flow.tasks.iter_mut().filter(|task| task.sent.is_none()).collect();
    unknown.sort_by_key(|task| (task.first_epoch, task.who));
    let models = &flow.models;
    let work = unknown.iter().map(|task| OwnWork {
        who: task.who,
        start: models[&task.version].as_slice(),
        first_epoch: task.first_epoch,
        steps: task.steps,
    });
    let work: Vec<_> = work.collect();
    let mut trained = collaborators.train_each(&work, &mut |steps| observer.advance(u64::from(steps)))?;
    if let Some(attackers) = attackers {
        for (task, trained) in unknown.iter().zip(&mut trained) {
            let start = &models[&task.version];
            attackers.poison(task.version + 1, start, std::slice::from_mut(trained));
        }
    }
    // Those that began with the same model are encoded together.
    let mut by_version: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for (task, trained) in unknown.into_iter().zip(trained) {
        by_version.entry(task.version).or_default().push((task, trained));
    }
    let mut progress = |steps| observer.advance(u64::from(steps));
    let order = |who, epoch| collaborators.order(who, epoch);
    let local = collaborators.local_data(&order, &mut progress);
    for (version, mut tasks) in by_version {
        tasks.sort_by_key(|(task, _)| task.who);
        let (number, seed) = (version + 1, u64::from(spec.seed));
        let view = Round { number, seed, global: &models[&version], gpu, local: Some(&local) };
        let updates = tasks
            .iter_mut()
            .map(|(task, trained)| (task.who, std::mem::take(&mut trained.weights)))
            .collect();
        let payloads = encode(pipeline, &view, &mut state.collaborators, updates, spec.is_guarded())?;
        for ((task, trained), written) in tasks.into_iter().zip(payloads) {
            let payload = written.into_bytes();
            let message =
                Message { kind: MessageKind::Update, round: number, collaborator: task.who, payload };
            let steps = task.steps + pipeline.epochs() * collaborators.steps_of(&[task.who]);
            let up = message.length(state.ledger.checksum);
            let takes = speeds.as_ref().map(|speeds| speeds[task.who as usize].seconds(task.down, steps, up));
            let train_loss = trained.epochs.last().map_or(f64::NAN, |epoch| epoch.train_loss);
            let arrives = task.begin + takes.unwrap_or(0.0);
            task.sent = Some(Sent { arrives, train_loss, payload: message.payload });
        }
    }
    Ok(())
}
