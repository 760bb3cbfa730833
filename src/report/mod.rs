//! What a run leaves for people and machines: JSON lines, CSV, HTML with plots.
//!
//! A [`Report`] is plain data, gathered by the code that ran something. This module turns it into one
//! HTML page ([`html()`]), into SVG files ([`svg_file`]), and into text for a terminal
//! ([`text_table`]). Nothing here measures anything, and nothing here knows what was measured.

mod ascii;
mod csv;
mod elements;
mod folder;
pub mod format;
mod html;
mod html_pictures;
mod html_table;
mod jsonl;
mod markdown;
mod overlay;
mod page;
mod pictures;
mod plot;
mod sort;
mod table;
pub mod tensorboard;
pub mod values;

pub use ascii::text_plot;
pub use csv::csv;
pub use folder::{PAGE, data, load, save, save_figures};
pub use html::html;
pub use jsonl::JsonLines;
pub use markdown::markdown;
pub use overlay::overlay;
pub use pictures::{Picture, PictureRow, Pictures};
pub use plot::{FigureWidth, remarks, svg, svg_figure, svg_file};
pub use table::text_table;

use crate::digest::hexadecimal;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Everything that one page says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// The headline.
    pub title: String,
    /// The answer in plain words, one paragraph each: what a reader sees first.
    pub answer: Vec<String>,
    /// Caveats and remarks that belong beside the answer.
    pub notes: Vec<String>,
    /// The few numbers worth remembering.
    pub figures: Vec<KeyFigure>,
    /// Curves.
    pub plots: Vec<Plot>,
    /// Pictures, between the plots and the tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Pictures>,
    /// Tables.
    pub tables: Vec<Table>,
    /// The settings of the run, as TOML text.
    pub configuration: String,
    /// Name and value of everything else worth knowing: seed, device, driver, version, wall time.
    pub facts: Vec<(String, String)>,
    /// The exact command that repeats the run.
    pub reproduce: String,
}

/// One number worth remembering, already formatted (see [`format`](mod@format)).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyFigure {
    /// What it is: "Accuracy after the last round".
    pub label: String,
    /// The number: "93.4 %".
    pub value: String,
    /// Its unit, where the value does not carry one: "rounds". May be empty.
    pub unit: String,
    /// How to read it: "uncompressed: 94.9 %". May be empty.
    pub explanation: String,
}

impl KeyFigure {
    /// A figure whose value carries its own unit.
    pub fn new(label: impl Into<String>, value: impl Into<String>, explanation: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
            unit: String::new(),
            explanation: explanation.into(),
        }
    }

    /// The same figure with a unit set beside the value.
    pub fn with_unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }
}

/// Curves over a common pair of axes, or bars.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plot {
    /// Short name, unique in the report; its slug (see [`slugs`]) names the files and the HTML element.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What runs along x, with its unit: "Round".
    pub x_label: String,
    /// What runs along y, with its unit: "Accuracy (%)".
    pub y_label: String,
    /// Fixed limits of y; without them the data decide. Points outside are cut off, and said so.
    pub y_range: Option<(f64, f64)>,
    /// Logarithmic x, as for y.
    pub x_log: bool,
    /// Logarithmic y; points at or below zero cannot be drawn then, and said so.
    pub y_log: bool,
    /// The curves, in the order of the legend.
    pub series: Vec<Series>,
    /// The names of bars, where it is a plot of bars: they lie, and each curve is one part of every bar. The x of a
    /// point is the place of its bar in this list, and y its length; other points are not drawn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bars: Vec<String>,
    /// The caption.
    pub caption: String,
}

impl Plot {
    /// A plot without curves, with free limits and linear axes.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        x_label: impl Into<String>,
        y_label: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            ..Self::default()
        }
    }

    /// The same plot with one more curve.
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// The same plot with bars of these names in place of an x axis.
    pub fn with_bars(mut self, names: Vec<String>) -> Self {
        self.bars = names;
        self
    }

    /// The same plot with a caption.
    pub fn with_caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }
}

/// One curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, joined in this order. A point with a NaN or an infinity breaks the line.
    #[serde(deserialize_with = "points_with_gaps")]
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub style: Style,
}

impl Series {
    /// A curve.
    pub fn new(name: impl Into<String>, style: Style, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, style }
    }
}

/// How a curve is drawn. Colour and marker follow from its place in the plot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// A solid line: the subject.
    #[default]
    Solid,
    /// A dashed line: a reference or a baseline.
    Dashed,
    /// Markers without a line.
    Points,
    /// A marker at the first point, and a line through all: a value, and from where to where it goes.
    Spread,
}

/// A column of [`Table::of`]: its name, and what its cell says of an item.
pub type Column<'c, T> = (&'c str, &'c dyn Fn(&T) -> String);

/// Rows of text under named columns. Cells are already formatted (see [`format`](mod@format)).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Table {
    /// Short name, unique in the report; its slug (see [`slugs`]) names the HTML element.
    pub id: String,
    /// The heading.
    pub title: String,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows; a short one is filled up with empty cells.
    pub rows: Vec<Vec<String>>,
    /// The caption.
    pub caption: String,
}

impl Table {
    /// A table without rows.
    pub fn new(id: impl Into<String>, title: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            columns: columns.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }

    /// A table with a row for each of some items.
    pub fn of<'t, T: 't>(
        id: impl Into<String>,
        title: impl Into<String>,
        items: impl IntoIterator<Item = &'t T>,
        columns: &[Column<'_, T>],
    ) -> Self {
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        let mut table = Self::new(id, title, &names);
        for item in items {
            table.push(columns.iter().map(|(_, cell)| cell(item)));
        }
        table
    }

    /// Adds one row.
    pub fn push(&mut self, row: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }
}

/// Longer slugs are cut: a file name has at most 255 bytes on most systems, endings included.
const LONGEST_SLUG: usize = 80;

/// A name that is safe in a file name, an HTML id and a URL: lower-case letters, digits and single
/// hyphens, never empty. Letters beyond a to z become their code points, so that names in other scripts stay
/// apart: "精度" is `u7cbe-u5ea6`. Of a long name the beginning stays, with a hash of the whole.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
            continue;
        }
        if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if letter.is_alphanumeric() {
            slug += &format!("u{:x}-", u32::from(letter));
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.len() > LONGEST_SLUG {
        let hash = hexadecimal(&Sha256::digest(name)[..4]);
        return format!("{}-{hash}", slug[..LONGEST_SLUG - 9].trim_end_matches('-'));
    }
    if slug.is_empty() { "item".into() } else { slug.into() }
}

/// The slugs of names that stand side by side: of those that would be the same, all but the first get a number.
pub fn slugs<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let unique = |name: &str| {
        let base = slug(name);
        let mut numbered = (2..).map(|number| format!("{base}-{number}"));
        let free = |slug: &String| taken.insert(slug.clone());
        std::iter::once(base.clone()).chain(&mut numbered).find(free).unwrap_or(base.clone())
    };
    names.into_iter().map(unique).collect()
}

/// JSON has no NaN and writes null in its place, so null reads back as NaN.
fn points_with_gaps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
    let points = Vec::<(Option<f64>, Option<f64>)>::deserialize(deserializer)?;
    Ok(points.into_iter().map(|(x, y)| (x.unwrap_or(f64::NAN), y.unwrap_or(f64::NAN))).collect())
}
