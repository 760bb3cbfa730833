//! Communication-mitigated federated learning (Wang Luping et al., "CMFL: Mitigating Communication Overhead for
//! Federated Learning", ICDCS 2019): a collaborator whose update does not go the way of all sends none.
//!
//! With `u` the update of a collaborator and `t` what the last round made of the global model, which is the estimate of
//! what this one will:
//!
//! ```text
//! e(u, t) = share of the N values in which sgn(u) = sgn(t)        the relevance
//! e >= threshold:  u goes through the stages behind this one
//! otherwise:       nothing goes, and the average is that of the others, by their weights
//! ```
//!
//! The threshold stays the same in all rounds. In the first one there is no `t`, and all send; so it is after a round that
//! changed nothing, since otherwise a round in which all are left out would be the last that anything happens in.
//!
//! A message is one byte, [`SENT`] with what the stages make of `u` behind it, or [`LEFT_OUT`] and nothing else.

use super::held::Held;
use crate::codec::{
    About, Context, Given, Incoming, Kept, Make, OptionAbout, Options, Outgoing, Pipeline, Round, Stage,
    StageKind, Values, expect_length,
};
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new("relevance", Make::HoldingAny(make)).about(About {
    summary: "nothing where an update does not go the way of the last round, and the average is that of \
         the others",
    source: "Luping et al. 2019, CMFL",
    options: &[OptionAbout::new(
        "threshold",
        "",
        "the share of values with the same sign from which on an update is sent",
    )],
    good_for: "many collaborators of which some disagree; behind delta",
    example: "delta+relevance(threshold=0.5)",
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    threshold: f64,
}

fn make(_: &Context<'_>, options: &Options, tail: Pipeline) -> Result<Box<dyn Stage>> {
    let Settings { threshold } = options.parse()?;
    if !(0.0..=1.0).contains(&threshold) {
        let problem = format!("a threshold of {threshold} for a share of signs");
        return Err(options.refuse(problem, "use 0, which leaves nobody out, to 1, such as 0.5"));
    }
    Ok(Box::new(Relevance { threshold, tail: Held::whole(options, tail)? }))
}

struct Relevance {
    threshold: f64,
    tail: Held,
}

/// The first byte of an update that is there.
const SENT: u8 = 0;
/// The only byte of one that is not.
const LEFT_OUT: u8 = 1;

/// The global model of the last round.
const BEFORE: &str = "before";

/// The share of values that have the same sign in both; zeros are a sign of their own.
fn agreement(update: &[f32], moved: impl Iterator<Item = f32>) -> f64 {
    let sign = |value: f32| i8::from(value > 0.0) - i8::from(value < 0.0);
    let alike = update.iter().zip(moved).filter(|(update, moved)| sign(**update) == sign(*moved)).count();
    alike as f64 / update.len().max(1) as f64
}

impl Relevance {
    /// Whether an update goes the way of the last round, as far as that went anywhere.
    fn is_relevant(&self, update: &[f32], global: &[f32], before: Option<&[f32]>) -> bool {
        let Some(before) = before.filter(|before| *before != global) else { return true };
        let moved = global.iter().zip(before).map(|(global, before)| global - before);
        agreement(update, moved) >= self.threshold
    }
}

impl Stage for Relevance {
    fn keeps_arrivals(&self) -> bool {
        true
    }

    fn label(&self) -> String {
        self.tail.label(format!("relevance({})", self.threshold))
    }

    fn given(&mut self, given: Given) -> Result<()> {
        let (problem, mend) = match given {
            Given::Changes => return Ok(()),
            Given::Weights => {
                ("it compares what a round changed, and is given weights", "list delta before it")
            }
            Given::Missed => (
                "it leaves whole updates out, and is given what a code misses of one",
                "list it behind delta, in a codec without a code",
            ),
            Given::Code | Given::Rest => (
                "it compares what a round changed of each weight, and is given something else",
                "list it right behind delta",
            ),
        };
        Err(Error::setting("codecs: relevance", problem, mend))
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let (mut sides, mut updates) = (Vec::new(), Vec::new());
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            let is_relevant = self.is_relevant(&values, round.global, outgoing.kept.get(BEFORE));
            outgoing.kept.put(BEFORE, round.global.to_vec());
            outgoing.side.byte(if is_relevant { SENT } else { LEFT_OUT });
            if is_relevant {
                sides.push(&mut outgoing.side);
                updates.push((outgoing.who, &mut *outgoing.kept, values));
            }
        }
        let sent = self.tail.send_finite(round, &mut updates)?;
        sides.into_iter().zip(sent).for_each(|(side, sent)| side.append("relevance", sent.side));
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let mut there = Vec::new();
        for incoming in batch {
            match incoming.side.byte()? {
                SENT => there.push(incoming),
                LEFT_OUT => {
                    incoming.values = Values::Host(vec![0.0; incoming.due]);
                    incoming.is_left_out = true;
                }
                kind => {
                    let problem = format!("an update is neither there nor left out: its kind is {kind}");
                    return Err(Error::message(problem, "use the same model and codec on both sides"));
                }
            }
        }
        self.tail.decode_finite(round, &mut there)
    }

    fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        for before in kept.iter().filter_map(|kept| kept.get(BEFORE)) {
            expect_length("global model before", before.len(), count.unwrap_or(before.len()))?;
        }
        self.tail.check_senders(count, kept)
    }

    fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        self.tail.check_receivers(count, kept)
    }
}
