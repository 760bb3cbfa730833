//! Limits and ticks of an axis.

use crate::report::format::{decimal, trim_zeros};

/// A stretch of numbers mapped to 0..1, with ticks at round values.
#[derive(Debug, Clone)]
pub(in crate::report) struct Axis {
    low: f64,
    high: f64,
    /// Position (0..1) and label.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis over limits as they are drawn, which are decimal logarithms on a `logarithmic` one.
    pub fn new(limits: (f64, f64), logarithmic: bool, most: usize, whole: bool, tight: bool) -> Self {
        if logarithmic {
            Self::logarithmic(limits, most, tight)
        } else {
            Self::linear(limits, most, whole, tight)
        }
    }

    /// An axis over the data as they are (`whole`: they are whole numbers, and so are the ticks).
    /// `tight` keeps the limits; else they move out to the next ticks.
    fn linear((low, high): (f64, f64), most: usize, whole: bool, tight: bool) -> Self {
        let (mut low, mut high) = spread(low, high);
        let mut step = round_step((high - low) / most.max(1) as f64);
        if whole {
            step = step.max(1.0);
        }
        if !tight {
            low = (low / step + 1e-9).floor() * step;
            high = (high / step - 1e-9).ceil() * step;
        }
        let mut axis = Self { low, high, ticks: Vec::new() };
        let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
        // The step is at least a twentieth of the stretch over the number of ticks, so this is short.
        for index in 0..=(last - first).clamp(0.0, 100.0) as usize {
            let value = (first + index as f64) * step;
            axis.ticks.push((axis.position(value), label(value, step, high.abs().max(low.abs()))));
        }
        axis
    }

    /// An axis over the decimal logarithms of the data, with ticks at powers of ten, or between them
    /// where the data span less than two.
    fn logarithmic((low, high): (f64, f64), most: usize, tight: bool) -> Self {
        let (mut low, mut high) = if high - low < 1e-9 { (low - 0.5, high + 0.5) } else { (low, high) };
        let decades = high - low;
        if !tight {
            let margin = 0.03 * decades;
            (low, high) = (low - margin, high + margin);
        }
        let mut axis = Self { low, high, ticks: Vec::new() };
        let within = |value: f64| value >= low - 1e-9 && value <= high + 1e-9;
        let stride = (decades / most.max(1) as f64).ceil().max(1.0) as i32;
        let (first, last) = (low.floor() as i32, high.ceil() as i32);
        let multiples: &[u8] = match decades {
            ..0.5 => &[1, 2, 3, 4, 5, 6, 7, 8, 9],
            ..2.5 if most >= 6 => &[1, 2, 5],
            ..2.0 => &[1, 3],
            _ => &[1],
        };
        let ticks: Vec<(i32, u8)> = (first..=last)
            .filter(|decade| decade.rem_euclid(stride) == 0)
            .flat_map(|decade| multiples.iter().map(move |&multiple| (decade, multiple)))
            .filter(|&(decade, multiple)| within(f64::from(decade) + f64::from(multiple).log10()))
            .collect();
        if ticks.len() < 2 {
            // Less than the distance between two ticks: linear labels on the logarithmic axis.
            let inner = Self::linear((10f64.powf(low), 10f64.powf(high)), most, false, true);
            let (from, to) = (inner.low, inner.high);
            let place = |at: f64| axis.position((from + at * (to - from)).log10());
            axis.ticks = inner.ticks.into_iter().map(|(at, text)| (place(at), text)).collect();
            axis.ticks.retain(|(at, _)| at.is_finite());
            return axis;
        }
        let plain = first >= -4 && last <= 6;
        for (decade, multiple) in ticks {
            let at = axis.position(f64::from(decade) + f64::from(multiple).log10());
            let text = if plain {
                decimal(f64::from(multiple) * 10f64.powi(decade), (-decade).max(0) as usize)
            } else if multiple == 1 {
                format!("10{}", superscript(decade))
            } else {
                format!("{multiple}·10{}", superscript(decade))
            };
            axis.ticks.push((at, text));
        }
        axis
    }

    /// The place of a value between the ends.
    pub fn position(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// Limits that are apart: those of one value lie about it.
fn spread(low: f64, high: f64) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    if high - low > 1e-9 * size {
        (low, high)
    } else if size == 0.0 {
        (-1.0, 1.0)
    } else {
        // A round or an epoch gets its neighbours; anything else a tenth to either side.
        let counted = low.fract() == 0.0 && (2.0..1000.0).contains(&size);
        let margin = if counted { 1.0 } else { 0.1 * size };
        (low - margin, high + margin)
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = match step / power {
        ..1.000_001 => 1.0,
        ..2.000_001 => 2.0,
        ..5.000_001 => 5.0,
        _ => 10.0,
    };
    factor * power
}

/// A tick label with as many decimals as the step has, in thousands, millions and so on where the
/// largest number of the axis is long.
fn label(value: f64, step: f64, largest: f64) -> String {
    if largest >= 1e15 || step < 1e-6 {
        // Rounding noise such as 3.0000000000000004e-9 has no place on an axis.
        let text = format!("{value:.3e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return match trim_zeros(mantissa) {
            "0" | "-0" => "0".into(),
            mantissa => format!("{mantissa}e{exponent}"),
        };
    }
    let (scale, suffix) = match largest {
        ..1e6 => (1.0, ""),
        ..1e9 => (1e6, " M"),
        ..1e12 => (1e9, " G"),
        _ => (1e12, " T"),
    };
    let decimals = (-(step / scale * 1.000_001).log10().floor()).clamp(0.0, 9.0) as usize;
    let text = decimal(value / scale, decimals).replace('-', "−");
    if value == 0.0 { "0".into() } else { text + suffix }
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raise = |c: char| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]);
    exponent.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(
            labels(&Axis::linear((0.0, 1.0), 5, false, true)),
            ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(labels(&Axis::linear((1.0, 4.0), 8, true, true)), ["1", "2", "3", "4"]);
        assert_eq!(
            labels(&Axis::linear((11.5, 94.9), 5, false, false)),
            ["0", "20", "40", "60", "80", "100"]
        );
        let bytes = Axis::linear((0.0, 3.4e8), 5, false, false);
        assert_eq!(labels(&bytes), ["0", "100 M", "200 M", "300 M", "400 M"]);
        assert_eq!(labels(&Axis::linear((3.0, 3.0), 5, true, true)), ["2", "3", "4"]);
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten() {
        assert_eq!(labels(&Axis::logarithmic((-3.0, 1.0), 6, true)), ["0.001", "0.01", "0.1", "1", "10"]);
        let wide = Axis::logarithmic((-12.0, 3.0), 6, true);
        assert_eq!(labels(&wide), ["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "10⁰", "10³"]);
        let within_one = Axis::logarithmic((1.21, 1.24), 6, true);
        assert!(within_one.ticks.len() >= 2, "{within_one:?}");
        assert!(within_one.ticks.iter().all(|(at, _)| (-0.01..=1.01).contains(at)), "{within_one:?}");
    }
}
