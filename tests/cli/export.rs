//! `fedfunnel export`: the models that federations came to, as weights and as a seed and a mask, and reading them back.

use crate::support::{fixtures, read_tensors, run_in, succeed_in};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const P: usize = 15_910;

/// A run of two federations on the small data set: trained weights, and masks.
fn masked() -> &'static PathBuf {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = &fixtures().folder;
        let settings = "data=\"./data\" rounds=2 batch=8 local_epochs=2 collaborators=5 local_tests=none \
            codecs=[\"raw\",{system=\"fedpm\",downlink=[\"f16\"]}]";
        let settings = settings.split_whitespace().flat_map(|setting| ["--set", setting]);
        let all: Vec<_> = ["simulate", "demo", "--out", "masked", "-q"].into_iter().chain(settings).collect();
        succeed_in(folder, &all);
        folder.join("masked")
    })
}

/// The metrics of one epoch of training from these weights, and the weights after it.
fn trained_from(folder: &Path, init: &str, out: &str) -> (String, Vec<u8>) {
    let line = format!("train mnist-mlp --data ./data --init {init} --epochs 1 --lr 1e-9 --out {out} -q");
    succeed_in(folder, &line.split_whitespace().collect::<Vec<_>>());
    let metrics = std::fs::read_to_string(folder.join(out).join("metrics.jsonl")).expect("metrics");
    let accuracy = serde_json::from_str::<serde_json::Value>(metrics.lines().next().expect("a line"));
    let accuracy = accuracy.expect("JSON")["test_accuracy"].to_string();
    (accuracy, std::fs::read(folder.join(out).join("model.safetensors")).expect("a model"))
}

#[test]
fn a_masked_model_is_a_seed_and_less_than_a_bit_a_parameter() {
    let (run, folder) = (masked(), &fixtures().folder);
    let mask = std::fs::read(run.join("models/fedpm-f16-down.mask")).expect("a mask");
    assert!(8 * mask.len() < P, "{} bytes", mask.len());
    succeed_in(folder, &["export", "masked", "--run", "fedpm, f16 down", "--out", "m.mask"]);
    assert_eq!(std::fs::read(folder.join("m.mask")).expect("a file"), mask);
    // The only one beside raw.
    succeed_in(folder, &["export", "masked", "--out", "m.safetensors"]);
    let weights = read_tensors(&folder.join("m.safetensors"));
    let (shape, first) = &weights.tensors["0.weight"];
    assert_eq!((shape.as_slice(), weights.metadata["model"].as_str()), (&[20, 784][..], "mnist-mlp"));
    let size = (2f64 / 784.0).sqrt() as f32;
    assert!(first.iter().all(|weight| [0.0, size, -size].contains(weight)));
    assert!(first.contains(&0.0) && first.contains(&size) && first.contains(&-size));
    // Both start training from the same weights, with the same accuracy: that of the report.
    let [as_mask, as_weights] =
        [("m.mask", "from-mask"), ("m.safetensors", "from-weights")].map(|(i, o)| trained_from(folder, i, o));
    assert_eq!(as_mask, as_weights);
    let summary = std::fs::read(run.join("summary.json")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
    assert_eq!(summary["runs"]["fedpm, f16 down"]["final_accuracy"].to_string(), as_mask.0);
}

#[test]
fn trained_weights_are_exported_with_their_names() {
    let folder = &fixtures().folder;
    masked();
    succeed_in(folder, &["export", "masked", "--run", "raw", "--out", "raw.safetensors"]);
    let weights = read_tensors(&folder.join("raw.safetensors"));
    let count: usize = weights.tensors.values().map(|(_, values)| values.len()).sum();
    assert_eq!(count, P);
    trained_from(folder, "raw.safetensors", "from-raw");
}

#[test]
fn what_cannot_be_exported_is_refused_in_words() {
    let folder = &fixtures().folder;
    masked();
    for (arguments, words) in [
        ("export masked --run raw --out raw.mask", "no mask over a random network"),
        ("export masked --run rew --out x.safetensors", "did you mean raw?"),
        ("export masked --run raw --out x.bin", "neither a .safetensors nor a .mask file"),
        ("export epochs --out x.safetensors", "no models of a finished simulation"),
        ("export nowhere --out x.safetensors", "no models of a finished simulation"),
    ] {
        let ran = run_in(folder, &arguments.split_whitespace().collect::<Vec<_>>());
        assert!(ran.code == 2 && ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
    std::fs::write(folder.join("no.mask"), "nothing of the kind").expect("a file");
    succeed_in(folder, &["export", "masked", "--out", "own.mask"]);
    let mut bytes = std::fs::read(folder.join("own.mask")).expect("a mask");
    bytes[60] ^= 1;
    std::fs::write(folder.join("bad.mask"), bytes).expect("a file");
    for (init, model, words) in [
        ("no.mask", "mnist-mlp", "no mask that fedfunnel wrote"),
        ("bad.mask", "mnist-mlp", "its mask is damaged"),
        ("own.mask", "conv4", "mask over mnist-mlp"),
    ] {
        let line = format!("train {model} --data ./data --init {init} --epochs 1 --out refused");
        let ran = run_in(folder, &line.split_whitespace().collect::<Vec<_>>());
        assert!(ran.code != 0 && ran.stderr.contains(words), "{line}: {}", ran.stderr);
    }
}
