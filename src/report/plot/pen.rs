//! Lines, text and markers, placed in pixels and drawn by `plotters` in units a tenth as large.

use super::theme::{self, Role};
use crate::report::Plot;
use crate::{Error, Result};
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle};

/// Units of the drawing per pixel of the page: `plotters` places things on whole units.
pub(super) const FINE: u32 = 10;

/// Draws in pixels and keeps the first failure.
pub(super) struct Pen<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    failed: Option<DrawingAreaErrorKind<std::io::Error>>,
}

impl<'a> Pen<'a> {
    pub fn new(area: DrawingArea<SVGBackend<'a>, Shift>) -> Self {
        Self { area, failed: None }
    }

    /// A line through the points; the thickness is in units.
    pub fn line(&mut self, points: &[(f64, f64)], colour: RGBColor, thickness: u32) {
        let points: Vec<(i32, i32)> = points.iter().map(|&point| place(point)).collect();
        let style = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: thickness };
        let result = self.area.draw(&PathElement::new(points, style));
        self.note(result);
    }

    /// One line of text, anchored at a point.
    pub fn text(&mut self, text: &str, at: (f64, f64), size: f64, role: Role, (h, v): (HPos, VPos)) {
        // The backend divides sizes by 1.24; asking for that much more gives the size that is meant.
        let font = ("sans-serif", size * f64::from(FINE) * 1.24).into_font();
        let colour = theme::role(role);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(h, v));
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let result = self.area.draw(&Text::new(clean, place(at), style));
        self.note(result);
    }

    /// A filled rectangle between two corners.
    pub fn area(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor) {
        let result = self.area.draw(&Rectangle::new([place(from), place(to)], colour.filled()));
        self.note(result);
    }

    /// The marker of the curve at `index`: its shape tells it apart where its colour cannot.
    pub fn marker(&mut self, index: usize, at: (f64, f64), radius: f64) {
        let fill = theme::series(index).filled();
        let corners: &[(f64, f64)] = match index % 7 {
            0 => {
                let result = self.area.draw(&Circle::new(place(at), units(radius), fill));
                return self.note(result);
            }
            1 => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            2 => &[(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
            3 => &[(0.0, -1.35), (1.15, 0.0), (0.0, 1.35), (-1.15, 0.0)],
            4 => &[(0.0, 1.2), (1.15, -0.85), (-1.15, -0.85)],
            5 => &[
                (-0.35, -1.2),
                (0.35, -1.2),
                (0.35, -0.35),
                (1.2, -0.35),
                (1.2, 0.35),
                (0.35, 0.35),
                (0.35, 1.2),
                (-0.35, 1.2),
                (-0.35, 0.35),
                (-1.2, 0.35),
                (-1.2, -0.35),
                (-0.35, -0.35),
            ],
            _ => &[
                (0.0, -1.3),
                (0.35, -0.35),
                (1.3, 0.0),
                (0.35, 0.35),
                (0.0, 1.3),
                (-0.35, 0.35),
                (-1.3, 0.0),
            ],
        };
        let corners: Vec<(i32, i32)> =
            corners.iter().map(|(x, y)| place((at.0 + x * radius, at.1 + y * radius))).collect();
        let result = self.area.draw(&Polygon::new(corners, fill));
        self.note(result);
    }

    fn note(&mut self, result: Result<(), DrawingAreaErrorKind<std::io::Error>>) {
        if let Err(problem) = result {
            self.failed.get_or_insert(problem);
        }
    }

    /// Writes the end, or says what went wrong first.
    pub fn finish(mut self, plot: &Plot) -> Result<()> {
        let result = self.area.present();
        self.note(result);
        match self.failed {
            None => Ok(()),
            Some(problem) => Err(Error::file(
                format!("{}.svg", crate::report::slug(&plot.id)),
                format!("the plot cannot be drawn ({problem})"),
                "draw its numbers from the CSV file",
            )),
        }
    }
}

/// Whole units of the drawing.
pub(super) fn units(pixels: f64) -> i32 {
    // The cast saturates; what lies that far out is not seen anyway.
    (pixels * f64::from(FINE)).round() as i32
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

/// About how wide a text is in a common sans-serif face, rather too wide than too narrow: as in DejaVu Sans, which is
/// wider than others.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let letter = |c: char| match c {
        'i' | 'j' | 'l' | 'f' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '⁻' => 0.36,
        't' | 'r' | '(' | ')' => 0.41,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '+' | '=' => 0.92,
        'A'..='Z' => 0.7,
        c if c >= '\u{2e80}' => 1.0,
        _ => 0.63,
    };
    text.chars().map(letter).sum::<f64>() * size
}

/// The text, or its beginning with an ellipsis where it is wider than the room.
pub(super) fn shortened(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.into();
    }
    let mut kept: String = text.into();
    while kept.pop().is_some() && width(&kept, size) + size > room {}
    format!("{}…", kept.trim_end())
}
