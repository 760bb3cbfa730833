//! Specs of simulations: what is named where it is wrong, and what is asked for.

use fedfunnel::data::Partitioner;
use fedfunnel::federation::CodecSpec;
use fedfunnel::federation::{Parts, SimulationSpec};
use fedfunnel::files;
use fedfunnel::training::SnapshotEvery;
use std::path::Path;

#[test]
fn every_field_can_be_set_and_every_wrong_one_is_named() {
    let set = |pairs: &[&str]| {
        SimulationSpec::load("demo", &pairs.iter().map(|p| p.to_string()).collect::<Vec<_>>())
    };
    let spec = set(&["rounds=3", "optimizer.lr=0.5", "data=mnist", "prepass.snapshot_every=7"]).unwrap();
    assert_eq!((spec.rounds, spec.optimizer.lr, spec.data.as_str()), (3, 0.5, "mnist"));
    assert_eq!(spec.prepass.unwrap().snapshot_every, SnapshotEvery::Steps(7));
    for (pairs, words) in [
        (["ronds=3"], ["ronds", "rounds"]),
        (["rounds=many"], ["--set rounds=many", "expected u32"]),
        (["partition.kind=dirichlet"], ["--set partition.kind=dirichlet", "add `alpha`"]),
        (["optimizer.lrr=3"], ["lrr", "lr"]),
        (["rounds=0"], ["rounds", "1 or more"]),
        (["rounds"], ["rounds", "key=value"]),
        (["rounds.deep=1"], ["rounds.deep", "table"]),
        (["images=0"], ["images", "1 or more"]),
        (["grayscale=[2]"], ["grayscale", "0 to 1"]),
        (["grayscale=[1,1]"], ["grayscale", "twice"]),
        (["codecs=[\"raw\",\"pcaa\"]"], ["pcaa", "pca"]),
        (["codecs=[\"pca\"]"], ["codecs", "raw"]),
        (["codecs=[\"raw\",\"pca\",\"pca\"]"], ["codecs", "twice"]),
        (["local_tests=step"], ["local_tests", "epoch"]),
        (["autoencoder.space=tiny"], ["autoencoder.space", "small"]),
    ] {
        let error = set(&pairs).unwrap_err();
        assert!(error.is_usage(), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

#[test]
fn of_several_settings_the_wrong_one_is_named() {
    let settings = ["partition.kind=dirichlet", "rounds=x", "partition.alpha=1"].map(str::to_string);
    let error = SimulationSpec::load("demo", &settings).unwrap_err().to_string();
    assert!(error.starts_with("--set rounds=x: "), "{error}");
    let spec = SimulationSpec::load("demo", &[&settings[..1], &settings[2..]].concat()).unwrap();
    assert_eq!(spec.partition.kind, Partitioner::Dirichlet { alpha: 1.0, self_balancing: false });
}

#[test]
fn what_is_printed_can_be_read() {
    let again = |spec: &SimulationSpec| -> SimulationSpec {
        files::parse_toml(&spec.to_toml().unwrap(), Path::new("again")).unwrap()
    };
    let spec = SimulationSpec::load("mnist", &[]).unwrap();
    assert_eq!(again(&spec), spec);
    let bare = SimulationSpec {
        prepass: None,
        autoencoder: None,
        codecs: vec![CodecSpec::raw()],
        ..SimulationSpec::load("mnist", &[]).unwrap()
    };
    assert!(!bare.to_toml().unwrap().contains("prepass"));
    assert_eq!(again(&bare), bare);
}

#[test]
fn tables_are_asked_for_where_a_codec_learns() {
    let folder = tempfile::tempdir().unwrap();
    let load = |text: &str, codecs: &str| {
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, text).unwrap();
        let codecs = format!("codecs={codecs}");
        SimulationSpec::load(path.to_str().unwrap(), &[codecs]).map_err(|error| error.to_string())
    };
    let bare =
        "name = \"m\"\ndata = \"mnist-sample\"\nmodel = \"mnist-mlp\"\ncollaborators = 2\nrounds = 2\n";
    let raw = load(bare, "[\"raw\"]").unwrap();
    assert!(raw.prepass.is_none() && raw.autoencoder.is_none() && !raw.learns(&Parts::default()).unwrap());
    for codec in ["pca", "autoencoder"] {
        let codecs = format!("[\"raw\",\"{codec}\"]");
        let error = load(bare, &codecs).unwrap_err();
        assert!(error.starts_with("prepass: ") && error.contains("add it, with epochs"), "{error}");
        let logged = format!("{bare}[prepass]\nepochs = 2\nsnapshot_every = 3\n");
        let error = load(&logged, &codecs).unwrap_err();
        assert!(error.starts_with("autoencoder: ") && error.contains("with model and epochs"), "{error}");
        let whole = format!("{logged}[autoencoder]\nmodel = \"ae-mnist\"\nepochs = 2\n");
        assert!(load(&whole, &codecs).is_ok());
    }
    // What is there and not used may be anything that can be read.
    let unused = format!("{bare}[prepass]\nrounds = 9\nkind = \"federated\"\nsnapshot_every = 3\n");
    assert!(load(&unused, "[\"raw\"]").is_ok());
}
