//! `runs`: a table of the runs in a folder.

use crate::support::{fixtures, run_in, succeed_in, temporary};
use serde_json::Value;
use std::path::Path;

/// A copy of a finished training, which is the run of the folder.
fn copy(to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(fixtures().epochs()).expect("a run").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

fn unfinish(run: &Path) {
    let record = std::fs::read_to_string(run.join("run.json")).expect("a record");
    std::fs::write(run.join("run.json"), record.replace("\"finished\": true", "\"finished\": false"))
        .expect("written");
}

fn listed(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let arguments: Vec<_> = ["runs", "--json"].into_iter().chain(arguments.iter().copied()).collect();
    serde_json::from_str(&succeed_in(folder, &arguments).stdout).expect("JSON")
}

#[test]
fn runs_are_found_in_folders_of_folders_with_what_they_came_to() {
    let folder = temporary();
    let folder = folder.path();
    copy(&folder.join("b"));
    copy(&folder.join("a/deep"));
    // No runs: a hidden folder, and what lies inside of a run.
    copy(&folder.join(".hidden"));
    copy(&folder.join("b/inside"));
    let runs = listed(folder, &[]);
    let names: Vec<_> =
        runs.iter().map(|run| run["folder"].as_str().expect("a name").replace('\\', "/")).collect();
    assert_eq!(names, ["a/deep", "b"]);
    let metrics = std::fs::read_to_string(folder.join("b/metrics.jsonl")).expect("metrics");
    let last: Value = serde_json::from_str(metrics.lines().last().expect("a line")).expect("JSON");
    let accuracy = format!("{:.1} %", 100.0 * last["test_accuracy"].as_f64().expect("a number"));
    for run in &runs {
        assert_eq!(
            (&run["verb"], &run["name"], &run["progress"]),
            (&"train".into(), &"mnist-mlp".into(), &"finished".into())
        );
        assert_eq!(run["figures"][0], serde_json::json!({ "label": "Accuracy", "value": accuracy }));
    }
    let table = succeed_in(folder, &["runs"]).stdout;
    let row = table.lines().find(|line| line.starts_with("b ")).expect("a row");
    assert!(row.contains("finished") && row.contains(&format!("accuracy {accuracy}")), "{table}");
    assert_eq!(listed(folder, &["a"]).len(), 1);
    assert_eq!(listed(folder, &["b"]).len(), 1, "the folder itself is a run");
}

#[test]
fn how_far_a_run_has_come_is_said() {
    let folder = temporary();
    let run = folder.path().join("run");
    copy(&run);
    unfinish(&run);
    let progress = || listed(folder.path(), &[])[0]["progress"].as_str().expect("a word").to_string();
    assert_eq!(progress(), "unsaved");
    std::fs::create_dir(run.join("state")).expect("a folder");
    std::fs::write(run.join("state/training.safetensors"), "").expect("written");
    assert_eq!(progress(), "unfinished");
    let marker = std::fs::File::open(run.join("fedfunnel.lock")).expect("a marker");
    marker.lock().expect("locked");
    assert_eq!(progress(), "running");
    drop(marker);
    assert_eq!(progress(), "unfinished");
}

#[test]
fn a_run_that_cannot_be_read_hides_no_other() {
    let folder = temporary();
    copy(&folder.path().join("fine"));
    copy(&folder.path().join("other"));
    std::fs::write(folder.path().join("other/run.json"), "{ \"format\": 99 }").expect("written");
    let ran = run_in(folder.path(), &["runs"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("fine") && !ran.stdout.contains("other"), "{}", ran.stdout);
    assert!(ran.stderr.contains("left out: ") && ran.stderr.contains("layout 99"), "{}", ran.stderr);
    let none = temporary();
    assert_eq!(succeed_in(none.path(), &["runs"]).stdout.trim(), "there are no runs in .");
    let missing = run_in(none.path(), &["runs", "missing"]);
    assert_eq!((missing.code, missing.stderr.lines().count()), (1, 1));
    assert!(missing.stderr.contains("missing"), "{}", missing.stderr);
}
