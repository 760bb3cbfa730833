//! The sketches of a federation, and the updates of a batch as such.

use super::table::{Hashes, Sketch};
use crate::codec::stages::seeded::Draws;
use crate::codec::{Context, Incoming, Options, Outgoing, Round, Values};
use crate::{Error, Result};

/// The paper's rows.
pub fn five() -> usize {
    5
}

/// A table has at most so many rows: more make each estimate surer than its noise.
const MOST_ROWS: usize = 31;
/// What hashes are drawn for.
const PURPOSE: u32 = 0x736b_6574;

/// The size of tables, and how many values are told from them.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    rows: usize,
    columns: usize,
    pub k: usize,
}

impl Shape {
    /// Of options; a quarter of the columns where no `k` is given, so that most of the largest values have a cell for
    /// themselves.
    pub fn new(
        context: &Context<'_>,
        options: &Options,
        [rows, columns]: [usize; 2],
        k: Option<usize>,
    ) -> Result<Self> {
        let most = context.parameters();
        if !(1..=MOST_ROWS).contains(&rows) {
            let mend = format!("set rows to 1 up to {MOST_ROWS}, such as 5");
            return Err(options.refuse(format!("a sketch of {rows} rows"), mend));
        }
        if !(1..=most / rows).contains(&columns) {
            let problem = format!("a sketch of {rows} rows of {columns} values for {most} weights");
            let mend = format!("set columns to 1 or more and up to {}, or fewer rows", most / rows);
            return Err(options.refuse(problem, mend));
        }
        let k = k.unwrap_or(columns.div_ceil(4));
        if !(1..=most).contains(&k) {
            return Err(options
                .refuse(format!("{k} of {most} values"), format!("set k to 1 or more and up to {most}")));
        }
        Ok(Self { rows, columns, k })
    }

    pub fn label(&self) -> String {
        format!("{}x{},{}", self.rows, self.columns, self.k)
    }

    /// Values of a table.
    pub fn cells(&self) -> usize {
        self.rows * self.columns
    }

    /// The sketch of the federation of a round.
    pub fn sketch(&self, round: &Round<'_>) -> Sketch {
        Sketch { draws: Draws::of_run(round, PURPOSE), rows: self.rows, columns: self.columns }
    }

    /// Leaves tables in the place of values on their way out.
    pub fn sketch_all(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let (sketch, mut known) = (self.sketch(round), Known::default());
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            if values.len() < self.cells() {
                let problem = format!("{} values as a sketch of {}", values.len(), self.cells());
                let mend = "set fewer columns, or list it before stages that leave fewer values";
                return Err(Error::setting("codecs: sketch", problem, mend));
            }
            let table = sketch.of(known.of(&sketch, values.len()), &values);
            if let Some(cell) = table.iter().find(|cell| !cell.is_finite()) {
                let problem =
                    format!("collaborator {} has a sketch with a value of {cell} to send", outgoing.who);
                return Err(Error::diverged("codecs: sketch", problem, "use a smaller optimizer.lr"));
            }
            outgoing.values = Values::Host(table);
        }
        Ok(())
    }

    /// Leaves the largest values in the place of tables on their way in.
    pub fn tell_all(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let (sketch, mut known) = (self.sketch(round), Known::default());
        for incoming in batch {
            let table = incoming.values.take(round.gpu)?;
            if table.len() != self.cells() {
                let problem = format!("an update has a sketch of {} values of {}", table.len(), self.cells());
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            let hashes = known.of(&sketch, incoming.due);
            incoming.values = Values::Host(sketch.heaviest(hashes, &table, self.k));
        }
        Ok(())
    }
}

/// The hashes of so many places, made once for the updates of a batch.
#[derive(Default)]
struct Known(Option<Hashes>);

impl Known {
    fn of(&mut self, sketch: &Sketch, places: usize) -> &Hashes {
        let known = self.0.take().filter(|known| known.places() == places);
        self.0.insert(known.unwrap_or_else(|| sketch.hashes(places)))
    }
}
