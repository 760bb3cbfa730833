//! `experiment` and `report`: the list, specs, files, and runs that are killed and gone on with.

use crate::support::*;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// An experiment at `smoke`, made short by a few snapshots of the small data set.
fn short(name: &str, out: &str, set: &[&str]) -> Vec<String> {
    let data = format!("classifier.data={}", fixtures().data().display());
    let common = [&data, "classifier.epochs=12", "classifier.snapshot_every=5", "autoencoder.look_every=2"];
    let mut all = ["experiment", name, "--scale", "smoke", "-q", "--out", out].map(String::from).to_vec();
    let set = common.into_iter().chain(set.iter().copied());
    all.extend(set.flat_map(|pair| ["--set".to_string(), pair.to_string()]));
    all
}

/// Figure 5, made short.
fn small(out: &str) -> Vec<String> {
    short("fig5-mnist-validation", out, &["autoencoder.epochs=300", "autoencoder.latent=3"])
}

fn arguments(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// The report, the metrics, and other files by name.
type Left = (Value, Vec<Value>, Vec<(String, Vec<u8>)>);

/// All that a run leaves, timing fields aside; `names` are the files besides the report and the metrics.
fn left_by(folder: &Path, names: &[&str]) -> Left {
    let report =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).expect("a report")).expect("JSON");
    let metrics = read_json_lines(&folder.join("metrics.jsonl")).into_iter().map(timeless).collect();
    let common =
        ["snapshots.safetensors", "config.toml", "plots/error.csv", "events.out.tfevents.0.fedfunnel"];
    let read = |name: &&str| (name.to_string(), std::fs::read(folder.join(name)).expect(name));
    let files = common.iter().chain(names).map(read).collect();
    (timeless(report), metrics, files)
}

#[test]
fn the_list_names_figures_and_what_the_paper_printed() {
    let text = succeed_in(Path::new("."), &["experiment", "list"]).stdout;
    let json = succeed_in(Path::new("."), &["experiment", "list", "--json"]).stdout;
    let all: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    assert!(all.len() >= 4);
    for experiment in all {
        for key in ["name", "summary", "paper"] {
            assert!(text.contains(experiment[key].as_str().expect("text")), "{experiment}");
        }
    }
}

#[test]
fn the_savings_figures_need_no_device_and_say_that_no_rounds_give_both() {
    let folder = temporary();
    for (name, words) in [
        ("fig10-savings-single-decoder", ["No single number of rounds gives both", "8.02", "41.3"]),
        ("fig11-savings-many-decoders", ["321 rounds", "320.7", "0.125"]),
    ] {
        let ran = succeed_in(folder.path(), &["experiment", name, "--scale", "smoke", "--out", name]);
        for word in words {
            assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
        }
        let page = std::fs::read_to_string(folder.path().join(name).join("report.html")).expect("a page");
        assert!(page.contains("plot-savings") && page.contains("The paper&#39;s figures beside ours"));
        assert!(!folder.path().join(name).join("state").exists());
    }
}

