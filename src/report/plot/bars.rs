//! Bars that lie one below the other, each of several parts in a row.

use super::axis::Axis;
use super::draw::{Drawing, SMALL, Shape, TEXT};
use super::pen::{Pen, shortened, units, width};
use super::theme::{self, Role};
use crate::Result;
use crate::report::Plot;
use crate::report::format::number;
use crate::text::counted;
use plotters::backend::SVGBackend;
use plotters::drawing::IntoDrawingArea;
use plotters::style::text_anchor::{HPos, VPos};

/// The side of a square in the legend, and the height of a row there.
const SWATCH: f64 = 12.0;
const ROW: f64 = 22.0;

/// Whether a plot is one of bars.
pub(in crate::report) fn is_bars(plot: &Plot) -> bool {
    !plot.bars.is_empty()
}

/// For each bar, the lengths of its parts in the order of the curves; 0 where a curve has no point there that can be
/// drawn.
pub(in crate::report) fn bar_lengths(plot: &Plot) -> Vec<Vec<f64>> {
    let mut lengths = vec![vec![0.0; plot.series.len()]; plot.bars.len()];
    for (part, series) in plot.series.iter().enumerate() {
        for point in series.points.iter().filter(|point| is_drawn(point, plot.bars.len())) {
            lengths[point.0 as usize][part] = point.1;
        }
    }
    lengths
}

/// Whether a point has a bar and a length.
fn is_drawn((x, y): &(f64, f64), bars: usize) -> bool {
    (0.0..bars as f64).contains(x) && x.fract() == 0.0 && (0.0..1e300).contains(y)
}

/// The points that are left out, a sentence for each curve.
pub(super) fn remarks(plot: &Plot) -> Vec<String> {
    let left_out = plot.series.iter().filter_map(|series| {
        let count = series.points.iter().filter(|point| !is_drawn(point, plot.bars.len())).count();
        let points = counted(count, "point");
        (count > 0)
            .then(|| format!("Not drawn, because not a length of a bar: {points} of “{}”.", series.name))
    });
    left_out.collect()
}

/// The bars in words, for those who hear it: their number, and the shortest and the longest.
pub(super) fn description(plot: &Plot) -> String {
    let mut sums: Vec<(f64, &str)> = bar_lengths(plot)
        .iter()
        .map(|parts| parts.iter().sum())
        .zip(plot.bars.iter().map(String::as_str))
        .collect();
    sums.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(least), Some(most)) = (sums.first(), sums.last()) else { return String::new() };
    let of = |(length, name): &(f64, &str)| format!("{} of {name}", number(*length, 4));
    format!(" {}, from {} to {}.", counted(sums.len(), "bar"), of(least), of(most))
}

/// The distance between two bars, in pixels: text of the names has to fit.
fn pitch(bars: usize) -> f64 {
    match bars {
        ..=12 => 26.0,
        13..=24 => 20.0,
        _ => 16.0,
    }
}

/// A name in the legend: the place of its curve, its row, and where its square starts.
struct Entry {
    part: usize,
    row: f64,
    left: f64,
    name: String,
}

/// The legend stands above the bars in as many rows as it takes.
fn legend(plot: &Plot, margin: f64, room: f64) -> Vec<Entry> {
    let (mut row, mut left) = (0.0, 0.0);
    let named = plot.series.iter().enumerate().filter(|(_, series)| !series.name.trim().is_empty());
    let entries = named.map(|(part, series)| {
        let name = shortened(&series.name, TEXT, room - SWATCH - 6.0);
        let wide = SWATCH + 6.0 + width(&name, TEXT);
        if left > 0.0 && left + wide > room {
            (row, left) = (row + 1.0, 0.0);
        }
        let entry = Entry { part, row, left: margin + left, name };
        left += wide + 18.0;
        entry
    });
    entries.collect()
}

