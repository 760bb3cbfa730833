//! `experiment` and `report`: the list, specs, files, and runs that are killed and gone on with.

use crate::support::*;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// What makes figure 5 short: a few snapshots of the small data set.
fn small(out: &str) -> Vec<String> {
    let data = fixtures().data();
    let set = [
        format!("classifier.data={}", data.display()),
        "classifier.epochs=12".into(),
        "classifier.snapshot_every=5".into(),
        "autoencoder.epochs=300".into(),
        "autoencoder.look_every=2".into(),
        "autoencoder.latent=3".into(),
    ];
    let mut all = ["experiment", "fig5-mnist-validation", "--scale", "smoke", "-q", "--out", out]
        .map(String::from)
        .to_vec();
    all.extend(set.into_iter().flat_map(|pair| ["--set".to_string(), pair]));
    all
}

fn arguments(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// The report, the metrics, and other files by name.
type Left = (Value, Vec<Value>, Vec<(String, Vec<u8>)>);

/// All that a run leaves, timing fields aside.
fn left_by(folder: &Path) -> Left {
    let report =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).expect("a report")).expect("JSON");
    let metrics = read_json_lines(&folder.join("metrics.jsonl")).into_iter().map(timeless).collect();
    let mut files = Vec::new();
    for name in [
        "snapshots.safetensors",
        "autoencoder.safetensors",
        "config.toml",
        "plots/accuracy.svg",
        "plots/error.csv",
        "events.out.tfevents.0.fedfunnel",
    ] {
        files.push((name.to_string(), std::fs::read(folder.join(name)).expect(name)));
    }
    (timeless(report), metrics, files)
}

#[test]
fn the_list_names_figures_and_what_the_paper_printed() {
    let text = succeed_in(Path::new("."), &["experiment", "list"]).stdout;
    let json = succeed_in(Path::new("."), &["experiment", "list", "--json"]).stdout;
    let all: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    assert!(all.len() >= 4);
    for experiment in all {
        for key in ["name", "summary", "paper"] {
            assert!(text.contains(experiment[key].as_str().expect("text")), "{experiment}");
        }
    }
}

#[test]
fn the_savings_figures_need_no_device_and_say_that_no_rounds_give_both() {
    let folder = temporary();
    for (name, words) in [
        ("fig10-savings-single-decoder", ["No single number of rounds gives both", "8.02", "41.3"]),
        ("fig11-savings-many-decoders", ["321 rounds", "320.7", "0.125"]),
    ] {
        let ran = succeed_in(folder.path(), &["experiment", name, "--scale", "smoke", "--out", name]);
        for word in words {
            assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
        }
        let page = std::fs::read_to_string(folder.path().join(name).join("report.html")).expect("a page");
        assert!(page.contains("plot-savings") && page.contains("The paper&#39;s figures beside ours"));
        assert!(!folder.path().join(name).join("state").exists());
    }
}

