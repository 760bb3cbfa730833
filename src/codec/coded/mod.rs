//! A learned code, and what is done about it so that a federation goes on learning: what the code cannot say is taken
//! from the global model (`prior`) or sent beside it (`residual`), the code is trained through its decoder (`tune`), a value
//! for each filter with it (`filters`), and what it keeps missing becomes axes of it (`refresh`).
//!
//! With `g` the global model, `E` the encoder and `D` the decoder of a collaborator, and `A` what is linear in `D`:
//!
//! ```text
//! z  = E(w) - E(g)              what is sent; E(w) in the first round, before there is a model to begin from
//! w' = g + D(z) - D(0)          what arrives; D(z) in the first round
//! ```
//!
//! Where `D(z) = A z + b`, as for principal axes and decoders of one layer, this is `D(E(w)) + (g - D(E(g)))`: the span's
//! part is the code's, and the rest is the global model's. The aggregator needs no encoder for it.
//!
//! Where `D` is not linear, the difference of two codes stands for nothing. The code is then that of the weights, and the
//! aggregator is sent the encoder with the decoder:
//!
//! ```text
//! z  = E(w)
//! w' = g + D(z) - D(E(g))
//! ```

mod encode;
mod filters;
mod origins;
mod parts;
mod prior;
mod refresh;
mod tune;
mod wire;

pub(super) use filters::FilterPart;
pub use parts::CodePart;
pub(super) use parts::CodeParts;
pub use tune::Tune;

use super::refusals::no_average;
use super::set_up_once::set_up_once;
use super::{
    ExpectedLogs, Incoming, Kept, KnownEncoder, Outgoing, Pipeline, Round, SetupJob, ShareJob, Stage, Values,
};
use crate::bytes::Reader;
use crate::gpu::Gpu;
use crate::training::CodeStart;
use crate::{Error, Result};
use origins::Origins;
use refresh::Refresh;
use std::borrow::Cow;
use std::sync::Arc;
use tune::{DecoderOf, TuneJob, Tuner, Tuning};
use wire::{MIRROR, Part, take_in};

/// What the parts keep.
const LEARNED: &str = "learned";
const TAIL: &str = "tail";
const RESIDUAL: &str = "residual";
const FILTERS: &str = "filters";
const REFRESH: &str = "refresh";

/// A learned stage with what stands around it.
pub(super) struct Coded {
    /// Whether what the code cannot say comes from the global model.
    prior: bool,
    /// What makes codes of weights.
    learned: Box<dyn Stage>,
    /// What becomes of codes on the wire.
    tail: Pipeline,
    /// What becomes of what the code misses.
    residual: Option<Pipeline>,
    /// What goes beside the code.
    filters: Option<FilterPart>,
    /// How the code is trained through its decoder.
    tune: Option<Tune>,
    /// How what the code misses becomes axes of it.
    refresh: Option<Refresh>,
    tuner: Tuner,
    /// What codes of zeros decode to.
    origins: Origins,
}

/// What becomes of the parts of an update.
pub(super) struct Tails {
    /// Of codes.
    pub tail: Pipeline,
    /// Of what these miss.
    pub residual: Option<Pipeline>,
    /// Of values of filters.
    pub filters: Option<FilterPart>,
}

impl Coded {
    /// A learned stage, what becomes of its codes and of what goes beside them, and what stands around it.
    pub fn new(around: CodeParts, learned: Box<dyn Stage>, tails: Tails) -> Self {
        let CodeParts { prior, tune, refresh, .. } = around;
        let Tails { tail, residual, filters } = tails;
        Self {
            prior,
            learned,
            tail,
            residual,
            filters,
            tune,
            refresh,
            tuner: Tuner::default(),
            origins: Origins::default(),
        }
    }

    fn has_global(&self, round: &Round<'_>) -> bool {
        // The initial weights lie far outside what the decoder knows.
        self.prior && round.number > 1
    }

