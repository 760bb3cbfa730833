//! A count sketch of the values, of which the largest are told again (FetchSGD, Rothchild et al. 2020, arXiv 2007.07682).
//!
//! As `sketch` it works message by message: what is left for the next stage is the table, `[rows, columns]`, and what
//! arrives are its k largest values, with zeros elsewhere. Hashes are those of the whole federation, so that sketches of
//! different collaborators and rounds can be added: `fetchsgd` does that at the aggregator, with momentum and error
//! feedback kept there.

mod fetch_sgd;
mod shape;
mod table;

pub(super) use fetch_sgd::KIND as FETCH_SGD;

use crate::Result;
use crate::codec::{Incoming, Kept, Make, Outgoing, Round, Stage, StageKind};
use serde::Deserialize;
use shape::Shape;

pub(super) const KIND: StageKind = StageKind::new(
    "sketch",
    Make::Plain(|context, options| {
        let Given { columns, rows, k } = options.parse()?;
        let shape = Shape::new(context, options, [rows, columns], k)?;
        Ok(Box::new(PerMessage(shape)))
    }),
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    columns: usize,
    #[serde(default = "shape::five")]
    rows: usize,
    k: Option<usize>,
}

/// Tells values from each message by itself.
struct PerMessage(Shape);

impl Stage for PerMessage {
    fn label(&self) -> String {
        format!("sketch({})", self.0.label())
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(self.0.cells())
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        self.0.sketch_all(round, batch)
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        self.0.tell_all(round, batch)
    }
}
