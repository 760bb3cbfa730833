//! Accuracy over bytes: a point for each codec, and the way there.

use super::results::CodecRow;
use crate::report::{Plot, Series, Style};

/// The name of the plot that is printed.
pub const PARETO: &str = "pareto";

/// What each codec came to over all of its bytes, and the curves over the bytes so far.
pub fn plots(rows: &[CodecRow]) -> Vec<Plot> {
    let (bytes, accuracy) = ("Bytes in both directions, setup included", "Test accuracy (%)");
    let mut pareto = Plot::new(PARETO, "Accuracy over all bytes", bytes, accuracy);
    let mut curves = Plot::new("accuracy-over-bytes", "Accuracy over the bytes so far", bytes, accuracy);
    for row in rows {
        let (x, mean) = (row.total_bytes as f64, 100.0 * row.over_all.mean);
        let series = match row.over_all.deviation {
            None => Series::new(&row.label, Style::Points, vec![(x, mean)]),
            Some(deviation) => {
                let away = 100.0 * deviation;
                let points = vec![(x, mean), (x, mean - away), (x, mean + away)];
                Series::new(&row.label, Style::Spread, points)
            }
        };
        pareto.series.push(series);
        let points = row.rounds.iter().map(|round| (round.total_bytes as f64, 100.0 * round.over_all.mean));
        curves.series.push(Series::new(&row.label, Style::Solid, points.collect()));
    }
    let mut front: Vec<_> = rows.iter().filter(|row| row.is_on_front).collect();
    front.sort_by_key(|row| row.total_bytes);
    let front: Vec<_> = front.iter().map(|row| (row.total_bytes as f64, 100.0 * row.over_all.mean)).collect();
    if front.len() > 1 {
        pareto.series.push(Series::new("not beaten in both", Style::Dashed, front));
    }
    let caption = if rows.iter().any(|row| row.over_all.deviation.is_some()) {
        "Up and to the left is better. Bars are the standard deviation over the seeds."
    } else {
        "Up and to the left is better."
    };
    [pareto.with_caption(caption), curves.with_caption("A point for each round, from the first on.")]
        .map(|plot| Plot { x_log: true, ..plot })
        .to_vec()
}
