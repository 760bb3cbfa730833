//! Runs that are killed at random moments, and stopped, and gone on with: they end as one that was not.

use crate::federation;
use crate::support::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Moments that nobody has chosen, from a seed that the clock gives and a failure shows.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
        println!("the moments' seed is {nanoseconds}");
        Self(nanoseconds)
    }

    /// A part of a duration, up to all of it.
    fn within(&mut self, whole: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        whole.mul_f64((self.0 >> 33) as f64 / (1u64 << 31) as f64)
    }
}

fn spawn(folder: &Path, all: &[&str]) -> Child {
    stoppable(folder, all).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// What a run has left: JSON without what depends on the clock, and the bytes of all other files. The page is
/// made of report.json.
pub fn left_by(folder: &Path) -> BTreeMap<String, Value> {
    let mut left = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder).expect("within").display().to_string();
            let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            match kind {
                _ if path.is_dir() => folders.push(path),
                "html" => {}
                "json" => {
                    let value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("JSON");
                    left.insert(name, timeless(value));
                }
                "jsonl" => {
                    let lines = read_json_lines(&path).into_iter().map(timeless).collect();
                    left.insert(name, Value::Array(lines));
                }
                _ => {
                    let bytes = std::fs::read(&path).expect("read");
                    left.insert(name, Value::Array(bytes.into_iter().map(Value::from).collect()));
                }
            }
        }
    }
    left
}

pub fn check_alike(what: &str, found: &BTreeMap<String, Value>, whole: &BTreeMap<String, Value>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>(), "{what}");
    for (name, value) in whole {
        assert!(found[name] == *value, "{what}: {name}");
    }
}

/// Runs `all` once as it is, once killed at random moments, once stopped by Ctrl-C.
fn check_interrupted(all: impl Fn(&str) -> Vec<String>, files: &[&str]) {
    let folder = temporary();
    small_colour_models(folder.path());
    let words = |out: &str| -> Vec<String> { all(out) };
    let start = Instant::now();
    succeed_in(folder.path(), &words("whole").iter().map(String::as_str).collect::<Vec<_>>());
    let took = start.elapsed();
    let whole = left_by(&folder.path().join("whole"));
    files.iter().for_each(|file| assert!(whole.contains_key(*file), "{file}"));
    let mut moments = Moments::new();
    for (out, signal) in [("killed", "-KILL"), ("stopped", "-INT")] {
        let mut all = words(out);
        all.push("--resume".into());
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        let mut interrupted = 0;
        for _ in 0..6 {
            let mut child = spawn(folder.path(), &all);
            std::thread::sleep(moments.within(took));
            let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
            assert!(sent.is_ok());
            let status = child.wait().expect("it ends");
            if status.success() {
                break;
            }
            if signal == "-INT" && folder.path().join(out).join("state").is_dir() {
                // Before it listens, the signal ends it as it ends any program.
                assert!(matches!(status.code(), Some(130) | None), "{status}");
            }
            interrupted += 1;
        }
        succeed_in(folder.path(), &all);
        check_alike(&format!("{signal}, {interrupted} times"), &left_by(&folder.path().join(out)), &whole);
    }
    // The negative control: another seed is another run.
    let mut other = words("other");
    other.extend([
        "--set".into(),
        if other[0] == "experiment" { "federation.seed=1" } else { "seed=1" }.into(),
    ]);
    succeed_in(folder.path(), &other.iter().map(String::as_str).collect::<Vec<_>>());
    assert_ne!(left_by(&folder.path().join("other")).get("ledger.csv"), None);
    assert_ne!(left_by(&folder.path().join("other"))["metrics.jsonl"], whole["metrics.jsonl"]);
}

/// So little fits one binding that collaborators train one after the other.
fn simulation(out: &str, set: &[&str]) -> Vec<String> {
    let mut all = ["simulate", "colour.toml", "-q", "--max-binding-bytes", "300000", "--out", out]
        .map(String::from)
        .to_vec();
    all.extend(set.iter().flat_map(|pair| ["--set".to_string(), pair.to_string()]));
    all
}

