//! Training in the span of the snapshots, and principal components beside it.

use crate::support::*;
use nalgebra::DMatrix;
use safetensors::SafeTensors;
use serde_json::Value;
use std::path::Path;

fn autoencoder(folder: &Path, verb: &str, arguments: &str) -> Ran {
    let snapshots = fixtures().snapshots();
    let mut all = vec!["autoencoder", verb, "--snapshots", snapshots.to_str().expect("UTF-8")];
    all.extend(arguments.split_whitespace());
    run_in(folder, &all)
}

fn train(folder: &Path, arguments: &str) -> Ran {
    let ran =
        autoencoder(folder, "train", &format!("--model ae-mnist --space small --overwrite -q {arguments}"));
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ran
}

fn pca(folder: &Path, arguments: &str) -> Value {
    let ran = autoencoder(folder, "pca", &format!("--json {arguments}"));
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn span_adam_is_no_worse_than_principal_components() {
    let folder = temporary();
    for (latent, hold_out) in [(32, 5), (2, 4)] {
        let out = format!("--latent {latent} --hold-out {hold_out} --epochs 600 --out ae --json");
        let out = if latent == 32 { out.replace("--latent 32 ", "") } else { out };
        let lines = json_lines(&train(folder.path(), &out).stdout);
        let rank = number(&pca(folder.path(), &format!("--hold-out {hold_out}")), "rank") as usize;
        let floats = rank.min(latent);
        let sizes = pca(folder.path(), &format!("--hold-out {hold_out} --floats {floats}"));
        let best = &sizes["sizes"][1];
        let last = &lines[lines.len() - 2];
        assert_eq!((&last["optimizer"], &last["epoch"]), (&"span-adam".into(), &600.into()));
        for key in ["relative_l2", "validation_relative_l2"] {
            let (small, best) = (number(last, key), number(best, key));
            assert!((small - best).abs() < 2e-3, "{latent} floats, {key}: {small}, PCA {best}");
        }
    }
}

#[test]
fn what_was_trained_small_is_an_autoencoder_like_any_other() {
    let folder = temporary();
    for optimizer in ["span-adam", "sgd"] {
        let ran = train(
            folder.path(),
            &format!("--optimizer {optimizer} --hold-out 0 --epochs 30 --out ae --json"),
        );
        let lines = json_lines(&ran.stdout);
        let (closing, points) = lines.split_last().expect("lines");
        assert_eq!(read_json_lines(&folder.path().join("ae/metrics.jsonl")), points);
        let point = points.last().expect("a point");
        assert_eq!(point["optimizer"], optimizer);
        assert!(point["validation_loss"].is_null() && point["argmax_match"].is_number(), "{point}");

        // The dense decoder's message, and the factored one as it was written.
        let decoders = closing["decoders"].as_array().expect("decoders");
        let names: Vec<_> = decoders.iter().map(|row| row["decoder"].as_str().expect("a name")).collect();
        assert_eq!(names, ["dense", "factored_f32", "factored_f16"]);
        assert_eq!(decoders[0]["bytes"], 3 + 4 * (15_910 * 32 + 2 * 15_910 + 1));
        let file = std::fs::metadata(folder.path().join("ae/decoder.factored")).expect("a file").len();
        assert_eq!(decoders[1]["bytes"], 3 + file);
        for row in decoders {
            let rounds = number(row, "bytes") / (4.0 * (15_910.0 - 32.0));
            assert!((number(row, "break_even_rounds") / rounds - 1.0).abs() < 1e-9, "{row}");
            let (own, dense) = (number(row, "relative_l2"), number(&decoders[0], "relative_l2"));
            assert!((own - dense).abs() < 1e-3, "{row}");
        }

        let (snapshots, data) = (fixtures().snapshots(), fixtures().data());
        let evaluated = succeed_in(
            folder.path(),
            &[
                "autoencoder",
                "evaluate",
                "--autoencoder",
                "ae/autoencoder.safetensors",
                "--snapshots",
                snapshots.to_str().expect("UTF-8"),
                "--data",
                data.to_str().expect("UTF-8"),
                "--json",
            ],
        );
        let evaluation: Value = serde_json::from_str(&evaluated.stdout).expect("JSON");
        let (measured, said) = (number(&evaluation, "relative_l2"), number(point, "relative_l2"));
        assert!((measured - said).abs() < 1e-3, "{optimizer}: evaluated {measured}, trained {said}");
    }
}

#[test]
fn people_get_tables() {
    let folder = temporary();
    let ran = train(folder.path(), "--epochs 50 --out ae");
    for word in ["span-adam", "dense", "factored f32", "factored f16", "break-even rounds", "held out"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let ran = autoencoder(folder.path(), "pca", "--floats 1,2");
    for word in ["mean", "PCA, 1 float ", "PCA, 2 floats", "training", "held out", "break-even rounds"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
}

/// Of weights that were trained, for each number of floats up to one less than there are snapshots.
#[test]
fn errors_of_principal_components_are_those_of_the_singular_values() {
    let folder = temporary();
    let bytes = std::fs::read(fixtures().snapshots()).expect("snapshots");
    let file = SafeTensors::deserialize(&bytes).expect("a file of tensors");
    let tensor = file.tensor("snapshots").expect("snapshots");
    let value = |at: usize| f32::from_le_bytes(tensor.data()[4 * at..][..4].try_into().expect("four bytes"));
    let (count, width) = (tensor.shape()[0], tensor.shape()[1]);
    for hold_out in [0, 4] {
        let held_out = |s: usize| hold_out > 0 && (s + 1).is_multiple_of(hold_out);
        let (others, train): (Vec<_>, Vec<_>) = (0..count).partition(|&s| held_out(s));
        let row = |s: usize| move |n: usize| f64::from(value(s * width + n));
        let mean = |n: usize| train.iter().map(|&s| row(s)(n)).sum::<f64>() / train.len() as f64;
        let means: Vec<f64> = (0..width).map(mean).collect();
        let centred = |rows: &[usize]| DMatrix::from_fn(width, rows.len(), |n, s| row(rows[s])(n) - means[n]);
        let (centred, mut left) = (centred(&train), centred(&others));
        let svd = centred.clone().svd(true, false);
        let axes = svd.u.expect("vectors");
        let mut order: Vec<usize> = (0..train.len()).collect();
        order.sort_by(|&a, &b| svd.singular_values[b].total_cmp(&svd.singular_values[a]));
        let floats: Vec<String> = (1..train.len()).map(|floats| floats.to_string()).collect();
        let said = pca(folder.path(), &format!("--hold-out {hold_out} --floats {}", floats.join(",")));
        assert_eq!(said["rank"], train.len() as u64 - 1, "{said}");
        let whole = left.norm();
        for floats in 0..train.len() {
            let tail: f64 = order[floats..].iter().map(|&place| svd.singular_values[place].powi(2)).sum();
            let size = &said["sizes"][floats];
            let near = |key: &str, due: f64| {
                let said = number(size, key);
                assert!((said - due).abs() < 1e-5, "{floats} floats, {key}: {said}, due {due}");
            };
            near("relative_l2", tail.sqrt() / centred.norm());
            if !others.is_empty() {
                near("validation_relative_l2", left.norm() / whole);
            }
            let axis = axes.column(order[floats]);
            left -= axis * (axis.transpose() * &left);
        }
    }
}

#[test]
fn optimisers_are_those_of_their_space() {
    let folder = temporary();
    for (arguments, words) in [
        ("train --model ae-mnist --out o --space small --optimizer adam", ["span-adam", "--space wide"]),
        ("train --model ae-mnist --out o --space small --optimizer adamw", ["span-adam", "--space wide"]),
        ("train --model ae-mnist --out o --optimizer span-adam", ["--optimizer", "--space small"]),
        ("train --model ae-mnist --out o --space tiny", ["tiny", "small"]),
        ("train --model ae-mnist --out o --optimizer lion", ["lion", "span-adam"]),
        (
            "train --model ae-mnist --out o --space small --layer-rates encoder=1e-3,decoder=1",
            ["--layer-rates", "--optimizer sgd"],
        ),
        ("pca --floats 99", ["--floats", "99"]),
        ("pca --floats 0", ["--floats", "use 1 to"]),
        ("pca --floats 1 --hold-out 1", ["--hold-out", "0"]),
    ] {
        let (verb, arguments) = arguments.split_once(' ').expect("a verb");
        let ran = autoencoder(folder.path(), verb, arguments);
        assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{arguments}: {}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "{arguments}, {word}: {}", ran.stderr);
        }
    }
    assert!(!folder.path().join("o/metrics.jsonl").exists());
}
