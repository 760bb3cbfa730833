//! The stages behind one that has to know what the aggregator makes of what they send.

use crate::bytes::{Reader, Writer};
use crate::codec::{Incoming, Kept, Options, Outgoing, Pipeline, Round, Values};
use crate::{Error, Result};

/// What the stages keep.
pub(super) const TAIL: &str = "tail";
/// What a collaborator knows of what the aggregator keeps, to decode as it does.
pub(super) const MIRROR: &str = "mirror";

/// The stages that are listed behind one. What is sent through them is decoded at once, as the aggregator will.
pub(super) struct Held(pub Pipeline);

/// What became of values.
pub(super) struct Sent {
    /// What goes into the message.
    pub side: Writer,
    /// What the aggregator makes of it.
    pub decoded: Vec<f32>,
    /// Whether that is not to be averaged.
    pub is_left_out: bool,
}

impl Held {
    /// Stages behind one that compares whole updates. Errors where another part of the model is sent in each round.
    pub fn whole(options: &Options, stages: Pipeline) -> Result<Self> {
        match stages.sub_model(1, 0, 0) {
            None => Ok(Self(stages)),
            Some(_) => {
                let problem = "it compares whole updates, and dropout sends another part in each round";
                Err(options.refuse(problem, "leave one of them out"))
            }
        }
    }

    /// The label of a stage that is called `own` and holds these.
    pub fn label(&self, own: String) -> String {
        match self.0.label() {
            "" => own,
            tail => format!("{own}+{tail}"),
        }
    }

    /// Sends values of collaborators, who keep this.
    pub fn send(&self, round: &Round<'_>, batch: &mut [(u32, &mut Kept, Vec<f32>)]) -> Result<Vec<Sent>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let dues: Vec<_> = batch.iter().map(|(_, _, values)| values.len()).collect();
        let updates = batch.iter_mut().map(|(who, kept, values)| Outgoing {
            who: *who,
            values: Values::Host(std::mem::take(values)),
            side: Writer::default(),
            kept: kept.scope_mut(TAIL),
        });
        let mut updates: Vec<_> = updates.collect();
        self.0.encode(round, &mut updates)?;
        let sent: Vec<_> = updates.into_iter().map(|outgoing| outgoing.side).collect();
        let arrivals = batch.iter().zip(&sent).zip(dues).map(|(((who, kept, _), side), due)| {
            let side = Reader::new(side.as_bytes(), "an update");
            Incoming::new(*who, due, side, kept.scope(MIRROR).scope(TAIL))
        });
        let mut arrivals: Vec<_> = arrivals.collect();
        self.0.decode(round, &mut arrivals)?;
        let values = arrivals.iter_mut().map(|incoming| &mut incoming.values).collect();
        let values = Values::take_all(round.gpu, values)?;
        let arrived: Vec<_> =
            arrivals.into_iter().map(|incoming| (incoming.news, incoming.is_left_out)).collect();
        let each = batch.iter_mut().zip(arrived).zip(values).zip(sent);
        let sent = each.map(|((((_, kept, _), (news, is_left_out)), decoded), side)| {
            kept.scope_mut(MIRROR).scope_mut(TAIL).merge(news);
            Sent { side, decoded, is_left_out }
        });
        Ok(sent.collect())
    }

    /// The same. Errors where a value is not finite: what both sides keep of it would never be again.
    pub fn send_finite(
        &self,
        round: &Round<'_>,
        batch: &mut [(u32, &mut Kept, Vec<f32>)],
    ) -> Result<Vec<Sent>> {
        for (who, _, values) in &*batch {
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                let problem = format!("collaborator {who} has a value of {value} to send");
                return Err(Error::diverged("codecs", problem, "use a smaller optimizer.lr"));
            }
        }
        self.send(round, batch)
    }

    /// Decodes what has been sent through the stages.
    pub fn decode(&self, round: &Round<'_>, batch: &mut [&mut Incoming<'_>]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let own = batch.iter().map(|incoming| {
            Incoming::new(incoming.who, incoming.due, incoming.side.clone(), incoming.kept.scope(TAIL))
        });
        let mut own: Vec<_> = own.collect();
        self.0.decode(round, &mut own)?;
        for (incoming, own) in batch.iter_mut().zip(own) {
            (incoming.values, incoming.side) = (own.values, own.side);
            incoming.news.scope_mut(TAIL).merge(own.news);
            incoming.is_left_out = own.is_left_out;
        }
        Ok(())
    }

    /// The same, on the host. Errors where a value is not finite.
    pub fn decode_finite(&self, round: &Round<'_>, batch: &mut [&mut Incoming<'_>]) -> Result<()> {
        self.decode(round, batch)?;
        let values = batch.iter_mut().map(|incoming| &mut incoming.values).collect();
        let values = Values::take_all(round.gpu, values)?;
        for (incoming, values) in batch.iter_mut().zip(values) {
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                let problem = format!("an update of collaborator {} has a value of {value}", incoming.who);
                return Err(Error::message(problem, "have it train with a smaller rate"));
            }
            incoming.values = Values::Host(values);
        }
        Ok(())
    }

    /// What the stages say to what collaborators keep.
    pub fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        self.0.check_senders(count, &parts_of(kept, TAIL))?;
        self.check_receivers(count, &parts_of(kept, MIRROR))
    }

    /// What they say to what the aggregator keeps.
    pub fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        self.0.check_receivers(count, &parts_of(kept, TAIL))
    }
}

fn parts_of<'k>(kept: &[&'k Kept], part: &str) -> Vec<&'k Kept> {
    kept.iter().map(|kept| kept.scope(part)).collect()
}
