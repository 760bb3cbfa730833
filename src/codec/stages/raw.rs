//! Updates as they are: four bytes a weight, which is how a pipeline sends what its last stage leaves.

use crate::Result;
use crate::codec::{About, Incoming, Linear, Make, NoOptions, Outgoing, Round, Stage, StageKind};

pub(super) const KIND: StageKind = StageKind::new(
    "raw",
    Make::Plain(|_, options| options.parse::<NoOptions>().map(|_| Box::new(Raw) as Box<dyn Stage>)),
)
.about(About {
    summary: "nothing; values are sent as they are, four bytes each, as after any last stage",
    good_for: "the baseline that all others are compared with",
    example: "raw",
    ..About::NOTHING
})
.linear(Linear::Yes);

/// Changes nothing: the baseline of all others.
struct Raw;

impl Stage for Raw {
    fn label(&self) -> String {
        "raw".into()
    }

    fn encode(&self, _: &Round<'_>, _: &mut [Outgoing<'_>]) -> Result<()> {
        Ok(())
    }

    fn decode(&self, _: &Round<'_>, _: &mut [Incoming<'_>]) -> Result<()> {
        Ok(())
    }
}
