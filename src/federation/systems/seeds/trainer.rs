//! Local training without gradients, a cohort at a time.

use crate::codec::Options;
use crate::federation::systems::LocalJob;
use crate::federation::systems::epochs::{Trained, each_epoch};
use crate::ops::directions::DirectionKind;
use crate::training::{Drawn, Tally, ZerothOrderCohort, ZerothOrderSettings};
use crate::{Error, Result};
use serde::Deserialize;

/// The values of directions, as specs say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Directions {
    #[default]
    Rademacher,
    Normal,
}

impl From<Directions> for DirectionKind {
    fn from(directions: Directions) -> Self {
        match directions {
            Directions::Rademacher => Self::Rademacher,
            Directions::Normal => Self::Normal,
        }
    }
}

/// Refuses options that are not above 0: the name of each, what it is, and what it could be.
pub(super) fn refuse_sizes(options: &Options, sizes: &[(&str, f32, &str)]) -> Result<()> {
    match sizes.iter().find(|(_, value, _)| !(*value > 0.0 && value.is_finite())) {
        Some((name, value, usual)) => {
            let problem = format!("its {name} is {value}");
            Err(options.refuse(problem, format!("set {name} above 0, such as {usual}")))
        }
        None => Ok(()),
    }
}

/// What a collaborator's steps came to.
pub(super) struct Walked {
    /// Sums of slopes along the directions, by number.
    pub slopes: Vec<f32>,
    /// Loss and accuracy of each epoch.
    pub epochs: Vec<Tally>,
    /// Steps that it took.
    pub steps: u64,
}

/// The cohort that trains, kept from round to round.
#[derive(Debug)]
pub(super) struct Trainer {
    /// The field that what diverges is named by.
    place: &'static str,
    settings: ZerothOrderSettings,
    cohort: Option<ZerothOrderCohort>,
}

impl Trainer {
    /// Trains by these settings, but with the batch of the round's data.
    pub fn new(place: &'static str, settings: ZerothOrderSettings) -> Self {
        Self { place, settings, cohort: None }
    }

    /// The same from here on with so many slopes of a collaborator.
    pub fn with_slots(&mut self, slots: usize) -> &mut Self {
        if self.settings.slots != slots {
            self.settings.slots = slots;
            self.cohort = None;
        }
        self
    }

    /// Trains all of the job's collaborators from these weights; `draw(who, step)` gives the direction of a collaborator's
    /// step of the round.
    pub fn train(
        &mut self,
        job: &LocalJob<'_>,
        weights: &[f32],
        draw: &dyn Fn(u32, u64) -> Drawn,
    ) -> Result<Vec<Walked>> {
        let local = job.local;
        let most = local.most_together.min(job.who.len()).max(1);
        let cohort = match self.cohort.take().filter(|cohort| cohort.replicas() >= most) {
            Some(cohort) => cohort,
            None => {
                let settings = ZerothOrderSettings { batch: local.batch, ..self.settings };
                ZerothOrderCohort::new(job.gpu, local.spec, local.images, most, settings)?
            }
        };
        let cohort = self.cohort.insert(cohort);
        let mut all = Vec::with_capacity(job.who.len());
        for together in job.who.chunks(cohort.replicas()) {
            cohort.restart_from(weights);
            let Trained { epochs, steps } = each_epoch(job, together, |epoch| {
                let draw =
                    |replica: usize, step: usize| draw(together[replica], epoch.taken[replica] + step as u64);
                cohort.epoch(epoch.number, together, epoch.orders, &draw, epoch.progress)
            })?;
            let each = cohort.slopes()?.into_iter().zip(epochs).zip(steps);
            all.extend(each.map(|((slopes, epochs), steps)| Walked { slopes, epochs, steps }));
        }
        if all.iter().flat_map(|own| &own.slopes).any(|slope| !slope.is_finite()) {
            let problem = format!("training diverged in round {}", job.round);
            return Err(Error::diverged(self.place, problem, "use a smaller lr"));
        }
        Ok(all)
    }
}
