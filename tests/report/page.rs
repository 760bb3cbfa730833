//! A demanding report, rendered whole: what a reader of the page relies on.
//!
//! The page lands in the target folder's `tmp/report.html`, for anyone who wants to look at it.

use fedfunnel::report::{self, KeyFigure, Plot, Report, Series, Style, Table, format};
use std::path::Path;
use std::time::Duration;

/// Numbers made up to look like a run; nothing here is a measurement.
pub fn example() -> Report {
    let curve = |last: f64, rate: f64| {
        (1..=10)
            .map(|round| (f64::from(round), 100.0 * (last - 0.25 * (-rate * f64::from(round)).exp())))
            .collect()
    };
    let accuracy = Plot {
        y_range: Some((60.0, 100.0)),
        ..Plot::new("accuracy", "Accuracy of the global model", "Round", "Accuracy on the test images (%)")
    }
    .with(Series::new("No compression <FedAvg>", Style::Solid, curve(0.949, 0.9)))
    .with(Series::new("Autoencoder, 32 floats & a decoder", Style::Solid, curve(0.934, 0.7)))
    .with(Series::new("PCA, 32 floats", Style::Solid, curve(0.933, 0.72)))
    .with(Series::new(
        "Mean of the snapshots",
        Style::Dashed,
        (1..=10).map(|r| (f64::from(r), 71.5)).collect(),
    ))
    .with(Series::new("Random subspace", Style::Points, (1..=10).map(|r| (f64::from(r), 11.5)).collect()))
    .with_caption("Ten rounds, two collaborators. The autoencoder and PCA send the same 32 floats.");

    let loss = |scale: f64, noise: f64| -> Vec<(f64, f64)> {
        let wave = |step: f64| (1.0 + noise * (step * 0.7).sin()) * (1.0 + 0.5 * noise * (step * 2.3).cos());
        (0..400).map(f64::from).map(|s| (s, scale * (-s / 60.0).exp() * wave(s) + 2e-4)).collect()
    };
    let mut training = loss(1.2, 0.3);
    training[200].1 = f64::NAN;
    training[300].1 = 0.0;
    let losses = Plot {
        y_log: true,
        ..Plot::new("loss", "Loss while the autoencoder trains", "Step", "Mean squared error")
    }
    .with(Series::new("Training", Style::Solid, training))
    .with(Series::new("Held out", Style::Dashed, loss(1.5, 0.05)))
    .with_caption("Logarithmic: equal distances are equal ratios.");

    let single = Plot::new("one-point", "A single point", "Uplink bytes", "Accuracy (%)").with(Series::new(
        "only",
        Style::Solid,
        vec![(1.5e8, 93.4)],
    ));
    let nothing =
        Plot::new("nothing", "No data at all", "x", "y").with(Series::new("empty", Style::Solid, vec![]));

    let mut bytes = Table::new(
        "bytes",
        "Bytes on the wire",
        &["Codec", "Uplink per round", "Decoder, once", "Whole run", "Saved", "Accuracy", "Relative error"],
    );
    let rows = [
        ("none", 63_640, 0, 0.949),
        ("autoencoder & f16", 132, 2_202_280, 0.934),
        ("PCA <32>", 132, 2_102_280, 0.933),
    ];
    for (codec, uplink, decoder, accuracy) in rows {
        let whole: u64 = uplink * 20 + decoder * 2;
        bytes.push([
            codec.to_string(),
            format::bytes(uplink),
            if decoder == 0 { "-".into() } else { format::bytes(decoder) },
            format::bytes(whole),
            format::ratio(63_640.0 * 20.0 / whole as f64),
            format::percent(accuracy),
            format::number(0.371, 4),
        ]);
    }
    bytes.caption = "Counted on the messages themselves, headers included.".into();

    Report {
        title: "Compression of \"mnist\" <2 collaborators> & 10 rounds".into(),
        answer: vec![
            "Every update shrinks from 63,640 bytes to 132, and accuracy falls from 94.9 % to 93.4 %.".into(),
            "The decoders cost more than ten rounds give back: counted whole, this run sent 3.5 times as many bytes as no compression would have. It pays from round 35 on.".into(),
        ],
        notes: vec!["PCA with as many floats comes as close; see \"PCA, 32 floats\" & <compare>.".into(),
            "Averaged weights generalise, so the mean of the snapshots stands beside every reconstruction.".into()],
        figures: vec![
            KeyFigure::new("Accuracy after the last round", format::percent(0.934), "no compression: 94.9 %"),
            KeyFigure::new("Smaller updates", format::ratio(482.2), "the decoder not counted"),
            KeyFigure::new("Bytes of the whole run", format::bytes(4_407_200), "no compression: 1.3 MB"),
            KeyFigure::new("Breaks even after", "35", "one decoder per collaborator").with_unit("rounds"),
        ],
        plots: vec![accuracy, losses, single, nothing],
        pictures: Vec::new(),
        tables: vec![bytes],
        configuration: "[federation]\nrounds = 10\ncollaborators = 2 # <two> & no more\n\n[codec]\nstages = [\"autoencoder\", \"f16\"]\na_long_line = \"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\"\n".into(),
        facts: vec![
            ("Seed".into(), "42".into()),
            ("Device".into(), "llvmpipe (LLVM 19.1.7, 256 bits), Vulkan, <cpu>".into()),
            ("Wall time".into(), format::duration(Duration::from_millis(72_400))),
            ("SHA-256 of the specification".into(), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
        ],
        reproduce: "fedfunnel run models/mnist.toml --set \"codec.stages=['autoencoder','f16']\" --seed 42 --rounds 10 --out runs/mnist && echo done".into(),
    }
}

/// The names of all opened and not closed elements at the end of the text, or the first mismatch.
fn unbalanced(page: &str) -> Result<(), String> {
    const VOID: [&str; 6] = ["meta", "link", "br", "!DOCTYPE", "img", "input"];
    let mut open: Vec<&str> = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').ok_or_else(|| format!("a tag without end: {piece:.40}"))?;
        let name =
            tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or("");
        if tag.starts_with('/') {
            match open.pop() {
                Some(last) if last == name => {}
                last => return Err(format!("</{name}> closes {last:?}")),
            }
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("never closed: {open:?}")) }
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let report = example();
    let page = report::html(&report).expect("a page");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fedfunnel::files::write_atomic(&folder.join("report.html"), page.as_bytes()).expect("written");

    assert_eq!(unbalanced(&page), Ok(()));
    for plot in &report.plots {
        assert!(page.contains(&format!("id=\"plot-{}\"", plot.id)), "{}", plot.id);
    }
    assert!(page.contains("id=\"table-bytes\""));
    // No address anywhere: not even the name of the SVG name space, which HTML does not need.
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("url("));
    for attribute in ["src=", "srcset=", "@import", "<script", "<iframe", "<object"] {
        assert!(!page.contains(attribute), "{attribute}");
    }
    for link in page.split("href=\"").skip(1) {
        assert!(link.starts_with("data:"), "{link:.60}");
    }
    // Twice per plot: for wide and for narrow screens.
    assert_eq!(page.matches("role=\"img\"").count(), 2 * report.plots.len());
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let unique: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn texts_are_escaped_and_in_order() {
    let page = report::html(&example()).expect("a page");
    assert!(page.contains("Compression of &quot;mnist&quot; &lt;2 collaborators&gt; &amp; 10 rounds"));
    for raw in ["<FedAvg>", "<compare>", "<two>", "<cpu>", "PCA <32>"] {
        assert!(!page.contains(raw), "{raw}");
    }
    let places: Vec<Option<usize>> = [
        "class=\"answer\"",
        "class=\"figures\"",
        "id=\"plot-accuracy\"",
        "id=\"table-bytes\"",
        "id=\"configuration\"",
        "id=\"facts\"",
        "id=\"reproduce\"",
    ]
    .iter()
    .map(|mark| page.find(mark))
    .collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    assert!(page.contains("Not drawn, because not a finite number: 1 point of “Training”."));
    assert!(page.contains("Outside the limits of the y axis: 10 points of “Random subspace”."));
}

