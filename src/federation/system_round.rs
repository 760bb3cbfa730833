//! Local training where rounds exchange what a system does.

use super::clients::{Clients, LocalWork, Trained};
use super::results::LocalEpoch;
use super::systems::{LocalJob, System};
use crate::gpu::Gpu;
use crate::{Error, Result};

/// The round that is trained in.
pub(super) struct SystemRound<'a> {
    /// Its number, from 1.
    pub number: u32,
    /// The seed that all draws of the federation come from.
    pub seed: u64,
    /// The device.
    pub gpu: &'a Gpu,
    /// What went down.
    pub start: &'a [f32],
    /// Who trains.
    pub who: &'a [u32],
}

/// Trains collaborators of a round; gives what they send, and the values of each one's own model.
pub(super) fn train_system(
    system: &mut dyn System,
    SystemRound { number, seed, gpu, start, who }: SystemRound<'_>,
    collaborators: &Clients,
    work: &LocalWork<'_>,
    progress: &mut dyn FnMut(u32),
) -> Result<(Vec<Trained>, Vec<Vec<f32>>)> {
    let order = |who, epoch| collaborators.order(who, epoch);
    let local = collaborators.local_data(&order, progress);
    let &LocalWork { epochs, first_epoch, .. } = work;
    let job = LocalJob { round: number, seed, gpu, start, who, epochs, first_epoch, local: &local };
    let each = system.train(&job)?;
    if each.len() != who.len() {
        return Err(Error::fault(format!("a system trained {} collaborators of {}", each.len(), who.len())));
    }
    let mut snapshots = collaborators.no_snapshots(who.len()).into_iter();
    let each = who.iter().zip(each).map(|(&who, one)| {
        let epochs = (first_epoch + 1..).zip(&one.epochs).map(|(epoch, tally)| LocalEpoch {
            collaborator: who,
            epoch,
            train_loss: tally.loss,
            train_accuracy: tally.accuracy,
            test_loss: None,
            test_accuracy: None,
        });
        let (epochs, snapshots) = (epochs.collect(), snapshots.next().unwrap_or_default());
        (Trained { who, weights: one.sent, epochs, steps: one.steps, snapshots }, one.own)
    });
    Ok(each.unzip())
}

/// The weights that each of these values stands for.
pub(super) fn weights_of(system: &dyn System, gpu: &Gpu, values: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
    values.iter().map(|values| system.weights(gpu, values)).collect()
}
