//! `fedfunnel simulate` and `demo`: the figures, the ledger and the report, on a demo made small.

use crate::savings::planned;
use crate::support::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What makes the demo short.
const SMALL: [&str; 8] = [
    "--set",
    "rounds=2",
    "--set",
    "prepass.epochs=2",
    "--set",
    "prepass.snapshot_every=epoch",
    "--set",
    "autoencoder.epochs=20",
];

/// P, Z, and the decoder's parameters D of the demo.
const P: u64 = 15_910;
const Z: u64 = 32;
const D: u64 = Z * P + P;

/// The label of the demo's autoencoder.
const CODED: &str = "autoencoder(32)";

/// A message's header: version and kind, round, collaborator.
const HEADER: u64 = 3;

/// A run of the small demo that several tests look at.
fn demo() -> &'static PathBuf {
    static DEMO: OnceLock<PathBuf> = OnceLock::new();
    DEMO.get_or_init(|| {
        let folder = fixtures().folder.join("demo");
        let ran = succeed_in(&fixtures().folder, &[&["demo", "--out", "demo"], &SMALL[..]].concat());
        for word in ["accuracy", "ratio per message", "savings ratio", "report.html"] {
            assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
        }
        folder
    })
}

fn summary(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("summary.json")).expect("a summary")).expect("JSON")
}

/// Bytes in the ledger of the messages that have all of these words in their columns.
fn ledger_bytes(folder: &Path, words: &[&str]) -> u64 {
    let text = std::fs::read_to_string(folder.join("ledger.csv")).expect("a ledger");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("run,round,collaborator,direction,kind,bytes,rejected"));
    lines
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|row| words.iter().all(|word| row.contains(word)))
        .map(|row| row[5].parse::<u64>().expect("a number of bytes"))
        .sum()
}

#[test]
fn the_summary_has_what_machines_ask_for() {
    let summary = summary(demo());
    assert_eq!(summary["parameters"], P);
    for label in ["raw", CODED] {
        for key in [
            "final_accuracy",
            "message_bytes",
            "setup_bytes",
            "uplink_bytes",
            "downlink_bytes",
            "savings_ratio",
            "savings_ratio_both",
            "local_epochs",
            "seconds",
        ] {
            assert!(summary["runs"][label][key].is_number(), "{label}.{key}: {summary}");
        }
    }
    assert!(summary["runs"][CODED]["break_even_rounds"].is_number(), "{summary}");
    assert!(summary["runs"]["raw"]["break_even_rounds"].is_null(), "{summary}");
    assert!(number(&summary["runs"]["raw"], "final_accuracy") > 0.5, "{summary}");
    assert!(number(&summary["runs"][CODED], "final_accuracy") > 0.1, "{summary}");
    assert!(number(&summary["runs"][CODED], "ratio_per_message") >= 480.0, "{summary}");
    assert_eq!(summary["runs"][CODED]["local_epochs"], 2);
    assert!(number(&summary, "seconds") > 0.0);
    assert!(summary["device"]["name"].is_string());
    assert_eq!(summary["runs"]["raw"]["message_bytes"], 63_643);
    assert_eq!(summary["runs"][CODED]["message_bytes"], 131);
}

#[test]
fn the_ledger_adds_up_to_the_summary_and_to_an_independent_count() {
    let (folder, summary) = (demo(), summary(demo()));
    let (collaborators, rounds) = (2, 2);
    // Each has 3,000 images, a number of two bytes; the decoder travels with P means and one scale.
    let join = HEADER + 2;
    let decoder = 4 * (D + P + 1) + HEADER;
    let raw_up = collaborators * (join + rounds * (4 * P + HEADER));
    let coded_up = collaborators * (join + decoder + rounds * (4 * Z + HEADER));
    let global = 4 * P + HEADER;
    for (words, bytes, field) in [
        (["raw", "up"], raw_up, &summary["runs"]["raw"]["uplink_bytes"]),
        (["raw", "down"], collaborators * rounds * global, &summary["runs"]["raw"]["downlink_bytes"]),
        ([CODED, "up"], coded_up, &summary["runs"][CODED]["uplink_bytes"]),
        // The pre-pass needs one initial model.
        ([CODED, "down"], collaborators * (rounds + 1) * global, &summary["runs"][CODED]["downlink_bytes"]),
    ] {
        assert_eq!((ledger_bytes(folder, &words), field), (bytes, &Value::from(bytes)), "{words:?}");
    }
    assert_eq!(ledger_bytes(folder, &[CODED, "setup"]), collaborators * decoder);
    let ratio = raw_up as f64 / coded_up as f64;
    assert!((number(&summary["runs"][CODED], "savings_ratio") - ratio).abs() < 1e-12, "{summary}");
}

