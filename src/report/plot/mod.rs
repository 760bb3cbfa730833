//! Plots as SVG, drawn through the SVG backend of `plotters`.
//!
//! `plotters` writes fixed colours and whole pixels. So everything is drawn on a canvas ten times as
//! fine, in colours that are placeholders, and [`theme`] puts in CSS variables (for the page, which
//! has a light and a dark mode) or the colours themselves (for files that stand alone).

pub(super) mod axis;
mod bars;
pub(super) mod curves;
mod draw;
mod pen;
mod theme;

pub(super) use bars::{bar_lengths, is_bars};
pub(super) use draw::Shape;

use super::Plot;
use super::format::number;
use crate::Result;
use curves::Curves;
use theme::Theme;

/// The plot as an `<svg>` element for a page that is HTML. It takes its colours from the CSS
/// variables `--ink`, `--muted`, `--grid` and `--series-0` to `--series-7` where the page sets them,
/// and has light-mode defaults for each. The heading is left to the page.
pub fn svg(plot: &Plot) -> Result<String> {
    svg_shaped(plot, Shape::Wide)
}

/// As [`svg`], in a shape of one's choice.
pub(super) fn svg_shaped(plot: &Plot, shape: Shape) -> Result<String> {
    let drawing = drawing(plot, shape, false)?;
    let (width, height) = drawing.size;
    Ok(format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\" {FONT}>\n{body}</svg>\n",
        label = escape(&description(plot)),
        body = theme::apply(&drawing.body, Theme::Page),
    ))
}

/// The plot as a file of its own, with heading, white ground and fixed colours: `plots/ID.svg`.
pub fn svg_file(plot: &Plot) -> Result<String> {
    let drawing = drawing(plot, Shape::Wide, true)?;
    let (width, height) = drawing.size;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\" {FONT}>\n\
         <title>{title}</title>\n\
         <style>svg {{ background: #fff; color: #1b1f24 }} .strong {{ font-weight: 600 }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n",
        w = width / pen::FINE,
        h = height / pen::FINE,
        label = escape(&description(plot)),
        title = escape(&plot.title),
        body = theme::apply(&drawing.body, Theme::File),
    ))
}

/// How wide a figure is in print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureWidth {
    /// One column of a paper that has two: 84 mm.
    Column,
    /// Both of them: 174 mm.
    Page,
}

/// The plot as a figure for print: of a width in millimetres, in fonts that every system has or replaces alike, on no
/// ground, and without its heading, which the caption in the paper is.
pub fn svg_figure(plot: &Plot, width: FigureWidth) -> Result<String> {
    let (shape, millimetres) = match width {
        FigureWidth::Column => (Shape::Narrow, 84.0),
        FigureWidth::Page => (Shape::Wide, 174.0),
    };
    let drawing = drawing(plot, shape, false)?;
    let (width, height) = drawing.size;
    let tall = millimetres * f64::from(height) / f64::from(width);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{millimetres}mm\" height=\"{tall:.2}mm\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\" \
         font-family=\"Helvetica, Arial, sans-serif\" stroke-linejoin=\"round\">\n\
         <title>{title}</title>\n{body}</svg>\n",
        label = escape(&description(plot)),
        title = escape(&plot.title),
        body = theme::apply(&drawing.body, Theme::File),
    ))
}

fn drawing(plot: &Plot, shape: Shape, alone: bool) -> Result<draw::Drawing> {
    if is_bars(plot) { bars::draw(plot, shape, alone) } else { draw::draw(plot, shape, alone) }
}

/// The points that the drawing leaves out, one sentence each: points that are no numbers, points at or below
/// zero on a logarithmic axis, points outside a fixed range.
pub fn remarks(plot: &Plot) -> Vec<String> {
    if is_bars(plot) { bars::remarks(plot) } else { Curves::new(plot).remarks }
}

/// The text inherits its family from here; `plotters` would name one at every label.
const FONT: &str = "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, \
                    sans-serif\" stroke-linejoin=\"round\"";

/// The plot in words, for those who hear it.
fn description(plot: &Plot) -> String {
    let place = |(x, y): &(f64, f64)| format!("{} at {}", number(*y, 4), number(*x, 4));
    let mut text = format!("{}: {} by {}.", plot.title, plot.y_label, plot.x_label);
    if is_bars(plot) {
        return text + &bars::description(plot);
    }
    for series in &plot.series {
        let finite = || series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        text += &match (finite().next(), finite().next_back()) {
            (Some(first), Some(last)) if first != last => {
                format!(" {}: from {} to {}.", series.name, place(first), place(last))
            }
            (Some(only), _) => format!(" {}: {}.", series.name, place(only)),
            (None, _) => format!(" {}: no points.", series.name),
        };
    }
    text
}

/// Makes text safe between tags and inside quoted attributes, in HTML and in XML, where control
/// characters are forbidden altogether.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(letter),
            '\r' => {}
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}
