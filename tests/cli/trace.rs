//! `--trace` and `--profile` of the verbs that run kernels.

use crate::support::{fixtures, run_in, succeed_in, temporary};
use serde_json::Value;

#[test]
fn every_long_verb_writes_a_trace() {
    let folder = temporary();
    let snapshots = fixtures().epochs().join("snapshots.safetensors").display().to_string();
    let autoencoder = fixtures().autoencoder().display().to_string();
    let small = "--set rounds=1 --set prepass.epochs=1 --set autoencoder.epochs=2 --out sim";
    let verbs = [
        ("train mnist-mlp --epochs 1 --limit 64 --out run".to_string(), "epoch 1/1"),
        (
            format!(
                "autoencoder train --snapshots {snapshots} --model ae-mnist --epochs 2 --hold-out 0 --out ae"
            ),
            "ae-mnist",
        ),
        (
            format!(
                "autoencoder train --snapshots {snapshots} --model ae-mnist --space small --epochs 2 --hold-out 0 \
                 --out small"
            ),
            "ae-mnist",
        ),
        (format!("autoencoder evaluate --autoencoder {autoencoder} --snapshots {snapshots}"), "readback"),
        (format!("simulate demo {small}"), "raw rounds"),
        (format!("demo {small}"), "autoencoder(32) rounds"),
        ("bench dispatch".to_string(), "dispatch"),
    ];
    for (verb, stage) in verbs {
        let mut arguments: Vec<_> = verb.split_whitespace().collect();
        if arguments[0] == "demo" {
            // Into the folder of the simulation before it.
            arguments.push("--overwrite");
        }
        arguments.extend(["-q", "--profile", "--trace", "trace.json"]);
        let ran = succeed_in(folder.path(), &arguments);
        assert!(ran.stdout.contains("Kernels on the device"), "{verb}: {}", ran.stdout);
        let path = folder.path().join("trace.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{verb}: {error}"));
        let trace: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{verb}: {error}"));
        let events = trace["traceEvents"].as_array().expect("a list");
        for wanted in [stage, "open the device", "submit"] {
            assert!(events.iter().any(|event| event["name"] == wanted), "{verb}: no {wanted}");
        }
        assert!(events.iter().any(|event| event["cat"] == "kernel"), "{verb}");
        std::fs::remove_file(path).expect("removed");
    }
}

#[test]
fn a_trace_that_cannot_be_is_refused_before_the_work() {
    let folder = temporary();
    for (verb, words) in [
        ("train mnist-mlp --out run --trace .", [". is a folder", "name a file"]),
        ("experiment fig10-savings-single-decoder --trace t.json", ["no kernel runs", "leave it out"]),
        ("experiment fig10-savings-single-decoder --profile", ["no kernel runs", "leave it out"]),
    ] {
        let ran = run_in(folder.path(), &verb.split_whitespace().collect::<Vec<_>>());
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        }
        assert!(!folder.path().join("run").exists());
    }
}