/// Holds what `savings` says of a federation with this summary to what that federation's ledger came to.
fn expect_planned(summary: &Value, latent: u64, more: &str) {
    let (rounds, coded) = (&summary["rounds"], &summary["runs"][format!("autoencoder({latent})")]);
    let plan = planned(&format!(
        "savings --parameters {P} --latent {latent} --rounds {rounds} --collaborators 2 {more}"
    ));
    assert_eq!(plan["decoder"]["message_bytes"], coded["setup_bytes"], "{plan}");
    assert_eq!(plan["code_message_bytes"], coded["message_bytes"], "{plan}");
    assert_eq!(plan["update_message_bytes"], summary["runs"]["raw"]["message_bytes"], "{plan}");
    let off = |planned, measured| (number(&plan, planned) / number(coded, measured) - 1.0).abs();
    assert!(off("break_even_rounds", "break_even_rounds") < 1e-12, "{plan} {summary}");
    // A ledger has the messages by which collaborators join as well, five bytes each.
    assert!(off("uplink_ratio", "savings_ratio") < 1e-4, "{plan} {summary}");
    assert!(off("both_ways_ratio", "savings_ratio_both") < 1e-4, "{plan} {summary}");
}

#[test]
fn the_plan_of_a_federation_is_what_its_ledger_comes_to() {
    let summary = summary(demo());
    expect_planned(&summary, Z, "");
    assert_eq!(format!("{:.2}", number(&summary["runs"][CODED], "break_even_rounds")), "34.07");
}

#[test]
fn the_report_is_one_file_with_all_plots_and_pictures() {
    let folder = demo();
    let page = std::fs::read_to_string(folder.join("report.html")).expect("a report");
    // Plots are drawn twice, for wide and for narrow windows; of pictures there is one figure.
    assert_eq!(page.matches("<figure>").count(), 9);
    assert_eq!(page.matches("<svg").count(), 16);
    for (plot, title) in [
        ("pareto", "Accuracy over all bytes"),
        ("accuracy", "Accuracy of the global model"),
        ("wire", "What crosses the wire"),
        ("wire-updates", "What an update is made of"),
        ("bytes", "Sent by the collaborators so far"),
        ("autoencoder-error", "Autoencoders: centred relative L2 error"),
        ("autoencoder-loss", "Autoencoders: training loss"),
    ] {
        assert!(page.contains(&format!("aria-label=\"{title}")), "{title}");
        let svg = std::fs::read_to_string(folder.join(format!("plots/{plot}.svg"))).expect("a plot");
        assert!(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"));
    }
    // Nothing is loaded: no address but those of XML's own names, which nobody fetches.
    let rest = page.replace("http://www.w3.org/", "").replace("<img src=\"data:", "");
    for word in ["http://", "https://", "src=", "@import", "url(http"] {
        assert!(!rest.contains(word), "{word}");
    }
    for target in page.split("href=\"").skip(1) {
        assert!(target.starts_with("data:") || target.starts_with('#'), "{}", &target[..40]);
    }
    assert!(page.contains("fedfunnel demo --set rounds=2"), "the command that repeats it");
}

#[test]
fn metrics_hold_both_federations_and_the_autoencoders() {
    let lines = read_json_lines(&demo().join("metrics.jsonl"));
    for run in ["raw", CODED] {
        let rounds: Vec<_> = lines.iter().filter(|line| line["run"] == run).collect();
        assert_eq!(rounds.iter().map(|line| number(line, "round")).collect::<Vec<_>>(), [1.0, 2.0]);
        for line in rounds {
            assert!((0.0..=1.0).contains(&number(line, "test_accuracy")), "{line}");
            assert_eq!(line["local_test_accuracy"].as_array().map(Vec::len), Some(2));
        }
    }
    let curve: Vec<_> = lines.iter().filter(|line| line["learned"] == CODED).collect();
    for collaborator in [0, 1] {
        let points = curve.iter().filter(|line| line["collaborator"] == collaborator);
        assert_eq!(points.count(), 20);
    }
}

#[test]
fn a_printed_configuration_runs_to_the_same_end() {
    let folder = temporary();
    let printed = succeed_in(folder.path(), &[&["simulate", "demo", "--print-config"], &SMALL[..]].concat());
    std::fs::write(folder.path().join("mine.toml"), &printed.stdout).expect("written");
    let again = succeed_in(folder.path(), &["simulate", "mine.toml", "--print-config"]);
    assert_eq!(printed.stdout, again.stdout);
    assert!(!folder.path().join("fedfunnel-demo").exists(), "--print-config runs nothing");

    let ran =
        succeed_in(folder.path(), &["simulate", "mine.toml", "--out", "again", "--json", "--profile", "-q"]);
    let (first, second) = (summary(demo()), summary(&folder.path().join("again")));
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).expect("JSON"), second);
    assert!(ran.stderr.contains("dense_"), "{}", ran.stderr);
    for run in ["raw", CODED] {
        let of = |summary: &Value| timeless(summary["runs"][run].clone());
        assert_eq!(of(&first), of(&second), "the same seed gives the same figures");
    }
    let ledger = |folder: &Path| std::fs::read(folder.join("ledger.csv")).expect("a ledger");
    assert_eq!(ledger(demo()), ledger(&folder.path().join("again")));
    let config = std::fs::read_to_string(folder.path().join("again/config.toml")).expect("a configuration");
    assert_eq!(config.trim(), printed.stdout.trim());
}

