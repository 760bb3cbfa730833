//! The folder of a run: one run writes in it, what it holds is what that run made, and nothing of others is touched.

use crate::support::*;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A simulation of a second or two on the small data set.
const SMALL: [&str; 12] = [
    "simulate",
    "demo",
    "-q",
    "--set",
    "data=./data",
    "--set",
    "rounds=2",
    "--set",
    "prepass.epochs=2",
    "--set",
    "prepass.snapshot_every=epoch",
    "--json",
];

/// A folder with the small data set in `data`.
pub fn with_data() -> tempfile::TempDir {
    let folder = temporary();
    write_data(&folder.path().join("data"), 320, 100);
    folder
}

fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let ran = run_in(folder, arguments);
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{arguments:?}: {}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{arguments:?}: {word} is not in {}", ran.stderr);
    }
}

#[cfg(unix)]
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = stoppable(folder, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts a run and interrupts it as soon as it is ready for that.
#[cfg(unix)]
pub fn interrupt(folder: &Path, arguments: &[&str], is_ready: impl Fn() -> bool) -> Output {
    let child = program(folder, arguments).spawn().expect("the program starts");
    let start = Instant::now();
    while !is_ready() && start.elapsed() < Duration::from_secs(90) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    child.wait_with_output().expect("it ends")
}

/// Whether a run has something to go on with.
#[cfg(unix)]
fn is_saved(out: &Path) -> bool {
    std::fs::read_dir(out.join("state")).is_ok_and(|entries| entries.count() > 1)
}

/// How many lines its metrics have.
#[cfg(unix)]
pub fn lines(out: &Path) -> usize {
    std::fs::read_to_string(out.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
}

#[cfg(unix)]
#[test]
fn of_runs_that_start_together_in_one_folder_one_writes_and_the_others_are_refused() {
    let folder = with_data();
    let seed = |seed: usize| format!("seed={seed}");
    let all = |out: &'static str, set: &str| -> Vec<String> {
        let own = ["--out", out, "--set", set];
        SMALL.iter().copied().chain(own).map(str::to_string).collect()
    };
    let start = |arguments: &[String]| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        program(folder.path(), &arguments).spawn().expect("the program starts")
    };
    let together: Vec<_> = (0..3).map(|n| start(&all("one", &seed(n)))).collect();
    let together: Vec<_> =
        together.into_iter().map(|child| child.wait_with_output().expect("ends")).collect();
    let succeeded: Vec<_> = (0..3).filter(|&n| together[n].status.success()).collect();
    assert_eq!(succeeded.len(), 1, "{together:?}");
    for (n, output) in together.iter().enumerate().filter(|(n, _)| *n != succeeded[0]) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{n}: {said}");
        assert!(said.contains("another run is writing in one") || said.contains("finished run"), "{said}");
    }
    // The one that ran came to what its seed comes to alone.
    let alone = start(&all("alone", &seed(succeeded[0]))).wait_with_output().expect("ends");
    let summary = |output: &Output| timeless(serde_json::from_slice(&output.stdout).expect("JSON"));
    assert_eq!(summary(&together[succeeded[0]]), summary(&alone));
}

#[test]
fn a_folder_is_free_again_when_its_run_is_gone() {
    let folder = with_data();
    let all = ["train", "mnist-mlp", "--data", "./data", "--epochs", "1", "--out", "run", "-q"];
    std::fs::create_dir(folder.path().join("run")).expect("a folder");
    let marker = std::fs::File::create(folder.path().join("run/fedfunnel.lock")).expect("a file");
    marker.lock().expect("a lock");
    refused(folder.path(), &all, &["--out", "another run is writing in run", "name another folder"]);
    drop(marker);
    succeed_in(folder.path(), &all);
}

