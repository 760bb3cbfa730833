//! Reports in folders: written, read back, and told from what others have written.

use fedfunnel::report::{KeyFigure, Plot, Report, Series, Style, data, load, save};
use serde_json::Value;

#[test]
fn a_report_survives_json_gaps_included() {
    let mut report = Report { title: "t".into(), ..Report::default() };
    report.figures.push(KeyFigure::new("Saved", "482.2x", "uplink").with_unit("times"));
    let series = Series::new("s", Style::Dashed, vec![(1.0, f64::NAN), (2.0, 0.5)]);
    report.plots.push(Plot::new("p", "P", "x", "y").with(series));
    let text = serde_json::to_string(&report).expect("plain data serialises");
    let back: Report = serde_json::from_str(&text).expect("what was written reads back");
    assert!(back.plots[0].series[0].points[0].1.is_nan());
    assert_eq!(back.plots[0].series[0].points[1], (2.0, 0.5));
    assert_eq!(back.plots[0].series[0].style, Style::Dashed);
    assert_eq!(back.figures, report.figures);
}

#[test]
fn what_is_saved_is_read_and_saved_again_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let series = Series::new("s", Style::Solid, vec![(1.0, 0.1 + 0.2), (2.0, f64::NAN)]);
    let report = Report {
        title: "t".into(),
        plots: vec![Plot::new("a plot", "P", "x", "y").with(series)],
        ..Report::default()
    };
    save(&report, folder.path()).unwrap();
    let files = ["report.json", "report.html", "plots/a-plot.svg", "plots/a-plot.csv"];
    let read = || files.map(|name| std::fs::read(folder.path().join(name)).unwrap());
    let before = read();
    save(&load(folder.path()).unwrap(), folder.path()).unwrap();
    assert_eq!(before, read());
    assert!(String::from_utf8_lossy(&before[3]).contains("0.30000000000000004"));
}

#[test]
fn plots_with_names_that_look_alike_do_not_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let ids = ["Loss", "loss!", "精度", "損失"];
    let plots = ids.map(|id| Plot::new(id, format!("title of {id}"), "x", "y")).to_vec();
    save(&Report { plots, ..Report::default() }, folder.path()).unwrap();
    for (name, id) in ["loss", "loss-2", "u7cbe-u5ea6", "u640d-u5931"].into_iter().zip(ids) {
        let svg = std::fs::read_to_string(folder.path().join(format!("plots/{name}.svg"))).unwrap();
        assert!(svg.contains(&format!("title of {id}")), "{name}");
        assert!(folder.path().join(format!("plots/{name}.csv")).is_file());
    }
}

#[test]
fn a_folder_without_a_report_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(said.contains("no report.json"), "{said}");
    std::fs::write(folder.path().join("report.json"), "[1").unwrap();
    assert!(load(folder.path()).unwrap_err().to_string().contains("it is no report"));
}

#[test]
fn the_report_of_somebody_else_is_none() {
    let folder = tempfile::tempdir().unwrap();
    save(&Report::default(), folder.path()).unwrap();
    let own: Value = serde_json::from_slice(&std::fs::read(data(folder.path())).unwrap()).unwrap();
    for (key, value) in [("format", "coverage 3".into()), ("format", Value::Null), ("files", 3.into())] {
        let mut other = own.clone();
        other[key] = value;
        std::fs::write(data(folder.path()), other.to_string()).unwrap();
        let said = load(folder.path()).unwrap_err().to_string();
        assert!(said.contains("it is no report") && said.contains(key), "{said}");
    }
    std::fs::write(data(folder.path()), "{}").unwrap();
    assert!(load(folder.path()).is_err());
    std::fs::write(data(folder.path()), own.to_string()).unwrap();
    assert!(load(folder.path()).is_ok());
}
