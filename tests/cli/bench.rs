//! `fedfunnel bench`: names that stay, times that can be, and JSON of one form.

use crate::support::{Ran, keys, number, run_in, succeed_in, temporary};
use serde_json::Value;
use std::path::Path;

/// Names that others rely on.
const STABLE: [&str; 12] = [
    "dispatch",
    "stream",
    "arithmetic",
    "start",
    "matmul-512",
    "mnist-epoch",
    "cifar-train-b64",
    "wide-ae-adam-b8",
    "wide-ae-adam-b40",
    "encode-550570",
    "decode-550570",
    "round-50",
];

fn parse(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Holds one measurement against the form that all have; gives its value.
fn check(measured: &Value, name: &str, unit: &str) -> f64 {
    let mut found = keys(measured);
    found.sort_unstable();
    assert_eq!(found, ["device", "name", "repeats", "seconds", "unit", "value"]);
    assert_eq!((&measured["name"], &measured["unit"]), (&name.into(), &unit.into()));
    let seconds = &measured["seconds"];
    let [median, min, max] = ["median", "min", "max"].map(|key| number(seconds, key));
    assert!(0.0 < min && min <= median && median <= max, "{measured}");
    assert!(measured["repeats"].as_u64() >= Some(3), "{measured}");
    assert!(measured["device"].as_str().is_some_and(|device| !device.is_empty()), "{measured}");
    number(measured, "value")
}

#[test]
fn names_stay_and_can_be_listed() {
    let ran = succeed_in(Path::new("."), &["bench", "--list"]);
    let names: Vec<_> = ran.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in STABLE {
        assert_eq!(names.iter().filter(|listed| **listed == name).count(), 1, "{name}");
    }
    let some = succeed_in(Path::new("."), &["bench", "wide-ae", "--list"]).stdout;
    assert_eq!(some.lines().filter(|line| line.starts_with("wide-ae-adam-b")).count(), 2, "{some}");
    let refused = run_in(Path::new("."), &["bench", "--list", "--json"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}

#[test]
fn json_has_one_form_and_values_that_can_be() {
    let Ran { stdout, stderr, .. } = succeed_in(Path::new("."), &["bench", "dispatch", "--json"]);
    let all = parse(&stdout);
    assert_eq!(all.len(), 1);
    let microseconds = check(&all[0], "dispatch", "us");
    assert!((0.1..10_000.0).contains(&microseconds), "{microseconds}");
    // The table is for people, and stdout is not.
    assert!(stderr.contains("repeats") && stderr.contains("clock"), "{stderr}");
    let quiet = succeed_in(Path::new("."), &["-q", "bench", "dispatch", "--json"]);
    assert_eq!((quiet.stderr.as_str(), parse(&quiet.stdout).len()), ("", 1));
}

#[test]
fn a_product_is_held_against_the_peaks_and_goes_to_a_file() {
    let folder = temporary();
    let arguments = ["bench", "matmul-64x784x20", "--json", "deep/times.json"];
    let ran = succeed_in(folder.path(), &arguments);
    let all = parse(&std::fs::read_to_string(folder.path().join("deep/times.json")).expect("a file"));
    assert_eq!(all.len(), 1);
    let gflops = check(&all[0], "matmul-64x784x20", "GFLOP/s");
    let seconds = number(&all[0]["seconds"], "median");
    let expected = 2.0 * 64.0 * 784.0 * 20.0 * 1e-9 / seconds;
    assert!((gflops / expected - 1.0).abs() < 1e-9, "{gflops} {expected}");
    let row = ran.stdout.lines().find(|line| line.starts_with("matmul-64x784x20")).expect("its row");
    let share: f64 = row.split_whitespace().rev().nth(4).and_then(|cell| cell.parse().ok()).expect("a share");
    assert!(share > 0.0 && share < 150.0, "{row}");
    assert!(ran.stdout.contains("Peaks of this run: "), "{}", ran.stdout);
}

#[test]
fn the_start_of_the_program_is_timed_from_outside() {
    let all = parse(&succeed_in(Path::new("."), &["bench", "start", "--json", "-q"]).stdout);
    let milliseconds = check(&all[0], "start", "ms");
    assert!((1.0..20_000.0).contains(&milliseconds), "{milliseconds}");
    let ran = succeed_in(Path::new("."), &["devices", "--check"]);
    assert!(ran.stdout.contains(" works: the first answer came "), "{}", ran.stdout);
    let ran = succeed_in(Path::new("."), &["devices", "--check", "--json"]);
    let answer: Value = serde_json::from_str(&ran.stdout).expect("an object");
    assert!(number(&answer, "seconds") > 0.0 && answer["index"] == 0, "{answer}");
}

#[test]
fn a_name_that_is_not_there_is_answered_with_the_nearest() {
    for (filter, words) in
        [("mnist-epcoh", ["mnist-epcoh", "did you mean mnist-epoch?"]), ("zzzz", ["zzzz", "--list"])]
    {
        let ran = run_in(Path::new("."), &["bench", filter]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        }
    }
    let ran = run_in(Path::new("."), &["bench", "dispatch", "--json", "."]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("error: --json: . is a folder"), "{}", ran.stderr);
}

/// Where memory is short a work is named and left out, of the JSON as well.
#[cfg(target_os = "linux")]
#[test]
fn what_does_not_fit_is_named_and_left_out() {
    let program = assert_cmd::cargo::cargo_bin!("fedfunnel");
    // On a processor the device's memory is the process's: with 2 GB of addresses 4.3 GB are not there.
    let script = format!("ulimit -v 2500000 && exec '{}' bench wide-ae-adam-b8 --json", program.display());
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let shared = parse(&succeed_in(Path::new("."), &["devices", "--json"]).stdout)[0]["kind"] == "cpu";
    if shared {
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert!(err.contains("wide-ae-adam-b8 is left out: it takes 4."), "{err}");
        assert_eq!(parse(&out), Vec::<Value>::new());
    }
}

#[test]
fn times_are_held_against_those_of_an_earlier_run() {
    let folder = temporary();
    let at = folder.path();
    succeed_in(at, &["bench", "dispatch", "--json", "before.json", "-q"]);
    let written = std::fs::read_to_string(at.join("before.json")).expect("a file");
    let entry = |scale: f64, device: &str| {
        let mut all = parse(&written);
        for key in ["median", "min", "max"] {
            all[0]["seconds"][key] = (number(&all[0]["seconds"], key) * scale).into();
        }
        all[0]["device"] = device.into();
        Value::from(all).to_string()
    };
    std::fs::write(at.join("slow.json"), entry(1e4, "another card")).expect("written");
    std::fs::write(at.join("fast.json"), entry(1e-4, "another card")).expect("written");

    let ran = succeed_in(at, &["bench", "dispatch", "--against", "slow.json", "--bound", "1.2", "-q"]);
    let row = ran.stdout.lines().rfind(|line| line.starts_with("dispatch ")).expect("its row");
    assert!(row.ends_with("another card"), "{row}");
    assert!(row.split_whitespace().any(|cell| cell == "0.00"), "{row}");
    let same = succeed_in(at, &["bench", "dispatch", "--against", "before.json", "--json", "-q"]);
    assert!(same.stderr.contains("the same"), "{}", same.stderr);
    assert_eq!(parse(&same.stdout).len(), 1);

    let ran = run_in(at, &["bench", "dispatch", "--against", "fast.json", "--bound", "1.2", "-q"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let said = ran.stderr.lines().last().unwrap_or_default();
    assert!(said.starts_with("error: past the bound of 1.2: dispatch takes "), "{said}");
    // Without a bound it is only shown.
    succeed_in(at, &["bench", "dispatch", "--against", "fast.json", "-q"]);
}

#[test]
fn earlier_times_that_are_none_are_refused_before_anything_is_timed() {
    let folder = temporary();
    let at = folder.path();
    let entry = |name: &str, min: f64| {
        format!(
            "[{{\"name\":\"{name}\",\"device\":\"d\",\"seconds\":{{\"median\":2,\"min\":{min},\"max\":3}}}}]"
        )
    };
    std::fs::write(at.join("text.json"), "hello").expect("written");
    std::fs::write(at.join("zero.json"), entry("dispatch", 0.0)).expect("written");
    std::fs::write(at.join("order.json"), entry("dispatch", 2.5)).expect("written");
    std::fs::write(at.join("other.json"), entry("stream", 1.0)).expect("written");
    std::fs::write(at.join("good.json"), entry("dispatch", 1.0)).expect("written");
    let refused = [
        ("missing.json", "1.2", "missing.json"),
        ("text.json", "1.2", "text.json: it has no times of works"),
        ("zero.json", "1.2", "zero.json: the seconds of dispatch are 0, 2 and 3"),
        ("order.json", "1.2", "order.json: the seconds of dispatch are 2.5, 2 and 3"),
        ("other.json", "1.2", "other.json: it has the time of none of these works"),
        ("good.json", "0", "--bound: 0 is no ratio of times"),
        ("good.json", "NaN", "--bound: NaN is no ratio of times"),
    ];
    for (file, bound, words) in refused {
        let ran = run_in(at, &["bench", "dispatch", "--against", file, "--bound", bound]);
        assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert_ne!(ran.code, 0, "{file}");
    }
    assert_eq!(run_in(at, &["bench", "dispatch", "--bound", "1.2"]).code, 2);
}