#[test]
fn a_resolved_spec_is_printed_and_wrong_ones_are_answered() {
    let folder = temporary();
    let print = ["experiment", "fig4-mnist-ae", "--print-config", "--scale", "smoke", "--set", "seed=7"];
    let printed = succeed_in(folder.path(), &print).stdout;
    assert!(printed.contains("seed = 7") && printed.contains("mnist-sample") && !printed.contains("smoke"));
    std::fs::write(folder.path().join("mine.toml"), &printed).expect("written");
    let again = succeed_in(folder.path(), &["experiment", "mine.toml", "--print-config"]).stdout;
    assert_eq!(printed, again);
    for (arguments, words) in [
        (&["experiment", "fig4-mnist"][..], ["fig4-mnist-ae", "did you mean"]),
        (&["experiment", "fig4-mnist-ae", "--set", "autoencoder.epoch=3"], ["epoch", "`epochs`"]),
        (&["experiment", "fig4-mnist-ae", "--scale", "lapdog"], ["lapdog", "laptop"]),
        (&["experiment", "mine.toml", "--scale", "smoke"], ["--scale", "smoke"]),
        (
            &["experiment", "fig4-mnist-ae", "--set", "classifier.epochs=0"],
            ["classifier.epochs", "1 or more"],
        ),
        (
            &["experiment", "fig4-mnist-ae", "--scale", "smoke", "--set", "autoencoder.hold_out=1"],
            ["autoencoder.hold_out", "2 or more"],
        ),
        (&["experiment", "fig6-cifar-ae", "--set", "classifier.test_images=0"], ["test_images", "1 or more"]),
        (&["experiment", "fig6-cifar-ae", "--set", "autoencoder.space=tiny"], ["autoencoder.space", "small"]),
        (
            &[
                "experiment",
                "fig6-cifar-ae",
                "--set",
                "autoencoder.model=ae-conv-cifar10",
                "--scale",
                "smoke",
            ],
            ["autoencoder.space", "wide"],
        ),
        (
            &[
                "experiment",
                "fig6-cifar-ae",
                "--scale",
                "smoke",
                "--set",
                "autoencoder.layer_rates={encoder=1e-7,decoder=3e-3}",
            ],
            ["autoencoder.layer_rates", "autoencoder.optimizer.lr"],
        ),
        (&["experiment", "complexity", "--set", "families=[]"], ["families", "nothing to compare"]),
        (&["experiment", "complexity", "--scale", "smoke", "--set", "latents=[4,4]"], ["families", "twice"]),
        (
            &["experiment", "complexity", "--scale", "smoke", "--set", "latents=[64]"],
            ["autoencoder.hidden of autoencoder-three-hidden-layers-64", "larger widths"],
        ),
        (
            &["experiment", "conv-ae", "--scale", "smoke", "--set", "families=[{name=\"a\",lrr=1}]"],
            ["lrr", "`lr`"],
        ),
        (&["report", "nowhere"], ["nowhere", "report.json"]),
    ] {
        let ran = run_in(folder.path(), arguments);
        assert_ne!(ran.code, 0, "{arguments:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr));
    }
}

/// Starts a run, ends it by `signal` after a while, and goes on with it, until it comes to its end.
fn run_with_interruptions(folder: &Path, all: &[String], signal: &str, pauses: &[u64]) -> usize {
    let mut interrupted = 0;
    for pause in pauses {
        let mut child = stoppable(folder, &[&arguments(all)[..], &["--resume"]].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(*pause));
        let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.is_ok());
        let status = child.wait().expect("it ends");
        if status.success() {
            return interrupted;
        }
        if signal == "-INT" {
            assert_eq!(status.code(), Some(130), "a stop is no failure");
        }
        interrupted += 1;
    }
    let mut all = arguments(all);
    all.push("--resume");
    succeed_in(folder, &all);
    interrupted
}