#[test]
fn the_csv_behind_a_plot_has_every_digit() {
    let report = example();
    let page = report::html(&report).expect("a page");
    let link = page.split("download=\"accuracy.csv\" href=\"data:text/csv;charset=utf-8,").nth(1);
    let link = link.and_then(|rest| rest.split('"').next()).expect("the plot has its file");
    assert!(link.starts_with("Round,No%20compression%20%3CFedAvg%3E,%22Autoencoder,"), "{link:.80}");
    let first = report.plots[0].series[0].points[0].1;
    assert!(link.contains(&format!("1,{first},")), "{link:.200}");
}

#[test]
fn plot_files_stand_alone() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for plot in &example().plots {
        let file = report::svg_file(plot).expect("draws");
        let path = folder.join(format!("{}.svg", report::slug(&plot.id)));
        fedfunnel::files::write_atomic(&path, file.as_bytes()).expect("written");
        assert_eq!(unbalanced(&file), Ok(()));
        assert!(file.contains("<title>") && file.contains("fill=\"#fff\"") && !file.contains("var("));
    }
}

/// The negative control of the checks above: they must see a broken page.
#[test]
fn the_balance_check_sees_what_is_broken() {
    assert!(unbalanced("<p><b>text</p></b>").is_err());
    assert!(unbalanced("<p>text").is_err());
    assert!(unbalanced("<p>a < b</p>").is_err());
}

#[test]
fn an_empty_report_is_a_page() {
    let page = report::html(&Report::default()).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(!page.contains("<section"));
}

#[test]
fn elements_and_their_files_have_one_name_and_no_two_the_same() {
    let plot = |id: &str| Plot::new(id, "P", "x", "y");
    let report = Report {
        plots: vec![plot("A b"), plot("精度"), plot("a-b")],
        tables: vec![Table::new("a b", "T", &["a"]), Table::new("a-b", "T", &["a"])],
        ..Report::default()
    };
    let page = report::html(&report).expect("a page");
    for (kind, name) in
        [("plot", "a-b"), ("plot", "u7cbe-u5ea6"), ("plot", "a-b-2"), ("table", "a-b"), ("table", "a-b-2")]
    {
        let id = format!("<section id=\"{kind}-{name}\">");
        assert_eq!(page.matches(&id).count(), 1, "{id}");
        assert!(page.contains(&format!("download=\"{name}.csv\"")), "{name}");
    }
}

#[test]
fn every_text_is_escaped() {
    let evil = "<img src=x onerror=alert(1)>\" & '".to_string();
    let report = Report {
        title: evil.clone(),
        answer: vec![evil.clone()],
        notes: vec![evil.clone()],
        figures: vec![KeyFigure::new(&evil, &evil, &evil).with_unit(&evil)],
        configuration: evil.clone(),
        facts: vec![(evil.clone(), evil.clone())],
        reproduce: evil,
        ..Report::default()
    };
    let page = report::html(&report).expect("a page");
    assert!(!page.contains("<img"), "{page}");
}
