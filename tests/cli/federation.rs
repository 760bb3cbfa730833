//! `experiment fig8-colour-imbalance`: two collaborators, one without colours, and the saw-tooth of each.

use crate::support::*;
use serde_json::Value;
use std::path::Path;

/// P of the small classifier, and Z.
const P: u64 = 30_730;
const Z: u64 = 16;
/// The label of its autoencoder.
const CODED: &str = "autoencoder(16)";
/// Rounds, local epochs, and snapshots of the pre-pass.
const ROUNDS: usize = 3;
const EPOCHS: usize = 2;
const SNAPSHOTS: u64 = 4;
/// A message's header.
const HEADER: u64 = 3;

/// A label as it stands in the names of plots.
fn plain(label: &str) -> &str {
    if label == CODED { "autoencoder-16" } else { label }
}

/// The figures at a size of seconds.
pub fn small(out: &str) -> Vec<String> {
    let set = [
        "model=flat.toml".to_string(),
        "autoencoder.model=ae-flat.toml".into(),
        "images=120".into(),
        "test_images=60".into(),
        "batch=20".into(),
        format!("rounds={ROUNDS}"),
        format!("local_epochs={EPOCHS}"),
        format!("prepass.epochs={SNAPSHOTS}"),
        "autoencoder.epochs=60".into(),
    ];
    let mut all = ["experiment", "fig8-colour-imbalance", "--scale", "smoke", "-q", "--out", out]
        .map(String::from)
        .to_vec();
    all.extend(set.into_iter().flat_map(|pair| ["--set".to_string(), format!("federation.{pair}")]));
    all
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

fn bytes(ledger: &str, words: &[&str]) -> u64 {
    let rows = ledger.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let picked = rows.filter(|row| words.iter().all(|word| row.contains(word)));
    picked.map(|row| row[5].parse::<u64>().expect("a number of bytes")).sum()
}

#[test]
fn every_byte_is_counted_and_every_epoch_is_shown() {
    let folder = temporary();
    small_colour_models(folder.path());
    let all = small("run");
    let ran = succeed_in(folder.path(), &all.iter().map(String::as_str).collect::<Vec<_>>());
    for word in ["on colour / grayscale test images", "pca", "raw updates", "The saw-tooth"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let out = folder.path().join("run");
    let ledger = std::fs::read_to_string(out.join("ledger.csv")).expect("a ledger");
    let (two, rounds) = (2, ROUNDS as u64);
    // A decoder in its factors: all snapshots but one, what the code takes of them, the mean and the scale.
    let factored = 2 + 4 * ((SNAPSHOTS - 1) * (P + Z + 1) + P + 1) + HEADER;
    for (words, expected) in [
        (&["raw", "update"][..], two * rounds * (4 * P + HEADER)),
        (&[CODED, "update"], two * rounds * (4 * Z + HEADER)),
        (&[CODED, "setup"], two * factored),
        (&["pca", "update"], two * rounds * (4 * 3 + HEADER)),
        (&["pca", "setup"], two * (4 * 4 * P + HEADER)),
        (&["raw", "down"], two * rounds * (4 * P + HEADER)),
        (&[CODED, "down"], two * (rounds + 1) * (4 * P + HEADER)),
        // Sixty images each: a number of one byte.
        (&["join"], 4 * two * (HEADER + 1)),
    ] {
        assert_eq!(bytes(&ledger, words), expected, "{words:?}");
    }
    let summary = json(&out.join("summary.json"));
    for run in ["raw", CODED, "pca"] {
        assert_eq!(summary["runs"][run]["uplink_bytes"], bytes(&ledger, &[run, "up"]), "{run}");
        assert!(summary["runs"][run]["final_grayscale_accuracy"].is_number(), "{run}");
    }
    check_curves(&out);
    // What the wide space ships is its matrix.
    let mut wide = small("wide");
    for set in ["space=wide", "optimizer.lr=1e-3", "epochs=3"] {
        wide.extend(["--set".into(), format!("federation.autoencoder.{set}")]);
    }
    succeed_in(folder.path(), &wide.iter().map(String::as_str).collect::<Vec<_>>());
    let ledger = std::fs::read_to_string(folder.path().join("wide/ledger.csv")).expect("a ledger");
    assert_eq!(bytes(&ledger, &["setup", CODED]), two * (4 * (Z * P + P + P + 1) + HEADER));
}

/// Curves of the report, point by point beside the metrics.
fn check_curves(out: &Path) {
    let report = json(&out.join("report.json"));
    let plots = report["plots"].as_array().expect("plots");
    let plot = |id: &str| plots.iter().find(|plot| plot["id"] == id).unwrap_or_else(|| panic!("{id}"));
    let points =
        |id: &str, place: usize| plot(id)["series"][place]["points"].as_array().expect("points").clone();
    let lines = read_json_lines(&out.join("metrics.jsonl"));
    for run in ["raw", CODED, "pca"] {
        let rounds: Vec<_> = lines.iter().filter(|line| line["run"] == run).collect();
        assert_eq!(rounds.len(), ROUNDS);
        for (collaborator, field) in [(0, "test_loss"), (1, "grayscale_test_loss")] {
            let name = plot(&format!("local-loss-{}", plain(run)))["series"][collaborator]["name"].clone();
            let colours = if collaborator == 0 { "colour" } else { "grayscale" };
            assert_eq!(name, format!("collaborator {collaborator}, {colours}"));
            // In each round its epochs and the average.
            let points = points(&format!("local-loss-{}", plain(run)), collaborator);
            assert_eq!(points.len(), ROUNDS * (EPOCHS + 1));
            for (round, part) in rounds.iter().zip(points.chunks(EPOCHS + 1)) {
                let own: Vec<_> = round["local_epochs"].as_array().expect("epochs").iter().collect();
                let own: Vec<_> =
                    own.into_iter().filter(|epoch| epoch["collaborator"] == collaborator).collect();
                assert_eq!(own.len(), EPOCHS);
                for (epoch, point) in own.iter().zip(part) {
                    assert_eq!(number(epoch, "epoch"), point[0].as_f64().expect("an epoch"));
                    assert_eq!(epoch["test_loss"], point[1]);
                }
                assert_eq!(part[EPOCHS], serde_json::json!([part[EPOCHS - 1][0], round[field]]));
                // What the aggregator made of it is not what the collaborator had.
                assert_ne!(part[EPOCHS][1], part[EPOCHS - 1][1]);
            }
        }
        assert_eq!(points("bytes", 0).len(), ROUNDS + 1);
    }
    for id in ["train-loss-autoencoder-16", "train-accuracy-autoencoder-16"] {
        assert_eq!(points(id, 1).len(), ROUNDS * EPOCHS);
    }
    for id in ["accuracy", "accuracy-grayscale", "autoencoder-error", "autoencoder-loss"] {
        assert!(out.join("plots").join(id).with_extension("svg").is_file(), "{id}");
    }
    // The federations begin alike: what is trained before the first average is the same in all.
    let first =
        |run: &str| lines.iter().find(|line| line["run"] == run).expect("a round")["local_epochs"].clone();
    assert_eq!(first("raw"), first(CODED));
    assert_eq!(first("raw"), first("pca"));
}

#[test]
fn a_federated_prepass_is_counted_here_too() {
    let folder = temporary();
    small_colour_models(folder.path());
    let mut all = small("run");
    all.retain(|argument| !argument.contains("prepass.epochs"));
    // The flag that stood before it.
    let lone =
        all.iter().zip(&all[1..]).position(|(a, b)| a == "--set" && b == "--set").expect("a lone flag");
    all.remove(lone);
    for set in ["prepass.kind=federated", "prepass.rounds=2"] {
        all.extend(["--set".into(), format!("federation.{set}")]);
    }
    let ran = run_in(folder.path(), &all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ledger = std::fs::read_to_string(folder.path().join("run/ledger.csv")).expect("a ledger");
    for run in [CODED, "pca"] {
        let coded = if run == "pca" { SNAPSHOTS - 1 } else { Z };
        let last = (ROUNDS as u64 - 2) * 2 * (4 * coded + HEADER);
        assert_eq!(bytes(&ledger, &[run, "update"]), 2 * 2 * (4 * P + HEADER) + last);
        assert_eq!(bytes(&ledger, &[run, "down"]), 2 * ROUNDS as u64 * (4 * P + HEADER));
    }
    let lines = read_json_lines(&folder.path().join("run/metrics.jsonl"));
    let rounds = |run: &str| {
        let mut rounds: Vec<_> = lines.iter().filter(|line| line["run"] == run).cloned().collect();
        rounds.iter_mut().for_each(|round| round["run"] = Value::Null);
        rounds
    };
    assert_eq!(rounds("raw").len(), ROUNDS);
    assert_eq!(rounds("raw")[..2], rounds(CODED)[..2]);
    assert_eq!(rounds("raw")[..2], rounds("pca")[..2]);
    assert_ne!(rounds("raw")[2], rounds(CODED)[2]);
}

#[test]
fn what_the_figures_cannot_do_without_is_asked_for_by_name() {
    let folder = temporary();
    small_colour_models(folder.path());
    for (set, words) in [
        ("federation.codecs=[\"raw\"]", ["federation.codecs", "autoencoder"]),
        ("federation.local_tests=round", ["federation.local_tests", "epoch"]),
        ("federation.grayscale=[7]", ["federation.grayscale", "0 to 1"]),
        ("federation.rounds=0", ["federation.rounds", "1 or more"]),
        ("federation.round=2", ["round", "`rounds`"]),
        ("federation.prepass.rounds=2", ["federation.prepass.rounds", "federated"]),
        ("federation.autoencoder.model=ae-mnist", ["federation.autoencoder.model", "15910"]),
        ("federation.data=mnist-sample", ["mnist-sample", "3x32x32"]),
    ] {
        let mut all = small("refused");
        all.extend(["--set".into(), set.into()]);
        let ran = run_in(folder.path(), &all.iter().map(String::as_str).collect::<Vec<_>>());
        assert_ne!(ran.code, 0, "{set}");
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr));
        assert!(!folder.path().join("refused").exists(), "{set}");
    }
}

/// The whole network at its smallest scale, in this program's own images.
#[test]
fn the_smoke_scale_has_the_papers_sizes() {
    let folder = temporary();
    let all = ["experiment", "fig8-colour-imbalance", "--scale", "smoke", "--out", "run", "-q", "--json"];
    let mut command = fedfunnel();
    command.timeout(std::time::Duration::from_secs(600));
    let output = command.current_dir(folder.path()).args(all).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = json(&folder.path().join("run/summary.json"));
    let coded = &summary["runs"]["autoencoder(320)"];
    assert_eq!((&summary["parameters"], &coded["floats"]), (&Value::from(550_570), &Value::from(320)));
    assert_eq!(coded["message_bytes"], 4 * 320 + HEADER);
    assert_eq!(summary["runs"]["raw"]["message_bytes"], 4 * 550_570 + HEADER);
    for error in coded["relative_l2"].as_array().expect("errors") {
        assert!(error.as_f64().expect("a number") < 0.1, "{summary}");
    }
}
