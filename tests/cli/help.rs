//! `--help` of every verb: it has examples, and the examples are right.

use crate::support::{run_in, succeed_in};
use std::path::Path;

const VERBS: [&str; 24] = [
    "demo",
    "new",
    "devices",
    "data",
    "data fetch",
    "data list",
    "data partition",
    "train",
    "autoencoder",
    "autoencoder train",
    "autoencoder evaluate",
    "autoencoder pca",
    "simulate",
    "bench",
    "savings",
    "codecs",
    "strategies",
    "compare",
    "experiment",
    "report",
    "runs",
    "inspect",
    "completions",
    "man",
];

fn help(verb: &str) -> String {
    let arguments: Vec<_> = verb.split_whitespace().chain(["--help"]).collect();
    succeed_in(Path::new("."), &arguments).stdout
}

#[test]
fn every_verb_has_examples_that_can_be_run() {
    for verb in std::iter::once("").chain(VERBS) {
        let text = help(verb);
        let (_, examples) =
            text.split_once("Examples:\n").unwrap_or_else(|| panic!("{verb} has no examples"));
        // A line that ends in a backslash goes on, as in a shell.
        let examples = examples.replace("\\\n", " ");
        let lines: Vec<_> = examples.lines().map(str::trim).filter(|l| l.starts_with("fedfunnel")).collect();
        assert!(!lines.is_empty(), "{verb}: {text}");
        for line in lines {
            // What stands behind several spaces or a redirection is said to people.
            let words = line.replace("\\", "").split("   ").next().unwrap_or_default().replace('\'', "");
            let mut words: Vec<_> = words.split_whitespace().skip(1).take_while(|w| *w != ">").collect();
            words.truncate(words.iter().position(|word| *word == "then:").unwrap_or(words.len()));
            words.push("--help");
            let ran = run_in(Path::new("."), &words);
            assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        }
    }
}

#[test]
fn arguments_that_cannot_be_read_are_answered_in_one_line() {
    for (arguments, words) in [
        (&["trian"][..], &["trian", "train"][..]),
        (&["train", "mnist-mlp"], &["--out", "required"]),
        (&["train", "mnist-mlp", "--out", "o", "--epoch", "1"], &["--epoch", "--epochs"]),
        (&["train", "mnist-mlp", "--out", "o", "--epochs", "-1"], &["--epochs", "-1"]),
        (&["train", "mnist-mlp", "--out", "o", "--seed", "4294967296"], &["--seed", "4294967296"]),
        (&["train", "mnist-mlp", "--out", "o", "--optimizer", "adagrad"], &["adagrad", "sgd", "adam"]),
        (&["train", "mnist-mlp", "--out", "o", "--snapshots", "0"], &["--snapshots", "epoch", "steps"]),
        (&["simulate", "demo", "--set"], &["--set"]),
        (&["autoencoder", "evaluate", "--snapshots", "s"], &["--autoencoder"]),
    ] {
        let ran = run_in(Path::new("."), arguments);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        }
    }
}

/// An option is offered by the verbs that do something with it, and refused by the others.
#[test]
fn options_are_those_of_the_verb() {
    let kernels = ["--max-binding-bytes", "--profile", "--trace", "--checked"];
    for verb in VERBS {
        let text = help(verb);
        let has = |option: &str| text.contains(&format!("\n      {option} "));
        let group = ["data", "autoencoder"].contains(&verb);
        let on_the_host = [
            "new",
            "devices",
            "savings",
            "codecs",
            "strategies",
            "report",
            "runs",
            "inspect",
            "completions",
            "man",
            "autoencoder pca",
        ];
        let runs_kernels = !group && !verb.starts_with("data") && !on_the_host.contains(&verb);
        for option in kernels {
            assert_eq!(has(option), runs_kernels, "{verb} {option}: {text}");
        }
        assert_eq!(has("--device"), runs_kernels || verb == "devices", "{verb}: {text}");
        let none = [
            "encode",
            "decode",
            "devices",
            "autoencoder train",
            "autoencoder pca",
            "savings",
            "codecs",
            "strategies",
            "report",
            "runs",
            "inspect",
            "completions",
            "man",
            "bench",
        ];
        let reads_data = !group && !none.contains(&verb);
        assert_eq!(has("--data-dir"), reads_data, "{verb}: {text}");
        assert!(text.contains("-q, --quiet"), "{verb}: {text}");
    }
    for arguments in [
        &["data", "list", "--profile"][..],
        &["data", "list", "--device", "0"],
        &["data", "fetch", "mnist", "--checked"],
        &["devices", "--max-binding-bytes", "65536"],
        &["devices", "--data-dir", "."],
        &["autoencoder", "train", "--data-dir", "."],
        &["autoencoder", "pca", "--device", "0"],
    ] {
        let ran = run_in(Path::new("."), arguments);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{}", ran.stderr);
        assert!(ran.stderr.contains("unexpected argument '--"), "{}", ran.stderr);
    }
}

#[test]
fn data_sets_are_named_where_they_can_be_given() {
    for verb in ["train", "autoencoder evaluate"] {
        let text = help(verb);
        for name in fedfunnel::data::source::known_names() {
            assert!(text.contains(name), "{verb}: {name}: {text}");
        }
    }
}

#[test]
fn built_in_models_are_named_where_they_can_be_given() {
    let (train, autoencoder) = (help("train"), help("autoencoder train"));
    for name in fedfunnel::model::built_in_names() {
        assert!([&train, &autoencoder].iter().any(|text| text.contains(name)), "{name}");
    }
    assert!(autoencoder.contains(&fedfunnel::model::built_in_autoencoders()), "{autoencoder}");
}

#[test]
fn the_version_is_that_of_the_package_with_commit_and_features() {
    let short = format!("fedfunnel {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(succeed_in(Path::new("."), &["-V"]).stdout.trim(), short);
    let ran = succeed_in(Path::new("."), &["--version"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let [first, commit, build, features] = lines[..] else { panic!("{}", ran.stdout) };
    assert_eq!(first, short);
    let commit = commit.strip_prefix("commit: ").expect("a commit");
    let is_one = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_hexdigit());
    assert!(commit == "unknown" || is_one(commit), "{commit}");
    assert_eq!(build, if cfg!(debug_assertions) { "build: debug" } else { "build: release" });
    assert_eq!(features.contains("gles"), cfg!(feature = "gles"), "{features}");
}
