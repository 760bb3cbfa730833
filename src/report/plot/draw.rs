//! The layout of a plot.

use super::axis::Axis;
use super::curves::{Curve, Curves, clip, thin};
use super::pen::{Pen, shortened, units, width};
use super::theme::{self, Role};
use crate::Result;
use crate::report::{Plot, Style};
use plotters::backend::SVGBackend;
use plotters::drawing::IntoDrawingArea;
use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};
use std::collections::HashSet;

/// Up to so many points, each gets its marker; beyond, markers only tell lines apart.
const MARK_ALL: usize = 24;
/// So many markers on a long line.
const MARK_SOME: usize = 7;

/// The two shapes of a plot. Text keeps its size, so a narrow screen gets a narrow drawing instead
/// of a shrunken wide one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Shape {
    /// For a page or a screen at arm's length.
    Wide,
    /// For a phone.
    Narrow,
}

/// A drawing, without the enclosing element.
pub(super) struct Drawing {
    /// Width and height in units.
    pub size: (u32, u32),
    /// SVG elements with placeholder colours.
    pub body: String,
}

/// The size of text in pixels, and that of the numbers on the axes.
pub(super) const TEXT: f64 = 14.0;
pub(super) const SMALL: f64 = 13.0;

/// Sizes in pixels.
struct Layout {
    width: f64,
    /// The height of the area between the axes.
    area: f64,
    margin: f64,
    x_ticks: usize,
    y_ticks: usize,
}

impl Layout {
    fn new(shape: Shape, alone: bool) -> Self {
        let margin = if alone { 20.0 } else { 2.0 };
        let (width, area, x_ticks, y_ticks) = match shape {
            Shape::Wide => (760.0, 300.0, 9, 6),
            Shape::Narrow => (360.0, 230.0, 5, 5),
        };
        Self { width, area, margin, x_ticks, y_ticks }
    }
}

/// Draws the plot, with its heading where it stands `alone`.
pub(super) fn draw(plot: &Plot, shape: Shape, alone: bool) -> Result<Drawing> {
    let layout = Layout::new(shape, alone);
    let curves = Curves::new(plot);
    let mut y = Axis::new(curves.y.unwrap_or((0.0, 1.0)), plot.y_log, layout.y_ticks, false, curves.y_fixed);
    let widest = |axis: &Axis| axis.ticks.iter().map(|t| width(&t.1, SMALL)).fold(0.0, f64::max);
    let left = layout.margin + widest(&y) + 12.0;
    let x = x_axis(&curves, plot.x_log, layout.x_ticks, |axis| {
        let pitch = widest(axis) + 16.0;
        axis.ticks.len() as f64 * pitch <= layout.width - layout.margin - left
    });
    if curves.x.is_none() {
        // Without data the axes have no numbers.
        y.ticks.clear();
    }

    let legend = legend(&curves, &layout);
    let legend_rows = legend.last().map_or(0.0, |entry| entry.row + 1.0);
    let heading = if alone && !plot.title.is_empty() { 34.0 } else { 0.0 };
    let legend_top = layout.margin + heading;
    let label_top = legend_top + legend_rows * 22.0 + if legend_rows > 0.0 { 12.0 } else { 0.0 };
    let top = label_top + 26.0;
    let bottom = top + layout.area;
    let height = bottom + 50.0 + layout.margin;
    let right = layout.width - layout.margin - (widest(&x) / 2.0).max(6.0);
    let frame = Frame { left, right, top, bottom };

    let size = (units(layout.width) as u32, units(height) as u32);
    let mut body = String::new();
    {
        let area = SVGBackend::with_string(&mut body, size).into_drawing_area();
        let mut pen = Pen::new(area);
        if heading > 0.0 {
            let title = shortened(&plot.title, 18.0, layout.width - 2.0 * layout.margin);
            pen.text(&title, (layout.margin, layout.margin), 18.0, Role::Heading, (HPos::Left, VPos::Top));
        }
        for entry in &legend {
            let middle = legend_top + entry.row * 22.0 + 11.0;
            swatch(&mut pen, &curves, entry.index, (entry.left, middle));
            let from = (entry.left + sample(curves.curves[entry.index].style) + 7.0, middle);
            pen.text(&entry.name, from, TEXT, Role::Ink, (HPos::Left, VPos::Center));
        }
        axes(&mut pen, plot, &x, &y, &frame, &layout, label_top);
        if curves.x.is_none() {
            let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
            pen.text("Nothing to draw", middle, TEXT, Role::Muted, (HPos::Center, VPos::Center));
        }
        // Dashes over lines and markers over dashes, so that equal curves do not hide each other.
        for style in [Style::Solid, Style::Dashed, Style::Spread, Style::Points] {
            for index in (0..curves.curves.len()).filter(|&index| curves.curves[index].style == style) {
                let place = |point: &(f64, f64)| {
                    let (x, y) = (x.position(point.0), y.position(point.1));
                    (left + x * (right - left), bottom - y * (bottom - top))
                };
                curve(&mut pen, &curves, index, &frame, place);
            }
        }
        pen.finish(plot)?;
    }
    Ok(Drawing::of(size, &body))
}

