//! Damaged states of trainings: exit code 1 and one sentence, never a panic, and never a training without end.

#![cfg(unix)]

use crate::folder::{interrupt, lines, with_data};
use crate::support::*;
use fedfunnel::model::state::{StateFile, StateWriter, TensorShape};
use serde_json::{Value, json};
use std::path::Path;

/// Notes of a state, and what is changed of them and in which words that is refused.
type Case = (fn(&mut Value), &'static str);

/// Writes the state again with other notes, and a checksum that is right.
fn change(path: &Path, change: impl Fn(&mut Value)) {
    let file = StateFile::open(path).expect("a state");
    let mut metadata = file.metadata().expect("notes");
    let mut notes = serde_json::from_str(&metadata["notes"]).expect("JSON");
    change(&mut notes);
    metadata.insert("notes".into(), notes.to_string());
    let names = file.names().expect("names");
    let tensors = names.iter().map(|name| file.tensor(name).expect("a tensor"));
    let tensors: Vec<_> =
        tensors.map(|tensor| (tensor.shape.clone(), tensor.values().expect("values"))).collect();
    let shapes = names.iter().zip(&tensors).map(|(name, (shape, _))| TensorShape::new(name, shape));
    let mut written = StateWriter::sealed(path, &shapes.collect::<Vec<_>>(), &metadata).expect("a file");
    for (name, (_, values)) in names.iter().zip(&tensors) {
        written.put(name, 0, values).expect("values");
    }
    written.finish().expect("written");
}

/// The last of an array, once more.
fn repeat_last(all: &mut Value) {
    let all = all.as_array_mut().expect("an array");
    let last = all.last().expect("one").clone();
    all.push(last);
}

fn check(folder: &Path, words: &str, cases: &[Case]) {
    let words: Vec<_> = words.split_whitespace().collect();
    let out = folder.join("run");
    // Lines of an earlier run would be taken for those of this one.
    let _ = std::fs::remove_dir_all(&out);
    let stopped = interrupt(folder, &words, || lines(&out) > 2);
    assert_eq!(stopped.status.code(), Some(130), "{}", String::from_utf8_lossy(&stopped.stderr));
    let path = out.join("state/training.safetensors");
    let whole = std::fs::read(&path).expect("a state");
    let resume = [&words[..], &["--resume"]].concat();
    let refused = |word: &str| {
        let ran = run_in(folder, &resume);
        let text = &ran.stderr;
        assert_eq!((ran.code, text.lines().count()), (1, 1), "{word}: {text}");
        let is_told = text.contains("training.safetensors: ") && text.contains(word);
        assert!(
            is_told && text.contains("start over with --overwrite, or in another folder"),
            "{word}: {text}"
        );
        std::fs::write(&path, &whole).expect("put back");
    };
    for (of, word) in cases {
        change(&path, of);
        refused(word);
    }
    let mut bytes = whole.clone();
    *bytes.last_mut().expect("bytes") ^= 1;
    std::fs::write(&path, bytes).expect("written");
    refused("");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    refused("no whole safetensors file");
    // The negative control: as it was it is gone on with.
    succeed_in(folder, &resume);
}

#[test]
fn a_damaged_state_of_a_classifier_is_refused() {
    let folder = with_data();
    check(
        folder.path(),
        "train mnist-mlp --data ./data --batch 32 --epochs 100 --snapshots 4 -q --out run",
        &[
            (|notes| repeat_last(&mut notes["epochs"]), "stands in the place of epoch"),
            (|notes| notes["epochs"] = json!([]), "it has 0 epochs of 100"),
            (|notes| notes["epochs"][0]["seconds"] = json!(-1), "less than no time"),
            (|notes| notes["epochs"][0]["train_loss"] = Value::Null, "notes cannot be read"),
            (|notes| notes["taken"] = json!([]), "[] steps"),
            (|notes| notes["taken"][0] = json!(u64::MAX), "steps are not those"),
            (|notes| repeat_last(&mut notes["snapshot_steps"]), "snapshots and times of"),
            (|notes| notes["snapshot_epochs"][0] = json!(9), "snapshots and times of"),
        ],
    );
}

#[test]
fn a_damaged_state_of_an_autoencoder_is_refused() {
    let folder = temporary();
    let snapshots = fixtures().snapshots();
    let shared = format!(
        "autoencoder train --model ae-mnist --latent 4 --eval-every 2 -q --out run --snapshots {}",
        snapshots.display()
    );
    let cases: [Case; 3] = [
        (|notes| repeat_last(&mut notes["curves"][0]), "its curve has epoch"),
        (
            |notes| notes["curves"][0][0]["epoch"] = json!(u64::MAX),
            "its curve has epoch 18446744073709551615",
        ),
        (|notes| notes["curves"] = json!([[]]), "its curve is empty"),
    ];
    let wide: [Case; 2] = [
        (|notes| notes["state"]["taken"] = json!([1, 2]), "steps are not those"),
        (|notes| notes["state"]["taken"][0] = json!(0), "steps are not those"),
    ];
    check(folder.path(), &format!("{shared} --epochs 100"), &[&cases[..], &wide].concat());
    let small: [Case; 4] = [
        (|notes| notes["state"]["small"]["epoch"] = json!(0), "steps are not those"),
        (|notes| notes["state"]["small"]["steps"] = json!(7_000_000), "steps are not those"),
        (|notes| notes["state"]["small"]["iteration"]["steps"] = json!(0), "steps are not those"),
        (|notes| notes["state"]["small"]["iteration"]["numbers"] = json!([1.0]), "of another autoencoder"),
    ];
    check(folder.path(), &format!("{shared} --epochs 4000 --space small"), &[&cases[..], &small].concat());
}
