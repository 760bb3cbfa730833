//! Plots as SVG: data of every kind draw, what is left out is said, and texts are escaped.

use fedfunnel::report::{Plot, Report, Series, Style, html, remarks, svg, svg_file};

fn plot(series: Vec<Series>) -> Plot {
    Plot { series, ..Plot::new("p", "A <title> & \"more\"", "Round", "Accuracy (%)") }
}

fn line(points: &[(f64, f64)]) -> Series {
    Series::new("s", Style::Solid, points.to_vec())
}

/// Every shape of every plot draws, and no coordinate is absurd.
fn draws(plot: &Plot) -> String {
    let page = html(&Report { plots: vec![plot.clone()], ..Report::default() }).expect("a page");
    let shapes: Vec<_> = page.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect();
    assert_eq!(shapes.len(), 2);
    for text in shapes {
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert!(!text.contains("2147483"), "{text}");
    }
    let text = svg_file(plot).expect("draws");
    assert!(text.starts_with("<svg xmlns="));
    text
}

#[test]
fn hard_data_do_not_panic() {
    let wide = (-300..300).map(|e| (f64::from(e), 10f64.powi(e))).collect::<Vec<_>>();
    let cases: Vec<Vec<(f64, f64)>> = vec![
        vec![],
        vec![(1.0, 2.0)],
        vec![(0.0, 0.0)],
        vec![(1.0, 5.0), (2.0, 5.0), (3.0, 5.0)],
        vec![(1.0, 5.0), (1.0, 6.0)],
        vec![(f64::NAN, 1.0), (1.0, f64::INFINITY)],
        vec![(1.0, f64::NAN), (2.0, 0.0), (3.0, -1.0), (4.0, 10.0)],
        vec![(f64::MIN, f64::MIN), (f64::MAX, f64::MAX)],
        vec![(f64::MIN_POSITIVE, 5e-324), (1.0, 1e-300)],
        vec![(1.0, 1.0), (2.0, 1.0 + f64::EPSILON)],
        vec![(1e15, 1e15), (1e15 + 1.0, 1e15 + 2.0)],
        wide,
    ];
    for points in cases {
        for style in [Style::Solid, Style::Dashed, Style::Spread, Style::Points] {
            for (x_log, y_log) in [(false, false), (false, true), (true, false), (true, true)] {
                for y_range in [None, Some((0.0, 1.0)), Some((1.0, 1.0)), Some((f64::NAN, 2.0))] {
                    let one = Series::new("one", style, points.clone());
                    draws(&Plot { x_log, y_log, y_range, ..plot(vec![one, line(&[])]) });
                }
            }
        }
    }
    draws(&Plot::default());
}

#[test]
fn placeholders_are_gone_and_text_is_escaped() {
    let hostile = "</svg><script>x</script> fill=\"#FE0001\"";
    let mut plot = plot(vec![line(&[(1.0, 2.0), (2.0, 3.0)]), line(&[(1.0, 3.0)])]);
    plot.y_label = hostile.into();
    plot.series[0].name = hostile.into();
    for text in [svg(&plot).expect("draws"), draws(&plot)] {
        assert!(!text.contains("<script"), "{text}");
        assert_eq!(text.matches("</svg>").count(), 1);
        assert!(!text.contains("=\"#FE") && !text.contains("=\"#FD"), "{text}");
    }
    assert!(svg(&plot).expect("draws").contains("var(--series-1"));
    assert!(!draws(&plot).contains("var("));
}

#[test]
fn what_is_left_out_is_said() {
    let mut plot = plot(vec![line(&[(1.0, f64::NAN), (2.0, 0.0), (3.0, 10.0), (4.0, 20.0)])]);
    plot.y_log = true;
    let said = remarks(&plot);
    assert_eq!(said.len(), 2, "{said:?}");
    plot.y_log = false;
    plot.y_range = Some((0.0, 15.0));
    let said = remarks(&plot);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].contains("Outside"), "{said:?}");
}

#[test]
fn a_spread_is_a_marker_with_a_line_through_it() {
    let points = vec![(2.0, 5.0), (2.0, 4.0), (2.0, 6.0)];
    let drawn = |style| {
        let text =
            draws(&plot(vec![Series::new("", style, points.clone()), line(&[(1.0, 1.0), (3.0, 9.0)])]));
        let of = |word: &str| text.matches(word).count();
        (of("<circle"), of("<polyline"))
    };
    // The axes and the other curve are lines in both.
    let ((marks, lines), (points, none)) = (drawn(Style::Spread), drawn(Style::Points));
    assert_eq!((marks, lines - none, points), (1, 1, 3));
}
