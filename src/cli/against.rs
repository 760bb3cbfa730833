//! `fedfunnel bench --against`: the times of an earlier run beside those of now.

use fedfunnel::Error;
use fedfunnel::bench::against::{self, Ratio, Recorded};
use fedfunnel::bench::{Measurement, Work};
use fedfunnel::report::{Table, format};
use std::path::{Path, PathBuf};

/// An earlier run, and how much longer than in it a work may take.
pub struct Against {
    path: PathBuf,
    recorded: Vec<Recorded>,
    bound: Option<f64>,
}

impl Against {
    /// Refuses what can be known before anything is timed: a file without times, without any of these works, and a bound
    /// that nothing can keep.
    pub fn read(path: &Path, bound: Option<f64>, works: &[Work]) -> fedfunnel::Result<Self> {
        let recorded = against::read(path)?;
        if !works.iter().any(|work| recorded.iter().any(|before| before.name == work.name)) {
            let problem = "it has the time of none of these works";
            return Err(Error::file(path, problem, "time the same works with --json first"));
        }
        match bound {
            Some(bound) if !(bound > 0.0 && bound.is_finite()) => {
                let problem = format!("{bound} is no ratio of times");
                Err(Error::setting("--bound", problem, "name one above 0, such as 1.2"))
            }
            bound => Ok(Self { path: path.into(), recorded, bound }),
        }
    }

    /// A row for each work.
    pub fn table(&self, measured: &[Measurement]) -> Table {
        let columns = ["work", "before", "now", "ratio", "at least", "at most", "before on"];
        let mut table = Table::new("against", format!("Against {}", self.path.display()), &columns);
        let milliseconds = |seconds: f64| format!("{} ms", format::number(seconds * 1e3, 4));
        for (now, before) in against::pairs(measured, &self.recorded) {
            let ratio = Ratio::of(now.seconds, before.seconds);
            // Times of another adapter are another question, and easily taken for an answer.
            let elsewhere = if before.device == now.device { "the same" } else { &before.device };
            table.push([
                now.name.to_string(),
                milliseconds(before.seconds.median),
                milliseconds(now.seconds.median),
                format::decimal(ratio.median, 2),
                format::decimal(ratio.min, 2),
                format::decimal(ratio.max, 2),
                elsewhere.into(),
            ]);
        }
        let alone: Vec<_> = measured
            .iter()
            .filter(|now| !self.recorded.iter().any(|before| before.name == now.name))
            .map(|now| now.name)
            .collect();
        table.caption = "The ratio is of the medians; at least and at most are of the fastest to the slowest, and the other \
                         way round."
            .into();
        if !alone.is_empty() {
            table.caption += &format!(" Not in the file: {}.", alone.join(", "));
        }
        table
    }

    /// Fails where a work takes longer than it may.
    pub fn check(&self, measured: &[Measurement]) -> anyhow::Result<()> {
        let Some(bound) = self.bound else { return Ok(()) };
        let past: Vec<_> = against::pairs(measured, &self.recorded)
            .map(|(now, before)| (now.name, Ratio::of(now.seconds, before.seconds).median))
            .filter(|(_, ratio)| *ratio > bound)
            .map(|(name, ratio)| format!("{name} takes {} times as long", format::decimal(ratio, 2)))
            .collect();
        anyhow::ensure!(past.is_empty(), "past the bound of {bound}: {}", past.join(", "));
        Ok(())
    }
}
