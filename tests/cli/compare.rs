//! `compare`: codecs side by side in the same bytes, over several seeds.

use crate::support::*;
use serde_json::Value;
use std::path::Path;

const CODECS: &str = "delta+feedback+ternary,prior+pca+f16+tune,delta+f16";
const P: u64 = 15_910;

/// A comparison of seconds.
fn small(out: &str) -> Vec<String> {
    let mut all = ["compare", "--codecs", CODECS, "--data", "mnist-sample", "--ratio", "400", "-q"]
        .map(String::from)
        .to_vec();
    all.extend(["--rounds", "2", "--seeds", "2", "--out", out].map(String::from));
    for set in ["images=200", "test_images=50", "prepass.epochs=4"] {
        all.extend(["--set".into(), format!("federation.{set}")]);
    }
    all
}

fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

fn compared(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("compare.json")).expect("a file")).expect("JSON")
}

/// What has to be the same where a run was left and gone on with.
fn left_by(folder: &Path) -> (Value, Vec<Value>, Vec<u8>) {
    let metrics = read_json_lines(&folder.join("metrics.jsonl")).into_iter().map(timeless).collect();
    let curves = std::fs::read(folder.join("plots/accuracy-over-bytes.csv")).expect("curves");
    (timeless(compared(folder)), metrics, curves)
}

