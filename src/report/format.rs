//! How numbers are written, the same way in the terminal, in tables and on the page.

use crate::text::{grouped, thousands};
use std::time::Duration;

/// The text in the place of a missing number.
const NONE: &str = "n/a";

/// A count with thousands separators: `15,910`.
pub fn count(value: u64) -> String {
    grouped(value)
}

/// A fraction as a percentage with one decimal: `0.949` is `94.9 %`.
pub fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{} %", decimal(fraction * 100.0, 1)) } else { NONE.into() }
}

/// A size: exact below a million bytes (`63,646 B`), rounded above (`2.2 MB`). Decimal units.
pub fn bytes(value: u64) -> String {
    if value < 1_000_000 {
        return bytes_exact(value);
    }
    let mut scaled = value as f64 / 1e6;
    let mut units = ["MB", "GB", "TB", "PB", "EB"].iter();
    let mut unit = units.next();
    // 999.95 would be written as 1,000.0; it belongs to the next unit.
    while scaled >= 999.95 {
        scaled /= 1000.0;
        unit = units.next();
    }
    // u64 ends at 18.4 EB, so the units never run out.
    format!("{scaled:.1} {}", unit.unwrap_or(&"EB"))
}

/// A size to the byte, however large: `706,931,880 B`.
pub fn bytes_exact(value: u64) -> String {
    format!("{} B", count(value))
}

/// A factor: `482.2x`; two decimals below ten, none from ten thousand on.
pub fn ratio(value: f64) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    let decimals = match value.abs() {
        size if size < 9.995 => 2,
        size if size < 9_999.95 => 1,
        _ => 0,
    };
    format!("{}x", decimal(value, decimals))
}

/// A time in its two largest units: `1 min 12 s`, `4.56 s`, `45 ms`.
pub fn duration(value: Duration) -> String {
    let seconds = value.as_secs_f64();
    // Each limit is where the rounded number would reach the next unit.
    if seconds == 0.0 {
        "0 s".into()
    } else if seconds < 0.000_999_5 {
        format!("{:.0} us", (seconds * 1e6).max(1.0))
    } else if seconds < 0.999_5 {
        let milliseconds = seconds * 1e3;
        format!("{milliseconds:.*} ms", usize::from(milliseconds < 9.95))
    } else if seconds < 59.95 {
        format!("{seconds:.*} s", if seconds < 9.995 { 2 } else { 1 })
    } else if seconds < 3_599.5 {
        let whole = seconds.round() as u64;
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else if seconds < 86_370.0 {
        let minutes = (seconds / 60.0).round() as u64;
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    } else {
        let hours = (seconds / 3600.0).round() as u64;
        format!("{} d {} h", count(hours / 24), hours % 24)
    }
}

/// Any number, to so many significant digits, without needless zeros: `0.3712`, `12,346`, `3.1e-7`.
pub fn number(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let digits = digits.clamp(1, 17);
    // The exponent after rounding: 9.996 with three digits is 10.0 and one place longer.
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..15).contains(&exponent) {
        return format!("{}e{exponent}", trim_zeros(mantissa));
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    trim_zeros(&decimal(value, decimals)).to_string()
}

/// A number so that reading it back gives the same bits: for CSV and other files for machines.
pub fn exact(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-5..1e15).contains(&size) {
        format!("{value:e}")
    } else {
        format!("{value}")
    }
}

/// Fixed decimals with thousands separators.
pub fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (sign, size) = match text.strip_prefix('-') {
        // A rounded-away number has no sign: never "-0.0".
        Some(size) if size.bytes().all(|b| b == b'0' || b == b'.') => ("", size),
        Some(size) => ("-", size),
        None => ("", text.as_str()),
    };
    match size.split_once('.') {
        Some((whole, part)) => format!("{sign}{}.{part}", thousands(whole)),
        None => format!("{sign}{}", thousands(size)),
    }
}

/// True where a cell reads as a number with or without a unit, and so belongs to the right.
pub fn is_numeric(cell: &str) -> bool {
    let cell = cell.trim().trim_start_matches(['+', '-', '−', '~', '<', '>', '≈', '≤', '≥']).trim_start();
    cell.starts_with(|c: char| c.is_ascii_digit())
        && cell.split_whitespace().all(|word| {
            let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || ",.eE+-±".contains(c));
            matches!(unit, "" | "%" | "x" | "±" | "/" | "GB/s" | "MB/s" | "GFLOP/s" | "TFLOP/s")
                || matches!(unit, "B" | "kB" | "MB" | "GB" | "TB" | "KiB" | "MiB" | "GiB")
                || matches!(unit, "ns" | "us" | "µs" | "ms" | "s" | "min" | "h" | "d")
        })
}

/// A decimal number without the zeros at its end.
pub(super) fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}
