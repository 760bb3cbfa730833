//! Sketches that the aggregator adds up, with momentum and error feedback of its own: `fetchsgd` (Rothchild et al. 2020,
//! arXiv 2007.07682, algorithm 1).
//!
//! With `S_i` the sketches of the updates of a round, and `U` what [`super::table`] tells of a table:
//!
//! ```text
//! S   = mean of the S_i, weighted by images
//! S_u = momentum S_u + S
//! S_e = S_e + S_u
//! d   = the k largest of U(S_e)
//! S_e = S_e - sketch(d)
//! w   = g + d
//! ```
//!
//! Collaborators keep nothing, so that it does not matter how seldom one of them takes part. Updates have their rate in
//! them, which the paper multiplies `S_u` by. The paper's momentum is 0.9, for one gradient of each collaborator and round;
//! an update of epochs is many steps, and needs none.

use super::shape::{Shape, five};
use crate::bytes::Writer;
use crate::codec::{
    About, FreeOption, FreeRange, Incoming, Kept, Linear, Make, OptionAbout, Outgoing, Pipeline, Round,
    Stage, StageKind, Values, expect_length,
};
use crate::{Error, Result};
use serde::Deserialize;

pub const KIND: StageKind = StageKind::new(
    "fetchsgd",
    Make::Joint(|context, options, tail| {
        let Given { columns, rows, k, momentum } = options.parse()?;
        if !(0.0..1.0).contains(&momentum) {
            return Err(options.refuse(format!("a momentum of {momentum}"), "use 0 to below 1, such as 0.9"));
        }
        let shape = Shape::new(context, options, [rows, columns], k)?;
        Ok(Box::new(FetchSgd { shape, momentum, tail }))
    }),
)
.about(About {
    summary: "count sketches that the aggregator adds up; it keeps their momentum and what they could not \
         say",
    source: "Rothchild et al. 2020, FetchSGD (arXiv 2007.07682)",
    options: &[
        OptionAbout::new("columns", "", "cells of each row of the table"),
        OptionAbout::new("rows", "5", "rows of the table"),
        OptionAbout::new("k", "a quarter of the columns", "how many values are told"),
        OptionAbout::new("momentum", "0", "momentum of the sum; the paper has 0.9"),
    ],
    good_for: "collaborators that keep nothing from round to round; behind delta",
    example: "delta+fetchsgd(columns=6)",
})
.free(FreeOption { name: "columns", range: FreeRange::Values, instead: &[] })
.linear(Linear::Yes);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    columns: usize,
    #[serde(default = "five")]
    rows: usize,
    k: Option<usize>,
    #[serde(default)]
    momentum: f32,
}

/// What the aggregator keeps: `S_u` and `S_e`.
const MOMENTUM: &str = "momentum";
const ERROR: &str = "error";
/// What the stages behind it keep, on both sides.
const TAIL: &str = "tail";

/// Adds tables up, and tells values from the sum.
struct FetchSgd {
    shape: Shape,
    momentum: f32,
    /// What becomes of tables on the wire.
    tail: Pipeline,
}

impl FetchSgd {
    /// Puts tables into the place of what has arrived.
    fn take_tables(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let own = batch.iter().map(|incoming| {
            let kept = incoming.kept.scope(TAIL);
            Incoming::new(incoming.who, self.shape.cells(), incoming.side.clone(), kept)
        });
        let mut own: Vec<_> = own.collect();
        self.tail.decode(round, &mut own)?;
        for (incoming, mut own) in batch.iter_mut().zip(own) {
            let table = own.values.take(round.gpu)?;
            if let Some(cell) = table.iter().find(|cell| !cell.is_finite()) {
                let problem = format!("the sketch of collaborator {} has a value of {cell}", own.who);
                return Err(Error::message(problem, "train it with a smaller optimizer.lr"));
            }
            (incoming.values, incoming.side) = (Values::Host(table), own.side);
        }
        Ok(())
    }
}