/// Draws the plot, with its heading where it stands `alone`.
pub(super) fn draw(plot: &Plot, shape: Shape, alone: bool) -> Result<Drawing> {
    let margin = if alone { 20.0 } else { 2.0 };
    let (whole, ticks) = match shape {
        Shape::Wide => (760.0, 9),
        Shape::Narrow => (360.0, 4),
    };
    let room = whole - 2.0 * margin;
    let lengths = bar_lengths(plot);
    let longest = lengths.iter().map(|parts| parts.iter().sum::<f64>()).fold(0.0, f64::max);
    let is_whole = lengths.iter().flatten().all(|length| length.fract() == 0.0);
    let limits = (0.0, if longest > 0.0 { longest } else { 1.0 });
    let axis = Axis::new(limits, false, ticks, is_whole, false);
    let names: Vec<String> = plot.bars.iter().map(|name| shortened(name, SMALL, 0.35 * room)).collect();
    let left = margin + names.iter().map(|name| width(name, SMALL)).fold(0.0, f64::max) + 12.0;
    let last_tick = axis.ticks.last().map_or(0.0, |(_, label)| width(label, SMALL));
    let right = whole - margin - (last_tick / 2.0).max(6.0);
    let legend = legend(plot, margin, room);
    let legend_top = margin + if alone && !plot.title.is_empty() { 34.0 } else { 0.0 };
    let label_top = legend_top + legend.last().map_or(0.0, |entry| (entry.row + 1.0) * ROW + 12.0);
    let (top, pitch) = (label_top + 26.0, pitch(names.len()));
    let bottom = top + pitch * names.len() as f64;
    let size = (units(whole) as u32, units(bottom + 50.0 + margin) as u32);
    let mut file = String::new();
    {
        let mut pen = Pen::new(SVGBackend::with_string(&mut file, size).into_drawing_area());
        if alone && !plot.title.is_empty() {
            let title = shortened(&plot.title, 18.0, room);
            pen.text(&title, (margin, margin), 18.0, Role::Heading, (HPos::Left, VPos::Top));
        }
        for Entry { part, row, left, name } in &legend {
            let middle = legend_top + row * ROW + ROW / 2.0;
            let corner = (*left, middle - SWATCH / 2.0);
            pen.area(corner, (left + SWATCH, middle + SWATCH / 2.0), theme::fill(*part));
            pen.text(name, (left + SWATCH + 6.0, middle), TEXT, Role::Ink, (HPos::Left, VPos::Center));
        }
        let name = shortened(&plot.x_label, TEXT, room);
        pen.text(&name, (margin, label_top), TEXT, Role::Ink, (HPos::Left, VPos::Top));
        let across = |length: f64| left + axis.position(length) * (right - left);
        for (at, label) in &axis.ticks {
            let x = left + at * (right - left);
            pen.line(&[(x, top), (x, bottom)], theme::role(Role::Grid), 10);
            pen.line(&[(x, bottom), (x, bottom + 4.0)], theme::role(Role::Muted), 10);
            pen.text(label, (x, bottom + 8.0), SMALL, Role::Muted, (HPos::Center, VPos::Top));
        }
        for (place, (name, parts)) in names.iter().zip(&lengths).enumerate() {
            let middle = top + pitch * (place as f64 + 0.5);
            pen.text(name, (left - 8.0, middle), SMALL, Role::Muted, (HPos::Right, VPos::Center));
            let half = 0.36 * pitch;
            let mut start = 0.0;
            for (part, length) in parts.iter().enumerate().filter(|(_, length)| **length > 0.0) {
                let (from, to) = (across(start), across(start + length));
                pen.area((from, middle - half), (to, middle + half), theme::fill(part));
                start += length;
            }
        }
        pen.line(&[(left, top), (left, bottom), (right, bottom)], theme::role(Role::Muted), 10);
        let name = shortened(&plot.y_label, TEXT, room);
        // Below the middle of the bars, as far as there is room.
        let half = width(&name, TEXT) / 2.0;
        let middle = ((left + right) / 2.0).min(whole - margin - half).max(margin + half);
        pen.text(&name, (middle, bottom + 30.0), TEXT, Role::Ink, (HPos::Center, VPos::Top));
        pen.finish(plot)?;
    }
    Ok(Drawing::of(size, &file))
}
