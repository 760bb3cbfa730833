//! `fedfunnel train`: the files of a run, and what each argument does to them.

use crate::support::*;
use std::path::Path;

const STATE_DICT: [&str; 4] = ["0.weight", "0.bias", "2.weight", "2.bias"];
const PARAMETERS: usize = 15_910;

/// Trains on the small data set and gives the parameters of the model.
fn train(folder: &Path, out: &str, arguments: &str) -> Vec<f32> {
    let data = fixtures().data();
    let data = data.to_str().expect("a path in UTF-8");
    let mut all = vec!["train", "mnist-mlp", "--data", data, "--batch", "32", "--out", out, "-q"];
    all.extend(arguments.split_whitespace());
    succeed_in(folder, &all);
    read_tensors(&folder.join(out).join("model.safetensors")).flat(&STATE_DICT)
}

#[test]
fn a_run_leaves_a_model_that_pytorch_can_load() {
    let model = read_tensors(&fixtures().epochs().join("model.safetensors"));
    let shape = |name: &str| model.tensors[name].0.clone();
    assert_eq!(model.tensors.len(), 4);
    assert_eq!((shape("0.weight"), shape("0.bias")), (vec![20, 784], vec![20]));
    assert_eq!((shape("2.weight"), shape("2.bias")), (vec![10, 20], vec![10]));
    for (key, value) in [("model", "mnist-mlp"), ("epochs", "2"), ("seed", "0")] {
        assert_eq!(model.metadata[key], value);
    }
}

#[test]
fn metrics_have_one_object_for_each_epoch_and_the_model_learns() {
    let lines = read_json_lines(&fixtures().epochs().join("metrics.jsonl"));
    assert_eq!(lines.len(), 2);
    let mut wanted =
        ["epoch", "train_loss", "test_loss", "test_accuracy", "seconds", "images_per_second"].to_vec();
    wanted.sort_unstable();
    for (place, line) in lines.iter().enumerate() {
        let mut found = keys(line);
        found.sort_unstable();
        assert_eq!(found, wanted);
        assert_eq!(line["epoch"], place + 1);
        let rate = 6000.0 / number(line, "seconds");
        assert!((number(line, "images_per_second") / rate - 1.0).abs() < 1e-6, "{line}");
    }
    assert!(number(&lines[1], "train_loss") < number(&lines[0], "train_loss"));
    assert!(number(&lines[1], "test_loss") < number(&lines[0], "test_loss"));
    assert!(number(&lines[1], "test_accuracy") > 0.75, "{}", lines[1]);
}

#[test]
fn the_last_snapshot_of_an_epoch_is_the_model() {
    let folder = fixtures().epochs();
    let file = read_tensors(&folder.join("snapshots.safetensors"));
    let (shape, values) = &file.tensors["snapshots"];
    assert_eq!((file.tensors.len(), shape.as_slice()), (1, &[2, PARAMETERS][..]));
    // 6,000 images in batches of 64 are 94 steps.
    for (key, value) in [("model", "mnist-mlp"), ("steps", "94,188"), ("epochs", "1,2")] {
        assert_eq!(file.metadata[key], value);
    }
    let model = read_tensors(&folder.join("model.safetensors")).flat(&STATE_DICT);
    assert_eq!(values[PARAMETERS..], model);
    assert_ne!(values[..PARAMETERS], model);
}

#[test]
fn snapshots_are_taken_every_so_many_steps_over_epochs() {
    let folder = temporary();
    succeed_in(folder.path(), &["train", "mnist-mlp", "--epochs", "2", "--snapshots", "50", "--out", "run"]);
    let file = read_tensors(&folder.path().join("run/snapshots.safetensors"));
    assert_eq!(file.tensors["snapshots"].0, [3, PARAMETERS]);
    assert_eq!((&*file.metadata["steps"], &*file.metadata["epochs"]), ("50,100,150", "0,1,1"));
}

#[test]
fn a_seed_gives_the_same_bytes_twice_and_another_seed_others() {
    let folder = temporary();
    for (out, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        train(folder.path(), out, &format!("--epochs 2 --seed {seed}"));
    }
    let bytes =
        |out: &str| std::fs::read(folder.path().join(out).join("model.safetensors")).expect("a model");
    // Plain comparisons: a failure need not print two whole files.
    assert!(bytes("a") == bytes("b"), "the same seed gave another file");
    assert!(bytes("a") != bytes("c"), "another seed gave the same file");
}

#[test]
fn training_goes_on_from_a_file_as_if_it_had_never_stopped() {
    // Without momentum nothing but the weights is carried from one epoch to the next.
    let folder = temporary();
    let how = "--optimizer sgd --momentum 0 --lr 0.05 --no-shuffle";
    let at_once = train(folder.path(), "whole", &format!("{how} --epochs 2"));
    let half = train(folder.path(), "half", &format!("{how} --epochs 1"));
    let resumed = train(folder.path(), "rest", &format!("{how} --epochs 1 --init half/model.safetensors"));
    assert_eq!(at_once, resumed);
    assert_ne!(half, resumed);
}