impl Drawing {
    /// Of a whole SVG file. Its first line opens the element and the last one closes it; the caller has its own.
    pub fn of(size: (u32, u32), file: &str) -> Self {
        let body = file.split_once('\n').map_or("", |(_, rest)| rest);
        Self { size, body: body.trim_end().trim_end_matches("</svg>").to_string() }
    }
}

/// The x axis with as many ticks as have room for their labels.
fn x_axis(curves: &Curves, logarithmic: bool, most: usize, fits: impl Fn(&Axis) -> bool) -> Axis {
    let limits = curves.x.unwrap_or((0.0, 1.0));
    let with = |most| Axis::new(limits, logarithmic, most, curves.whole, true);
    let mut axis = with(most);
    for fewer in (1..most).rev() {
        if fits(&axis) {
            break;
        }
        axis = with(fewer);
    }
    if curves.x.is_none() {
        axis.ticks.clear();
    }
    axis
}

/// The area between the axes, in pixels.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// Grid, axes, tick marks and the names of the axes.
fn axes(pen: &mut Pen, plot: &Plot, x: &Axis, y: &Axis, frame: &Frame, layout: &Layout, label_top: f64) {
    let Frame { left, right, top, bottom } = *frame;
    for (at, label) in &y.ticks {
        let height = bottom - at * (bottom - top);
        pen.line(&[(left, height), (right, height)], theme::role(Role::Grid), 10);
        pen.line(&[(left - 4.0, height), (left, height)], theme::role(Role::Muted), 10);
        pen.text(label, (left - 8.0, height), SMALL, Role::Muted, (HPos::Right, VPos::Center));
    }
    for (at, label) in &x.ticks {
        let across = left + at * (right - left);
        pen.line(&[(across, top), (across, bottom)], theme::role(Role::Grid), 10);
        pen.line(&[(across, bottom), (across, bottom + 4.0)], theme::role(Role::Muted), 10);
        pen.text(label, (across, bottom + 8.0), SMALL, Role::Muted, (HPos::Center, VPos::Top));
    }
    pen.line(&[(left, top), (left, bottom), (right, bottom)], theme::role(Role::Muted), 10);
    let room = layout.width - 2.0 * layout.margin;
    let name = shortened(&plot.y_label, TEXT, room);
    pen.text(&name, (layout.margin, label_top), TEXT, Role::Ink, (HPos::Left, VPos::Top));
    let name = shortened(&plot.x_label, TEXT, room);
    // Centred under the axis where it fits, moved inwards where it would be cut.
    let half = width(&name, TEXT) / 2.0;
    let middle = ((left + right) / 2.0).min(layout.width - layout.margin - half).max(layout.margin + half);
    pen.text(&name, (middle, bottom + 30.0), TEXT, Role::Ink, (HPos::Center, VPos::Top));
}