    /// The encoder that the aggregator needs.
    fn known_encoder(&self) -> Option<&dyn KnownEncoder> {
        self.learned.known_encoder().filter(|_| self.prior)
    }

    /// What the aggregator makes of codes that have arrived: the weights, without the residual. `kept` is the
    /// aggregator's.
    fn decoded(
        &self,
        round: &Round<'_>,
        whose: &[(u32, &Kept)],
        codes: &[Vec<f32>],
        due: usize,
    ) -> Result<Vec<Values>> {
        let decode = |codes: &mut dyn Iterator<Item = Vec<f32>>| {
            let own = whose.iter().zip(codes).map(|(&(who, kept), code)| Incoming {
                values: Values::Host(code),
                ..Incoming::new(who, due, Reader::new(&[], "a code"), kept.scope(LEARNED))
            });
            let mut own: Vec<_> = own.collect();
            self.learned.decode(round, &mut own)?;
            Ok::<_, Error>(own.into_iter().map(|incoming| incoming.values).collect::<Vec<_>>())
        };
        if !self.has_global(round) {
            return decode(&mut codes.iter().cloned());
        }
        let origins = match self.known_encoder() {
            None => self.origins.of(
                whose.iter().map(|(_, kept)| self.learned.decoder_id(kept.scope(LEARNED))),
                || {
                    let mut origins = decode(&mut codes.iter().map(|code| vec![0.0; code.len()]))?;
                    Values::take_all(round.gpu, origins.iter_mut().collect())
                },
            )?,
            Some(encoder) => {
                let whose: Vec<_> = whose.iter().map(|&(who, kept)| (who, kept.scope(LEARNED))).collect();
                let mut origins = decode(&mut encoder.codes(round.gpu, &whose, round.global)?.into_iter())?;
                Values::take_all(round.gpu, origins.iter_mut().collect())?.into_iter().map(Arc::new).collect()
            }
        };
        let mut decoded = decode(&mut codes.iter().cloned())?;
        let decoded = Values::take_all(round.gpu, decoded.iter_mut().collect())?;
        let moved = decoded.into_iter().zip(origins).map(|(mut decoded, origin)| {
            let each = decoded.iter_mut().zip(&*origin).zip(round.global);
            each.for_each(|((value, origin), global)| *value = global + (*value - origin));
            Values::Host(decoded)
        });
        Ok(moved.collect())
    }

    /// The weights `[P]` that codes of zeros decode to, as the aggregator has them by what it keeps.
    fn zero_points<'a>(
        &self,
        round: &Round<'a>,
        whose: &[(u32, &Kept)],
        due: usize,
    ) -> Result<Vec<Cow<'a, [f32]>>> {
        if self.has_global(round) {
            return Ok(vec![Cow::Borrowed(round.global); whose.len()]);
        }
        let floats = |kept: &Kept| self.learned.leaves(due, kept.scope(LEARNED)).unwrap_or(0);
        let zeros: Vec<_> = whose.iter().map(|(_, kept)| vec![0.0; floats(kept)]).collect();
        let mut decoded = self.decoded(round, whose, &zeros, due)?;
        let decoded = Values::take_all(round.gpu, decoded.iter_mut().collect())?;
        Ok(decoded.into_iter().map(Cow::Owned).collect())
    }

    /// How codes are tuned, and values of filters with them.
    fn tuning<'a>(&self, how: &'a Tune) -> Tuning<'a> {
        let filters = self.filters.as_ref().map(|filters| filters.settings(how.optimizer.lr));
        Tuning { how, rounding: self.tail.rounding(), filters, is_shared: self.learned.is_shared() }
    }

    /// The kept things of the aggregator that a stage of this name has.
    fn parts_of<'k>(kept: &[&'k Kept], part: &str) -> Vec<&'k Kept> {
        kept.iter().map(|kept| kept.scope(part)).collect()
    }
}