#[cfg(unix)]
#[test]
fn a_run_is_gone_on_with_only_as_what_it_was_started_as() {
    let folder = with_data();
    let path = |name: &str| folder.path().join(name);
    let spec = |activation: &str| {
        let text = include_str!("../../models/mnist-mlp.toml").replace("relu", activation);
        std::fs::write(path("own.toml"), text).expect("a spec");
    };
    spec("tanh");
    let more = ["--set", "rounds=400", "--set", "model=own.toml", "--out", "run"];
    let data_dir = ["--data-dir", "elsewhere", "--max-binding-bytes", "30000000", "--device", "0"];
    let all = [&SMALL[..], &more, &data_dir].concat();
    let out = path("run");
    let stopped = interrupt(folder.path(), &all, || is_saved(&out));
    let said = String::from_utf8_lossy(&stopped.stderr);
    assert_eq!(stopped.status.code(), Some(130), "{said}");
    // The command that is printed says all that the result depends on.
    let command = said.lines().find_map(|line| line.strip_prefix("go on with: ")).expect("a command");
    for words in ["--set model=own.toml", &data_dir[..2].join(" "), &data_dir[2..4].join(" "), "--device 0"] {
        assert!(command.contains(words), "{words}: {command}");
    }
    let resume = [&all[..], &["--resume"]].concat();
    spec("relu");
    refused(folder.path(), &resume, &["--resume", "model own.toml is not what it was"]);
    // A word of comment changes nothing.
    spec("tanh");
    let text = std::fs::read_to_string(path("own.toml")).expect("a spec");
    std::fs::write(path("own.toml"), format!("# mine\n{text}")).expect("written");
    write_data(&path("data"), 321, 100);
    refused(folder.path(), &resume, &["--resume", "data ./data is not what it was"]);
    write_data(&path("data"), 320, 100);
    refused(folder.path(), &[&resume[..], &["--set", "seed=4"]].concat(), &["`seed = 0`, now `seed = 4`"]);
    refused(folder.path(), &all, &["left in the middle", "--resume", "--overwrite"]);
    // What is printed can be pasted.
    std::fs::remove_file(out.join("metrics.jsonl")).expect("removed");
    let words: Vec<_> = command.split(' ').skip(1).collect();
    let again = interrupt(folder.path(), &words, || lines(&out) > 0);
    assert_eq!(again.status.code(), Some(130), "{}", String::from_utf8_lossy(&again.stderr));
    // State of one run is nothing to another, wherever it comes from.
    let other = [&SMALL[..], &more, &["--set", "seed=5", "--overwrite"]].concat();
    let state = std::fs::read(path("run/state/prepass.safetensors")).expect("a state");
    std::fs::remove_dir_all(out.join("state")).expect("removed");
    let stopped = interrupt(folder.path(), &other, || is_saved(&out));
    assert_eq!(stopped.status.code(), Some(130), "{}", String::from_utf8_lossy(&stopped.stderr));
    std::fs::write(path("run/state/prepass.safetensors"), state).expect("written");
    let ran = run_in(folder.path(), &[&other[..12 + 6 + 2], &["--resume"]].concat());
    assert!(ran.code == 1 && ran.stderr.contains("other settings, models or data"), "{}", ran.stderr);
}

#[test]
fn a_folder_holds_one_run_and_nothing_of_another() {
    let folder = with_data();
    let base = ["train", "mnist-mlp", "--data", "./data", "--out", "run", "-q"];
    let train = |more: &'static str| [&base[..], &more.split_whitespace().collect::<Vec<_>>()].concat();
    let has = |name: &str| folder.path().join("run").join(name).exists();
    succeed_in(folder.path(), &train("--epochs 2 --snapshots epoch"));
    let model = || std::fs::read(folder.path().join("run/model.safetensors")).expect("a model");
    let (before, written) = (model(), has("snapshots.safetensors"));
    assert!(written);
    refused(folder.path(), &train("--epochs 3"), &["--out", "finished run", "--overwrite"]);
    refused(folder.path(), &train("--epochs 3 --resume"), &["`epochs = 2`, now `epochs = 3`"]);
    assert!(model() == before, "a refused start changed the model");
    succeed_in(folder.path(), &train("--epochs 3 --overwrite"));
    assert!(model() != before && !has("snapshots.safetensors"), "the snapshots are of the earlier run");
    // A run that diverges leaves no model of another, and does not block the folder.
    let diverging = train("--optimizer sgd --lr 1e30 --overwrite");
    let ran = run_in(folder.path(), &diverging);
    assert!(ran.code == 2 && ran.stderr.contains("--lr"), "{}", ran.stderr);
    assert!(!has("model.safetensors") && !has("snapshots.safetensors"));
    succeed_in(folder.path(), &train("--epochs 1"));
    assert!(has("model.safetensors"));
    // Another verb's run is another run.
    let autoencoder =
        ["autoencoder", "train", "--snapshots", "run/snapshots.safetensors", "--model", "ae-mnist"];
    succeed_in(folder.path(), &train("--epochs 2 --snapshots 5 --overwrite"));
    refused(folder.path(), &[&autoencoder[..], &["--out", "run", "-q"]].concat(), &["finished run"]);
}