/// One curve: its lines, then its markers.
fn curve(
    pen: &mut Pen,
    curves: &Curves,
    index: usize,
    frame: &Frame,
    place: impl Fn(&(f64, f64)) -> (f64, f64),
) {
    let Curve { style, runs, .. } = &curves.curves[index];
    let within = |at: &(f64, f64)| (frame.top - 0.05..=frame.bottom + 0.05).contains(&at.1);
    let total: usize = runs.iter().map(Vec::len).sum();
    let mut marks: Vec<(f64, f64)> = Vec::new();
    let mut earlier = 0;
    for run in runs {
        let placed: Vec<(f64, f64)> = run.iter().map(&place).collect();
        if *style != Style::Points {
            for part in clip(&placed, frame.top, frame.bottom) {
                if part.len() > 1 {
                    let colour = line_colour(curves, index);
                    pen.line(&thin(&part, 2 * (frame.right - frame.left) as usize), colour, 20);
                }
            }
        }
        if *style == Style::Spread {
            marks.extend(placed.first());
        } else if *style == Style::Points || total <= MARK_ALL || placed.len() == 1 {
            marks.extend(&placed);
        } else {
            // Each curve has its markers elsewhere, so that they can be seen where curves coincide.
            let share = (index as f64 + 0.5) / curves.curves.len() as f64;
            let chosen =
                (0..MARK_SOME).map(|n| ((n as f64 + share) / MARK_SOME as f64 * total as f64) as usize);
            let here = chosen.filter_map(|n| n.checked_sub(earlier).and_then(|n| placed.get(n)));
            marks.extend(here);
        }
        earlier += run.len();
    }
    let radius = if *style == Style::Points && total > 200 { 2.5 } else { 4.0 };
    let mut seen = HashSet::new();
    for mark in marks.into_iter().filter(within) {
        // Of a cloud of points only those are drawn that can be seen beside each other.
        if seen.insert((units(mark.0) / 5, units(mark.1) / 5)) {
            pen.marker(index, mark, radius);
        }
    }
}

fn line_colour(curves: &Curves, index: usize) -> RGBColor {
    if curves.curves[index].style == Style::Dashed {
        let nth = curves.curves[..index].iter().filter(|curve| curve.style == Style::Dashed).count();
        theme::dashed(index, nth)
    } else {
        theme::series(index)
    }
}

/// The width of the sample in front of a name in the legend.
fn sample(style: Style) -> f64 {
    if matches!(style, Style::Points | Style::Spread) { 12.0 } else { 34.0 }
}

/// A name in the legend and where its sample starts.
struct Entry {
    index: usize,
    row: f64,
    left: f64,
    name: String,
}

/// The legend stands above the plot in as many rows as it takes, so it never covers data.
fn legend(curves: &Curves, layout: &Layout) -> Vec<Entry> {
    let room = layout.width - 2.0 * layout.margin;
    let (mut row, mut left) = (0.0, 0.0);
    let named = curves.curves.iter().enumerate().filter(|(_, curve)| !curve.name.trim().is_empty());
    named
        .map(|(index, curve)| {
            let sample = sample(curve.style) + 7.0;
            let name = shortened(curve.name, TEXT, room - sample);
            let wide = sample + width(&name, TEXT);
            if left > 0.0 && left + wide > room {
                (row, left) = (row + 1.0, 0.0);
            }
            let entry = Entry { index, row, left: layout.margin + left, name };
            left += wide + 22.0;
            entry
        })
        .collect()
}

fn swatch(pen: &mut Pen, curves: &Curves, index: usize, (left, middle): (f64, f64)) {
    let style = curves.curves[index].style;
    if !matches!(style, Style::Points | Style::Spread) {
        pen.line(&[(left, middle), (left + sample(style), middle)], line_colour(curves, index), 20);
    }
    pen.marker(index, (left + sample(style) / 2.0, middle), 4.0);
}
