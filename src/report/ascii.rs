//! Plots for the terminal, in characters.

use super::Plot;
use super::plot::axis::Axis;
use super::plot::curves::Curves;
use super::plot::{bar_lengths, is_bars};

/// Characters across and lines down, the axes not counted.
const COLUMNS: usize = 64;
const LINES: usize = 16;

/// The marks of the curves, in their order.
const MARKS: [char; 8] = ['*', 'o', '+', 'x', '#', '@', '%', '='];

/// The plot as lines of plain text: title, curves between two axes, legend.
pub fn text_plot(plot: &Plot) -> String {
    if is_bars(plot) {
        return text_bars(plot);
    }
    let curves = Curves::new(plot);
    let (Some(x_limits), Some(y_limits)) = (curves.x, curves.y) else {
        return format!("{}\n(nothing to draw)\n", plot.title);
    };
    let x = Axis::new(x_limits, plot.x_log, 6, curves.whole, true);
    let y = Axis::new(y_limits, plot.y_log, 5, false, curves.y_fixed && !plot.y_log);
    let column = |at: f64| (at * (COLUMNS - 1) as f64).round() as usize;
    let line = |at: f64| ((1.0 - at) * (LINES - 1) as f64).round() as usize;
    let mut grid = vec![[' '; COLUMNS]; LINES];
    // The first curve is the subject and is drawn over the others.
    for (place, curve) in curves.curves.iter().enumerate().rev() {
        for run in &curve.runs {
            let wanted = |point: &(f64, f64)| x.position(point.0) * (COLUMNS - 1) as f64;
            let heights = (0..COLUMNS).filter_map(|across| {
                let at = y.position(value_at(run, across as f64, wanted)?);
                (0.0..=1.0).contains(&at).then(|| (across, line(at)))
            });
            for (across, down) in heights {
                grid[down][across] = MARKS[place % MARKS.len()];
            }
        }
    }
    let gutter = y.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
    let mut text = format!("{}\n{}\n", plot.title, plot.y_label);
    for (down, row) in grid.iter().enumerate() {
        let tick = y.ticks.iter().find(|(at, _)| (0.0..=1.0).contains(at) && line(*at) == down);
        let label = tick.map_or("", |(_, label)| label);
        let row: String = row.iter().collect();
        text += format!("{label:>gutter$} |{}", row).trim_end();
        text.push('\n');
    }
    text += &format!("{:>gutter$} +{}\n", "", "-".repeat(COLUMNS));
    text += &format!("{:>gutter$}  {}\n", "", tick_line(&x, column));
    text += &format!("{:>gutter$}  {}\n", "", plot.x_label);
    for (place, curve) in curves.curves.iter().enumerate().filter(|(_, curve)| !curve.name.is_empty()) {
        text += &format!("{:>gutter$}  {} {}\n", "", MARKS[place % MARKS.len()], curve.name);
    }
    text
}

/// Bars as lines, each part in its mark.
fn text_bars(plot: &Plot) -> String {
    let lengths = bar_lengths(plot);
    let longest = lengths.iter().map(|parts| parts.iter().sum::<f64>()).fold(0.0, f64::max);
    let gutter = plot.bars.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{}\n{} by {}\n", plot.title, plot.y_label, plot.x_label);
    for (name, parts) in plot.bars.iter().zip(&lengths) {
        let mut row = String::new();
        let mut end = 0.0;
        for (place, length) in parts.iter().enumerate() {
            end += length;
            let columns = if longest > 0.0 { (end / longest * COLUMNS as f64).round() as usize } else { 0 };
            row.extend((row.len()..columns).map(|_| MARKS[place % MARKS.len()]));
        }
        text += &format!("{name:>gutter$} |{row}\n");
    }
    for (place, series) in plot.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty()) {
        text += &format!("{:>gutter$}  {} {}\n", "", MARKS[place % MARKS.len()], series.name);
    }
    text
}

/// The curve's height at a column, between its points; None beyond its ends.
fn value_at(run: &[(f64, f64)], across: f64, column: impl Fn(&(f64, f64)) -> f64) -> Option<f64> {
    if let Some(point) = run.iter().find(|point| (column(point) - across).abs() <= 0.5) {
        return Some(point.1);
    }
    run.windows(2).find_map(|pair| {
        let (from, to) = (column(&pair[0]), column(&pair[1]));
        let within = from <= across && across <= to && from < to;
        within.then(|| pair[0].1 + (pair[1].1 - pair[0].1) * (across - from) / (to - from))
    })
}

/// The labels of the x axis under their places, as many as fit.
fn tick_line(x: &Axis, column: impl Fn(f64) -> usize) -> String {
    let mut text = String::new();
    for (at, label) in x.ticks.iter().filter(|(at, _)| (0.0..=1.0).contains(at)) {
        let start = column(*at).saturating_sub(label.chars().count() / 2);
        let length = text.chars().count();
        if length == 0 || start > length {
            text += &" ".repeat(start.saturating_sub(length));
            text += label;
        }
    }
    text
}