#[test]
fn three_collaborators_and_every_kind_of_partition() {
    let folder = temporary();
    let data = fixtures().data();
    let data = format!("data={}", data.to_str().expect("UTF-8"));
    for (place, partition) in [
        "partition={kind=\"dirichlet\",alpha=0.5}",
        "partition={kind=\"shard\",shards_per_collaborator=2}",
        "partition={kind=\"pathological\",classes_per_collaborator=4}",
        "partition.kind=iid",
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("run{place}");
        let mut all = vec!["simulate", "demo", "--out", &out, "-q", "--set", "collaborators=3"];
        all.extend(["--set", partition, "--set", &data, "--set", "autoencoder.latent=4", "--set", "seed=5"]);
        all.extend(SMALL);
        all.extend(["--set", "rounds=1", "--set", "autoencoder.epochs=3"]);
        succeed_in(folder.path(), &all);
        let out = folder.path().join(out);
        let summary = summary(&out);
        let coded = &summary["runs"]["autoencoder(4)"];
        assert_eq!((&summary["collaborators"], &coded["floats"]), (&Value::from(3), &Value::from(4)));
        assert_eq!(coded["relative_l2"].as_array().map(Vec::len), Some(3));
        assert_eq!(ledger_bytes(&out, &["autoencoder(4)", "update", "2"]), 4 * 4 + HEADER, "{partition}");
        assert_eq!(ledger_bytes(&out, &["autoencoder(4)", "update"]), 3 * (4 * 4 + HEADER), "{partition}");
    }
}

#[test]
fn a_collaborator_whose_share_is_tiny_does_not_break_a_round() {
    // Strong skew: somebody may hold a handful of images and rest for most of the steps.
    let folder = temporary();
    let mut all = vec!["simulate", "demo", "--out", "run", "-q"];
    all.extend(["--set", "collaborators=6", "--set", "partition={kind=\"dirichlet\",alpha=0.02}"]);
    let data = format!("data={}", fixtures().data().display());
    all.extend(["--set", &data, "--set", "autoencoder.latent=2"]);
    all.extend(SMALL);
    all.extend(["--set", "rounds=1", "--set", "autoencoder.epochs=2"]);
    succeed_in(folder.path(), &all);
    let text = std::fs::read_to_string(folder.path().join("run/ledger.csv")).expect("a ledger");
    assert_eq!(
        text.lines().filter(|line| line.starts_with("autoencoder(2),") && line.contains(",update,")).count(),
        6
    );
}

