//! Accuracy over bytes: a point for each codec, and the way there.

use super::results::CodecRow;
use crate::report::{Plot, Series, Style};
use crate::story::words::ACCURACY;

/// The name of the plot that is printed.
pub const PARETO: &str = "pareto";

const BYTES: &str = "Bytes in both directions, setup included";

/// Something that came to an accuracy by messages of so many bytes.
pub struct OverBytes<'a> {
    /// Its name in the legend.
    pub label: &'a str,
    /// All of its bytes.
    pub bytes: u64,
    /// The accuracy, from 0 to 1.
    pub accuracy: f64,
    /// Its standard deviation, where it is a mean.
    pub deviation: Option<f64>,
    /// Whether no other has both fewer bytes and a higher accuracy.
    pub is_on_front: bool,
}

impl<'a> OverBytes<'a> {
    fn of(row: &'a CodecRow) -> Self {
        Self {
            label: &row.label,
            bytes: row.total_bytes,
            accuracy: row.over_all.mean,
            deviation: row.over_all.deviation,
            is_on_front: row.is_on_front,
        }
    }
}

/// What each came to over all of its bytes, with a line through those that are not beaten.
pub fn pareto(all: &[OverBytes<'_>]) -> Plot {
    let mut plot = Plot::new(PARETO, "Accuracy over all bytes", BYTES, ACCURACY);
    plot.x_log = true;
    for one in all {
        let (x, mean) = (one.bytes as f64, 100.0 * one.accuracy);
        let series = match one.deviation {
            None => Series::new(one.label, Style::Points, vec![(x, mean)]),
            Some(deviation) => {
                let away = 100.0 * deviation;
                let points = vec![(x, mean), (x, mean - away), (x, mean + away)];
                Series::new(one.label, Style::Spread, points)
            }
        };
        plot.series.push(series);
    }
    let mut front: Vec<_> = all.iter().filter(|one| one.is_on_front).collect();
    front.sort_by_key(|one| one.bytes);
    let front: Vec<_> = front.iter().map(|one| (one.bytes as f64, 100.0 * one.accuracy)).collect();
    if front.len() > 1 {
        plot.series.push(Series::new("not beaten in both", Style::Dashed, front));
    }
    plot.with_caption(if all.iter().any(|one| one.deviation.is_some()) {
        "Up and to the left is better. Bars are the standard deviation over the seeds."
    } else {
        "Up and to the left is better."
    })
}

/// What each codec came to over all of its bytes, and the curves over the bytes so far.
pub fn plots(rows: &[CodecRow]) -> Vec<Plot> {
    let mut curves = Plot::new("accuracy-over-bytes", "Accuracy over the bytes so far", BYTES, ACCURACY);
    curves.x_log = true;
    for row in rows {
        let points = row.rounds.iter().map(|round| (round.total_bytes as f64, 100.0 * round.over_all.mean));
        curves.series.push(Series::new(&row.label, Style::Solid, points.collect()));
    }
    let curves = curves.with_caption("A point for each round, from the first on.");
    vec![pareto(&rows.iter().map(OverBytes::of).collect::<Vec<_>>()), curves]
}
