//! `fedfunnel autoencoder`: training on snapshots, and evaluating what comes back.

use crate::support::*;
use serde_json::Value;
use std::path::Path;

const KEYS: [&str; 9] = [
    "argmax_match",
    "epoch",
    "loss",
    "relative_l2",
    "seconds",
    "steps",
    "validation_argmax_match",
    "validation_loss",
    "validation_relative_l2",
];

const COSTS: [&str; 9] = [
    "autoencoder",
    "decoder_message_bytes",
    "decoder_parameters",
    "inputs",
    "latent",
    "parameters",
    "ratio",
    "relative_l2",
    "validation_relative_l2",
];

/// Trains an autoencoder of 4 floats on the shared snapshots.
fn train(folder: &Path, out: &str, arguments: &str) -> Ran {
    let snapshots = fixtures().snapshots();
    let mut all = vec!["autoencoder", "train", "--snapshots", snapshots.to_str().expect("UTF-8")];
    all.extend(["--model", "ae-mnist", "--latent", "4", "--out", out, "-q"]);
    all.extend(arguments.split_whitespace());
    succeed_in(folder, &all)
}

fn evaluate(folder: &Path, autoencoder: &Path, more: &[&str]) -> Ran {
    let (snapshots, data) = (fixtures().snapshots(), fixtures().data());
    let mut all = vec!["autoencoder", "evaluate", "--autoencoder", autoencoder.to_str().expect("UTF-8")];
    all.extend(["--snapshots", snapshots.to_str().expect("UTF-8"), "--data", data.to_str().expect("UTF-8")]);
    all.extend(more);
    succeed_in(folder, &all)
}

fn sorted_keys(object: &Value) -> Vec<&str> {
    let mut keys = keys(object);
    keys.sort_unstable();
    keys
}

#[test]
fn metrics_have_every_key_and_the_loss_falls() {
    let folder = temporary();
    let ran = train(folder.path(), "ae", "--epochs 40 --eval-every 15 --json");
    let lines = read_json_lines(&folder.path().join("ae/metrics.jsonl"));
    let mut said = json_lines(&ran.stdout);
    let costs = said.pop().expect("a last line");
    assert_eq!(said, lines);
    assert_eq!(sorted_keys(&costs), COSTS);
    assert_eq!((&costs["parameters"], &costs["decoder_parameters"]), (&143_194.into(), &79_550.into()));
    // Decoder, means and scale behind a header of three bytes.
    assert_eq!(costs["decoder_message_bytes"], 3 + 4 * (79_550 + 15_910 + 1));
    assert_eq!((number(&costs, "ratio"), &costs["latent"]), (3977.5, &4.into()));
    assert_eq!(costs["relative_l2"], lines[2]["relative_l2"]);
    let epochs: Vec<_> = lines.iter().map(|line| number(line, "epoch")).collect();
    assert_eq!(epochs, [15.0, 30.0, 40.0]);
    for line in &lines {
        assert_eq!(sorted_keys(line), KEYS);
        // All snapshots are one batch: a step is an epoch.
        assert_eq!(number(line, "steps"), number(line, "epoch"));
        assert!(number(line, "validation_loss") >= 0.0 && number(line, "seconds") > 0.0);
        for key in ["argmax_match", "validation_argmax_match"] {
            assert!((0.0..=1.0).contains(&number(line, key)), "{line}");
        }
    }
    assert!(number(&lines[2], "loss") < number(&lines[0], "loss"));
    assert!(number(&lines[2], "relative_l2") < number(&lines[0], "relative_l2"));
}

#[test]
fn nothing_held_out_leaves_the_validation_empty() {
    let folder = temporary();
    train(folder.path(), "ae", "--epochs 4 --batch 3 --hold-out 0");
    let lines = read_json_lines(&folder.path().join("ae/metrics.jsonl"));
    assert_eq!((lines.len(), sorted_keys(&lines[0])), (1, KEYS.to_vec()));
    assert!(lines[0]["validation_loss"].is_null() && lines[0]["validation_relative_l2"].is_null());
    // Eight snapshots in batches of three are three steps.
    assert_eq!(lines[0]["steps"], 12);
}