#[test]
fn a_convolutional_autoencoder_compresses_a_simulation() {
    let folder = temporary();
    let mut all = vec!["simulate", "demo", "--out", "conv", "-q"];
    all.extend(SMALL);
    all.extend(["--set", "autoencoder.model=\"ae-conv-mnist\""]);
    succeed_in(folder.path(), &all);
    let folder = folder.path().join("conv");
    // Codes are as long as the dense autoencoder's, decoders far smaller.
    assert_eq!(summary(&folder)["runs"][CODED]["message_bytes"], 4 * Z + HEADER);
    assert_eq!(ledger_bytes(&folder, &[CODED, "setup"]), 2 * (4 * (8_756 + P + 1) + HEADER));
}

#[test]
fn a_federated_prepass_sends_its_first_rounds_as_they_are_and_counts_them() {
    let folder = temporary();
    let data = format!("data={}", fixtures().data().display());
    let federated = ["--set", "prepass.kind=federated", "--set", "prepass.rounds=2", "--set", "rounds=4"];
    let mut all =
        vec!["simulate", "demo", "--out", "run", "-q", "--set", &data, "--set", "autoencoder.latent=4"];
    all.extend(SMALL);
    all.extend(federated);
    succeed_in(folder.path(), &all);
    let (out, collaborators) = (folder.path().join("run"), 2);
    let coded = "autoencoder(4)";
    let updates = collaborators * 2 * (4 * P + HEADER) + collaborators * 2 * (4 * 4 + HEADER);
    assert_eq!(ledger_bytes(&out, &[coded, "update"]), updates);
    assert_eq!(ledger_bytes(&out, &[coded, "down"]), collaborators * 4 * (4 * P + HEADER));
    let lines = read_json_lines(&out.join("metrics.jsonl"));
    let accuracies = |run: &str| {
        let lines = lines.iter().filter(|line| line["run"] == run);
        lines.map(|line| number(line, "test_accuracy")).collect::<Vec<_>>()
    };
    let (raw, compressed) = (accuracies("raw"), accuracies(coded));
    assert_eq!((raw.len(), compressed.len()), (4, 4));
    assert_eq!(raw[..2], compressed[..2], "the first rounds are those of the raw federation");
    // What the uncompressed rounds came to is to be beaten too.
    let (after, mean) = ["after_uncompressed_accuracy", "mean_of_snapshots_accuracy"]
        .map(|key| number(&summary(&out), key))
        .into();
    assert_eq!(after, raw[1]);
    let report = std::fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(report.contains("global model after the uncompressed rounds"));
    let null =
        if after >= mean { "global model after the uncompressed rounds" } else { "mean of the snapshots" };
    assert!(report.contains(&format!(" by the {null}</h1>")), "{null}");
    for (pair, word) in [("prepass.rounds=4", "leave none"), ("prepass.rounds=0", "1 or more")] {
        let mut all = all.clone();
        all.extend(["--set", pair]);
        let ran = run_in(folder.path(), &all);
        assert!(ran.code == 2 && ran.stderr.contains(word), "{}", ran.stderr);
    }
    let isolated = run_in(folder.path(), &["simulate", "demo", "--set", "prepass.rounds=2"]);
    assert!(isolated.code == 2 && isolated.stderr.contains("prepass.kind"), "{}", isolated.stderr);
}

#[test]
fn principal_components_compress_a_federation_of_their_own() {
    let folder = temporary();
    let data = format!("data={}", fixtures().data().display());
    let mut all = vec!["simulate", "demo", "--out", "run", "-q", "--set", &data];
    all.extend(SMALL);
    all.extend(["--set", "codecs=[\"raw\",\"pca\"]", "--set", "prepass.epochs=4"]);
    let ran = succeed_in(folder.path(), &all);
    assert!(ran.stdout.contains("pca") && !ran.stdout.contains("autoencoder"), "{}", ran.stdout);
    let out = folder.path().join("run");
    let summary = summary(&out);
    // Four snapshots differ in three directions, and three axes travel with the mean.
    assert_eq!(summary["runs"]["pca"]["floats"], 3);
    assert_eq!(ledger_bytes(&out, &["pca", "update"]), 2 * 2 * (4 * 3 + HEADER));
    assert_eq!(ledger_bytes(&out, &["pca", "setup"]), 2 * (4 * 4 * P + HEADER));
    assert_eq!(summary["runs"].as_object().map(serde_json::Map::len), Some(2), "{summary}");
    assert!(number(&summary["runs"]["pca"], "savings_ratio") < 1.0, "{summary}");
    // With every axis of as many snapshots as floats, less is lost than with nothing but the mean.
    assert!(number(&summary["runs"]["pca"], "final_accuracy") > 0.2, "{summary}");
}

