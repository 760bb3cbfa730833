//! What is known beforehand: how many snapshots there will be, whether the device has room for them, and what is not
//! used and so not asked for.

use crate::support::*;
use serde_json::Value;
use std::path::Path;

/// A federation on the small data set, and what makes a binding as small as can be.
fn simulate(folder: &Path, out: &str, small: bool, settings: &[&str]) -> Ran {
    let data = format!("data={:?}", fixtures().data());
    let shared = ["rounds=1", "test_images=50"];
    let mut all = vec!["simulate", "demo", "--out", out, "-q", "--set", &data];
    all.extend(shared.iter().chain(settings).flat_map(|setting| ["--set", setting]));
    all.extend(if small { &["--max-binding-bytes", "65536"][..] } else { &[] });
    run_in(folder, &all)
}

fn summary(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("summary.json")).expect("a summary")).expect("JSON")
}

/// Codes of six collaborators' 24 snapshots each are more than half a binding of 65,536 bytes.
#[test]
fn collaborators_are_grouped_until_their_snapshots_fit() {
    let folder = temporary();
    let settings = [
        "collaborators=6",
        "batch=4",
        "images=96",
        "prepass.epochs=6",
        "prepass.snapshot_every=1",
        "autoencoder.latent=64",
        "autoencoder.epochs=2",
    ];
    let [whole, grouped] = ["whole", "grouped"].map(|out| {
        let ran = simulate(folder.path(), out, out == "grouped", &settings);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let summary = summary(&folder.path().join(out));
        let errors = summary["runs"]["autoencoder(64)"]["relative_l2"].as_array().expect("a list").clone();
        errors.iter().map(|error| error.as_f64().expect("a number")).collect::<Vec<_>>()
    });
    assert_eq!((whole.len(), grouped.len()), (6, 6));
    for (one, other) in whole.iter().zip(&grouped) {
        assert!((one - other).abs() <= 1e-3 * one, "{whole:?} {grouped:?}");
    }
}

#[test]
fn snapshots_that_cannot_fit_are_refused_before_the_pre_pass_and_as_many_as_is_said_do() {
    // In the small space it is the products of all that spans it that have to fit.
    let cases = [
        ["autoencoder.space=wide", "autoencoder.latent=256", "autoencoder.optimizer.kind=adam"],
        ["autoencoder.space=small", "autoencoder.latent=8", "autoencoder.optimizer.kind=sgd"],
    ];
    for [space, latent, optimizer] in cases {
        let folder = temporary();
        let run = |out: &str, epochs: usize| {
            let epochs = format!("prepass.epochs={epochs}");
            let shared = ["images=32", "batch=16", "prepass.snapshot_every=1", "autoencoder.epochs=1"];
            let settings = [&shared[..], &[&epochs, space, latent, optimizer]].concat();
            simulate(folder.path(), out, true, &settings)
        };
        // One step an epoch, and a snapshot after each.
        let ran = run("refused", 300);
        assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{space}: {}", ran.stderr);
        for word in ["prepass.snapshot_every", "300 snapshots are too many", "--max-binding-bytes"] {
            assert!(ran.stderr.contains(word), "{space}: {word}: {}", ran.stderr);
        }
        let metrics = std::fs::read(folder.path().join("refused/metrics.jsonl")).expect("metrics");
        assert!(metrics.is_empty(), "{space}: nothing was begun");
        assert!(!folder.path().join("refused/state").exists(), "{space}: nothing was begun");
        let most = ran.stderr.split("log ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
        let most: usize = most.parse().expect("a number");
        assert!((2..300).contains(&most), "{space}: {most}");
        let ran = run("one-more", most + 1);
        assert_eq!(ran.code, 2, "{space}: {}", ran.stderr);
        let ran = run("fits", most);
        assert_eq!(ran.code, 0, "{space}: {}", ran.stderr);
    }
}

#[test]
fn an_experiment_knows_beforehand_whether_its_snapshots_fit() {
    let folder = temporary();
    let run = |out: &str, epochs: usize, latents: &str| {
        let data = format!("classifier.data={:?}", fixtures().data());
        let epochs = format!("classifier.epochs={epochs}");
        let latents = format!("latents={latents}");
        let settings = [
            &data[..],
            &epochs,
            &latents,
            "families=[{name=\"dense\"}]",
            "classifier.images=16",
            "classifier.batch=16",
            "classifier.test_images=50",
            "classifier.snapshot_every=1",
            "autoencoder.epochs=2",
            "autoencoder.look_every=1",
        ];
        let mut all = vec!["experiment", "complexity", "--scale", "smoke", "--out", out, "-q"];
        all.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
        all.extend(["--max-binding-bytes", "65536"]);
        run_in(folder.path(), &all)
    };
    // A row of 4 columns is short, and one of 40 is not: both take as many snapshots.
    let ran = run("fits", 40, "[4,40]");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = run("refused", 400, "[4,400]");
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    for word in
        ["classifier.snapshot_every of autoencoder-dense-400", "400 snapshots are too many", "or fewer"]
    {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
    // Too few are known beforehand too.
    let ran = run("few", 1, "[4]");
    assert!(ran.code == 2 && ran.stderr.contains("leaves 1 snapshots, too few"), "{}", ran.stderr);
    let ran = run("unsplit", 4, "[4]");
    assert!(ran.code == 2 && ran.stderr.contains("of 4 snapshots 0 are held out"), "{}", ran.stderr);
    assert!(!folder.path().join("unsplit/snapshots.safetensors").exists());
}

#[test]
fn raw_updates_need_no_autoencoder_and_no_pre_pass() {
    let folder = temporary();
    let data = fixtures().data().display().to_string();
    let bare = format!(
        "name = \"bare\"\ndata = {data:?}\nmodel = \"mnist-mlp\"\ncollaborators = 2\nrounds = 1\ncodecs = [\"raw\"]\n"
    );
    std::fs::write(folder.path().join("bare.toml"), &bare).expect("a spec");
    // An autoencoder of another model is not looked at.
    let tables =
        "[prepass]\nepochs = 1\nsnapshot_every = 1\n[autoencoder]\nmodel = \"ae-cifar10\"\nepochs = 1\n";
    std::fs::write(folder.path().join("other.toml"), bare + tables).expect("a spec");
    for name in ["bare", "other"] {
        let file = format!("{name}.toml");
        let printed = succeed_in(folder.path(), &["simulate", &file, "--print-config"]).stdout;
        assert_eq!(printed.contains("[autoencoder]"), name == "other", "{printed}");
        std::fs::write(folder.path().join("printed.toml"), &printed).expect("a spec");
        let again = succeed_in(folder.path(), &["simulate", "printed.toml", "--print-config"]).stdout;
        assert_eq!(again, printed);
        succeed_in(folder.path(), &["simulate", "printed.toml", "--out", name, "-q"]);
        let summary = summary(&folder.path().join(name));
        assert!(number(&summary["runs"]["raw"], "final_accuracy") > 0.0, "{summary}");
        assert_eq!(summary["runs"].as_object().map(serde_json::Map::len), Some(1), "{summary}");
        // Where a codec learns, they are asked for.
        let ran = run_in(folder.path(), &["simulate", &file, "--set", "codecs=[\"raw\",\"pca\"]"]);
        let field = if name == "bare" { "prepass: " } else { "autoencoder.model: " };
        assert!(ran.code == 2 && ran.stderr.contains(field), "{}", ran.stderr);
    }
}
