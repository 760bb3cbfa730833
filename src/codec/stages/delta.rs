//! What a round changed: the weights less the global model, which both sides have.

use crate::Result;
use crate::codec::{About, Incoming, Make, NoOptions, Outgoing, Round, Stage, StageKind, Values};

pub(super) const KIND: StageKind = StageKind::new(
    "delta",
    Make::Plain(|_, options| options.parse::<NoOptions>().map(|_| Box::new(Delta) as Box<dyn Stage>)),
)
.about(About {
    summary: "the difference from the global model of the round, which both sides have",
    good_for: "standing before whatever leaves values out or rounds them: a change is smaller than what it changes",
    example: "delta+f16",
    ..About::NOTHING
});

struct Delta;

impl Stage for Delta {
    fn label(&self) -> String {
        "delta".into()
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for outgoing in batch {
            let mut values = outgoing.values.take(round.gpu)?;
            values.iter_mut().zip(round.global).for_each(|(value, global)| *value -= global);
            outgoing.values = Values::Host(values);
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let mut values = incoming.values.take(round.gpu)?;
            values.iter_mut().zip(round.global).for_each(|(value, global)| *value += global);
            incoming.values = Values::Host(values);
        }
        Ok(())
    }
}
