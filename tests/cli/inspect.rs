//! `inspect`: what files hold, for people and machines.

use crate::support::{fixtures, run_in, succeed_in, temporary, write_tensors};
use fedfunnel::model::{FrozenNetwork, MaskFile, ModelSpec};
use serde_json::Value;
use std::path::Path;

fn inspected(folder: &Path, path: &Path) -> Value {
    let path = path.to_str().expect("UTF-8");
    serde_json::from_str(&succeed_in(folder, &["inspect", path, "--json"]).stdout).expect("JSON")
}

fn text(folder: &Path, path: &str) -> String {
    succeed_in(folder, &["inspect", path]).stdout
}

#[test]
fn files_of_a_training_are_told_apart() {
    let fixtures = fixtures();
    let folder = &fixtures.folder;
    let snapshots = inspected(folder, &fixtures.snapshots());
    assert_eq!(
        (snapshots["kind"].as_str(), snapshots["facts"]["of"].as_str()),
        (Some("snapshots"), Some("mnist-mlp"))
    );
    // 320 images in batches of 32 for 8 epochs, and a snapshot of every tenth step.
    assert_eq!((&snapshots["facts"]["snapshots"], &snapshots["facts"]["steps"]), (&8.into(), &80.into()));
    let tensor = &snapshots["tensors"][0];
    assert_eq!((&tensor["shape"], &tensor["type"]), (&serde_json::json!([8, 15_910]), &"F32".into()));
    assert_eq!((&tensor["bytes"], &tensor["values"]["not_finite"]), (&(4 * 8 * 15_910).into(), &0.into()));
    assert!(tensor["values"]["rms"].as_f64().is_some_and(|rms| rms > 0.0 && rms < 1.0));
    let model = inspected(folder, &fixtures.model());
    assert_eq!(
        (&model["kind"], &model["facts"]["parameters"]),
        (&"weights of a classifier".into(), &15_910.into())
    );
    let autoencoder = inspected(folder, &fixtures.autoencoder());
    assert_eq!((&autoencoder["kind"], &autoencoder["facts"]["floats"]), (&"autoencoder".into(), &4.into()));
    let run = inspected(folder, &folder.join("steps"));
    assert_eq!(
        (&run["kind"], &run["facts"]["verb"], &run["facts"]["progress"]),
        (&"run".into(), &"train".into(), &"finished".into())
    );
    let files: Vec<_> =
        run["files"].as_array().expect("files").iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert!(files.contains(&"model.safetensors") && files.contains(&"run.json"), "{files:?}");
    let bytes: u64 =
        run["files"].as_array().unwrap().iter().map(|file| file["bytes"].as_u64().unwrap()).sum();
    assert_eq!(run["bytes"], bytes);
    let said = text(folder, "steps/snapshots.safetensors");
    assert!(
        said.starts_with("steps/snapshots.safetensors: snapshots, ") && said.contains("8 x 15,910"),
        "{said}"
    );
}

