//! From points to what can be drawn: gaps, logarithms, limits.

use crate::report::{Plot, Style};
use crate::text::counted;

/// Beyond this size differences overflow; no measurement is this large.
const LARGEST: f64 = 1e300;

/// One curve as unbroken runs of points; on a logarithmic axis they are decimal logarithms.
#[derive(Debug)]
pub(in crate::report) struct Curve<'a> {
    pub name: &'a str,
    pub style: Style,
    pub runs: Vec<Vec<(f64, f64)>>,
}

/// All curves of a plot and their limits.
#[derive(Debug)]
pub(in crate::report) struct Curves<'a> {
    pub curves: Vec<Curve<'a>>,
    /// Limits of x as drawn; None where there is nothing to draw.
    pub x: Option<(f64, f64)>,
    /// Limits of y as drawn.
    pub y: Option<(f64, f64)>,
    /// The limits of y were asked for, not found.
    pub y_fixed: bool,
    /// Every x is a whole number: rounds, epochs.
    pub whole: bool,
    /// Sentences about points that are left out.
    pub remarks: Vec<String>,
}

impl<'a> Curves<'a> {
    /// Sorts out what can be drawn.
    pub fn new(plot: &'a Plot) -> Self {
        let asked =
            plot.y_range.and_then(|(low, high)| scaled(low, plot.y_log).zip(scaled(high, plot.y_log)));
        let fixed = asked.filter(|(low, high)| high - low > 1e-9 * low.abs().max(high.abs()));
        let mut remarks = Vec::new();
        let mut curves = Vec::new();
        for series in &plot.series {
            let (mut broken, mut unlogged, mut outside) = (0, 0, 0);
            let mut runs = vec![Vec::new()];
            for &(x, y) in &series.points {
                let drawable = scaled(x, plot.x_log).zip(scaled(y, plot.y_log));
                if let Some(point) = drawable {
                    outside += usize::from(fixed.is_some_and(|(low, high)| point.1 < low || point.1 > high));
                    if let Some(run) = runs.last_mut() {
                        run.push(point);
                    }
                    continue;
                }
                if x.abs() <= LARGEST && y.abs() <= LARGEST {
                    unlogged += 1
                } else {
                    broken += 1
                }
                runs.push(Vec::new());
            }
            runs.retain(|run| !run.is_empty());
            let name = &series.name;
            let mut remark = |count: usize, what: &str| {
                if count > 0 {
                    remarks.push(format!("{what}: {} of “{name}”.", counted(count, "point")));
                }
            };
            remark(broken, "Not drawn, because not a finite number");
            remark(unlogged, "Not drawn, because a logarithmic axis shows no zero and nothing below");
            remark(outside, "Outside the limits of the y axis");
            curves.push(Curve { name, style: series.style, runs });
        }
        let drawn = || curves.iter().flat_map(|curve| curve.runs.iter().flatten());
        Self {
            x: extent(drawn().map(|point| point.0)),
            y: fixed.or_else(|| extent(drawn().map(|point| point.1))),
            y_fixed: fixed.is_some(),
            whole: drawn().all(|point| point.0.fract() == 0.0),
            remarks,
            curves,
        }
    }
}

/// The value as it is drawn, where it can be.
fn scaled(value: f64, logarithmic: bool) -> Option<f64> {
    let value = (value.abs() <= LARGEST).then_some(value)?;
    if !logarithmic {
        return Some(value);
    }
    (value > 0.0).then(|| value.log10())
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |limits, value| match limits {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// The parts of a line that lie between `low` and `high` in y.
pub(super) fn clip(run: &[(f64, f64)], low: f64, high: f64) -> Vec<Vec<(f64, f64)>> {
    let inside = |y: f64| (low..=high).contains(&y);
    let mut parts: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut part = Vec::new();
    if let [(x, y)] = run {
        return if inside(*y) { vec![vec![(*x, *y)]] } else { Vec::new() };
    }
    for pair in run.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let at = |y: f64| (from.0 + (to.0 - from.0) * (y - from.1) / (to.1 - from.1), y);
        let bounded = |point: (f64, f64)| {
            if inside(point.1) { point } else { at(if point.1 < low { low } else { high }) }
        };
        if from.1.max(to.1) < low || from.1.min(to.1) > high {
            continue;
        }
        if part.is_empty() {
            part.push(bounded(from));
        }
        part.push(bounded(to));
        if !inside(to.1) {
            parts.push(std::mem::take(&mut part));
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// At most about `4 * buckets` points that draw the same line: of each bucket of consecutive points
/// the first, the last, the lowest and the highest.
pub(super) fn thin(run: &[(f64, f64)], buckets: usize) -> Vec<(f64, f64)> {
    if run.len() <= 4 * buckets {
        return run.to_vec();
    }
    let mut kept = Vec::with_capacity(4 * buckets + 4);
    for bucket in run.chunks(run.len().div_ceil(buckets)) {
        let by_y = |a: &usize, b: &usize| bucket[*a].1.total_cmp(&bucket[*b].1);
        let lowest = (0..bucket.len()).min_by(by_y).unwrap_or(0);
        let highest = (0..bucket.len()).max_by(by_y).unwrap_or(0);
        let mut chosen = vec![0, lowest, highest, bucket.len() - 1];
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|index| bucket[index]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_leave() {
        let parts = clip(&[(0.0, 0.5), (1.0, 2.0), (2.0, 0.0), (3.0, -1.0)], 0.0, 1.0);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0], [(0.0, 0.5), (1.0 / 3.0, 1.0)]);
        assert_eq!(parts[1], [(1.5, 1.0), (2.0, 0.0), (2.0, 0.0)]);
        // A line that crosses the whole stretch between two points outside.
        assert_eq!(clip(&[(0.0, -1.0), (3.0, 2.0)], 0.0, 1.0), [[(1.0, 0.0), (2.0, 1.0)]]);
        assert!(clip(&[(0.0, 5.0), (1.0, 6.0)], 0.0, 1.0).is_empty());
    }

    #[test]
    fn thinning_keeps_the_peaks() {
        let mut run: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), 0.0)).collect();
        run[54_321].1 = 7.0;
        run[77].1 = -3.0;
        let kept = thin(&run, 100);
        assert!(kept.len() <= 404);
        assert!(kept.contains(&(54_321.0, 7.0)) && kept.contains(&(77.0, -3.0)));
        assert_eq!((kept[0], kept[kept.len() - 1]), (run[0], run[99_999]));
    }
}
