//! Codes that are tuned, axes that are shared, and codes that come down, as a user of the command line sees them.

use crate::support::*;
use serde_json::Value;
use std::path::Path;

fn arguments<'a>(out: &'a str, data: &'a str, codecs: &'a str) -> Vec<&'a str> {
    let mut all = vec!["simulate", "demo", "--out", out, "-q"];
    for set in [data, codecs, "rounds=3", "prepass.epochs=2", "prepass.snapshot_every=2"] {
        all.extend(["--set", set]);
    }
    all
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn what_tuning_comes_to_stands_in_summary_and_tables() {
    let folder = temporary();
    let data = format!("data={}", fixtures().data().display());
    let pca = "{stage=\"pca\",floats=3,shared=true}";
    let codecs = format!(
        "codecs=[\"raw\",[\"prior\",{pca},\"f16\"],[\"prior\",{pca},\"f16\",\"tune\"],\
         {{stages=[\"prior\",{pca},\"f16\",\"tune\"],downlink=\"code\"}},{{stages=\"raw\",local_epochs=2}}]"
    );
    let ran = succeed_in(folder.path(), &arguments("run", &data, &codecs));
    let out = folder.path().join("run");
    let summary = json(&out.join("summary.json"));
    let (untuned, tuned) = ("prior+pca(3,shared)+f16", "prior+pca(3,shared)+f16+tune");
    let (down, twice) = ("prior+pca(3,shared)+f16+tune, codes down", "raw, 2 local epochs");
    let labels = ["raw", untuned, tuned, down, twice];
    assert!(labels.iter().all(|label| keys(&summary["runs"]).contains(label)), "{summary}");
    for (label, is_tuned) in [("raw", false), (untuned, false), (tuned, true), (down, true), (twice, false)] {
        let alone = &summary["runs"][label]["tuned_alone_accuracy"];
        assert_eq!(alone.as_f64().is_some_and(|alone| (0.0..=1.0).contains(&alone)), is_tuned, "{label}");
        assert!(is_tuned || alone.is_null(), "{label}: {alone}");
    }
    // A header of three bytes; three halves; axes and mean of 15,910 weights, and spreads on their way up.
    let (code, whole, axes) = (3 + 2 * 3, 3 + 4 * 15_910, 3 + 4 * 4 * 15_910);
    for (key, due) in [
        ("message_bytes", [whole, code, code, code, whole]),
        ("model_bytes", [whole, whole, whole, code, whole]),
        ("setup_bytes", [0, axes + 4 * 3, axes + 4 * 3, axes + 4 * 3, 0]),
        ("local_epochs", [3, 3, 6, 6, 6]),
    ] {
        assert_eq!(labels.map(|label| &summary["runs"][label][key]), due.each_ref(), "{key}");
    }
    assert_eq!(summary["runs"][down]["shared_setup_bytes"], axes);
    assert!(summary["runs"]["raw"]["shared_setup_bytes"].is_null());
    let report = json(&out.join("report.json"));
    let tables = report["tables"].as_array().expect("tables");
    let nulls = tables.iter().find(|table| table["id"] == "nulls").expect("what has to be beaten");
    let rows = nulls["rows"].as_array().expect("rows");
    let names: Vec<_> = rows.iter().map(|row| row[0].as_str().expect("a name")).collect();
    let alone = [tuned, down].map(|label| format!("each alone, {label}"));
    assert!(alone.iter().all(|alone| names.contains(&alone.as_str())), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with("each alone")).count(), 2, "{names:?}");
    for (label, alone) in [tuned, down].iter().zip(&alone) {
        let row = rows.iter().find(|row| row[0] == **alone).expect("a row");
        let due = format!("{:.1} %", 100.0 * number(&summary["runs"][label], "tuned_alone_accuracy"));
        assert_eq!(row[1], due);
        assert!(ran.stdout.contains(alone), "{}", ran.stdout);
    }
    // What is there is printed again, with nothing learned or tuned anew.
    let again = succeed_in(folder.path(), &[&arguments("run", &data, &codecs)[..], &["--resume"]].concat());
    assert_eq!(again.stdout, ran.stdout);
}

#[test]
fn wrong_codecs_are_named_before_anything_begins() {
    let folder = temporary();
    let data = format!("data={}", fixtures().data().display());
    for (codec, word) in [
        ("[\"prior\",\"f16\"]", "codecs: prior"),
        ("[{stage=\"pca\",floats=3},\"tune\",\"tune\"]", "codecs: tune"),
        ("[{stage=\"pca\",floats=3},{stage=\"tune\",epochs=0}]", "codecs: tune"),
        ("{stages=\"raw\",local_epochs=0}", "local_epochs"),
        ("{stages=[\"prior\",{stage=\"pca\",floats=3}],downlink=\"code\"}", "codecs: downlink"),
        ("{stages=\"raw\",uplink=\"code\"}", "uplink"),
        ("{stage=\"pca\",floats=3,ship=\"int2\"}", "int2"),
        ("{stage=\"autoencoder\",hidden=[64],shared=true}", "leave shared out"),
        ("{stage=\"autoencoder\",shared=\"yes\"}", "true or false"),
    ] {
        let codecs = format!("codecs=[\"raw\",{codec}]");
        let ran = run_in(folder.path(), &arguments("run", &data, &codecs));
        assert_eq!((ran.code, ran.stderr.trim_end().lines().count()), (2, 1), "{codec}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(word), "{codec}: {}", ran.stderr);
        assert!(!folder.path().join("run").exists(), "{codec}");
    }
}