#[test]
fn raw_updates_alone_need_no_prepass() {
    let folder = temporary();
    let data = format!("data={}", fixtures().data().display());
    let mut all = vec!["simulate", "demo", "--out", "run", "-q", "--set", &data];
    all.extend(SMALL);
    all.extend(["--set", "codecs=[\"raw\"]"]);
    succeed_in(folder.path(), &all);
    let text = std::fs::read_to_string(folder.path().join("run/ledger.csv")).expect("a ledger");
    assert!(text.lines().skip(1).all(|line| line.starts_with("raw,")), "{text}");
    let summary = summary(&folder.path().join("run")).to_string();
    assert!(!summary.contains("mean_of_snapshots") && !summary.contains("after_uncompressed"));
}

#[test]
fn a_report_speaks_of_decoders_where_some_are_shipped() {
    let folder = temporary();
    let data = format!("data={}", fixtures().data().display());
    let other = "{stage=\"autoencoder\",latent=8}";
    let (autoencoder, sparse) = ("\"autoencoder\"", "[\"delta\",{stage=\"topk\",part=0.01}]");
    for (out, codecs, ships) in [
        ("sparse", format!("[\"raw\",{sparse}]"), false),
        ("both", format!("[\"raw\",{sparse},{autoencoder},[{autoencoder},\"f16\"],{other}]"), true),
    ] {
        let codecs = format!("codecs={codecs}");
        let mut all = vec!["simulate", "demo", "--out", out, "-q", "--set", &data];
        all.extend(SMALL);
        all.extend(["--set", &codecs]);
        succeed_in(folder.path(), &all);
        let report = std::fs::read(folder.path().join(out).join("report.json")).expect("a report");
        let report: Value = serde_json::from_slice(&report).expect("JSON");
        let answer = report["answer"].to_string();
        for word in ["raw updates", "bytes an update", "test images leave", "savings ratio"] {
            assert!(answer.contains(word), "{word}: {answer}");
        }
        for word in ["decoder", "breaks even"] {
            assert_eq!(answer.contains(word), ships, "{word}: {answer}");
        }
        let rows = report["tables"][0]["rows"].as_array().expect("rows");
        let row = rows.iter().find(|row| row[0] == "break-even, rounds").expect("a row");
        assert_eq!(row.as_array().expect("cells")[1..3], ["-", "-"], "{row}");
        // Several autoencoders are several plots, each with an id of its own; one that is learned once is drawn once.
        let ids: Vec<_> = report["plots"].as_array().expect("plots").iter().map(|plot| &plot["id"]).collect();
        let distinct: std::collections::HashSet<_> = ids.iter().map(ToString::to_string).collect();
        assert_eq!((distinct.len(), ids.len()), (ids.len(), if ships { 10 } else { 5 }), "{ids:?}");
    }
}

fn plot<'r>(report: &'r Value, id: &str) -> &'r Value {
    let plots = report["plots"].as_array().expect("plots");
    plots.iter().find(|plot| plot["id"] == id).unwrap_or_else(|| panic!("{id}"))
}

/// The lengths of a bar's parts by their names.
fn parts(plot: &Value, bar: usize) -> Vec<(String, f64)> {
    let series = plot["series"].as_array().expect("parts");
    let part = |series: &Value| {
        (
            series["name"].as_str().expect("a name").into(),
            series["points"][bar][1].as_f64().expect("a length"),
        )
    };
    series.iter().map(part).collect()
}

