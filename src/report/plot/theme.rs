//! The colours of plots, and how they get into what `plotters` writes.

use plotters::style::RGBColor;

/// The source of the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// CSS variables of the page, with defaults.
    Page,
    /// Fixed colours on white.
    File,
}

/// The role of a mark, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Text to read first.
    Ink,
    /// Text on the axes.
    Muted,
    /// Grid lines.
    Grid,
    /// The heading of a file, set apart by weight.
    Heading,
}

/// Colours that people with any kind of colour vision tell apart, with a contrast of more than 4
/// to 1 on white. From the ninth curve on they come round again, with other markers.
pub(super) const SERIES: [&str; 8] =
    ["#0067a8", "#c04a00", "#007a5a", "#a0358a", "#555c66", "#8a6200", "#4338b0", "#a32020"];
const INK: &str = "#1b1f24";
const MUTED: &str = "#57606a";
const GRID: &str = "#dfe3e8";

/// Dashes in units of a tenth of a pixel: one pattern after another, told apart in grey print.
const DASHES: [&str; 4] = ["70 40", "20 35", "110 35 20 35", "45 25"];

// Placeholders: the first byte says that it is one and of which kind.
const OF_ROLE: u8 = 0xFD;
const OF_SERIES: u8 = 0xFE;
const OF_FILL: u8 = 0xFC;

/// How opaque the first eight fills are, and those that come round after them.
const TINTS: [&str; 3] = ["1", "0.5", "0.25"];

/// The placeholder of a role.
pub(super) fn role(role: Role) -> RGBColor {
    RGBColor(OF_ROLE, 0, role as u8)
}

/// The placeholder of a curve, by its place in the plot.
pub(super) fn series(index: usize) -> RGBColor {
    RGBColor(OF_SERIES, 0, (index % SERIES.len()) as u8)
}

/// The placeholder of a filled area, by the place of its curve: the colours of [`series`], and then lighter ones.
pub(super) fn fill(index: usize) -> RGBColor {
    RGBColor(OF_FILL, (index / SERIES.len() % TINTS.len()) as u8, (index % SERIES.len()) as u8)
}

/// As [`series`], for the line of the `nth` dashed curve of the plot.
pub(super) fn dashed(index: usize, nth: usize) -> RGBColor {
    RGBColor(OF_SERIES, 1 + (nth % DASHES.len()) as u8, (index % SERIES.len()) as u8)
}

/// Replaces every placeholder, and drops what the enclosing element already says.
///
/// All text is escaped, so a quote followed by a hash can only start the value of an attribute.
pub(super) fn apply(drawing: &str, theme: Theme) -> String {
    let mut pieces = drawing.split("\"#");
    let mut text = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        text += &match placeholder(piece) {
            Some((bytes, rest)) => format!("\"{}{rest}", attribute(bytes, theme)),
            None => format!("\"#{piece}"),
        };
    }
    text.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "").replace(" \"/>", "\"/>")
}

fn placeholder(piece: &str) -> Option<([u8; 3], &str)> {
    let (digits, rest) = piece.split_at_checked(6)?;
    let rest = rest.strip_prefix('"')?;
    let [_, high, middle, low] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    matches!(high, OF_ROLE | OF_SERIES | OF_FILL).then_some(([high, middle, low], rest))
}

/// The value, the closing quote, and the attributes that come with it.
fn attribute([kind, extra, index]: [u8; 3], theme: Theme) -> String {
    let (name, colour) = match (kind, index) {
        (OF_SERIES | OF_FILL, _) => (format!("series-{index}"), SERIES[usize::from(index) % SERIES.len()]),
        (_, index) if index == Role::Muted as u8 => ("muted".into(), MUTED),
        (_, index) if index == Role::Grid as u8 => ("grid".into(), GRID),
        _ => ("ink".into(), INK),
    };
    let mut value = match theme {
        Theme::Page => format!("var(--{name}, {colour})\""),
        Theme::File => format!("{colour}\""),
    };
    if kind == OF_SERIES && extra > 0 {
        value += &format!(" stroke-dasharray=\"{}\"", DASHES[usize::from(extra - 1) % DASHES.len()]);
    }
    if kind == OF_FILL && extra > 0 {
        value += &format!(" fill-opacity=\"{}\"", TINTS[usize::from(extra) % TINTS.len()]);
    }
    if kind == OF_ROLE && index == Role::Heading as u8 {
        value += " class=\"strong\"";
    }
    value
}