#[test]
fn messages_and_states_say_what_they_are() {
    let folder = temporary();
    let folder = folder.path();
    let values: Vec<f32> = (0..60).map(|place| place as f32 / 60.0).collect();
    write_tensors(&folder.join("a.safetensors"), &[("w", &[6, 10], &values)], &[]);
    let line = "encode --codec delta+feedback+topk(part=0.1) --global a.safetensors --in a.safetensors --state own.state \
                --id 300 --checksum --out msg.bin";
    succeed_in(folder, &line.split_whitespace().collect::<Vec<_>>());
    let message = inspected(folder, &folder.join("msg.bin"));
    let facts = &message["facts"];
    assert_eq!(
        (&message["kind"], &facts["about"], &facts["round"]),
        (&"message".into(), &"update".into(), &1.into())
    );
    assert_eq!((&facts["collaborator"], &facts["checksum"]), (&300.into(), &"CRC-32C, right".into()));
    // One byte of kind, one of the round, two of the collaborator; and four of the checksum.
    let payload = facts["payload bytes"].as_u64().expect("a number");
    assert_eq!((facts["header bytes"].as_u64(), message["bytes"].as_u64()), (Some(4), Some(payload + 4 + 4)));
    let state = inspected(folder, &folder.join("own.state"));
    assert_eq!(
        (&state["kind"], &state["facts"]["kept by"]),
        (&"state of a codec".into(), &"collaborators".into())
    );
    assert_eq!((&state["facts"]["last round"], &state["facts"]["collaborators"]), (&1.into(), &1.into()));
    // A bit that is another one.
    let mut bytes = std::fs::read(folder.join("msg.bin")).expect("a message");
    *bytes.last_mut().expect("bytes") ^= 1;
    std::fs::write(folder.join("bad.bin"), bytes).expect("written");
    let ran = run_in(folder, &["inspect", "bad.bin"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (1, 1));
    assert!(ran.stderr.contains("bad.bin") && ran.stderr.contains("checksum is wrong"), "{}", ran.stderr);
}

#[test]
fn values_that_are_no_numbers_are_counted() {
    let folder = temporary();
    let values = [1.0, f32::NAN, -3.0, f32::INFINITY];
    write_tensors(&folder.path().join("a.safetensors"), &[("w", &[4], &values), ("none", &[0], &[])], &[]);
    let found = inspected(folder.path(), Path::new("a.safetensors"));
    assert_eq!((&found["kind"], &found["facts"]["parameters"]), (&"tensors".into(), &4.into()));
    let w =
        found["tensors"].as_array().unwrap().iter().find(|tensor| tensor["name"] == "w").expect("a tensor");
    let due = serde_json::json!({ "least": -3.0, "greatest": 1.0, "rms": 5f64.sqrt(), "not_finite": 2 });
    assert_eq!(w["values"], due);
    let none = found["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|tensor| tensor["name"] == "none")
        .expect("a tensor");
    assert_eq!(none.get("values"), None);
}

#[test]
fn a_mask_and_a_spec_of_a_model_are_read_without_a_run() {
    let folder = temporary();
    let spec = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
    let network = FrozenNetwork::new(&spec.layout(), 7);
    let weights = network.masked(&network.drawn(&vec![0.5; spec.parameters()]));
    MaskFile::of(&spec, 7, &weights).expect("a mask").write(&folder.path().join("m.mask")).expect("written");
    let mask = inspected(folder.path(), Path::new("m.mask"));
    assert_eq!((&mask["facts"]["of"], &mask["facts"]["seed"]), (&"mnist-mlp".into(), &7.into()));
    // Biases are frozen at zero.
    assert_eq!(mask["facts"]["weights under the mask"], 15_880);
    std::fs::write(folder.path().join("m.toml"), ModelSpec::load("cifar10-vgg3").unwrap().to_toml().unwrap())
        .unwrap();
    let spec = inspected(folder.path(), Path::new("m.toml"));
    assert_eq!((&spec["facts"]["parameters"], &spec["facts"]["input"]), (&550_570.into(), &"3x32x32".into()));
}

#[test]
fn what_is_nothing_of_that_is_refused_in_a_sentence() {
    let folder = temporary();
    let folder = folder.path();
    let files: [(&str, &[u8]); 5] = [
        // A text that begins with the byte of a message.
        ("notes.txt", b"# mine\n"),
        ("empty", b""),
        ("half.safetensors", &[9, 0, 0, 0, 0, 0, 0, 0, b'{']),
        ("spec.toml", b"name = \"a simulation\"\n"),
        ("alone.factored", &[0, 1, 2]),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("written");
        let ran = run_in(folder, &["inspect", name]);
        assert_eq!(
            (ran.code, ran.stdout.as_str(), ran.stderr.lines().count()),
            (1, "", 1),
            "{name}: {}",
            ran.stderr
        );
        assert!(ran.stderr.starts_with(&format!("error: {name}: ")), "{}", ran.stderr);
    }
    for (name, words) in [("missing", "no such file"), (".", "there is no run in this folder")] {
        let ran = run_in(folder, &["inspect", name]);
        assert_eq!(ran.code, 1);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}