#[test]
fn the_bars_of_the_wire_add_up_to_the_ledger() {
    let folder = demo();
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).expect("a report")).expect("JSON");
    let (wire, updates) = (plot(&report, "wire"), plot(&report, "wire-updates"));
    // Two rounds of two collaborators.
    let shares = 4.0;
    let bars = wire["bars"].as_array().expect("bars");
    assert_eq!(bars.len(), 3);
    for (bar, label) in bars.iter().enumerate() {
        let label = label.as_str().expect("a label");
        let sum: f64 = parts(wire, bar).iter().map(|(_, length)| length).sum();
        assert!((sum * shares - ledger_bytes(folder, &[label]) as f64).abs() < 1e-3, "{label}: {sum}");
        let own = |name: &str| parts(wire, bar).into_iter().find(|part| part.0 == name).expect("a part").1;
        let setup = ledger_bytes(folder, &[label, "setup"]);
        let setup = if setup == 0 { 0.0 } else { (setup - 2 * HEADER) as f64 };
        assert!((own("setup, spread over the rounds") * shares - setup).abs() < 1e-3, "{label}");
        let update = parts(updates, bar);
        let sum: f64 = update.iter().map(|(_, share)| share).sum();
        assert!((sum - 100.0).abs() < 1e-9, "{label}: {update:?}");
        let (part, each) = match label {
            "raw" => ("values, four bytes each", 4.0 * P as f64),
            CODED => ("values, four bytes each", 4.0 * Z as f64),
            _ => ("f16", 2.0 * Z as f64),
        };
        let share = update.iter().find(|known| known.0 == part).expect("a part").1;
        assert!((share - 100.0 * each / (each + HEADER as f64)).abs() < 1e-9, "{label}: {update:?}");
    }
}

#[test]
fn the_first_layer_is_pictured_decoded_and_apart_from_raw() {
    use base64::Engine;
    let folder = demo();
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).expect("a report")).expect("JSON");
    let pictures = &report["pictures"][0];
    let rows = pictures["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 5);
    let levels = |row: usize, unit: usize| -> Vec<i32> {
        let text = rows[row]["pictures"][unit]["levels"].as_str().expect("levels");
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
        bytes.into_iter().map(|byte| i32::from(byte.cast_signed())).collect()
    };
    assert_eq!(rows[0]["name"], "raw");
    for codec in [1, 3] {
        let name = rows[codec]["name"].as_str().expect("a name");
        assert_eq!(rows[codec + 1]["name"], format!("{name} minus raw"));
        for unit in 0..8 {
            let (raw, decoded, apart) = (levels(0, unit), levels(codec, unit), levels(codec + 1, unit));
            assert_eq!(raw.len(), 28 * 28);
            // Each is rounded by itself.
            let is_apart = raw
                .iter()
                .zip(&decoded)
                .zip(&apart)
                .all(|((raw, own), apart)| (own - raw - apart).abs() <= 1);
            assert!(is_apart, "{name}, unit {unit}");
            assert!(apart.iter().any(|level| *level != 0), "{name}, unit {unit}");
        }
    }
    // One scale for all, of which the strongest is its end.
    let all = (0..5).flat_map(|row| (0..8).flat_map(move |unit| levels(row, unit)));
    assert_eq!(all.map(i32::abs).max(), Some(127));
    let limit = pictures["limit"].as_f64().expect("a limit");
    let caption = pictures["caption"].as_str().expect("a caption");
    assert!(caption.contains(&format!("{:.2}", limit)[..4]), "{limit}: {caption}");
    assert!(folder.join("pictures/first-layer.png").is_file());
}

#[test]
fn autoencoders_in_the_small_space_ship_what_is_smaller() {
    let folder = temporary();
    let data = format!("data={}", fixtures().data().display());
    for (out, latent, epochs, decoder) in [
        // Two snapshots: one row, what the code takes of it, the mean, a scale; a byte of parts, one of rows.
        ("factored", Z, 2, 2 + 4 * (P + (Z + 1) + P + 1) + HEADER),
        // Of five snapshots four rows, and a matrix of one column is smaller.
        ("dense", 1, 5, 4 * (P + P + P + 1) + HEADER),
    ] {
        let mut all: Vec<String> = ["simulate", "demo", "--out", out, "-q"].map(String::from).to_vec();
        all.extend(SMALL.map(String::from));
        for set in [
            data.clone(),
            "autoencoder.space=small".into(),
            "autoencoder.optimizer.lr=0.03".into(),
            "autoencoder.epochs=100".into(),
            format!("autoencoder.latent={latent}"),
            format!("prepass.epochs={epochs}"),
        ] {
            all.extend(["--set".into(), set]);
        }
        succeed_in(folder.path(), &all.iter().map(String::as_str).collect::<Vec<_>>());
        let out = folder.path().join(out);
        let summary = summary(&out);
        let coded = format!("autoencoder({latent})");
        assert_eq!(summary["runs"][&coded]["setup_bytes"], decoder);
        assert_eq!(ledger_bytes(&out, &[&coded, "setup"]), 2 * decoder);
        assert_eq!(ledger_bytes(&out, &[&coded, "update"]), 2 * 2 * (4 * latent + HEADER));
        expect_planned(&summary, latent, &format!("--snapshots {epochs}"));
        for error in summary["runs"][&coded]["relative_l2"].as_array().expect("errors") {
            assert!(error.as_f64().expect("a number") < if latent > 1 { 0.1 } else { 0.9 }, "{summary}");
        }
    }
}

