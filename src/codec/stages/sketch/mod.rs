//! A count sketch of the values, of which the largest are told again (FetchSGD, Rothchild et al. 2020, arXiv 2007.07682).
//!
//! As `sketch` it works message by message: what is left for the next stage is the table, `[rows, columns]`, and what
//! arrives are its k largest values, with zeros elsewhere. Hashes are those of the whole federation, so that sketches of
//! different collaborators and rounds can be added: `fetchsgd` does that at the aggregator, with momentum and error
//! feedback kept there.

mod cohort;
mod fetch_sgd;
mod shape;
mod table;

pub(super) use fetch_sgd::KIND as FETCH_SGD;

use crate::Result;
use crate::codec::{
    About, FreeOption, FreeRange, Incoming, Kept, Make, OptionAbout, Outgoing, Round, Stage, StageKind,
};
use serde::Deserialize;
use shape::Shape;

pub(super) const KIND: StageKind = StageKind::new(
    "sketch",
    Make::Plain(|context, options| {
        let Given { columns, rows, k } = options.parse()?;
        let shape = Shape::new(context, options, [rows, columns], k)?;
        Ok(Box::new(PerMessage(shape)))
    }),
)
.about(About {
    summary: "a count sketch, of which the largest values are told again",
    source: "Charikar et al. 2002; Rothchild et al. 2020, FetchSGD (arXiv 2007.07682)",
    options: &[
        OptionAbout::new("columns", "", "cells of each row of the table"),
        OptionAbout::new("rows", "5", "rows of the table"),
        OptionAbout::new("k", "a quarter of the columns", "how many values are told"),
    ],
    good_for: "updates in which few values carry most; behind delta and feedback",
    example: "delta+feedback+sketch(columns=6)",
})
.free(FreeOption { name: "columns", range: FreeRange::Values, instead: &[] });

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