impl Stage for FetchSgd {
    fn label(&self) -> String {
        let momentum =
            if self.momentum > 0.0 { format!(",momentum={}", self.momentum) } else { String::new() };
        let tail = if self.tail.label().is_empty() { "" } else { "+" };
        format!("fetchsgd({}{momentum}){tail}{}", self.shape.label(), self.tail.label())
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        self.shape.sketch_all(round, batch)?;
        let tables = batch.iter_mut().map(|outgoing| Outgoing {
            who: outgoing.who,
            values: std::mem::take(&mut outgoing.values),
            side: Writer::default(),
            kept: outgoing.kept.scope_mut(TAIL),
        });
        let mut tables: Vec<_> = tables.collect();
        self.tail.encode(round, &mut tables)?;
        let sent: Vec<_> = tables.into_iter().map(|outgoing| outgoing.side.into_bytes()).collect();
        batch.iter_mut().zip(sent).for_each(|(outgoing, bytes)| outgoing.side.bytes(&bytes));
        Ok(())
    }

    /// Of a message by itself, what `sketch` makes of it.
    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        self.take_tables(round, batch)?;
        self.shape.tell_all(round, batch)
    }

    fn is_joint(&self) -> bool {
        true
    }

    fn join(
        &self,
        round: &Round<'_>,
        batch: &mut [Incoming<'_>],
        weights: &[f64],
        kept: &mut Kept,
    ) -> Result<Vec<f32>> {
        self.take_tables(round, batch)?;
        let due = batch.first().map_or(0, |incoming| incoming.due);
        let tables =
            Values::take_all(round.gpu, batch.iter_mut().map(|incoming| &mut incoming.values).collect())?;
        let total: f64 = weights.iter().sum();
        let mut mean = vec![0f64; self.shape.cells()];
        for (table, weight) in tables.iter().zip(weights) {
            mean.iter_mut().zip(table).for_each(|(mean, cell)| *mean += f64::from(*cell) * weight / total);
        }
        let before = |name: &str| kept.get(name).map_or_else(|| vec![0.0; mean.len()], <[f32]>::to_vec);
        let (mut momentum, mut error) = (before(MOMENTUM), before(ERROR));
        for ((mean, momentum), error) in mean.iter().zip(&mut momentum).zip(&mut error) {
            *momentum = self.momentum * *momentum + *mean as f32;
            *error += *momentum;
        }
        if let Some(cell) = error.iter().find(|cell| !cell.is_finite()) {
            let problem = format!("the sum of sketches has a value of {cell} in round {}", round.number);
            return Err(Error::diverged(
                "codecs: fetchsgd",
                problem,
                "use a smaller optimizer.lr, or momentum",
            ));
        }
        let sketch = self.shape.sketch(round);
        let hashes = sketch.hashes(due);
        let told = sketch.heaviest(&hashes, &error, self.shape.k);
        error.iter_mut().zip(sketch.of(&hashes, &told)).for_each(|(error, told)| *error -= told);
        if self.momentum > 0.0 {
            kept.put(MOMENTUM, momentum);
        }
        kept.put(ERROR, error);
        Ok(told)
    }

    fn check_senders(&self, _: Option<usize>, kept: &[&Kept]) -> Result<()> {
        let tails: Vec<_> = kept.iter().map(|kept| kept.scope(TAIL)).collect();
        self.tail.check_senders(Some(self.shape.cells()), &tails)
    }

    fn check_receivers(&self, _: Option<usize>, kept: &[&Kept]) -> Result<()> {
        let tails: Vec<_> = kept.iter().map(|kept| kept.scope(TAIL)).collect();
        self.tail.check_receivers(Some(self.shape.cells()), &tails)
    }

    fn check_joint(&self, kept: &Kept) -> Result<()> {
        for name in [MOMENTUM, ERROR] {
            let cells = kept.get(name).map_or(self.shape.cells(), <[f32]>::len);
            expect_length(name, cells, self.shape.cells())?;
        }
        Ok(())
    }
}