#[test]
fn a_simulation_that_fails_late_does_not_block_its_folder() {
    let folder = with_data();
    // The rate is right for the pre-pass and the raw rounds, which are saved, and not for the autoencoder.
    let rate = |rate: &str| format!("autoencoder.optimizer.lr={rate}");
    let run = |rate: &str| run_in(folder.path(), &[&SMALL[..], &["--out", "run", "--set", rate]].concat());
    let failed = run(&rate("1e30"));
    assert!(failed.code == 2 && failed.stderr.contains("use a smaller rate"), "{}", failed.stderr);
    // A spec that was mended in its folder is the user's by then.
    let config = folder.path().join("run/config.toml");
    let written = std::fs::read_to_string(&config).expect("a spec");
    std::fs::write(&config, format!("{written}# mine\n")).expect("written");
    let refused = run(&rate("0.003"));
    assert!(refused.code == 2 && refused.stderr.contains("run/config.toml"), "{}", refused.stderr);
    std::fs::write(&config, written).expect("written");
    let mended = run(&rate("0.003"));
    assert_eq!(mended.code, 0, "{}", mended.stderr);
    // A record that cannot be read is no run to go on with, and none to replace unseen.
    std::fs::write(folder.path().join("run/run.json"), "{\"format\": 9}").expect("written");
    let unknown = run(&rate("0.003"));
    assert!(unknown.code == 1 && unknown.stderr.contains("another version"), "{}", unknown.stderr);
}

#[test]
fn what_is_not_of_fedfunnel_is_not_touched() {
    let folder = with_data();
    let path = |name: &str| folder.path().join(name);
    let read = |name: &str| std::fs::read_to_string(path(name)).expect("a file");
    for name in ["coverage", "exp", "mine/state", "tables/plots"] {
        std::fs::create_dir_all(path(name)).expect("a folder");
    }
    // A report of another program.
    for foreign in ["{\"title\": \"t\", \"files\": 3}", "{}", "{\"format\": \"x\"}"] {
        std::fs::write(path("coverage/report.json"), foreign).expect("written");
        let ran = run_in(folder.path(), &["report", "coverage"]);
        assert!(ran.code == 1 && ran.stderr.contains("it is no report of fedfunnel's"), "{}", ran.stderr);
        assert_eq!(
            (read("coverage/report.json").as_str(), path("coverage/report.html").exists()),
            (foreign, false)
        );
    }
    // The spec itself lies where results would go.
    let spec =
        succeed_in(folder.path(), &["simulate", "demo", "--set", "data=./data", "--print-config"]).stdout;
    let spec = format!("# mine\n{spec}");
    std::fs::write(path("exp/config.toml"), &spec).expect("written");
    refused(
        folder.path(),
        &["simulate", "exp/config.toml", "--out", "exp", "-q"],
        &["exp/config.toml", "move it away"],
    );
    assert_eq!(read("exp/config.toml"), spec);
    // Folders of the user's with the names of ours.
    std::fs::write(path("mine/state/precious.txt"), "kept").expect("written");
    for (out, name) in [("mine", "mine/state"), ("tables", "tables/plots")] {
        for how in [&[][..], &["--resume"], &["--overwrite"]] {
            refused(folder.path(), &[&SMALL[..], &["--out", out], how].concat(), &[name, "move it away"]);
        }
        assert!(!path(out).join("fedfunnel.lock").exists());
    }
    assert_eq!(read("mine/state/precious.txt"), "kept");
    // The same in a folder that a run was in.
    succeed_in(folder.path(), &[&SMALL[..], &["--out", "run"]].concat());
    std::fs::create_dir(path("run/state")).expect("a folder");
    std::fs::write(path("run/state/precious.txt"), "kept").expect("written");
    for how in ["--resume", "--overwrite"] {
        refused(
            folder.path(),
            &[&SMALL[..], &["--out", "run", how]].concat(),
            &["run/state", "move it away"],
        );
    }
    assert_eq!(read("run/state/precious.txt"), "kept");
    std::fs::remove_dir_all(path("run/state")).expect("removed");
    // A spec that was changed after the run is the user's.
    let changed = format!("{}# mine\n", read("run/config.toml"));
    std::fs::write(path("run/config.toml"), &changed).expect("written");
    let again = ["simulate", "run/config.toml", "--out", "run", "-q", "--overwrite"];
    refused(folder.path(), &again, &["run/config.toml", "move it away"]);
    assert_eq!(read("run/config.toml"), changed);
}

