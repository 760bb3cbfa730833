//! Training of codes on the collaborators' own images, through the decoder that the aggregator has.

use crate::codec::{KeptId, LocalData, Round};
use crate::ops::Optimizer;
use crate::ops::code::Rounding;
use crate::training::{CodeCohort, CodeDecoder, CodeSettings, CodeStart, FilterSettings};
use crate::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// Epochs that tune codes have numbers apart from those of the rounds and of the pre-pass, so that no order is used
/// twice.
const FIRST_EPOCH: u64 = 2 << 32;

/// How codes are tuned.
#[derive(Clone, Debug, PartialEq)]
pub struct Tune {
    /// Times that a collaborator sees its images.
    pub epochs: u64,
    /// Images per step, where that is given.
    pub batch: Option<usize>,
    /// How its code learns; a new one in each round.
    pub optimizer: Optimizer,
    /// By which power of the round's number the rate falls: with 1 that of round 10 is a tenth.
    pub decay: f32,
    pub(super) label: String,
}

/// Images per step at most, where that is not given.
const MOST_TOGETHER: usize = 256;
/// Steps of an epoch at least, where larger batches would make it fewer.
const FEWEST_STEPS: usize = 32;

impl Tune {
    /// Images per step. Codes have few values, whose gradients a larger batch than that of weights makes better, in fewer
    /// steps: those of the largest share are a step in 32 at most.
    fn batch(&self, local: &LocalData<'_>) -> usize {
        let usual = (local.largest_share / FEWEST_STEPS).min(MOST_TOGETHER).max(local.batch);
        self.batch.unwrap_or(usual)
    }
}

/// A collaborator whose code is tuned.
#[derive(Debug)]
pub(super) struct TuneJob {
    /// The collaborator, and which decoder it has.
    pub decoder: DecoderOf,
    /// Where its code starts.
    pub start: CodeStart,
}

/// Whose decoder it is, and what it is made of, where that is known again.
#[derive(Clone, Debug)]
pub(super) struct DecoderOf {
    pub who: u32,
    id: Option<KeptId>,
}

impl DecoderOf {
    /// The decoder of a collaborator.
    pub fn new(who: u32, id: Option<KeptId>) -> Self {
        Self { who, id }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (None, None) => self.who == other.who,
            (own, other) => own == other,
        }
    }
}

/// How the codes of a round are tuned.
#[derive(Clone, Debug)]
pub(super) struct Tuning<'a> {
    pub how: &'a Tune,
    /// What becomes of codes on the wire.
    pub rounding: Rounding,
    /// How values of filters train beside them.
    pub filters: Option<FilterSettings>,
    /// Whether all collaborators have the same decoder.
    pub is_shared: bool,
}

/// What tuning comes to, as it is before the wire.
#[derive(Clone, Debug)]
pub(super) struct Tuned {
    pub code: Vec<f32>,
    /// Those of filters, where they train.
    pub filters: Option<Vec<f32>>,
}

/// The cohort whose codes train.
#[derive(Debug, Default)]
pub(super) struct Tuner(Mutex<Option<Held>>);

#[derive(Debug)]
struct Held {
    cohort: CodeCohort,
    /// Which decoders it has, replica by replica.
    loaded: Vec<Option<DecoderOf>>,
    /// Vectors that factored decoders have at most.
    room: usize,
}

/// Vectors that factored decoders of so many jobs have at most: collaborators with fewer snapshots have fewer. Zero where
/// decoders are not factored.
fn most_vectors(jobs: usize, decoder: &dyn Fn(usize) -> Result<CodeDecoder>) -> Result<usize> {
    let mut most = 0;
    for place in 0..jobs {
        match decoder(place)?.vectors() {
            Some(vectors) => most = most.max(vectors),
            None => break,
        }
    }
    Ok(most)
}

impl Tuner {
    /// Forgets the decoders: there are others now.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Trains the codes of all, a cohort at a time; gives them as they are before the wire. `decoder` gives that of the job
    /// of a number.
    pub fn tune(
        &self,
        round: &Round<'_>,
        tuning: &Tuning<'_>,
        jobs: &[TuneJob],
        decoder: &dyn Fn(usize) -> Result<CodeDecoder>,
    ) -> Result<Vec<Tuned>> {
        let Tuning { how, rounding, filters, is_shared } = tuning;
        let Some(local) = round.local else {
            return Err(Error::fault("codes are tuned where there are no images"));
        };
        let floats = jobs.first().map_or(0, |job| job.start.code.len());
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = |held: &Held| -> Result<bool> {
            let is_loaded = |job: &TuneJob| held.loaded.iter().flatten().any(|own| own.is_same(&job.decoder));
            let is_new = held.room > 0 && !jobs.iter().all(is_loaded);
            Ok(!is_new || most_vectors(jobs.len(), decoder)? <= held.room)
        };
        if let Some(own) = &*held
            && !has_room(own)?
        {
            *held = None;
        }
        let Held { cohort, loaded, room } = match held.take() {
            Some(held) => held,
            None => {
                let settings = CodeSettings {
                    floats,
                    batch: how.batch(local),
                    optimizer: how.optimizer,
                    rounding: *rounding,
                    filters: filters.clone(),
                    is_shared: *is_shared,
                };
                let most = local.most_together.min(jobs.len());
                let form = decoder(0)?;
                let room = most_vectors(jobs.len(), decoder)?;
                let form = form.layered(room).fitting(round.gpu, floats);
                let cohort = CodeCohort::new(round.gpu, local.spec, local.images, most, &form, settings)?;
                let loaded = vec![None; cohort.decoders()];
                Held { cohort, loaded, room }
            }
        };
        let Held { cohort, loaded, room } = held.insert(Held { cohort, loaded, room });
        let mut codes = Vec::with_capacity(jobs.len());
        for (jobs, first) in jobs.chunks(cohort.replicas()).zip((0..).step_by(cohort.replicas())) {
            let who: Vec<_> = jobs.iter().map(|job| job.decoder.who).collect();
            for ((replica, job), loaded) in jobs.iter().enumerate().zip(&mut *loaded) {
                if loaded.as_ref().is_some_and(|loaded| loaded.is_same(&job.decoder)) {
                    continue;
                }
                let own = decoder(first + replica)?.layered(*room).fitting(round.gpu, floats);
                // Until it is loaded whole, the replica has none.
                *loaded = None;
                cohort.load(replica, &own)?;
                *loaded = Some(job.decoder.clone());
            }
            let rate = how.optimizer.lr * (round.number as f32).powf(-how.decay);
            cohort.restart(jobs.iter().map(|job| &job.start), rate)?;
            for epoch in 0..how.epochs {
                let number = FIRST_EPOCH + u64::from(round.number - 1) * how.epochs + epoch;
                let orders = who.iter().map(|&who| (local.order)(who, number)).collect();
                cohort.epoch(number, &who, orders, &mut **local.progress.borrow_mut())?;
            }
            let trained = cohort.codes()?;
            let filters = match cohort.filters()? {
                Some(filters) => filters.into_iter().map(Some).collect(),
                None => vec![None; trained.len()],
            };
            if trained.iter().chain(filters.iter().flatten()).flatten().any(|value| !value.is_finite()) {
                let problem = format!("tuning diverged in round {}", round.number);
                return Err(Error::diverged("codecs: tune", problem, "use a smaller lr"));
            }
            let tuned = trained.into_iter().zip(filters).map(|(code, filters)| Tuned { code, filters });
            codes.extend(tuned.take(jobs.len()));
        }
        Ok(codes)
    }
}
