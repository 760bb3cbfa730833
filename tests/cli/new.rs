//! `new`: a folder to start from, and that it can be started from.

use crate::support::{json_lines, run_in, succeed_in, temporary, write_data};
use serde_json::Value;
use std::path::Path;

fn text(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn inspected(folder: &Path, name: &str) -> Value {
    let json = succeed_in(folder, &["inspect", name, "--json"]).stdout;
    serde_json::from_str(&json).expect("JSON")
}

/// The classifier fits the data, and the autoencoder the classifier.
fn check_fit(folder: &Path, input: &str, classes: u64) {
    let (model, autoencoder) = (inspected(folder, "model.toml"), inspected(folder, "autoencoder.toml"));
    assert_eq!(
        (model["facts"]["input"].as_str(), model["facts"]["classes"].as_u64()),
        (Some(input), Some(classes))
    );
    assert_eq!(autoencoder["facts"]["weights"], model["facts"]["parameters"]);
    let dealt = succeed_in(folder, &["data", "partition", "simulation.toml", "--json"]).stdout;
    assert!(!dealt.is_empty());
}

#[test]
fn a_new_folder_runs_as_it_is() {
    let folder = temporary();
    let said = succeed_in(folder.path(), &["new", "my own"]).stdout;
    assert!(said.contains("cd 'my own' && fedfunnel simulate simulation.toml --out run"), "{said}");
    let own = folder.path().join("my own");
    check_fit(&own, "1x28x28", 10);
    // The very command of its README, with less of everything.
    assert!(text(&own, "README.md").contains("\nfedfunnel simulate simulation.toml --out run "));
    let less = [
        "images=400",
        "test_images=100",
        "rounds=2",
        "prepass.epochs=2",
        "prepass.snapshot_every=1",
        "autoencoder.epochs=20",
    ];
    let settings = less.iter().flat_map(|setting| ["--set", setting]);
    let line: Vec<_> =
        ["simulate", "simulation.toml", "--out", "run", "--json", "-q"].into_iter().chain(settings).collect();
    let summary: Value = serde_json::from_str(&succeed_in(&own, &line).stdout).expect("JSON");
    assert_eq!(summary["name"], "my own");
    let runs: Vec<_> = summary["runs"].as_object().expect("runs").keys().map(String::as_str).collect();
    let due = ["delta+feedback+topk(0.01)", "prior+autoencoder(16)+f16+tune", "raw"];
    assert_eq!(runs.len(), due.len());
    assert!(due.iter().all(|label| runs.contains(label)), "{runs:?}");
    // What is there is not written over.
    let again = run_in(folder.path(), &["new", "my own"]);
    assert_eq!((again.code, again.stderr.lines().count()), (2, 1));
    assert!(again.stderr.contains("there is something in my own already"), "{}", again.stderr);
}

#[test]
fn a_new_folder_fits_the_data() {
    let folder = temporary();
    let folder = folder.path();
    succeed_in(folder, &["new", "colours", "--data", "cifar10-sample"]);
    check_fit(&folder.join("colours"), "3x32x32", 10);
    // A path is still right where the folder is another one.
    write_data(&folder.join("images"), 40, 20);
    succeed_in(folder, &["new", "deep/er", "--data", "images"]);
    check_fit(&folder.join("deep/er"), "1x28x28", 10);
    let config =
        succeed_in(&folder.join("deep/er"), &["simulate", "simulation.toml", "--print-config"]).stdout;
    assert!(config.contains("images = 40\n") && config.contains("test_images = 20\n"), "{config}");
    let wrong = run_in(folder, &["new", "other", "--data", "no-such-set"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("no-such-set") && !folder.join("other").exists(), "{}", wrong.stderr);
    let nameless = run_in(folder, &["new", ".."]);
    assert_eq!((nameless.code, nameless.stderr.lines().count()), (2, 1), "{}", nameless.stderr);
}

/// Names that TOML, shells and Markdown would take for something else.
#[test]
fn a_name_is_taken_as_it_is() {
    let folder = temporary();
    let name = "it's \"50 %\" @DATA@";
    succeed_in(folder.path(), &["new", name]);
    let own = folder.path().join(name);
    let config = succeed_in(&own, &["simulate", "simulation.toml", "--print-config"]).stdout;
    let config: toml::Table = config.parse().expect("TOML");
    assert_eq!(config["name"].as_str(), Some(name));
    assert_eq!(
        json_lines(&succeed_in(&own, &["inspect", "model.toml", "--json"]).stdout.replace('\n', "")).len(),
        1
    );
}
