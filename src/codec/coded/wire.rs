//! The parts of an update on the wire: codes, and what goes beside them, each through stages of its own.

use crate::Result;
use crate::bytes::{Reader, Writer};
use crate::codec::{Incoming, Kept, Outgoing, Pipeline, Round, Values};

/// What a collaborator knows of what the aggregator keeps, to decode as it does.
pub(super) const MIRROR: &str = "mirror";

/// The stages of a part, and the scope of what is kept for them.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub tail: &'a Pipeline,
    pub scope: &'static str,
}

/// Values on the wire, of each of a batch.
pub(super) struct Wired {
    pub bytes: Vec<Writer>,
    /// Those that arrive.
    pub arrived: Vec<Vec<f32>>,
    /// What the aggregator keeps of each once it has arrived.
    pub news: Vec<Kept>,
}

/// Puts values on the wire, those of codes, say.
pub(super) fn send(
    round: &Round<'_>,
    batch: &mut [Outgoing<'_>],
    Part { tail, scope }: Part<'_>,
    values: Vec<Vec<f32>>,
) -> Result<Wired> {
    let lengths: Vec<_> = values.iter().map(Vec::len).collect();
    let updates = batch
        .iter_mut()
        .zip(values)
        .map(|(outgoing, own)| (outgoing.who, outgoing.kept.scope_mut(scope), Values::Host(own)));
    let bytes = tail.describe(round, updates.collect())?;
    let arrivals = batch.iter().zip(&bytes).zip(lengths).map(|((outgoing, bytes), due)| {
        let kept = outgoing.kept.scope(MIRROR).scope(scope);
        Incoming::new(outgoing.who, due, Reader::new(bytes.as_bytes(), "a code"), kept)
    });
    let mut arrivals: Vec<_> = arrivals.collect();
    tail.decode(round, &mut arrivals)?;
    let arrived = arrivals.iter_mut().map(|incoming| &mut incoming.values).collect();
    let arrived = Values::take_all(round.gpu, arrived)?;
    let news = arrivals.into_iter().map(|incoming| incoming.news).collect();
    Ok(Wired { bytes, arrived, news })
}

/// What went beside codes, `due` values of each update of a batch, which is read on from behind it.
pub(super) fn take_in(
    round: &Round<'_>,
    batch: &mut [Incoming<'_>],
    Part { tail, scope }: Part<'_>,
    due: usize,
) -> Result<Vec<Vec<f32>>> {
    let own = batch
        .iter()
        .map(|incoming| Incoming::new(incoming.who, due, incoming.side.clone(), incoming.kept.scope(scope)));
    let mut own: Vec<_> = own.collect();
    tail.decode(round, &mut own)?;
    let values = Values::take_all(round.gpu, own.iter_mut().map(|own| &mut own.values).collect())?;
    for (incoming, own) in batch.iter_mut().zip(own) {
        incoming.side = own.side;
        incoming.news.scope_mut(scope).merge(own.news);
    }
    Ok(values)
}