#[test]
fn every_codec_keeps_to_the_budget_and_every_byte_is_counted() {
    let folder = temporary();
    let ran = succeed_in(folder.path(), &words(&small("run")));
    for word in [
        "What each codec came to",
        "Accuracy over all bytes",
        "not beaten in both",
        "a message",
        "run/report.html",
    ] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let out = folder.path().join("run");
    let all = compared(&out);
    assert_eq!(
        (&all["budget_bytes"], &all["seeds"]),
        (&((4 * P + 3) / 400).into(), &serde_json::json!([0, 1]))
    );
    let codecs = all["codecs"].as_array().expect("codecs");
    let labels: Vec<_> = codecs.iter().map(|codec| codec["label"].as_str().expect("a label")).collect();
    let count = labels[2].trim_start_matches("delta+feedback+ternary(").trim_end_matches(')');
    assert!((90..180).contains(&count.parse::<u64>().expect("a count")), "{labels:?}");
    assert_eq!(codecs[2]["found"], format!("count of ternary is {count}"));
    // Raw updates were added, and those with the work of tuned codes; four snapshots have three axes.
    assert_eq!(
        [labels[0], labels[1], labels[3], labels[4]],
        ["raw", "raw, 2 local epochs", "prior+pca(3)+f16+tune", "delta+f16"]
    );
    let bytes = |place: usize, field: &str| codecs[place][field].as_u64().expect(field);
    assert_eq!([0, 1, 3, 4].map(|place| bytes(place, "message_bytes")), [4 * P + 3, 4 * P + 3, 9, 2 * P + 3]);
    assert!(
        bytes(2, "message_bytes") <= 163 && bytes(2, "message_bytes") >= 140,
        "{}",
        bytes(2, "message_bytes")
    );
    assert_eq!([0, 1, 2, 3].map(|place| bytes(place, "local_epochs")), [2, 4, 2, 4]);
    // Each joins in four bytes; three axes and a mean are shipped.
    let (two, rounds) = (2, 2);
    assert_eq!(bytes(0, "uplink_bytes"), two * (4 + rounds * (4 * P + 3)));
    assert_eq!(bytes(3, "uplink_bytes"), two * (4 + rounds * 9 + bytes(3, "setup_bytes")));
    assert!(bytes(3, "setup_bytes") >= 4 * 4 * P);
    for (place, codec) in codecs.iter().enumerate() {
        let last = &codec["rounds"][1];
        assert_eq!(last["total_bytes"], bytes(place, "uplink_bytes") + bytes(place, "downlink_bytes"));
        let each: Vec<f64> = serde_json::from_value(codec["accuracy"]["each"].clone()).expect("numbers");
        let mean = number(&codec["accuracy"], "mean");
        assert!(each.len() == 2 && (each.iter().sum::<f64>() / 2.0 - mean).abs() < 1e-12, "{each:?}");
        assert_eq!(last["over_all"], codec["accuracy"]);
    }
    let csv = std::fs::read_to_string(out.join("compare.csv")).expect("a table");
    assert_eq!(csv.lines().count(), 1 + codecs.len());
    for file in
        ["report.html", "report.md", "plots/pareto.svg", "plots/accuracy-over-bytes.svg", "config.toml"]
    {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert!(!out.join("state").exists());
    // The two seeds are two simulations; a line says which it is of.
    let lines = read_json_lines(&out.join("metrics.jsonl"));
    let of = |seed: &str| lines.iter().filter(|line| line["part"] == seed && line["run"] == "raw").count();
    assert_eq!([of("seed-0"), of("seed-1")], [2, 2]);

    // The spec that it leaves is the same comparison, and a run that is there is neither lost nor run again.
    let again = succeed_in(folder.path(), &["compare", "run/config.toml", "--out", "again", "-q", "--json"]);
    let again: Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!(timeless(again), timeless(all.clone()));
    assert_eq!(run_in(folder.path(), &words(&small("run"))).code, 2);
    let mut resumed = small("run");
    resumed.extend(["--resume".into(), "--json".into()]);
    let resumed = succeed_in(folder.path(), &words(&resumed));
    assert_eq!(serde_json::from_str::<Value>(&resumed.stdout).expect("JSON"), all);
}

#[cfg(unix)]
#[test]
fn a_comparison_that_was_killed_goes_on_to_the_same_end() {
    use std::process::{Command, Stdio};
    let folder = temporary();
    succeed_in(folder.path(), &words(&small("whole")));
    let whole = left_by(&folder.path().join("whole"));
    let mut all = small("killed");
    all.push("--resume".into());
    let mut interrupted = 0;
    for part in ["seed-0", "seed-0", "seed-1", "seed-1"] {
        let mut child = stoppable(folder.path(), &words(&all));
        let mut child =
            child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        // Killed as soon as that seed is at work, or over before that.
        let metrics = folder.path().join("killed/metrics.jsonl");
        let is_there = || std::fs::read_to_string(&metrics).is_ok_and(|text| text.contains(part));
        while !is_there() && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = Command::new("kill").args(["-KILL", &child.id().to_string()]).status();
        interrupted += usize::from(!child.wait().expect("it ends").success());
    }
    assert!(interrupted > 0, "the run was over before it could be interrupted");
    succeed_in(folder.path(), &words(&all));
    assert_eq!(left_by(&folder.path().join("killed")), whole);
    // The negative control: other seeds come to something else.
    let mut other = small("other");
    other.extend(["--set".into(), "federation.seed=7".into()]);
    succeed_in(folder.path(), &words(&other));
    assert_ne!(left_by(&folder.path().join("other")), whole);
}

#[test]
fn what_cannot_be_compared_is_refused_by_the_name_of_the_option() {
    let folder = temporary();
    for (more, said) in [
        (&["--codecs", "delta+topkk"][..], &["--codecs", "topkk", "did you mean topk?"][..]),
        (&["--codecs", "topk(part=0.1"], &["--codecs", "nothing closes"]),
        (&["--codecs", "delta+ternary"], &["ternary", "nothing says how many"]),
        (&["--codecs", "topk+ternary", "--ratio", "9"], &["--codecs", "count of topk and count of ternary"]),
        (&["--codecs", "tune"], &["--codecs: tune", "list it behind pca"]),
        (&["--codecs", "raw", "--rounds", "0"], &["--rounds", "1 or more"]),
        (&["--codecs", "raw", "--seeds", "0"], &["--seeds", "1 or more"]),
        (&["--codecs", "raw", "--collaborators", "0"], &["--collaborators", "1 or more"]),
        (&["--codecs", "raw", "--ratio", "0.5"], &["--ratio", "1 or more"]),
        (&["--codecs", "raw", "--ratio", "-3"], &["--ratio", "1 or more"]),
        (&["--codecs", "raw", "--budget", "0"], &["--budget", "1 or more"]),
        (&["--codecs", "raw", "--budget", "9", "--ratio", "9"], &["--budget", "--ratio"]),
        (&["--codecs", "raw", "--model", "mnist-mlpp"], &["mnist-mlpp", "did you mean mnist-mlp?"]),
        (&["--codecs", "raw", "--set", "federation.round=2"], &["--set federation.round=2", "`rounds`"]),
        (&["--codecs", "raw", "--set", "federation.patience=2"], &["federation.patience", "leave it out"]),
        (&["--codecs", "raw", "--set", "federation.stop_at_accuracy=0.5"], &["federation.stop_at_accuracy"]),
        (&["--codecs", "raw", "--scale", "smoke"], &["--scale", "leave it out"]),
        (&["fig4-mnist-ae"], &["NAME", "another kind", "fedfunnel experiment fig4-mnist-ae"]),
        (&["compare-mnistt"], &["compare-mnistt", "did you mean compare-mnist?"]),
        (&[], &["--codecs"]),
    ] {
        let data: &[&str] = if more.first().is_some_and(|word| *word == "--codecs") {
            &["--data", "mnist-sample"]
        } else {
            &[]
        };
        let all = [&["compare"], more, data, &["--out", "refused"]].concat();
        let ran = run_in(folder.path(), &all);
        assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{more:?}: {}", ran.stderr);
        said.iter().for_each(|word| assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr));
        assert!(!folder.path().join("refused").exists(), "{more:?}");
    }
    // What is only known once messages are measured.
    let mut all = small("late");
    let place = all.iter().position(|word| word == "400").expect("a ratio");
    all[place] = "9000".into();
    let ran = run_in(folder.path(), &words(&all));
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("--codecs") && ran.stderr.contains("allow more bytes"), "{}", ran.stderr);
}

