//! What a round changed: the weights less the global model, which both sides have.

use crate::codec::{
    About, Given, Incoming, Linear, Make, NoOptions, Outgoing, Round, Stage, StageKind, Values,
};
use crate::{Error, Result};

pub(super) const KIND: StageKind = StageKind::new(
    "delta",
    Make::Plain(|_, options| options.parse::<NoOptions>().map(|_| Box::new(Delta) as Box<dyn Stage>)),
)
.about(About {
    summary: "the difference from the global model of the round, which both sides have",
    good_for: "standing before whatever leaves values out or rounds them: a change is smaller than what it \
         changes",
    example: "delta+f16",
    ..About::NOTHING
})
.linear(Linear::Yes);

struct Delta;

impl Stage for Delta {
    fn label(&self) -> String {
        "delta".into()
    }

    fn given(&mut self, given: Given) -> Result<()> {
        let problem = match given {
            Given::Weights => return Ok(()),
            Given::Changes => "it takes the global model off each weight, and that has been done",
            Given::Missed => {
                "it takes the global model off each weight, and what a code misses is a difference"
            }
            Given::Code | Given::Rest => {
                "it takes the global model off each weight, and is given something else"
            }
        };
        let mend =
            if matches!(given, Given::Changes | Given::Missed) { "leave it out" } else { "list it first" };
        Err(Error::setting("codecs: delta", problem, mend))
    }

    fn gives(&self, given: Given) -> Given {
        if given == Given::Weights { Given::Changes } else { given }
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let all = batch.iter_mut().map(|outgoing| &mut outgoing.values).collect();
        let all = Values::take_all(round.gpu, all)?;
        for (outgoing, mut values) in batch.iter_mut().zip(all) {
            values.iter_mut().zip(round.global).for_each(|(value, global)| *value -= global);
            outgoing.values = Values::Host(values);
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let all = batch.iter_mut().map(|incoming| &mut incoming.values).collect();
        let all = Values::take_all(round.gpu, all)?;
        for (incoming, mut values) in batch.iter_mut().zip(all) {
            values.iter_mut().zip(round.global).for_each(|(value, global)| *value += global);
            incoming.values = Values::Host(values);
        }
        Ok(())
    }
}
