//! The way out: an update as a code, with what stands beside it.

use super::tune::{DecoderOf, TuneJob, Tuned};
use super::wire::{MIRROR, Part, Wired, send};
use super::{Coded, FILTERS, LEARNED, REFRESH, RESIDUAL, TAIL, Tune};
use crate::Result;
use crate::bytes::Writer;
use crate::codec::{Kept, Outgoing, Pipeline, Round, Values};
use crate::training::CodeStart;
use std::borrow::Cow;

impl Coded {
    /// Writes the code of each update of the batch, and what goes beside it.
    pub(super) fn encode_all(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let weights = batch.iter_mut().map(|outgoing| &mut outgoing.values).collect();
        let updates = Values::take_all(round.gpu, weights)?;
        let codes = if self.has_global(round) && self.known_encoder().is_none() {
            self.differences(round, batch, &updates)?
        } else {
            self.codes(round, batch, |place| updates[place].clone())?
        };
        // Codes that are looked at before they are tuned are not sent, and leave nothing that feedback owes.
        let before = self.tune.iter().flat_map(|_| &*batch).map(|outgoing| outgoing.kept.scope(TAIL).clone());
        let before: Vec<_> = before.collect();
        let head = Part { tail: &self.tail, scope: TAIL };
        let Wired { bytes: mut heads, arrived, mut news } = send(round, batch, head, codes.clone())?;
        let mut tails = vec![Writer::default(); batch.len()];
        let mut filters = vec![Writer::default(); batch.len()];
        if self.decodes_itself() {
            let mirrors = mirrors(batch);
            let due = updates.first().map_or(0, |update| update.len());
            let mut decoded = self.decoded(round, &mirrors, &arrived, due)?;
            let mut decoded = Values::take_all(round.gpu, decoded.iter_mut().collect())?;
            if let Some(refresh) = self.refresh.as_ref().filter(|_| self.has_global(round)) {
                for ((outgoing, update), decoded) in batch.iter_mut().zip(&updates).zip(&decoded) {
                    let kept = outgoing.kept.scope_mut(REFRESH);
                    refresh.note(kept, update, decoded, round.global);
                }
            }
            if let Some(residual) = &self.residual {
                tails = send_missed(round, batch, residual, &updates, &mut decoded)?;
            }
            if let Some(how) = &self.tune {
                let starts = decoded.into_iter().zip(codes).zip(arrived);
                let starts = starts.map(|((base, code), arrives)| CodeStart {
                    base,
                    code,
                    arrives,
                    scaled: Vec::new(),
                });
                let tuned = self.tuned(round, batch, how, starts.collect(), due)?;
                let each = batch.iter_mut().zip(before);
                each.for_each(|(outgoing, before)| *outgoing.kept.scope_mut(TAIL) = before);
                let (codes, values): (Vec<_>, Vec<_>) = tuned
                    .into_iter()
                    .map(|Tuned { code, filters }| (code, filters.unwrap_or_default()))
                    .unzip();
                Wired { bytes: heads, news, .. } = send(round, batch, head, codes)?;
                if let Some(part) = &self.filters {
                    let wired = send(round, batch, Part { tail: &part.tail, scope: FILTERS }, values)?;
                    filters = wired.bytes;
                    mirror(batch, FILTERS, wired.news);
                }
            }
            mirror(batch, TAIL, news);
        }
        for (((outgoing, head), tail), filters) in batch.iter_mut().zip(heads).zip(tails).zip(filters) {
            outgoing.side.append("code", head);
            outgoing.side.append("residual", tail);
            outgoing.side.append("filters", filters);
        }
        Ok(())
    }

