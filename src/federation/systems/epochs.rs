//! The epochs of collaborators that train side by side, which all systems go through alike.

use super::LocalJob;
use crate::Result;
use crate::training::Tally;

/// What the epochs of a round came to, collaborator by collaborator.
pub(super) struct Trained {
    /// Loss and accuracy of each epoch.
    pub epochs: Vec<Vec<Tally>>,
    /// Steps of all of them.
    pub steps: Vec<u64>,
}

/// An epoch that is to be trained.
pub(super) struct Epoch<'a> {
    /// Its number, which picks the order of the images.
    pub number: u64,
    /// The samples that each collaborator sees, in this order.
    pub orders: Vec<Vec<u32>>,
    /// Steps of the round that each has taken before it.
    pub taken: &'a [u64],
    /// Hears of steps.
    pub progress: &'a mut dyn FnMut(u32),
}

/// Goes through the epochs of a round; `train` trains one, and gives what each came to.
pub(super) fn each_epoch(
    job: &LocalJob<'_>,
    together: &[u32],
    mut train: impl FnMut(Epoch<'_>) -> Result<Vec<Tally>>,
) -> Result<Trained> {
    let local = job.local;
    let (mut epochs, mut steps) = (vec![Vec::new(); together.len()], vec![0; together.len()]);
    for number in job.first_epoch..job.first_epoch + job.epochs {
        let orders: Vec<_> = together.iter().map(|&who| (local.order)(who, number)).collect();
        let of = orders.iter().map(|order| order.len().div_ceil(local.batch.max(1)) as u64);
        let of_epoch: Vec<_> = of.collect();
        let progress = &mut **local.progress.borrow_mut();
        let tallies = train(Epoch { number, orders, taken: &steps, progress })?;
        epochs.iter_mut().zip(tallies).for_each(|(epochs, tally)| epochs.push(tally));
        steps.iter_mut().zip(of_epoch).for_each(|(steps, of)| *steps += of);
    }
    Ok(Trained { epochs, steps })
}