#[test]
fn the_file_has_pytorch_s_names_and_what_standardises_weights() {
    let file = read_tensors(&fixtures().autoencoder());
    for (name, shape) in [
        ("encoder.0.weight", &[4, 15_910][..]),
        ("encoder.0.bias", &[4]),
        ("decoder.0.weight", &[15_910, 4]),
        ("decoder.0.bias", &[15_910]),
        ("standard.means", &[15_910]),
        ("standard.scale", &[1]),
    ] {
        assert_eq!(file.tensors[name].0, shape, "{name}");
    }
    assert_eq!((file.tensors.len(), &*file.metadata["model"]), (6, "mnist-mlp"));
    assert!(file.metadata["spec"].contains("widths"));
    // The means are those of the snapshots.
    let (shape, snapshots) = &read_tensors(&fixtures().snapshots()).tensors["snapshots"];
    let mean = |column: usize| {
        let values = (0..shape[0]).map(|row| f64::from(snapshots[row * shape[1] + column]));
        (values.sum::<f64>() / shape[0] as f64) as f32
    };
    let means: Vec<f32> = (0..shape[1]).map(mean).collect();
    assert!(largest_difference(&means, &file.tensors["standard.means"].1) < 1e-6);
}

#[test]
fn a_seed_gives_the_same_bytes_twice() {
    let folder = temporary();
    for (out, seed) in [("a", 3), ("b", 3), ("c", 4)] {
        train(folder.path(), out, &format!("--epochs 3 --batch 2 --seed {seed}"));
    }
    let bytes =
        |out: &str| std::fs::read(folder.path().join(out).join("autoencoder.safetensors")).expect("read");
    assert!(bytes("a") == bytes("b"), "the same seed gave another file");
    assert!(bytes("a") != bytes("c"), "another seed gave the same file");
}

#[test]
fn what_was_saved_evaluates_to_what_training_measured() {
    let folder = temporary();
    let ran = evaluate(folder.path(), &fixtures().autoencoder(), &["--json"]);
    let evaluation: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let trained = read_json_lines(&fixtures().folder.join("ae/metrics.jsonl"));
    let (measured, printed) =
        (number(&evaluation, "relative_l2"), number(trained.last().expect("a line"), "relative_l2"));
    assert!((measured / printed - 1.0).abs() < 1e-3, "evaluated {measured}, trained {printed}");

    let snapshots = evaluation["snapshots"].as_array().expect("a list");
    let saved = read_tensors(&fixtures().snapshots());
    assert_eq!(snapshots.len(), saved.tensors["snapshots"].0[0]);
    let steps: Vec<_> = snapshots.iter().map(|row| row["step"].to_string()).collect();
    assert_eq!(steps.join(","), saved.metadata["steps"]);
    for (place, row) in snapshots.iter().enumerate() {
        assert_eq!(row["snapshot"], place);
        assert!(row["argmax_match"].is_boolean() && number(row, "relative_l2") >= 0.0, "{row}");
        for key in ["original_accuracy", "reconstructed_accuracy"] {
            assert!((0.0..=1.0).contains(&number(row, key)), "{row}");
        }
    }
    for key in ["mean_accuracy", "argmax_match", "mean_argmax_match"] {
        assert!((0.0..=1.0).contains(&number(&evaluation, key)), "{evaluation}");
    }
}

#[test]
fn the_original_accuracy_is_that_of_the_model_which_was_saved() {
    // The last snapshot was taken after the last step, so it is the model that training tested.
    let folder = temporary();
    let ran = evaluate(folder.path(), &fixtures().autoencoder(), &["--json"]);
    let evaluation: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let last = evaluation["snapshots"].as_array().and_then(|rows| rows.last()).expect("a row");
    let trained = read_json_lines(&fixtures().folder.join("steps/metrics.jsonl"));
    let tested = number(trained.last().expect("a line"), "test_accuracy");
    assert_eq!(number(last, "original_accuracy"), tested);
}