impl Stage for Coded {
    fn label(&self) -> String {
        let prior = self.prior.then(|| "prior".to_string());
        let tail = Some(self.tail.label().to_string()).filter(|label| !label.is_empty());
        let residual = self.residual.as_ref().map(|residual| format!("residual({})", residual.label()));
        let tune = self.tune.as_ref().map(|tune| tune.label.clone());
        let refresh = self.refresh.as_ref().map(|refresh| refresh.label.clone());
        let filters = self.filters.as_ref().map(FilterPart::label);
        let parts = [prior, Some(self.learned.label()), tail, residual, filters, tune, refresh];
        parts.into_iter().flatten().collect::<Vec<_>>().join("+")
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn learned_label(&self) -> Option<String> {
        Some(self.learned.label())
    }

    fn epochs(&self) -> u64 {
        self.tune.as_ref().map_or(0, |tune| tune.epochs)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        self.encode_all(round, batch)
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let due = batch.first().map_or(0, |incoming| incoming.due);
        let own = batch.iter().map(|incoming| {
            let floats = self.learned.leaves(due, incoming.kept.scope(LEARNED)).unwrap_or(0);
            Incoming::new(incoming.who, floats, incoming.side.clone(), incoming.kept.scope(TAIL))
        });
        let mut own: Vec<_> = own.collect();
        self.tail.decode(round, &mut own)?;
        let codes = own.iter_mut().map(|incoming| &mut incoming.values).collect();
        let codes = Values::take_all(round.gpu, codes)?;
        let sides: Vec<_> = own.into_iter().map(|incoming| (incoming.side, incoming.news)).collect();
        let whose: Vec<_> = batch.iter().map(|incoming| (incoming.who, incoming.kept)).collect();
        // Before the codes, since decoders make all of theirs in the same memory.
        let scaled = self.filters.as_ref().map(|_| self.zero_points(round, &whose, due)).transpose()?;
        let decoded = self.decoded(round, &whose, &codes, due)?;
        for ((incoming, values), (side, news)) in batch.iter_mut().zip(decoded).zip(sides) {
            (incoming.values, incoming.side) = (values, side);
            incoming.news.scope_mut(TAIL).merge(news);
        }
        if let Some(residual) = &self.residual {
            let missed = take_in(round, batch, Part { tail: residual, scope: RESIDUAL }, due)?;
            for (incoming, missed) in batch.iter_mut().zip(missed) {
                let mut weights = incoming.values.take(round.gpu)?;
                weights.iter_mut().zip(missed).for_each(|(weight, missed)| *weight += missed);
                incoming.values = Values::Host(weights);
            }
        }
        if let (Some(part), Some(scaled)) = (&self.filters, scaled) {
            let through = Part { tail: &part.tail, scope: FILTERS };
            let values = take_in(round, batch, through, part.filters.count())?;
            for ((incoming, values), scaled) in batch.iter_mut().zip(values).zip(scaled) {
                let mut weights = incoming.values.take(round.gpu)?;
                part.filters.apply(&values, &scaled, &mut weights);
                incoming.values = Values::Host(weights);
            }
        }
        Ok(())
    }

    fn setup(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let mut own = SetupJob {
            kept: job.kept.iter_mut().map(|kept| kept.scope_mut(LEARNED)).collect(),
            run: &mut *job.run,
            learned: &mut *job.learned,
            setups: &mut *job.setups,
            ..*job
        };
        let mut shipped = set_up_once(&*self.learned, &mut own)?;
        if let Some(encoder) = self.known_encoder() {
            prior::ship(encoder, &mut shipped, job.kept.iter().map(|kept| kept.scope(LEARNED)))?;
        }
        if self.decodes_itself() {
            let mut each = job.kept.iter_mut().zip(&shipped);
            each.try_for_each(|(kept, bytes)| self.install(bytes, kept.scope_mut(MIRROR)))?;
        }
        self.tuner.clear();
        Ok(shipped)
    }

    fn refreshes(&self) -> bool {
        self.refresh.is_some()
    }

    fn refresh(&self, round: &Round<'_>, kept: &mut Kept) -> Result<Option<Vec<u8>>> {
        let Some(refresh) = &self.refresh else { return Ok(None) };
        let Some(axes) = refresh.due(round, kept.scope_mut(REFRESH))? else { return Ok(None) };
        let bytes = self.learned.replacing(&axes, kept.scope(LEARNED))?;
        self.learned.replace_axes(&bytes, kept.scope_mut(LEARNED))?;
        self.learned.replace_axes(&bytes, kept.scope_mut(MIRROR).scope_mut(LEARNED))?;
        self.tuner.clear();
        Ok(Some(bytes))
    }

    fn replace_axes(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.learned.replace_axes(bytes, kept.scope_mut(LEARNED))
    }

    fn alone(&self, round: &Round<'_>, whose: &[(u32, &Kept)], epochs: u64) -> Result<Option<Vec<Vec<f32>>>> {
        let Some(how) = &self.tune else { return Ok(None) };
        let due = round.global.len();
        let mirrors: Vec<_> = whose.iter().map(|&(who, kept)| (who, kept.scope(MIRROR))).collect();
        let floats = |kept: &Kept| self.learned.leaves(due, kept.scope(LEARNED)).unwrap_or(0);
        let origins: Vec<_> = mirrors.iter().map(|(_, kept)| vec![0.0; floats(kept)]).collect();
        // Nobody has sent a model yet.
        let first = Round { number: 1, ..*round };
        let mut decoded = self.decoded(&first, &mirrors, &origins, due)?;
        let decoded = Values::take_all(round.gpu, decoded.iter_mut().collect())?;
        let jobs = mirrors.iter().zip(&decoded).zip(&origins).map(|((&(who, kept), base), origin)| TuneJob {
            decoder: DecoderOf::new(who, self.learned.decoder_id(kept.scope(LEARNED))),
            start: CodeStart {
                base: base.clone(),
                code: origin.clone(),
                arrives: origin.clone(),
                scaled: base.clone(),
            },
        });
        let jobs: Vec<_> = jobs.collect();
        let how = Tune { epochs, ..how.clone() };
        let decoder = |place: usize| self.learned.decoder(round.gpu, mirrors[place].1.scope(LEARNED));
        let tuned = self.tuner.tune(&first, &self.tuning(&how), &jobs, &decoder)?;
        let codes: Vec<_> = tuned.iter().map(|tuned| tuned.code.clone()).collect();
        let mut weights = self.decoded(&first, &mirrors, &codes, due)?;
        let mut weights = Values::take_all(round.gpu, weights.iter_mut().collect())?;
        if let Some(part) = &self.filters {
            for ((weights, tuned), scaled) in weights.iter_mut().zip(tuned).zip(&decoded) {
                part.filters.apply(&tuned.filters.unwrap_or_default(), scaled, weights);
            }
        }
        Ok(Some(weights))
    }

    fn check_averages(&self) -> Result<()> {
        let is_code_alone = self.residual.is_none() && self.filters.is_none() && self.learned.is_shared();
        if is_code_alone { Ok(()) } else { Err(no_average(&self.label())) }
    }

    /// Of codes from the same model by the same linear decoder.
    fn average(
        &self,
        round: &Round<'_>,
        payloads: Vec<(u32, &Kept, &[u8])>,
        weights: &[f64],
    ) -> Result<Vec<u8>> {
        let due = round.global.len();
        let (first, kept) = match payloads.first() {
            Some(&(who, kept, _)) => (who, kept),
            None => return Ok(Vec::new()),
        };
        let arrivals = payloads.iter().map(|&(who, kept, bytes)| {
            let floats = self.learned.leaves(due, kept.scope(LEARNED)).unwrap_or(0);
            Incoming::new(who, floats, Reader::new(bytes, "a code"), kept.scope(TAIL))
        });
        let mut arrivals: Vec<_> = arrivals.collect();
        self.tail.decode(round, &mut arrivals)?;
        let codes = arrivals.iter_mut().map(|incoming| &mut incoming.values).collect();
        let codes = Values::take_all(round.gpu, codes)?;
        let total: f64 = weights.iter().sum();
        let mut mean = vec![0f64; codes.first().map_or(0, Vec::len)];
        for (code, weight) in codes.iter().zip(weights) {
            mean.iter_mut().zip(code).for_each(|(mean, value)| *mean += f64::from(*value) * weight / total);
        }
        let mean = Values::Host(mean.into_iter().map(|value| value as f32).collect());
        let mut tail = kept.scope(TAIL).clone();
        let sent = self.tail.send(round, vec![(first, &mut tail, mean)])?;
        Ok(sent.into_iter().next().unwrap_or_default())
    }

    fn is_shared(&self) -> bool {
        self.learned.is_shared()
    }

    fn share(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        self.learned.share(&mut ShareJob {
            kept: job.kept.iter().map(|kept| kept.scope(LEARNED)).collect(),
            run: &mut *job.run,
            ..*job
        })
    }

    fn adopt(&self, gpu: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.learned.adopt(gpu, bytes, kept.scope_mut(LEARNED))?;
        self.tuner.clear();
        if self.decodes_itself() { self.install_shared(bytes, kept.scope_mut(MIRROR)) } else { Ok(()) }
    }

    fn install_shared(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        match self.known_encoder() {
            None => self.learned.install_shared(bytes, kept.scope_mut(LEARNED)),
            Some(_) => self.install(bytes, kept),
        }
    }

    fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let kept = kept.scope_mut(LEARNED);
        match self.known_encoder() {
            None => self.learned.install(bytes, kept),
            Some(encoder) => prior::install(&*self.learned, encoder, bytes, kept),
        }
    }

    fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        self.learned.check_senders(count, &Self::parts_of(kept, LEARNED))?;
        let floats = count.and_then(|count| self.learned.leaves(count, kept.first()?.scope(LEARNED)));
        self.tail.check_senders(floats, &Self::parts_of(kept, TAIL))?;
        if let Some(residual) = &self.residual {
            residual.check_senders(count, &Self::parts_of(kept, RESIDUAL))?;
        }
        if let Some(part) = &self.filters {
            part.tail.check_senders(Some(part.filters.count()), &Self::parts_of(kept, FILTERS))?;
        }
        if let Some(refresh) = &self.refresh {
            kept.iter().try_for_each(|kept| refresh.check(count, kept.scope(REFRESH)))?;
        }
        if self.decodes_itself() {
            self.check_receivers(count, &Self::parts_of(kept, MIRROR))
        } else {
            Ok(())
        }
    }

    fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        let learned = Self::parts_of(kept, LEARNED);
        self.learned.check_receivers(count, &learned)?;
        if self.known_encoder().is_some() {
            // The aggregator has what the collaborators have.
            self.learned.check_senders(count, &learned)?;
        }
        let floats = count.and_then(|count| self.learned.leaves(count, kept.first()?.scope(LEARNED)));
        self.tail.check_receivers(floats, &Self::parts_of(kept, TAIL))?;
        if let Some(residual) = &self.residual {
            residual.check_receivers(count, &Self::parts_of(kept, RESIDUAL))?;
        }
        match &self.filters {
            Some(part) => {
                let values = Some(part.filters.count());
                part.tail.check_receivers(values, &Self::parts_of(kept, FILTERS))
            }
            None => Ok(()),
        }
    }

    fn check_room(&self, gpu: &Gpu, expected: ExpectedLogs) -> Result<()> {
        self.learned.check_room(gpu, expected)
    }
}