#[test]
fn a_resolved_spec_is_printed_and_wrong_ones_are_answered() {
    let folder = temporary();
    let print = ["experiment", "fig4-mnist-ae", "--print-config", "--scale", "smoke", "--set", "seed=7"];
    let printed = succeed_in(folder.path(), &print).stdout;
    assert!(printed.contains("seed = 7") && printed.contains("mnist-sample") && !printed.contains("smoke"));
    std::fs::write(folder.path().join("mine.toml"), &printed).expect("written");
    let again = succeed_in(folder.path(), &["experiment", "mine.toml", "--print-config"]).stdout;
    assert_eq!(printed, again);
    for (arguments, words) in [
        (&["experiment", "fig4-mnist"][..], ["fig4-mnist-ae", "did you mean"]),
        (&["experiment", "fig4-mnist-ae", "--set", "autoencoder.epoch=3"], ["epoch", "`epochs`"]),
        (&["experiment", "fig4-mnist-ae", "--scale", "lapdog"], ["lapdog", "laptop"]),
        (&["experiment", "mine.toml", "--scale", "smoke"], ["--scale", "smoke"]),
        (
            &["experiment", "fig4-mnist-ae", "--set", "classifier.epochs=0"],
            ["classifier.epochs", "1 or more"],
        ),
        (
            &["experiment", "fig4-mnist-ae", "--set", "autoencoder.hold_out=1"],
            ["autoencoder.hold_out", "2 or more"],
        ),
        (&["report", "nowhere"], ["nowhere", "report.json"]),
    ] {
        let ran = run_in(folder.path(), arguments);
        assert_ne!(ran.code, 0, "{arguments:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr));
    }
}

/// Starts a run, ends it by `signal` after a while, and goes on with it, until it comes to its end.
fn run_with_interruptions(folder: &Path, all: &[String], signal: &str, pauses: &[u64]) -> usize {
    let mut interrupted = 0;
    for pause in pauses {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("fedfunnel"))
            .args(all)
            .arg("--resume")
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(*pause));
        let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.is_ok());
        let status = child.wait().expect("it ends");
        if status.success() {
            return interrupted;
        }
        if signal == "-INT" {
            assert_eq!(status.code(), Some(130), "a stop is no failure");
        }
        interrupted += 1;
    }
    let mut all = arguments(all);
    all.push("--resume");
    succeed_in(folder, &all);
    interrupted
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_and_gone_on_with_ends_as_one_that_was_not() {
    let folder = temporary();
    succeed_in(folder.path(), &arguments(&small("whole")));
    let whole = left_by(&folder.path().join("whole"));
    assert!(whole.1.len() > 100, "lines of metrics");
    for (out, signal, pauses) in [
        ("killed", "-KILL", [400, 900, 1_300, 700, 1_700]),
        ("stopped", "-INT", [900, 1_100, 800, 1_500, 600]),
    ] {
        let interrupted = run_with_interruptions(folder.path(), &small(out), signal, &pauses);
        assert!(interrupted > 0, "the run was over before it could be interrupted");
        let found = left_by(&folder.path().join(out));
        assert_eq!(found.1, whole.1, "{signal}: metrics");
        for (found, whole) in found.2.iter().zip(&whole.2) {
            assert!(found == whole, "{signal}: {}", whole.0);
        }
        assert_eq!(found.0, whole.0, "{signal}: report");
        assert!(!folder.path().join(out).join("state").exists());
    }
    // The negative control: another seed is another run.
    let mut other = small("other");
    other.extend(["--set".into(), "seed=1".into()]);
    succeed_in(folder.path(), &arguments(&other));
    assert_ne!(left_by(&folder.path().join("other")).1, whole.1);

    // A report is made again to the byte, and two are laid over each other.
    let page = |out: &str| std::fs::read(folder.path().join(out).join("report.html")).expect("a page");
    let before = page("whole");
    succeed_in(folder.path(), &["report", "whole"]);
    assert_eq!(before, page("whole"));
    succeed_in(folder.path(), &["report", "whole", "other", "--out", "both"]);
    let both = String::from_utf8(page("both")).expect("UTF-8");
    for word in ["whole: autoencoder", "other: autoencoder", "Settings that differ", "seed"] {
        assert!(both.contains(word), "{word}");
    }
}

#[test]
fn an_unfinished_run_is_not_overwritten_and_not_gone_on_with_otherwise() {
    let folder = temporary();
    std::fs::create_dir_all(folder.path().join("run/state")).expect("a folder");
    std::fs::write(folder.path().join("run/config.toml"), "seed = 3\n").expect("written");
    let ran = run_in(folder.path(), &arguments(&small("run")));
    assert!(ran.code == 2 && ran.stderr.contains("--resume"), "{}", ran.stderr);
    let mut all = small("run");
    all.push("--resume".into());
    let ran = run_in(folder.path(), &arguments(&all));
    assert!(ran.code == 2 && ran.stderr.contains("other settings"), "{}", ran.stderr);
}

/// Needs python3 with `pip install tensorboard`, or FEDFUNNEL_PYTHON to name one that has it.
#[test]
#[ignore = "needs python3 with the tensorboard package"]
fn tensorboard_reads_the_events() {
    let folder = temporary();
    succeed_in(folder.path(), &arguments(&small("run")));
    let python = std::env::var("FEDFUNNEL_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/read_events.py");
    let output = std::process::Command::new(python).arg(script).arg(folder.path().join("run")).output();
    let output = output.expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run/report.json")).expect("a report"))
            .expect("JSON");
    let mut curves = 0;
    for plot in report["plots"].as_array().expect("plots") {
        for series in plot["series"].as_array().expect("series") {
            let tag =
                format!("{}/{}", plot["id"].as_str().expect("text"), series["name"].as_str().expect("text"));
            let (points, events) = (series["points"].as_array().expect("points"), &read["scalars"][&tag]);
            assert_eq!(events.as_array().map(Vec::len), Some(points.len()), "{tag}");
            for (point, event) in points.iter().zip(events.as_array().expect("events")) {
                assert_eq!(point[0].as_f64(), event[0].as_f64(), "{tag}");
                let (wrote, got) =
                    (point[1].as_f64().expect("a number"), event[1].as_f64().expect("a number"));
                assert_eq!(wrote as f32, got as f32, "{tag}");
            }
            curves += 1;
        }
    }
    assert!(curves >= 10, "{curves} curves");
    for tag in ["weights", "errors/autoencoder"] {
        let all = read["histograms"][tag].as_array().unwrap_or_else(|| panic!("{tag} in {read}"));
        assert!(all.len() > 5);
        for histogram in all {
            assert_eq!((number(histogram, "num"), number(histogram, "counted")), (15_910.0, 15_910.0));
        }
    }
}