    /// The codes of weights, one for each of the batch.
    fn codes(
        &self,
        round: &Round<'_>,
        batch: &mut [Outgoing<'_>],
        weights: impl Fn(usize) -> Vec<f32>,
    ) -> Result<Vec<Vec<f32>>> {
        let own = batch.iter_mut().enumerate().map(|(place, outgoing)| Outgoing {
            who: outgoing.who,
            values: Values::Host(weights(place)),
            side: Writer::default(),
            kept: outgoing.kept.scope_mut(LEARNED),
        });
        let mut own: Vec<_> = own.collect();
        self.learned.encode(round, &mut own)?;
        Values::take_all(round.gpu, own.iter_mut().map(|outgoing| &mut outgoing.values).collect())
    }

    /// By how much the codes of updates differ from those of the global model. Where all have one encoder, that has one code
    /// of the global model, behind those of the updates.
    fn differences(
        &self,
        round: &Round<'_>,
        batch: &mut [Outgoing<'_>],
        updates: &[Vec<f32>],
    ) -> Result<Vec<Vec<f32>>> {
        let id = |outgoing: &Outgoing<'_>| self.learned.decoder_id(outgoing.kept.scope(LEARNED));
        let first = batch.first().map(id);
        let is_one = !batch.is_empty()
            && self.learned.is_shared()
            && batch.iter().all(|outgoing| Some(id(outgoing)) == first);
        if !is_one {
            let mut codes = self.codes(round, batch, |place| updates[place].clone())?;
            let origins = self.codes(round, batch, |_| round.global.to_vec())?;
            codes.iter_mut().zip(&origins).for_each(|(code, origin)| subtract(code, origin));
            return Ok(codes);
        }
        let mut kept = batch[0].kept.clone();
        let own = batch.iter_mut().map(|outgoing| (outgoing.who, &mut *outgoing.kept));
        let all = own.chain([(u32::MAX, &mut kept)]).map(|(who, kept)| Outgoing {
            who,
            values: Values::Host(Vec::new()),
            side: Writer::default(),
            kept,
        });
        let mut all: Vec<_> = all.collect();
        let weights = |place: usize| updates.get(place).map_or(round.global, |update| update).to_vec();
        let mut codes = self.codes(round, &mut all, weights)?;
        if let Some(origin) = codes.pop() {
            codes.iter_mut().for_each(|code| subtract(code, &origin));
        }
        Ok(codes)
    }

    /// What codes become that are trained through their decoders, from where each of the batch starts.
    fn tuned(
        &self,
        round: &Round<'_>,
        batch: &[Outgoing<'_>],
        how: &Tune,
        starts: Vec<CodeStart>,
        due: usize,
    ) -> Result<Vec<Tuned>> {
        let scaled = if self.filters.is_some() {
            self.zero_points(round, &mirrors(batch), due)?
        } else {
            vec![Cow::Borrowed(&[][..]); batch.len()]
        };
        let decoders: Vec<_> =
            batch.iter().map(|outgoing| outgoing.kept.scope(MIRROR).scope(LEARNED)).collect();
        let each = batch.iter().zip(starts).zip(scaled).zip(&decoders);
        let jobs = each.map(|(((outgoing, start), scaled), kept)| TuneJob {
            decoder: DecoderOf::new(outgoing.who, self.learned.decoder_id(kept)),
            start: CodeStart { scaled: scaled.into_owned(), ..start },
        });
        let jobs: Vec<_> = jobs.collect();
        let decoder = |place: usize| self.learned.decoder(round.gpu, decoders[place]);
        self.tuner.tune(round, &self.tuning(how), &jobs, &decoder)
    }

    /// Whether a collaborator has to decode as the aggregator does.
    pub(super) fn decodes_itself(&self) -> bool {
        self.residual.is_some() || self.tune.is_some() || self.refresh.is_some()
    }
}

/// What each of the batch keeps of what the aggregator has of it.
fn mirrors<'k>(batch: &'k [Outgoing<'_>]) -> Vec<(u32, &'k Kept)> {
    batch.iter().map(|outgoing| (outgoing.who, outgoing.kept.scope(MIRROR))).collect()
}

/// Keeps what the aggregator will keep of a part that was sent.
fn mirror(batch: &mut [Outgoing<'_>], part: &str, news: Vec<Kept>) {
    let each = batch.iter_mut().zip(news);
    each.for_each(|(outgoing, news)| outgoing.kept.scope_mut(MIRROR).scope_mut(part).merge(news));
}

/// Sends what the codes miss, and adds what arrives of it to what they decode to; gives its bytes.
fn send_missed(
    round: &Round<'_>,
    batch: &mut [Outgoing<'_>],
    residual: &Pipeline,
    updates: &[Vec<f32>],
    decoded: &mut [Vec<f32>],
) -> Result<Vec<Writer>> {
    let missed = updates.iter().zip(&*decoded).map(|(update, decoded)| {
        update.iter().zip(decoded).map(|(weight, decoded)| weight - decoded).collect()
    });
    let missed = missed.collect();
    let part = Part { tail: residual, scope: RESIDUAL };
    let Wired { bytes, arrived, news } = send(round, batch, part, missed)?;
    for (decoded, arrived) in decoded.iter_mut().zip(arrived) {
        decoded.iter_mut().zip(arrived).for_each(|(value, arrived)| *value += arrived);
    }
    mirror(batch, RESIDUAL, news);
    Ok(bytes)
}

fn subtract(code: &mut [f32], origin: &[f32]) {
    code.iter_mut().zip(origin).for_each(|(value, origin)| *value -= origin);
}