#[test]
fn without_shuffling_the_seed_does_not_matter_to_the_order() {
    let folder = temporary();
    let model = fixtures().model();
    let how = format!("--epochs 1 --init {}", model.display());
    let plain = |out, seed| train(folder.path(), out, &format!("{how} --no-shuffle --seed {seed}"));
    assert_eq!(plain("a", 1), plain("b", 2));
    let shuffled = |out, seed| train(folder.path(), out, &format!("{how} --seed {seed}"));
    assert_ne!(shuffled("c", 1), shuffled("d", 2));
}

#[test]
fn every_optimiser_learns_in_its_own_way() {
    let folder = temporary();
    let mut models = Vec::new();
    for (name, more) in [
        ("sgd", "--lr 0.05"),
        ("sgd", "--lr 0.05 --momentum 0"),
        ("adam", ""),
        ("adam", "--weight-decay 0.1"),
        ("adamw", "--weight-decay 0.1"),
    ] {
        let out = format!("run{}", models.len());
        let model = train(folder.path(), &out, &format!("--epochs 3 --optimizer {name} {more}"));
        let lines = read_json_lines(&folder.path().join(&out).join("metrics.jsonl"));
        assert!(number(&lines[2], "train_loss") < number(&lines[0], "train_loss"), "{name} {more}");
        assert!(!models.contains(&model), "{name} {more} does what another optimiser did");
        models.push(model);
    }
    // With nothing to decay, adam and adamw are the same.
    assert_eq!(models[2], train(folder.path(), "same", "--epochs 3 --optimizer adamw"));
}

#[test]
fn cut_tensors_and_checked_kernels_give_the_same_model() {
    let folder = temporary();
    let how = "--epochs 1 --batch 16 --optimizer sgd --lr 0.05";
    let data = fixtures().data();
    let run = |out: &str, more: &str| {
        let mut all = vec!["train", "mnist-mlp", "--data", data.to_str().expect("UTF-8"), "--out", out, "-q"];
        all.extend(how.split_whitespace().chain(more.split_whitespace()));
        succeed_in(folder.path(), &all);
        read_tensors(&folder.path().join(out).join("model.safetensors")).flat(&STATE_DICT)
    };
    let whole = run("whole", "");
    let cut = run("cut", "--max-binding-bytes 65536");
    let odd = run("odd", "--max-binding-bytes 70001");
    assert!(largest_difference(&whole, &cut) < 1e-5, "{}", largest_difference(&whole, &cut));
    assert!(largest_difference(&whole, &odd) < 1e-5, "{}", largest_difference(&whole, &odd));
    // Bounds checks may lead a compiler to round otherwise.
    assert!(largest_difference(&whole, &run("checked", "--checked")) < 1e-6);
    // The comparison can fail: one more epoch is a difference.
    assert!(largest_difference(&whole, &run("other", "--weight-decay 0.5")) > 1e-4);
}

#[test]
fn json_on_stdout_is_what_the_file_has_and_the_profile_names_the_kernels() {
    let folder = temporary();
    let data = fixtures().data();
    let data = data.to_str().expect("UTF-8");
    let base = ["train", "mnist-mlp", "--data", data, "--epochs", "2", "--out", "run", "--profile"];
    let ran = succeed_in(folder.path(), &[&base[..], &["--json", "-q"]].concat());
    assert_eq!(json_lines(&ran.stdout), read_json_lines(&folder.path().join("run/metrics.jsonl")));
    assert!(ran.stderr.contains("_update"), "{}", ran.stderr);
    let ran = succeed_in(folder.path(), &[&base[..], &["--overwrite"]].concat());
    // Which variant of a kernel runs depends on the adapter; its verb does not.
    for word in ["kernel", "share", "_update", "GFLOP/s"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    assert!(ran.stdout.contains("model.safetensors"));
    assert!(ran.stderr.contains("epoch 2/2") && ran.stderr.contains("test accuracy"), "{}", ran.stderr);
}

#[test]
fn a_quiet_run_says_where_the_model_is_and_nothing_else() {
    let folder = temporary();
    let data = fixtures().data();
    let ran = succeed_in(
        folder.path(),
        &[
            "train",
            "mnist-mlp",
            "--data",
            data.to_str().expect("UTF-8"),
            "--epochs",
            "1",
            "--out",
            "a/b",
            "-q",
        ],
    );
    assert_eq!((ran.stdout.trim(), ran.stderr.as_str()), ("a/b/model.safetensors", ""));
    let mut names: Vec<_> = std::fs::read_dir(folder.path().join("a/b"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["config.toml", "fedfunnel.lock", "metrics.jsonl", "model.safetensors", "run.json"]);
}

#[test]
fn a_run_that_diverges_says_so_and_leaves_no_model() {
    let folder = temporary();
    let data = fixtures().data();
    let data = data.to_str().expect("UTF-8");
    let all =
        ["train", "mnist-mlp", "--data", data, "--optimizer", "sgd", "--lr", "1e30", "--out", "run", "-q"];
    let ran = run_in(folder.path(), &all);
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("--lr") && ran.stderr.contains("use a smaller rate"), "{}", ran.stderr);
    assert!(!folder.path().join("run/model.safetensors").exists());
}