#[test]
fn a_run_that_is_there_is_printed_again_and_not_made_again() {
    let folder = temporary();
    let data = format!("data={}", fixtures().data().display());
    let mut all = vec!["simulate", "demo", "--out", "run", "-q", "--set", &data];
    all.extend(SMALL);
    let first = succeed_in(folder.path(), &all);
    let written = || std::fs::metadata(folder.path().join("run/report.json")).and_then(|m| m.modified()).ok();
    let before = written();
    // What a run has left that was killed when it was all but over.
    let state = folder.path().join("run/state");
    std::fs::create_dir(&state).expect("a folder");
    std::fs::copy(folder.path().join("run/fedfunnel.lock"), state.join("fedfunnel.lock")).expect("a mark");
    std::fs::write(state.join("0-raw.safetensors"), "").expect("a stage");
    let again = succeed_in(folder.path(), &[&all[..], &["--resume"]].concat());
    assert_eq!((first.stdout, before), (again.stdout, written()));
    assert!(!state.exists());
    let json = succeed_in(folder.path(), &[&all[..], &["--resume", "--json"]].concat()).stdout;
    assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON"), summary(&folder.path().join("run")));
    let other = run_in(folder.path(), &[&all[..], &["--resume", "--set", "seed=9"]].concat());
    assert!(other.code == 2 && other.stderr.contains("other settings"), "{}", other.stderr);
    let anew = run_in(folder.path(), &all);
    assert!(anew.code == 2 && anew.stderr.contains("--overwrite"), "{}", anew.stderr);
}

#[test]
fn what_is_done_to_images_is_done() {
    // Each of these changes the training, and so the first round's loss.
    let folder = temporary();
    small_colour_models(folder.path());
    let mut losses = Vec::new();
    for (out, set) in [
        ("plain", "seed=0"),
        ("standardized", "standardize=true"),
        ("flipped", "flip=true"),
        ("cropped", "crop=4"),
        ("fewer", "images=60"),
        ("gray", "grayscale=[1]"),
    ] {
        let all = ["simulate", "colour.toml", "--out", out, "-q", "--set", "codecs=[\"raw\"]", "--set", set];
        succeed_in(folder.path(), &all);
        let lines = read_json_lines(&folder.path().join(out).join("metrics.jsonl"));
        assert_eq!(lines[0]["grayscale_test_accuracy"].is_number(), out == "gray", "{}", lines[0]);
        losses.push(number(&lines[0], "train_loss").to_bits());
    }
    let distinct: std::collections::HashSet<_> = losses.iter().collect();
    assert_eq!(distinct.len(), losses.len(), "{losses:?}");
    for (set, words) in [
        ("crop=33", ["crop", "3x32x32"]),
        ("grayscale=[2]", ["grayscale", "0 to 1"]),
        ("test_images=0", ["test_images", "1 or more"]),
        ("autoencoder.optimizer.kind=adamw", ["autoencoder.space", "span"]),
        ("autoencoder.optimizer.moments=bf16", ["autoencoder.space", "moments"]),
    ] {
        let space = "autoencoder.space=small";
        let ran = run_in(folder.path(), &["simulate", "colour.toml", "--set", space, "--set", set]);
        assert!(ran.code == 2 && ran.stderr.starts_with("error: "), "{}", ran.stderr);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr));
    }
    let ran = run_in(folder.path(), &["simulate", "demo", "--set", "grayscale=[0]"]);
    assert!(ran.code == 2 && ran.stderr.contains("grayscale: 1x28x28"), "{}", ran.stderr);
}