#[test]
fn the_built_in_comparisons_are_experiments_too() {
    let folder = temporary();
    for name in ["compare-mnist", "compare-cifar10"] {
        let printed =
            succeed_in(folder.path(), &["compare", name, "--scale", "smoke", "--print-config"]).stdout;
        assert_eq!(
            succeed_in(folder.path(), &["experiment", name, "--scale", "smoke", "--print-config"]).stdout,
            printed
        );
        assert!(printed.contains("kind = \"codecs\"") && printed.contains("ratio = 400.0"), "{printed}");
    }
    let set =
        ["images=200", "test_images=50", "rounds=2", "prepass.snapshot_every=1", "autoencoder.epochs=5"];
    let mut all =
        ["experiment", "compare-mnist", "--scale", "smoke", "--out", "run", "-q", "--set", "seeds=1"]
            .map(String::from)
            .to_vec();
    all.extend(set.iter().flat_map(|set| ["--set".to_string(), format!("federation.{set}")]));
    let ran = succeed_in(folder.path(), &words(&all));
    assert!(ran.stdout.contains("not beaten in bytes and accuracy at once"), "{}", ran.stdout);
    assert_eq!(compared(&folder.path().join("run"))["codecs"].as_array().map(Vec::len), Some(16));
}

#[test]
fn a_codec_that_diverges_is_named_and_the_others_are_compared() {
    let folder = temporary();
    let codecs = "prior+pca(floats=2)+f16+tune(lr=1e38),delta+f16";
    let mut all = small("run");
    all[2] = codecs.into();
    all.retain(|word| word != "--ratio" && word != "400");
    let ran = succeed_in(folder.path(), &words(&all));
    assert!(ran.stdout.contains("diverged, and is in no table: with seed 0"), "{}", ran.stdout);
    let out = folder.path().join("run");
    let written = compared(&out);
    let labels: Vec<_> =
        written["codecs"].as_array().expect("codecs").iter().map(|one| &one["label"]).collect();
    assert_eq!(labels, ["raw", "raw, 2 local epochs", "delta+f16"]);
    let diverged = written["diverged"].as_array().expect("those that diverged");
    assert_eq!(diverged.len(), 1);
    assert_eq!((&diverged[0]["seed"], &diverged[0]["rounds"]), (&0.into(), &0.into()));
    let problem = diverged[0]["problem"].as_str().expect("a problem");
    assert!(problem.contains("tuning diverged in round 1"), "{problem}");
    // Alone it is an error.
    let text = "codecs=[\"raw\",\"prior+pca(floats=2)+f16+tune(lr=1e38)\"]";
    let sets = ["--set", text, "--set", "data=mnist-sample", "--set", "images=200", "--set", "rounds=2"];
    let rest = ["--set", "prepass.epochs=4", "--set", "prepass.snapshot_every=1", "-q", "--out", "alone"];
    let ran = run_in(folder.path(), &[&["simulate", "demo"][..], &sets, &rest].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("tuning diverged in round 1"), "{}", ran.stderr);
}