#[test]
fn a_report_of_several_runs_takes_no_run_s_place() {
    let folder = with_data();
    succeed_in(folder.path(), &[&SMALL[..], &["--out", "a"]].concat());
    succeed_in(folder.path(), &[&SMALL[..], &["--out", "b", "--set", "seed=1"]].concat());
    let before = std::fs::read(folder.path().join("b/report.json")).expect("a report");
    refused(folder.path(), &["report", "a", "b", "--out", "b"], &["finished run"]);
    assert!(std::fs::read(folder.path().join("b/report.json")).expect("a report") == before);
    // Its own place may be taken again, and a run's report made again.
    for _ in 0..2 {
        succeed_in(folder.path(), &["report", "a", "b", "--out", "both"]);
        succeed_in(folder.path(), &["report", "b"]);
    }
    assert!(std::fs::read(folder.path().join("b/report.json")).expect("a report") == before);
}

#[cfg(unix)]
#[test]
fn trainings_are_saved_by_ctrl_c_and_gone_on_with_to_the_same_end() {
    let folder = with_data();
    let tensors = |name: &str| {
        let bytes = std::fs::read(folder.path().join(name)).expect("a file");
        assert!(!bytes.is_empty());
        bytes
    };
    let train = "train mnist-mlp --data ./data --batch 32 --epochs 150 --snapshots 400 -q";
    let ae = "autoencoder train --snapshots whole/snapshots.safetensors --model ae-mnist -q --eval-every 2";
    let wide = format!("{ae} --epochs 150");
    let small = format!("{ae} --epochs 4000 --space small");
    for (what, files) in [
        (train, &["model.safetensors", "snapshots.safetensors"][..]),
        (&wide, &["autoencoder.safetensors"]),
        (&small, &["autoencoder.safetensors", "decoder.factored"]),
    ] {
        let name = if what == train { "whole" } else { "whole-ae" };
        let run = |out: &'static str, more: &[&'static str]| {
            let words: Vec<_> = what.split_whitespace().chain(["--out", out]).map(str::to_string).collect();
            words.into_iter().chain(more.iter().map(|word| word.to_string())).collect::<Vec<_>>()
        };
        let go = |words: &[String]| {
            succeed_in(folder.path(), &words.iter().map(String::as_str).collect::<Vec<_>>());
        };
        go(&run(name, &["--overwrite"]));
        let _ = std::fs::remove_dir_all(folder.path().join("part"));
        let words = run("part", &["--overwrite"]);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let out = folder.path().join("part");
        let stopped = interrupt(folder.path(), &words, || lines(&out) > 2);
        let said = String::from_utf8_lossy(&stopped.stderr);
        assert_eq!(stopped.status.code(), Some(130), "{what}: {said}");
        let command = said.lines().find_map(|line| line.strip_prefix("go on with: ")).expect("a command");
        assert!(command.ends_with("--resume") && !command.contains("--overwrite"), "{command}");
        assert!(!folder.path().join("part").join(files[0]).exists(), "{what} was over too soon");
        let words: Vec<_> = command.split(' ').skip(1).collect();
        succeed_in(folder.path(), &words);
        for file in files {
            assert!(tensors(&format!("part/{file}")) == tensors(&format!("{name}/{file}")), "{what}: {file}");
        }
        assert!(!folder.path().join("part/state").exists());
        assert_eq!(lines(&out), lines(&folder.path().join(name)));
        // What is over is over.
        let again = run_in(folder.path(), &words);
        assert!(again.code == 0 && again.stdout.contains(files[0]), "{}{}", again.stdout, again.stderr);
    }
}
