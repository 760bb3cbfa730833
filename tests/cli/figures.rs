//! `report --figures`: plots for print, and the numbers behind them.

use crate::support::{run_in, succeed_in, temporary};
use fedfunnel::report::{Plot, Report, Series, Style, save};

/// A report of two plots, of which one has a name that no file could have.
fn report() -> Report {
    let points = |slope: f64| (1..=5).map(|x| (f64::from(x), slope * f64::from(x) + 1.0 / 3.0)).collect();
    let plot = |id: &str| {
        Plot::new(id, "A < heading", "Round", "Accuracy (%)")
            .with(Series::new("raw", Style::Solid, points(2.0)))
            .with(Series::new("coded", Style::Dashed, points(1.0)))
    };
    Report {
        title: "A run".into(),
        plots: vec![plot("accuracy"), plot("Bytes / both ways")],
        ..Report::default()
    }
}

#[test]
fn each_plot_is_a_figure_of_a_column_and_of_a_page() {
    let folder = temporary();
    let folder = folder.path();
    save(&report(), &folder.join("run")).expect("a report");
    let page = std::fs::read(folder.join("run/report.html")).expect("a page");
    let said = succeed_in(folder, &["report", "run", "--figures", "figures"]).stdout;
    assert_eq!(said.trim(), "figures: 2 plots");
    let mut names: Vec<_> = std::fs::read_dir(folder.join("figures"))
        .expect("figures")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    names.sort();
    let due = [
        "accuracy-wide.svg",
        "accuracy.csv",
        "accuracy.svg",
        "bytes-both-ways-wide.svg",
        "bytes-both-ways.csv",
        "bytes-both-ways.svg",
    ];
    assert_eq!(names, due);
    let text = |name: &str| std::fs::read_to_string(folder.join("figures").join(name)).expect("text");
    for (name, width) in [("accuracy.svg", "84mm"), ("accuracy-wide.svg", "174mm")] {
        let svg = text(name);
        assert!(
            svg.contains(&format!("width=\"{width}\"")) && svg.contains("<title>A &lt; heading</title>"),
            "{svg}"
        );
        // No variables of a page, no rules of style, no ground, and no heading but as a title.
        for other in ["var(--", "<style", "background", "system-ui"] {
            assert!(!svg.contains(other), "{name}: {other}");
        }
        assert_eq!(svg.matches("heading").count(), 2, "the title, and what is read aloud: {svg}");
    }
    assert_eq!(
        text("accuracy.csv"),
        std::fs::read_to_string(folder.join("run/plots/accuracy.csv")).expect("a file")
    );
    // The report itself is as it was, and nothing is where no report was asked for.
    assert_eq!(std::fs::read(folder.join("run/report.html")).expect("a page"), page);
    succeed_in(folder, &["report", "run", "run", "--figures", "both"]);
    assert!(folder.join("both").is_dir() && !folder.join("fedfunnel-report").exists());
    std::fs::write(folder.join("file"), "").expect("a file");
    let ran = run_in(folder, &["report", "run", "--figures", "file"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
}
