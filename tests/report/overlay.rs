//! Several runs in one report.

use fedfunnel::report::{KeyFigure, Plot, Report, Series, Style, overlay};

fn run(rounds: u32, last: f64) -> Report {
    let curve = Series::new("raw", Style::Solid, vec![(1.0, 0.0), (2.0, last)]);
    Report {
        answer: vec![format!("It came to {last}."), "More.".into()],
        figures: vec![KeyFigure::new("Accuracy", last.to_string(), "")],
        plots: vec![Plot::new("accuracy", "Accuracy", "Round", "%").with(curve)],
        configuration: format!("rounds = {rounds}\nseed = 0\n[a]\nb = \"c\"\n"),
        facts: vec![("Seed".into(), "0".into())],
        ..Report::default()
    }
}

#[test]
fn curves_get_the_runs_names_and_only_differences_are_listed() {
    let both = overlay(&[("one".into(), run(3, 0.5)), ("two".into(), run(4, 0.75))]);
    let names: Vec<_> = both.plots[0].series.iter().map(|s| s.name.as_str()).collect();
    assert_eq!((both.plots.len(), names), (1, vec!["one: raw", "two: raw"]));
    assert_eq!(both.answer, ["one: It came to 0.5.", "two: It came to 0.75."]);
    let settings = both.tables.iter().find(|table| table.id == "settings").unwrap();
    assert_eq!(settings.rows, [["rounds", "3", "4"]]);
    assert_eq!(both.tables[0].rows, [["Accuracy", "0.5", "0.75"]]);
}

#[test]
fn what_is_the_same_is_drawn_once_and_too_many_curves_get_plots_of_their_own() {
    let level = |last: f64| Series::new("mean", Style::Dashed, vec![(0.0, 1.0), (last, 1.0)]);
    let with = |last: f64, more: usize| {
        let mut report = run(3, last);
        let more = (0..more).map(|n| Series::new(format!("c{n}"), Style::Solid, vec![(1.0, last)]));
        report.plots[0].series.extend(more);
        report.plots[0].series.push(level(last));
        report
    };
    let plots =
        |more| overlay(&[("run-one".into(), with(5.0, more)), ("run-two".into(), with(9.0, more))]).plots;
    let names = |plot: &Plot| plot.series.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    let few = plots(2);
    assert_eq!(few.len(), 1);
    assert_eq!(names(&few[0])[..2], ["one: raw", "two: raw"]);
    assert_eq!(few[0].series[6].points, [(0.0, 1.0), (9.0, 1.0)]);
    let many = plots(4);
    assert_eq!(
        many.iter().map(|plot| plot.id.as_str()).collect::<Vec<_>>()[..2],
        ["accuracy-raw", "accuracy-c0"]
    );
    assert!(many.len() == 5 && names(&many[4]) == ["one", "two", "mean"], "{many:?}");
}

#[test]
fn runs_of_different_kinds_keep_their_own_plots() {
    let mut other = run(3, 0.5);
    other.plots[0].id = "loss".into();
    other.figures.clear();
    let both = overlay(&[("one".into(), run(3, 0.5)), ("two".into(), other)]);
    assert_eq!(both.plots.len(), 2);
    assert_eq!(both.tables[0].rows, [["Accuracy", "0.5", "-"]]);
}
