//! Cells of tables as the numbers that they say, whatever their units: the way back from [`format`](mod@super::format).

/// What a number counts. Only numbers of one quantity can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Without a unit.
    Plain,
    /// In percent.
    Share,
    /// How many times as much.
    Factor,
    /// In bytes.
    Bytes,
    /// In seconds.
    Time,
    /// In bytes a second.
    Bandwidth,
    /// In operations a second.
    Operations,
}

/// A number as a cell says it, in the quantity's own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// How much.
    pub size: f64,
    /// Of what.
    pub quantity: Quantity,
}

/// Reads a cell: `63,646 B`, `~2.2 MB`, `94.9 %`, `482.2x`, `1 min 12 s`, `3.1e-7`. Of `94.9 ± 0.3 %` and `94.9 / 81.0 %`
/// it is the first number. None where the cell says anything else.
pub fn value(cell: &str) -> Option<Value> {
    let mut sum: Option<Value> = None;
    let mut is_beside = false;
    // A number that still lacks a unit.
    let mut bare = None;
    for word in cell.replace('±', " ± ").split_whitespace() {
        if matches!(word, "±" | "/") {
            is_beside = sum.is_some() || bare.is_some();
            if !is_beside {
                return None;
            }
            continue;
        }
        let (number, unit) = split(word);
        match (number, unit) {
            ("", "~" | "<" | ">" | "≈" | "≤" | "≥") if sum.is_none() && bare.is_none() => {}
            ("", unit) => {
                let unit = unit_of(unit)?;
                if let Some(size) = bare.take() {
                    sum = Some(joined(sum, size, unit)?);
                } else if !is_beside {
                    return None;
                }
            }
            (number, unit) => {
                let size: f64 = number.replace(',', "").replace('−', "-").parse().ok()?;
                if is_beside {
                    continue;
                }
                if bare.is_some() {
                    return None;
                }
                match unit {
                    "" => bare = Some(size),
                    unit => sum = Some(joined(sum, size, unit_of(unit)?)?),
                }
            }
        }
    }
    match (sum, bare) {
        (None, Some(size)) => Some(Value { size, quantity: Quantity::Plain }),
        (sum, None) => sum,
        (Some(_), Some(_)) => None,
    }
}

/// Only times have several units in a row.
fn joined(sum: Option<Value>, size: f64, (quantity, scale): (Quantity, f64)) -> Option<Value> {
    let size = size * scale;
    match sum {
        None => Some(Value { size, quantity }),
        Some(sum) if sum.quantity == Quantity::Time && quantity == Quantity::Time => {
            Some(Value { size: sum.size + size, quantity })
        }
        Some(_) => None,
    }
}

/// A word's number, without what says that it is about so much, and what follows.
fn split(word: &str) -> (&str, &str) {
    let about = |c: char| matches!(c, '~' | '<' | '>' | '≈' | '≤' | '≥');
    let number = word.trim_start_matches(about);
    let digits = number.trim_start_matches(['+', '-', '−']);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return ("", word);
    }
    let mut end = number.len() - digits.len();
    let mut letters = number[end..].char_indices().peekable();
    let start = end;
    while let Some((place, letter)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        let is_exponent = matches!(letter, 'e' | 'E')
            && next.is_some_and(|next| next.is_ascii_digit() || matches!(next, '-' | '+'));
        let is_sign = matches!(letter, '-' | '+') && number[..start + place].ends_with(['e', 'E']);
        if !(letter.is_ascii_digit() || matches!(letter, ',' | '.') || is_exponent || is_sign) {
            break;
        }
        end = start + place + letter.len_utf8();
    }
    number.split_at(end)
}

/// A unit's quantity, and how many of the quantity's own units it has.
fn unit_of(unit: &str) -> Option<(Quantity, f64)> {
    use Quantity::{Bandwidth, Bytes, Factor, Operations, Share, Time};
    let prefixes = [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18)];
    let prefixed = |ending: &str| {
        let prefix = unit.strip_suffix(ending)?;
        prefixes.iter().find(|(name, _)| *name == prefix).map(|(_, scale)| *scale)
    };
    let binary = ["KiB", "MiB", "GiB", "TiB"].iter().position(|name| *name == unit);
    Some(match unit {
        "%" => (Share, 1.0),
        "x" => (Factor, 1.0),
        "ns" => (Time, 1e-9),
        "us" | "µs" => (Time, 1e-6),
        "ms" => (Time, 1e-3),
        "s" => (Time, 1.0),
        "min" => (Time, 60.0),
        "h" => (Time, 3_600.0),
        "d" => (Time, 86_400.0),
        _ => {
            let bytes = prefixed("B").or(binary.map(|place| 1024f64.powi(place as i32 + 1)));
            let bytes = bytes.map(|scale| (Bytes, scale));
            let bandwidth = || prefixed("B/s").map(|scale| (Bandwidth, scale));
            let operations = || prefixed("FLOP/s").map(|scale| (Operations, scale));
            bytes.or_else(bandwidth).or_else(operations)?
        }
    })
}