/// A model that saw standardised images is tested on standardised images, without being told.
#[test]
fn snapshots_say_which_inputs_their_model_takes() {
    let folder = temporary();
    let data = fixtures().data();
    let data = data.to_str().expect("UTF-8");
    let line =
        "train mnist-mlp --epochs 2 --batch 32 --standardize --limit 100 --snapshots epoch --out run -q";
    succeed_in(folder.path(), &line.split_whitespace().chain(["--data", data]).collect::<Vec<_>>());
    let autoencoder = fixtures().autoencoder();
    let ran = succeed_in(
        folder.path(),
        &[
            "autoencoder",
            "evaluate",
            "--autoencoder",
            autoencoder.to_str().expect("UTF-8"),
            "--snapshots",
            "run/snapshots.safetensors",
            "--data",
            data,
            "--json",
        ],
    );
    let evaluation: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let trained = read_json_lines(&folder.path().join("run/metrics.jsonl"));
    for (row, line) in evaluation["snapshots"].as_array().expect("rows").iter().zip(&trained) {
        assert_eq!(number(row, "original_accuracy"), number(line, "test_accuracy"));
        assert_eq!(number(row, "original_loss"), number(line, "test_loss"));
    }
}

#[test]
fn people_get_a_table_with_the_mean_beside_it() {
    let folder = temporary();
    let ran = evaluate(folder.path(), &fixtures().autoencoder(), &["-q", "--profile"]);
    for word in
        ["relative L2", "reconstructed", "mean", "argmax match", "centred relative L2 error", "dense_"]
    {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    assert_eq!(ran.stderr, "");
}

#[test]
fn cut_tensors_evaluate_alike() {
    let folder = temporary();
    let relative = |more: &[&str]| {
        let ran = evaluate(folder.path(), &fixtures().autoencoder(), &[more, &["--json"]].concat());
        number(&serde_json::from_str(&ran.stdout).expect("JSON"), "relative_l2")
    };
    let (whole, cut) = (relative(&[]), relative(&["--max-binding-bytes", "262144"]));
    assert!((whole / cut - 1.0).abs() < 1e-4, "{whole} {cut}");
}

#[test]
fn cut_tensors_learn_alike_whatever_the_batch_and_whatever_is_held_out() {
    let folder = temporary();
    let snapshots = fixtures().snapshots();
    let last = |out: &str, more: &str| {
        let mut all = vec!["autoencoder", "train", "--snapshots", snapshots.to_str().expect("UTF-8")];
        all.extend(["--model", "ae-mnist", "--epochs", "3", "--out", out, "--overwrite", "-q"]);
        all.extend(more.split_whitespace());
        succeed_in(folder.path(), &all);
        read_json_lines(&folder.path().join(out).join("metrics.jsonl")).pop().expect("a line")
    };
    for how in ["", "--batch 3", "--hold-out 0", "--batch 3 --hold-out 3"] {
        let whole = last("whole", how);
        for limit in [65_536, 262_144] {
            let cut = last("cut", &format!("{how} --max-binding-bytes {limit}"));
            for key in ["loss", "relative_l2", "validation_loss", "validation_relative_l2"] {
                let (cut, whole) = (cut[key].as_f64(), whole[key].as_f64());
                let same = cut.zip(whole).is_none_or(|(cut, whole)| (cut / whole - 1.0).abs() < 1e-3);
                assert!(same && cut.is_some() == whole.is_some(), "{how} {limit} {key}: {cut:?} {whole:?}");
            }
        }
    }
}

#[test]
fn an_autoencoder_that_learned_nothing_is_warned_of() {
    let folder = temporary();
    let snapshots = fixtures().snapshots();
    let mut all = vec!["autoencoder", "train", "--snapshots", snapshots.to_str().expect("UTF-8")];
    all.extend(["--model", "ae-mnist", "--epochs", "1", "--lr", "1e-9", "--out", "ae", "-q"]);
    let ran = succeed_in(folder.path(), &all);
    assert!(ran.stderr.starts_with("warning: ") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("centred relative L2 error"), "{}", ran.stdout);
}

const INDEX: &str = "autoencoder.safetensors.index.json";
const ENCODER: &str = "autoencoder-00001-of-00002.safetensors";
const DECODER: &str = "autoencoder-00002-of-00002.safetensors";

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn several_files_hold_what_one_holds() {
    let folder = temporary();
    train(folder.path(), "one", "--epochs 3");
    let ran = train(folder.path(), "two", "--epochs 3 --max-file-bytes 400000");
    assert!(ran.stdout.contains(INDEX), "{}", ran.stdout);
    let two = folder.path().join("two");
    assert_eq!(
        names(&two),
        [ENCODER, DECODER, INDEX, "config.toml", "fedfunnel.lock", "metrics.jsonl", "run.json"]
    );
    let one = read_tensors(&folder.path().join("one/autoencoder.safetensors"));
    let mut found = std::collections::HashMap::new();
    for name in [ENCODER, DECODER] {
        let file = read_tensors(&two.join(name));
        assert_eq!(file.metadata, one.metadata);
        found.extend(file.tensors);
    }
    assert!(found == one.tensors);
    // By file, index or folder.
    let paths = ["one/autoencoder.safetensors", "one", "two", &format!("two/{INDEX}")];
    let printed = paths.map(|path| evaluate(folder.path(), &folder.path().join(path), &["--json"]).stdout);
    assert!(printed.iter().all(|one| *one == printed[0]), "{printed:?}");
    // A run that saves one file leaves no others, and the other way round.
    train(folder.path(), "two", "--epochs 3 --overwrite");
    let others = ["config.toml", "fedfunnel.lock", "metrics.jsonl", "run.json"];
    assert_eq!(names(&two), [&["autoencoder.safetensors"], &others[..]].concat());
    train(folder.path(), "two", "--epochs 3 --max-file-bytes 1 --overwrite");
    assert_eq!(names(&two).len(), 4 + 1 + others.len());
}

#[test]
fn a_half_of_another_training_is_refused() {
    let folder = temporary();
    for seed in ["0", "1"] {
        train(folder.path(), seed, &format!("--epochs 3 --max-file-bytes 400000 --seed {seed}"));
    }
    let own = folder.path().join("0");
    evaluate(folder.path(), &own, &["--json"]);
    std::fs::copy(folder.path().join("1").join(DECODER), own.join(DECODER)).expect("copied");
    let snapshots = fixtures().snapshots();
    let all = ["autoencoder", "evaluate", "--autoencoder", "0", "--snapshots"];
    let ran = run_in(folder.path(), &[&all[..], &[snapshots.to_str().expect("UTF-8")]].concat());
    assert_eq!((ran.code, ran.stderr.lines().count()), (1, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains(DECODER) && ran.stderr.contains(INDEX), "{}", ran.stderr);
}

#[test]
fn checkpoints_do_not_change_what_is_learned() {
    let folder = temporary();
    let last = |out: &str, more: &str| {
        train(folder.path(), out, &format!("--epochs 12 --eval-every 5 --batch 3 {more}"));
        let line = read_json_lines(&folder.path().join(out).join("metrics.jsonl")).pop().expect("a line");
        let bytes = std::fs::read(folder.path().join(out).join("autoencoder.safetensors")).expect("a file");
        (number(&line, "loss"), bytes)
    };
    assert!(last("without", "") == last("with", "--checkpoint-every 4"));
}

/// The run saves as often as it can and is killed in the midst of it, again and again.
#[test]
fn a_killed_run_leaves_a_whole_checkpoint() {
    let folder = temporary();
    let out = folder.path().join("ae");
    let snapshots = fixtures().snapshots();
    for (round, most) in ["1000000000", "400000", "400000", "1", "1000000000"].into_iter().enumerate() {
        let mut run = std::process::Command::new(assert_cmd::cargo::cargo_bin!("fedfunnel"))
            .current_dir(folder.path())
            .args(["autoencoder", "train", "--model", "ae-mnist", "--latent", "4", "--out", "ae", "-q"])
            .args(["--snapshots", snapshots.to_str().expect("UTF-8"), "--epochs", "100000000"])
            .args(["--checkpoint-every", "1", "--eval-every", "1000000", "--max-file-bytes", most])
            .args(["--seed", &round.to_string()])
            .spawn()
            .expect("the program starts");
        // Wait for a checkpoint of this run, and a little more, so that the end comes at any moment of the next.
        let begun = std::time::SystemTime::now();
        let is_new = |path: &Path| path.metadata().and_then(|m| m.modified()).is_ok_and(|time| time >= begun);
        let main = if most == "1000000000" { "autoencoder.safetensors" } else { INDEX };
        while !is_new(&out.join(main)) {
            assert!(run.try_wait().expect("a state").is_none(), "the run ended by itself");
            assert!(begun.elapsed().expect("a time").as_secs() < 60, "no checkpoint came");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(37 * (round as u64 + 1)));
        run.kill().expect("killed");
        run.wait().expect("ended");
        let ran = evaluate(folder.path(), &out, &["--json"]);
        let evaluation: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert!(number(&evaluation, "relative_l2").is_finite());
    }
}

/// A user's model may have the name of a built-in one.
#[test]
fn snapshots_are_tested_as_the_model_that_logged_them_whatever_its_name() {
    let folder = temporary();
    let spec = include_str!("../../models/mnist-mlp.toml");
    std::fs::write(folder.path().join("own.toml"), spec.replace("relu", "tanh")).expect("a spec");
    let data = fixtures().data();
    let data = data.to_str().expect("UTF-8");
    let how =
        ["--data", data, "--epochs", "3", "--batch", "32", "--snapshots", "epoch", "--out", "own", "-q"];
    let tested = succeed_in(folder.path(), &[&["train", "own.toml", "--json"], &how[..]].concat()).stdout;
    let accuracies: Vec<_> = json_lines(&tested).iter().map(|line| line["test_accuracy"].clone()).collect();
    let ae = "autoencoder train --snapshots own/snapshots.safetensors --model ae-mnist --epochs 1 --hold-out 0 --out ae -q";
    succeed_in(folder.path(), &ae.split_whitespace().collect::<Vec<_>>());
    let evaluate = |autoencoder: &str, more: &[&str]| {
        let all =
            ["autoencoder", "evaluate", "--snapshots", "own/snapshots.safetensors", "--json", "--data", data];
        run_in(folder.path(), &[&all[..], &["--autoencoder", autoencoder], more].concat())
    };
    for more in [&[][..], &["--model", "own.toml"]] {
        let ran = evaluate("ae", more);
        let evaluation: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let rows = evaluation["snapshots"].as_array().expect("rows");
        let original: Vec<_> = rows.iter().map(|row| row["original_accuracy"].clone()).collect();
        assert_eq!(original, accuracies);
    }
    let ran = evaluate("ae", &["--model", "mnist-mlp"]);
    assert!(ran.code == 2 && ran.stderr.contains("--model: the snapshots are of another"), "{}", ran.stderr);
    // An autoencoder of the built-in model's weights is none for these.
    let other = fixtures().autoencoder();
    let ran = evaluate(other.to_str().expect("UTF-8"), &[]);
    assert!(ran.code == 1 && ran.stderr.contains("weights of another mnist-mlp"), "{}", ran.stderr);
}

/// Trains another autoencoder on the shared snapshots; what it says in the end.
fn train_another(folder: &Path, out: &str, arguments: &str) -> (Ran, Value) {
    let snapshots = fixtures().snapshots();
    let mut all = vec!["autoencoder", "train", "--snapshots", snapshots.to_str().expect("UTF-8")];
    all.extend(["--out", out, "--overwrite", "-q", "--json", "--epochs", "80", "--eval-every", "40"]);
    all.extend(arguments.split_whitespace());
    let ran = succeed_in(folder, &all);
    let last = json_lines(&ran.stdout).pop().expect("a last line");
    (ran, last)
}

#[test]
fn a_convolutional_autoencoder_is_trained_and_used_like_a_dense_one() {
    let folder = temporary();
    let line = "name = \"line\"\nkind = \"autoencoder\"\nhidden_activation = \"tanh\"\n[conv]\ninputs = 15910\n\
                layers = [{ channels = 4, kernel = [1, 32], stride = [1, 16] },\n\
                { channels = 8, kernel = [1, 32], stride = [1, 32] }]";
    std::fs::write(folder.path().join("line.toml"), line).expect("written");
    for (model, more, latent, learns) in [
        ("ae-conv-mnist", "--lr 1e-2", 32, true),
        ("ae-conv-mnist", "--lr 1e-2 --latent 5 --batch 3", 5, true),
        // Weights along a line have nothing that a shared window could learn: it only has to run.
        ("line.toml", "--lr 1e-2", 256, false),
    ] {
        let (_, costs) = train_another(folder.path(), "conv", &format!("--model {model} {more}"));
        assert_eq!((sorted_keys(&costs), &costs["latent"]), (COSTS.to_vec(), &latent.into()));
        assert!(number(&costs, "decoder_parameters") < 20_000.0, "{costs}");
        let error = number(&costs, "relative_l2");
        assert!(error < if learns { 0.9 } else { 1.05 }, "{costs}");
        // The codec says of the same snapshots what the training said.
        let ran = evaluate(folder.path(), &folder.path().join("conv/autoencoder.safetensors"), &["--json"]);
        let again: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert!((number(&again, "relative_l2") / error - 1.0).abs() < 0.1, "{again} {costs}");
    }
    let names = read_tensors(&folder.path().join("conv/autoencoder.safetensors"));
    assert_eq!(names.tensors["encoder.0.weight"].0, [4, 1, 1, 32]);
    // The linear latent is no module of its own, and the decoder's first is the mirror of the encoder's last.
    assert_eq!(names.tensors["decoder.0.weight"].0, [8, 4, 1, 32]);
    assert_eq!(names.tensors["decoder.2.weight"].0, [4, 1, 1, 32]);
}

/// Snapshots that do not fit one binding are cut, and gathered into whole lines for convolutions, to learn
/// from and to look at.
#[test]
fn a_convolutional_autoencoder_sees_few_snapshots_at_a_time() {
    let folder = temporary();
    for (batch, limit) in [(1, 65_536), (3, 200_000)] {
        let errors = |out: &str, more: &str| {
            let arguments = format!("--model ae-conv-mnist --lr 1e-2 --batch {batch} --hold-out 4 {more}");
            let (_, costs) = train_another(folder.path(), out, &arguments);
            let last = read_json_lines(&folder.path().join(out).join("metrics.jsonl")).pop().expect("a line");
            let keys = ["relative_l2", "validation_relative_l2"];
            (keys.map(|key| number(&costs, key)), last["argmax_match"].clone())
        };
        let (whole, hits) = errors("whole", "");
        let (cut, cut_hits) = errors("cut", &format!("--max-binding-bytes {limit}"));
        assert!((0..2).all(|at| (whole[at] / cut[at] - 1.0).abs() < 1e-2), "{whole:?} {cut:?}");
        assert_eq!(hits, cut_hits);
    }
    let cut = folder.path().join("cut/autoencoder.safetensors");
    let whole: Value =
        serde_json::from_str(&evaluate(folder.path(), &cut, &["--json"]).stdout).expect("JSON");
    let parts = evaluate(folder.path(), &cut, &["--json", "--max-binding-bytes", "200000"]);
    let parts: Value = serde_json::from_str(&parts.stdout).expect("JSON");
    let ratio = number(&whole, "relative_l2") / number(&parts, "relative_l2");
    assert!((ratio - 1.0).abs() < 1e-4, "{ratio}");
}

#[test]
fn hidden_layers_and_rates_are_set_from_the_command_line() {
    let folder = temporary();
    let shape = |out: &str, arguments: &str| {
        let (_, costs) = train_another(folder.path(), out, &format!("--model ae-mnist {arguments}"));
        (costs["parameters"].as_u64().expect("a number"), number(&costs, "relative_l2"))
    };
    let dense = |widths: &[u64]| widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum::<u64>();
    assert_eq!(shape("a", "--hidden 16,8 --latent 4").0, dense(&[15_910, 16, 8, 4, 8, 16, 15_910]));
    assert_eq!(shape("b", "--hidden 16 --latent 15").0, dense(&[15_910, 16, 15, 16, 15_910]));
    assert_eq!(shape("c", "--hidden none --latent 4").0, dense(&[15_910, 4, 15_910]));
    let file = read_tensors(&folder.path().join("a/autoencoder.safetensors"));
    assert_eq!(file.tensors["encoder.4.weight"].0, [4, 8]);
    // The same rates by either way of saying them, whatever --lr is; and others are others.
    let named = shape("d", "--latent 4 --layer-rates encoder=2e-5,decoder=1e-2").1;
    let listed = shape("e", "--latent 4 --layer-rates 2e-5,1e-2 --lr 0.5").1;
    let other = shape("f", "--latent 4 --layer-rates 2e-5,1e-5").1;
    assert!((named / listed - 1.0).abs() < 1e-3 && named < 0.5 * other, "{named} {listed} {other}");
}

#[test]
fn a_plan_is_shown_and_nothing_is_written() {
    let folder = temporary();
    let ran = train(folder.path(), "ae", "--plan");
    for words in ["second moments", "snapshots", "readback", "both", "mapped"] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    let plan: Value =
        serde_json::from_str(&train(folder.path(), "ae", "--plan --json").stdout).expect("JSON");
    let (device, parameters) = (&plan["device"], 4.0 * (2.0 * 4.0 * 15_910.0 + 15_910.0 + 4.0));
    let first = number(&device["parts"], "first moments");
    assert!((first / parameters - 1.0).abs() < 0.001, "{plan}");
    let parts: Vec<_> = device["parts"].as_object().expect("an object").values().collect();
    assert_eq!(parts.iter().filter_map(|bytes| bytes.as_u64()).sum::<u64>(), device["bytes"]);
    assert!(!folder.path().join("ae/metrics.jsonl").exists());
}

#[test]
fn a_training_that_does_not_fit_is_refused_with_settings_that_would() {
    let folder = temporary();
    let plan: Value =
        serde_json::from_str(&train(folder.path(), "ae", "--plan --json").stdout).expect("JSON");
    let all = number(&plan["device"], "bytes") + number(&plan["host"], "bytes");
    let snapshots = fixtures().snapshots();
    let attempt = |most: f64, more: &str| {
        let mut all = vec!["autoencoder", "train", "--snapshots", snapshots.to_str().expect("UTF-8")];
        let text = format!(
            "--model ae-mnist --latent 4 --epochs 1 --max-memory {most} --out x --overwrite -q {more}"
        );
        all.extend(text.split_whitespace());
        run_in(folder.path(), &all)
    };
    let refused = attempt(all - 300_000.0, "");
    assert_eq!((refused.code, refused.stderr.lines().count()), (1, 1), "{}", refused.stderr);
    for words in ["300,000 B too little", "--optimizer sgd", "--moments bf16", "--latent"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    // With so small a latent it is the snapshots that take the room, and the small space has several of them.
    assert!(!refused.stderr.contains("--space small"), "{}", refused.stderr);
    assert!(!folder.path().join("x/metrics.jsonl").exists());
    // What it says would fit does.
    for mend in ["--optimizer sgd", "--moments bf16"] {
        let fits = attempt(all - 300_000.0, mend);
        assert_eq!(fits.code, 0, "{mend}: {}", fits.stderr);
    }
    assert_eq!(attempt(all, "").code, 0);
    // With 32 floats the moments do, which it has not.
    let mut wide = vec!["autoencoder", "train", "--snapshots", snapshots.to_str().expect("UTF-8")];
    wide.extend("--model ae-mnist --out x --overwrite -q --plan --json".split_whitespace());
    let plan: Value = serde_json::from_str(&succeed_in(folder.path(), &wide).stdout).expect("JSON");
    let (device, host) = (number(&plan["device"], "bytes"), number(&plan["host"], "bytes"));
    let most = (device + host - 300_000.0).to_string();
    wide.truncate(wide.len() - 2);
    let refused = run_in(folder.path(), &[&wide[..], &["--max-memory", &most]].concat());
    assert!(refused.code == 1 && refused.stderr.contains("--space small"), "{}", refused.stderr);
    let never = attempt(1_000.0, "");
    assert!(never.code == 1 && never.stderr.contains("a smaller autoencoder"), "{}", never.stderr);
}

#[test]
fn moments_of_two_bytes_are_refused_where_there_are_none() {
    let (folder, snapshots) = (temporary(), fixtures().snapshots());
    for (how, words) in [
        ("--model ae-mnist --space small --moments bf16", ["--moments", "--space wide"]),
        ("--model ae-mnist --space small --moments f32", ["--moments", "--space wide"]),
        ("--model ae-conv-mnist --moments bf16", ["moments", "convolutions"]),
        ("--model ae-mnist --latent 30 --moments bf16", ["moments", "by four"]),
        ("--model ae-mnist --moments f16", ["--moments", "bf16"]),
        ("--model ae-mnist --moments half", ["--moments", "f32 and bf16"]),
    ] {
        let mut all = vec!["autoencoder", "train", "--snapshots", snapshots.to_str().expect("UTF-8")];
        all.extend(how.split_whitespace().chain(["--out", "x"]));
        let ran = run_in(folder.path(), &all);
        assert_eq!(ran.code, 2, "{how}: {}", ran.stderr);
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{how}: {}", ran.stderr);
        assert!(!folder.path().join("x/metrics.jsonl").exists(), "{how}");
    }
}

#[test]
fn training_in_the_small_space_is_planned_too() {
    let (folder, snapshots) = (temporary(), fixtures().snapshots());
    let attempt = |text: &str| {
        let mut all = vec!["autoencoder", "train", "--snapshots", snapshots.to_str().expect("UTF-8")];
        let text = format!("--model ae-mnist --space small --out x --epochs 5 -q {text}");
        all.extend(text.split_whitespace());
        run_in(folder.path(), &all)
    };
    let plan: Value = serde_json::from_str(&attempt("--plan --json").stdout).expect("JSON");
    assert!(plan["device"]["parts"]["first moments"].is_null(), "{plan}");
    let all = number(&plan["device"], "bytes") + number(&plan["host"], "bytes");
    let refused = attempt(&format!("--max-memory {}", all - 300_000.0));
    assert_eq!((refused.code, refused.stderr.lines().count()), (1, 1), "{}", refused.stderr);
    for words in ["300,000 B too little", "use --latent"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    assert!(!folder.path().join("x").exists(), "something was written");
    let fits = attempt(&format!("--max-memory {all}"));
    assert_eq!(fits.code, 0, "{}", fits.stderr);
    let refused = attempt("--checkpoint-every 3");
    assert!(refused.code == 2 && refused.stderr.contains("--checkpoint-every"), "{}", refused.stderr);
}