/// Holds a run that was killed and one that was stopped against one that was neither. Gives what all of
/// them leave.
#[cfg(unix)]
fn resumes_to_the_same(folder: &Path, run: impl Fn(&str) -> Vec<String>, names: &[&str]) -> Left {
    succeed_in(folder, &arguments(&run("whole")));
    let whole = left_by(&folder.join("whole"), names);
    for (out, signal, pauses) in [
        ("killed", "-KILL", [400, 900, 1_300, 700, 1_700]),
        ("stopped", "-INT", [900, 1_100, 800, 1_500, 600]),
    ] {
        let interrupted = run_with_interruptions(folder, &run(out), signal, &pauses);
        assert!(interrupted > 0, "the run was over before it could be interrupted");
        let found = left_by(&folder.join(out), names);
        assert_eq!(found.1, whole.1, "{signal}: metrics");
        for (found, whole) in found.2.iter().zip(&whole.2) {
            assert!(found == whole, "{signal}: {}", whole.0);
        }
        assert_eq!(found.0, whole.0, "{signal}: report");
        assert!(!folder.join(out).join("state").exists());
    }
    whole
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_and_gone_on_with_ends_as_one_that_was_not() {
    let folder = temporary();
    let names = ["autoencoder.safetensors", "plots/accuracy.svg"];
    let whole = resumes_to_the_same(folder.path(), small, &names);
    assert!(whole.1.len() > 100, "lines of metrics");
    // The negative control: another seed is another run.
    let mut other = small("other");
    other.extend(["--set".into(), "seed=1".into()]);
    succeed_in(folder.path(), &arguments(&other));
    assert_ne!(left_by(&folder.path().join("other"), &names).1, whole.1);

    // A report is made again to the byte, and two are laid over each other.
    let page = |out: &str| std::fs::read(folder.path().join(out).join("report.html")).expect("a page");
    let before = page("whole");
    succeed_in(folder.path(), &["report", "whole"]);
    assert_eq!(before, page("whole"));
    succeed_in(folder.path(), &["report", "whole", "other", "--out", "both"]);
    let both = String::from_utf8(page("both")).expect("UTF-8");
    // Twelve curves are too many for one plot, so each gets its own, with a line for each run.
    for word in ["plot-accuracy-autoencoder", ">whole<", ">other<", "Settings that differ", "seed"] {
        assert!(both.contains(word), "{word}");
    }
}

#[cfg(unix)]
#[test]
fn a_comparison_goes_on_from_the_autoencoder_it_was_left_at() {
    let folder = temporary();
    let families = "families=[{name=\"flat\"},{name=\"small\",space=\"small\"},{name=\"deep\",hidden=[12]}]";
    let set = ["autoencoder.epochs=120", "latents=[2,3]", families];
    let whole = resumes_to_the_same(folder.path(), |out| short("complexity", out, &set), &["plots/cost.svg"]);
    let table = whole.0["tables"][0]["rows"].as_array().expect("rows");
    let of = |name: &str| table.iter().filter(|row| row[0] == name).count();
    assert_eq!(["flat", "small", "deep"].map(of), [2, 2, 2], "{table:?}");
    assert!(of("PCA") >= 3 && of("mean of the snapshots") == 1, "{table:?}");
}

#[cfg(unix)]
#[test]
fn training_in_the_small_space_is_gone_on_with_too() {
    let folder = temporary();
    let set = [
        "autoencoder.epochs=80",
        "autoencoder.latent=3",
        "autoencoder.space=small",
        "autoencoder.optimizer.lr=0.1",
    ];
    let run = |out: &str| short("fig4-mnist-ae", out, &set);
    let whole = resumes_to_the_same(folder.path(), run, &["autoencoder.safetensors", "plots/argmax.svg"]);
    let last = whole.1.last().expect("a line");
    assert!((number(last, "epoch"), number(last, "relative_l2") < 1.0) == (80.0, true), "{last}");
}

/// Runs an experiment at `smoke` and gives its report.
fn smoke(name: &str) -> Value {
    let folder = temporary();
    let ran = succeed_in(folder.path(), &["experiment", name, "--scale", "smoke", "--out", "run", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    for plot in report["plots"].as_array().expect("plots") {
        let svg = folder.path().join("run/plots").join(plot["id"].as_str().expect("text"));
        assert!(svg.with_extension("svg").is_file(), "{}", plot["id"]);
    }
    assert!(!folder.path().join("run/state").exists());
    report
}

/// The value of a key figure.
fn figure(report: &Value, label: &str) -> f64 {
    let all = report["figures"].as_array().expect("figures");
    let found = all.iter().find(|figure| figure["label"] == label);
    let found = found.unwrap_or_else(|| panic!("{label} in {all:?}"));
    found["value"].as_str().and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn the_cifar_autoencoder_trains_at_smoke_and_beats_the_mean() {
    let report = smoke("fig6-cifar-ae");
    let facts = report["facts"].to_string();
    assert!(facts.contains("352,915,690") && facts.contains("the first 200 of 1,200"), "{facts}");
    assert!(figure(&report, "Relative error, held out") < 0.95, "{report}");
    assert!(report["answer"][0].as_str().is_some_and(|said| said.contains("beat the mean")), "{report}");
    assert!(report["answer"][0].as_str().is_some_and(|said| said.contains("PCA with")), "{report}");
    assert!(report["tables"][0].to_string().contains("0.79"), "{report}");
}

#[test]
fn the_cifar_classifier_is_tested_with_what_comes_back_at_smoke() {
    let report = smoke("fig7-cifar-validation");
    assert!(report["title"].as_str().is_some_and(|title| title.contains("1,720.5x")), "{report}");
    let names: Vec<_> = report["plots"][0]["series"].as_array().expect("curves").iter().collect();
    let names: Vec<_> = names.iter().map(|series| series["name"].as_str().expect("text")).collect();
    let nulls = ["mean of the snapshots", "nearest other snapshot", "initial model"];
    assert_eq!(names, [&["original", "autoencoder", "PCA"][..], &nulls].concat());
    assert!(figure(&report, "Relative error, held out") < 0.95, "{report}");
    assert!(figure(&report, "Until the decoder has paid for itself") > 322.0, "{report}");
}

#[test]
fn dense_and_convolutional_autoencoders_are_compared_at_smoke() {
    let report = smoke("conv-ae");
    let rows = report["tables"][0]["rows"].as_array().expect("rows");
    let row =
        |name: &str| rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}: {rows:?}"));
    let (dense, conv) = (row("dense"), row("convolutional"));
    // As many floats, and a decoder a twentieth the size.
    assert_eq!((&dense[1], &conv[1]), (&Value::from("32"), &Value::from("32")));
    assert_eq!((&dense[4], &conv[4]), (&Value::from("2.2 MB"), &Value::from("98,671 B")));
}

#[test]
fn sizes_and_depths_are_swept_at_smoke() {
    let report = smoke("complexity");
    let curves = report["plots"][0]["series"].as_array().expect("curves");
    let names: Vec<_> = curves.iter().map(|series| series["name"].as_str().expect("text")).collect();
    assert_eq!(names, ["one hidden layer", "three hidden layers", "PCA", "the mean alone"]);
    let error = |curve: usize, size: usize| curves[curve]["points"][size][1].as_f64().expect("a number");
    // Axes of the training snapshots carry held-out ones no worse the more there are.
    let axes = curves[2]["points"].as_array().expect("points").len();
    assert!(axes > 16 && (1..axes).all(|k| error(2, k) <= error(2, k - 1)));
    assert!(error(0, 1) < 0.95, "{report}");
}

/// Needs python3 with `pip install tensorboard`, or FEDFUNNEL_PYTHON to name one that has it.
#[test]
#[ignore = "needs python3 with the tensorboard package"]
fn tensorboard_reads_the_events() {
    let folder = temporary();
    succeed_in(folder.path(), &arguments(&small("run")));
    let python = std::env::var("FEDFUNNEL_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/read_events.py");
    let output = std::process::Command::new(python).arg(script).arg(folder.path().join("run")).output();
    let output = output.expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run/report.json")).expect("a report"))
            .expect("JSON");
    let mut curves = 0;
    for plot in report["plots"].as_array().expect("plots") {
        for series in plot["series"].as_array().expect("series") {
            let tag =
                format!("{}/{}", plot["id"].as_str().expect("text"), series["name"].as_str().expect("text"));
            let (points, events) = (series["points"].as_array().expect("points"), &read["scalars"][&tag]);
            assert_eq!(events.as_array().map(Vec::len), Some(points.len()), "{tag}");
            for (point, event) in points.iter().zip(events.as_array().expect("events")) {
                assert_eq!(point[0].as_f64(), event[0].as_f64(), "{tag}");
                let (wrote, got) =
                    (point[1].as_f64().expect("a number"), event[1].as_f64().expect("a number"));
                assert_eq!(wrote as f32, got as f32, "{tag}");
            }
            curves += 1;
        }
    }
    assert!(curves >= 10, "{curves} curves");
    for tag in ["weights", "errors/autoencoder"] {
        let all = read["histograms"][tag].as_array().unwrap_or_else(|| panic!("{tag} in {read}"));
        assert!(all.len() > 5);
        for histogram in all {
            assert_eq!((number(histogram, "num"), number(histogram, "counted")), (15_910.0, 15_910.0));
        }
    }
}
