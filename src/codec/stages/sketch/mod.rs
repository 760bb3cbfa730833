//! A count sketch of the values, of which the largest are told again (FetchSGD, Rothchild et al. 2020, arXiv 2007.07682).
//!
//! As a stage it works message by message: what is left for the next stage is the table, `[rows, columns]`, and what
//! arrives are its k largest values, with zeros elsewhere. Hashes are those of the whole federation, so that sketches of
//! different collaborators and rounds can be added.

mod table;

use super::seeded::Draws;
use crate::codec::{Context, Incoming, Kept, Make, Options, Outgoing, Round, Stage, StageKind, Values};
use crate::{Error, Result};
use serde::Deserialize;
use table::{Hashes, Sketch};

pub(super) const KIND: StageKind = StageKind::new(
    "sketch",
    Make::Plain(|context, options| {
        Shape::new(context, options.parse()?, options)
            .map(|shape| Box::new(PerMessage(shape)) as Box<dyn Stage>)
    }),
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    columns: usize,
    #[serde(default = "five")]
    rows: usize,
    k: Option<usize>,
}

/// The paper's rows.
fn five() -> usize {
    5
}

/// A table has at most so many rows: more make each estimate surer than its noise.
const MOST_ROWS: usize = 31;
/// What hashes are drawn for.
const PURPOSE: u32 = 0x736b_6574;

/// The size of tables, and how many values are told from them.
#[derive(Clone, Copy, Debug)]
struct Shape {
    rows: usize,
    columns: usize,
    k: usize,
}

impl Shape {
    fn new(context: &Context<'_>, given: Given, options: &Options) -> Result<Self> {
        let Given { columns, rows, k } = given;
        let most = context.parameters();
        if !(1..=MOST_ROWS).contains(&rows) {
            return Err(options.refuse(
                format!("a sketch of {rows} rows"),
                format!("set rows to 1 up to {MOST_ROWS}, such as 5"),
            ));
        }
        if !(1..=most / rows).contains(&columns) {
            let problem = format!("a sketch of {rows} rows of {columns} values for {most} weights");
            let mend = format!("set columns to 1 or more and up to {}, or fewer rows", most / rows);
            return Err(options.refuse(problem, mend));
        }
        // A quarter of a row's cells hold one of the largest each, so that most of these have a cell for themselves.
        let k = k.unwrap_or(columns.div_ceil(4));
        if !(1..=most).contains(&k) {
            return Err(options
                .refuse(format!("{k} of {most} values"), format!("set k to 1 or more and up to {most}")));
        }
        Ok(Self { rows, columns, k })
    }

    fn label(&self) -> String {
        format!("{}x{},{}", self.rows, self.columns, self.k)
    }

    fn sketch(&self, round: &Round<'_>) -> Sketch {
        Sketch { draws: Draws::of_run(round, PURPOSE), rows: self.rows, columns: self.columns }
    }

    /// Tables of values on their way out, which are left in their place.
    fn sketch_all(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let (sketch, mut known) = (self.sketch(round), Known::default());
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            if values.len() < sketch.cells() {
                let problem = format!("{} values as a sketch of {}", values.len(), sketch.cells());
                let mend = "set fewer columns, or list it before stages that leave fewer values";
                return Err(Error::setting("codecs: sketch", problem, mend));
            }
            outgoing.values = Values::Host(sketch.of(known.of(&sketch, values.len()), &values));
        }
        Ok(())
    }
}

/// The hashes of so many places, made once for the updates of a batch.
#[derive(Default)]
struct Known(Option<(usize, Hashes)>);

impl Known {
    fn of(&mut self, sketch: &Sketch, places: usize) -> &Hashes {
        let known = self.0.take().filter(|(known, _)| *known == places);
        &self.0.insert(known.unwrap_or_else(|| (places, sketch.hashes(places)))).1
    }
}

/// Tells values from each message by itself.
struct PerMessage(Shape);

impl Stage for PerMessage {
    fn label(&self) -> String {
        format!("sketch({})", self.0.label())
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(self.0.rows * self.0.columns)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        self.0.sketch_all(round, batch)
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let (sketch, mut known) = (self.0.sketch(round), Known::default());
        for incoming in batch {
            let table = incoming.values.take(round.gpu)?;
            if table.len() != sketch.cells() {
                let problem =
                    format!("an update has a sketch of {} values of {}", table.len(), sketch.cells());
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            let mut values = vec![0.0; incoming.due];
            let hashes = known.of(&sketch, incoming.due);
            for (place, value) in sketch.heaviest(hashes, &table, self.0.k) {
                values[place] = value;
            }
            incoming.values = Values::Host(values);
        }
        Ok(())
    }
}
