//! The sketches of a federation, and the updates of a batch as such.

use super::cohort;
use super::table::{Hashes, Sketch};
use crate::codec::stages::seeded::Draws;
use crate::codec::{Context, Incoming, Options, Outgoing, Round, Values};
use crate::ops::sketch::Hashing;
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
        let key = Draws::of_run(round, PURPOSE).key();
        Sketch(Hashing { key, rows: self.rows, columns: self.columns })
    }

    /// Leaves tables in the place of values on their way out.
    pub fn sketch_all(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        if let Some(short) =
            batch.iter().map(|outgoing| outgoing.values.len()).find(|len| *len < self.cells())
        {
            let problem = format!("{short} values as a sketch of {}", self.cells());
            let mend = "set fewer columns, or list it before stages that leave fewer values";
            return Err(Error::setting("codecs: sketch", problem, mend));
        }
        let sketch = self.sketch(round);
        if let Some(tables) = cohort::tables(round.gpu, sketch.0, batch)? {
            batch.iter_mut().zip(tables).for_each(|(outgoing, table)| outgoing.values = Values::Host(table));
        } else {
            let mut known = Known::default();
            for outgoing in batch.iter_mut() {
                let values = outgoing.values.take(round.gpu)?;
                outgoing.values = Values::Host(sketch.of(known.of(&sketch, values.len()), &values));
            }
        }
        batch.iter().try_for_each(|outgoing| {
            let Values::Host(table) = &outgoing.values else { return Ok(()) };
            table.iter().find(|cell| !cell.is_finite()).map_or(Ok(()), |cell| {
                let problem =
                    format!("collaborator {} has a sketch with a value of {cell} to send", outgoing.who);
                Err(Error::diverged("codecs: sketch", problem, "use a smaller optimizer.lr"))
            })
        })
    }

    /// Leaves the largest values in the place of tables on their way in.
    pub fn tell_all(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let mut tables = Vec::with_capacity(batch.len());
        for incoming in batch.iter_mut() {
            let table = incoming.values.take(round.gpu)?;
            if table.len() != self.cells() {
                let problem = format!("an update has a sketch of {} values of {}", table.len(), self.cells());
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            tables.push(table);
        }
        let (sketch, mut known) = (self.sketch(round), Known::default());
        let width = cohort::one_width(batch).filter(|width| *width >= self.k);
        let told = width.map(|width| cohort::told(round.gpu, sketch.0, &tables, width, self.k));
        let values = match told.transpose()?.flatten() {
            Some(values) => values,
            None => {
                let each = batch.iter().zip(&tables);
                each.map(|(incoming, table)| sketch.heaviest(known.of(&sketch, incoming.due), table, self.k))
                    .collect()
            }
        };
        batch.iter_mut().zip(values).for_each(|(incoming, values)| incoming.values = Values::Host(values));
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
