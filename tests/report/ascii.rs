//! Plots as text.

use fedfunnel::report::{Plot, Series, Style, text_plot};

/// The width of the area of a plot, in characters.
const COLUMNS: usize = 64;

#[test]
fn a_rising_line_rises_and_has_its_axes() {
    let points = (0..=100).map(|x| (f64::from(x), f64::from(x) / 10.0)).collect();
    let plot = Plot::new("p", "A line", "Round", "Ratio").with(Series::new("up", Style::Solid, points));
    let text = text_plot(&plot);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines[0], lines[1]), ("A line", "Ratio"));
    assert!(lines[2].starts_with("10 |") && lines[2].len() == COLUMNS + 4, "{text}");
    assert!(lines[17].starts_with(" 0 |*"), "{text}");
    assert!(text.contains("* up") && text.contains("Round"), "{text}");
    // A curve that falls is not the same picture: the check above can fail.
    let points = (0..=100).map(|x| (f64::from(x), 10.0 - f64::from(x) / 10.0)).collect();
    let plot = Plot::new("p", "A line", "Round", "Ratio").with(Series::new("down", Style::Solid, points));
    assert!(text_plot(&plot).lines().nth(2).unwrap().len() < COLUMNS);
}

#[test]
fn hard_data_do_not_panic() {
    for points in [vec![], vec![(f64::NAN, 1.0)], vec![(1.0, 1.0)], vec![(1.0, 0.0), (1.0, 5.0)]] {
        for (x_log, y_log) in [(false, false), (true, true)] {
            let series = Series::new("s", Style::Points, points.clone());
            text_plot(&Plot { x_log, y_log, ..Plot::new("p", "P", "x", "y").with(series) });
        }
    }
}