#[cfg(unix)]
#[test]
fn a_simulation_that_is_cut_short_at_random_moments_ends_as_one_that_is_not() {
    let all = |out: &str| {
        let set = [
            "codecs=[\"raw\",\"autoencoder\",\"pca\"]",
            "rounds=6",
            "collaborators=3",
            "grayscale=[0]",
            "local_tests=epoch",
            "prepass.epochs=6",
            "autoencoder.epochs=200",
        ];
        simulation(out, &set)
    };
    check_interrupted(
        all,
        &["ledger.csv", "metrics.jsonl", "report.json", "summary.json", "plots/bytes.svg"],
    );
}

#[cfg(unix)]
#[test]
fn a_federated_prepass_and_many_groups_are_gone_on_with_too() {
    let all = |out: &str| {
        let set = [
            "collaborators=3",
            "rounds=5",
            "prepass={kind=\"federated\",rounds=3,snapshot_every=1}",
            "autoencoder.space=small",
        ];
        simulation(out, &set)
    };
    check_interrupted(all, &["ledger.csv", "summary.json"]);
}

/// Kills a run at twenty random moments, going on with it each time and beginning another whenever it has ended; all of
/// them have to end as one that nobody touched.
fn check_killed(set: &[&str]) {
    let folder = temporary();
    small_colour_models(folder.path());
    let words = |out: &str| {
        let mut all = simulation(out, set);
        all.push("--resume".into());
        all
    };
    let run =
        |out: &str| succeed_in(folder.path(), &words(out).iter().map(String::as_str).collect::<Vec<_>>());
    let start = Instant::now();
    run("whole");
    let took = start.elapsed();
    let whole = left_by(&folder.path().join("whole"));
    let mut moments = Moments::new();
    let (mut kills, mut runs) = (0, 0);
    while kills < 20 {
        runs += 1;
        let out = format!("killed-{runs}");
        let all = words(&out);
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        loop {
            let mut child = spawn(folder.path(), &all);
            std::thread::sleep(moments.within(took));
            child.kill().expect("it can be killed");
            if child.wait().expect("it ends").success() {
                break;
            }
            kills += 1;
            if kills == 20 {
                run(&out);
                break;
            }
        }
        check_alike(
            &format!("run {runs}, {kills} kills in all"),
            &left_by(&folder.path().join(&out)),
            &whole,
        );
    }
}

#[cfg(unix)]
#[test]
fn a_prepass_that_is_killed_twenty_times_loses_nothing() {
    check_killed(&["codecs=[\"raw\",\"pca\"]", "rounds=1", "prepass.epochs=12"]);
}

#[cfg(unix)]
#[test]
fn a_setup_that_is_killed_twenty_times_loses_nothing() {
    check_killed(&[
        "codecs=[\"raw\",\"autoencoder\"]",
        "rounds=1",
        "prepass.epochs=3",
        "autoencoder.space=small",
        "autoencoder.epochs=60",
    ]);
}

#[cfg(unix)]
#[test]
fn rounds_with_feedback_that_are_killed_twenty_times_lose_nothing() {
    check_killed(&[
        "idle_bytes=1000",
        "codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.05}]]",
        "rounds=8",
        "save_every=1",
        "collaborators=6",
        "participation={per_round=4}",
        "faults={breaks_off=0.1,corrupt=0.1}",
    ]);
}

#[cfg(unix)]
#[test]
fn scaffold_that_is_killed_twenty_times_loses_nothing() {
    check_killed(&[
        "codecs=[\"raw\"]",
        "rounds=10",
        "save_every=1",
        "collaborators=4",
        "strategy=scaffold",
        "optimizer={kind=\"sgd\",lr=0.05,momentum=0.0}",
    ]);
}

#[cfg(unix)]
#[test]
fn a_federation_without_waiting_that_is_killed_twenty_times_loses_nothing() {
    check_killed(&[
        "codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.05}]]",
        "rounds=8",
        "save_every=1",
        "collaborators=4",
        "clock={}",
        "asynchrony={kind=\"fedbuff\",buffer=2}",
    ]);
}

#[cfg(unix)]
#[test]
fn an_experiment_that_is_cut_short_at_random_moments_ends_as_one_that_is_not() {
    check_interrupted(federation::small, &["ledger.csv", "report.json", "events.out.tfevents.0.fedfunnel"]);
}
