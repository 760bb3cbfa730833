//! Plots of bars: in a page, in a file, in a terminal, as numbers, beside those of other runs.

use fedfunnel::report::{Plot, Report, Series, Style, html, overlay, remarks, svg_file, text_plot};

fn plot() -> Plot {
    Plot::new("held", "What each holds", "Collaborator", "Images")
        .with_bars(vec!["0".into(), "1 <ada>".into(), "2".into()])
        .with(Series::new("class 0", Style::Solid, vec![(0.0, 10.0), (1.0, 30.0)]))
        .with(Series::new("class 1", Style::Solid, vec![(0.0, 10.0), (1.0, 34.0), (2.0, 0.0)]))
}

/// The corners of the drawn areas of one colour: left, top, width and height.
fn areas(svg: &str, colour: &str) -> Vec<[f64; 4]> {
    let rectangles =
        svg.split("<rect ").skip(1).filter(|rest| rest.split('>').next().unwrap().contains(colour));
    let value = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().parse::<f64>().unwrap()
    };
    rectangles.map(|text| ["x", "y", "width", "height"].map(|name| value(text, name))).collect()
}

#[test]
fn parts_of_a_bar_stand_in_a_row_and_have_their_lengths() {
    let svg = svg_file(&plot()).unwrap();
    assert!(svg.contains("1 &lt;ada&gt;") && !svg.contains("<ada>"));
    let (first, second) = (areas(&svg, "#0067a8"), areas(&svg, "#c04a00"));
    // The squares of the legend, and two bars; the third has no length.
    assert_eq!((first.len(), second.len()), (3, 3));
    for bar in 1..3 {
        let ([left, top, wide, high], [next, its_top, _, its_high]) = (first[bar], second[bar]);
        assert!((left + wide - next).abs() <= 1.0 && top == its_top && high == its_high, "{svg}");
    }
    assert!((first[2][2] / first[1][2] - 3.0).abs() < 0.01 && first[2][1] > first[1][1]);
    assert!((second[2][2] / second[1][2] - 3.4).abs() < 0.01);
    assert!(svg.contains("3 bars, from 0 of 2 to 64 of 1 &lt;ada&gt;."), "{svg}");
}

#[test]
fn classes_beyond_the_colours_have_lighter_ones() {
    let mut plot = plot();
    plot.series = (0..20).map(|part| Series::new("s", Style::Solid, vec![(0.0, f64::from(part))])).collect();
    let svg = svg_file(&plot).unwrap();
    for opacity in ["\"0.5\"", "\"0.25\""] {
        assert!(svg.contains(&format!("fill=\"#0067a8\" fill-opacity={opacity}")), "{svg}");
    }
    assert!(!svg.contains("#FC"));
}

#[test]
fn numbers_have_the_names_of_bars_and_all_lengths() {
    let page = html(&Report { plots: vec![plot()], ..Report::default() }).unwrap();
    assert!(page.contains("<th scope=\"col\" class=\"number\">class 1</th>"), "{page}");
    assert!(page.contains("1%20%3Cada%3E,30,34%0D%0A2,0,0%0D%0A"), "{page}");
    let text = text_plot(&plot());
    let rows: Vec<_> = text.lines().skip(2).collect();
    assert_eq!(rows[0], format!("      0 |{}{}", "*".repeat(10), "o".repeat(10)));
    assert_eq!(rows[1], format!("1 <ada> |{}{}", "*".repeat(30), "o".repeat(34)));
    assert_eq!(rows[2], "      2 |");
}

#[test]
fn points_that_are_no_lengths_are_left_out_and_said() {
    let mut plot = plot();
    plot.series[0].points.extend([(7.0, 1.0), (0.5, 1.0), (2.0, f64::NAN), (2.0, -3.0)]);
    let said = remarks(&plot);
    assert_eq!(said, ["Not drawn, because not a length of a bar: 4 points of “class 0”."]);
    let svg = svg_file(&plot).unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    let nothing = Plot { series: Vec::new(), ..plot };
    assert!(!svg_file(&nothing).unwrap().contains("NaN"));
}

#[test]
fn bars_of_several_runs_stand_below_each_other_unless_they_are_the_same() {
    let report = |plot: Plot| Report { title: "t".into(), plots: vec![plot], ..Report::default() };
    let same = overlay(&[("a".into(), report(plot())), ("b".into(), report(plot()))]);
    assert_eq!(same.plots, [plot()]);
    let other = Plot { bars: vec!["0".into()], ..plot() };
    let both = overlay(&[("a".into(), report(plot())), ("b".into(), report(other))]);
    let titles: Vec<_> = both.plots.iter().map(|plot| plot.title.as_str()).collect();
    assert_eq!(titles, ["What each holds (a)", "What each holds (b)"]);
    assert_ne!(both.plots[0].id, both.plots[1].id);
}
