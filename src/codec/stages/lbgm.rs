//! The look-back gradient multiplier (Azam et al., "Recycling Model Updates in Federated Learning: Are Gradient
//! Subspaces Low-Rank?", ICLR 2022, algorithm 1): an update that goes the way of an earlier one is a multiple of it.
//!
//! Both sides keep the last update `l` of a collaborator that crossed as a whole, as the aggregator decoded it. With
//! `u` what there is to send:
//!
//! ```text
//! sin^2 = 1 - <u, l>^2 / (|u|^2 |l|^2)      the look-back phase error
//! rho   = <u, l> / |l|^2                    the look-back coefficient
//!
//! sin^2 <= threshold:  rho is sent, and rho l arrives
//! otherwise:           u goes through the stages behind this one, and what arrives of it is the new l
//! ```
//!
//! A message is one byte, [`MULTIPLE`] with `rho` as f32 behind it, or [`WHOLE`] with what the stages make of `u`. What
//! `rho l` misses is at most `sqrt(threshold)` of `|u|`, which is lost unless `feedback` stands before this stage.

use super::held::Held;
use crate::codec::{
    About, Context, Given, Incoming, Kept, Make, OptionAbout, Options, Outgoing, Pipeline, Round, Stage,
    StageKind, Values, expect_length,
};
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new("lbgm", Make::HoldingAny(make)).about(About {
    summary: "one number where an update goes the way of the last whole one; else what the stages behind \
         it make of it",
    source: "Azam et al. 2022, look-back gradient multiplier (ICLR)",
    options: &[OptionAbout::new(
        "threshold",
        "",
        "the squared sine of the angle up to which one number is sent",
    )],
    good_for: "updates that go the same way for many rounds; behind delta",
    example: "delta+lbgm(threshold=0.2)",
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    threshold: f64,
}

fn make(_: &Context<'_>, options: &Options, tail: Pipeline) -> Result<Box<dyn Stage>> {
    let Settings { threshold } = options.parse()?;
    if !(0.0..1.0).contains(&threshold) {
        let problem = format!("a threshold of {threshold} for the squared sine of an angle");
        return Err(options.refuse(problem, "use 0 to below 1, such as 0.2"));
    }
    Ok(Box::new(Lbgm { threshold, tail: Held::whole(options, tail)? }))
}

struct Lbgm {
    threshold: f64,
    tail: Held,
}

/// The first byte of an update that crosses as a whole.
const WHOLE: u8 = 0;
/// The first byte of one that is a multiple of the last whole one.
const MULTIPLE: u8 = 1;

/// The last update that arrived as a whole.
const LOOK_BACK: &str = "look-back";

impl Lbgm {
    /// The coefficient of an update that goes the way of the last whole one.
    fn coefficient(&self, update: &[f32], look_back: Option<&[f32]>) -> Option<f32> {
        let look_back = look_back.filter(|look_back| look_back.len() == update.len())?;
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let (along, own) = (dot(update, look_back), dot(look_back, look_back));
        let phase_error = 1.0 - along * along / (dot(update, update) * own);
        let coefficient = (along / own) as f32;
        (phase_error <= self.threshold && coefficient.is_finite()).then_some(coefficient)
    }
}

/// What a coefficient stands for.
fn multiple(coefficient: f32, look_back: &[f32]) -> Vec<f32> {
    look_back.iter().map(|value| coefficient * value).collect()
}

impl Stage for Lbgm {
    fn keeps_arrivals(&self) -> bool {
        true
    }

    fn label(&self) -> String {
        self.tail.label(format!("lbgm({})", self.threshold))
    }

    fn given(&mut self, given: Given) -> Result<()> {
        let (problem, mend) = match given {
            Given::Changes | Given::Missed => return Ok(()),
            Given::Weights => ("weights go the same way in every round", "list delta before it"),
            Given::Code | Given::Rest => (
                "it keeps what was sent of each weight, and the stages before it leave something else",
                "list it before them, right behind delta",
            ),
        };
        Err(Error::setting("codecs: lbgm", problem, mend))
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let (mut sides, mut updates) = (Vec::new(), Vec::new());
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            match self.coefficient(&values, outgoing.kept.get(LOOK_BACK)) {
                Some(coefficient) => {
                    outgoing.side.byte(MULTIPLE);
                    outgoing.side.floats(&[coefficient]);
                }
                None => {
                    outgoing.side.byte(WHOLE);
                    sides.push(&mut outgoing.side);
                    updates.push((outgoing.who, &mut *outgoing.kept, values));
                }
            }
        }
        let sent = self.tail.send_finite(round, &mut updates)?;
        for ((side, (_, kept, _)), sent) in sides.into_iter().zip(updates).zip(sent) {
            side.append("lbgm", sent.side);
            if !sent.is_left_out {
                kept.put(LOOK_BACK, sent.decoded);
            }
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let mut whole = Vec::new();
        for incoming in batch {
            match incoming.side.byte()? {
                WHOLE => whole.push(incoming),
                MULTIPLE => {
                    let coefficient = incoming.side.floats(1)?[0];
                    let look_back = incoming.kept.get(LOOK_BACK).unwrap_or_default();
                    if look_back.len() != incoming.due || !coefficient.is_finite() {
                        let who = incoming.who;
                        let problem = format!(
                            "collaborator {who} sent {coefficient} times an update that did not arrive"
                        );
                        return Err(Error::message(problem, "send a whole update first"));
                    }
                    incoming.values = Values::Host(multiple(coefficient, look_back));
                }
                kind => {
                    let problem = format!("an update is neither whole nor a multiple: its kind is {kind}");
                    return Err(Error::message(problem, "use the same model and codec on both sides"));
                }
            }
        }
        self.tail.decode_finite(round, &mut whole)?;
        for incoming in whole.into_iter().filter(|incoming| !incoming.is_left_out) {
            let values = incoming.values.take(round.gpu)?;
            incoming.news.put(LOOK_BACK, values.clone());
            incoming.values = Values::Host(values);
        }
        Ok(())
    }

    fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        check_look_back(count, kept)?;
        self.tail.check_senders(count, kept)
    }

    fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        check_look_back(count, kept)?;
        self.tail.check_receivers(count, kept)
    }
}

fn check_look_back(count: Option<usize>, kept: &[&Kept]) -> Result<()> {
    for look_back in kept.iter().filter_map(|kept| kept.get(LOOK_BACK)) {
        expect_length(LOOK_BACK, look_back.len(), count.unwrap_or(look_back.len()))?;
    }
    Ok(())
}
