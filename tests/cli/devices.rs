//! `fedfunnel devices`: what there is, and what happens where there is nothing.

use crate::support::{fedfunnel, keys, run_in, succeed_in, temporary};
use predicates::prelude::*;
use serde_json::Value;
use std::path::Path;

fn all() -> Vec<Value> {
    let ran = succeed_in(Path::new("."), &["devices", "--json"]);
    serde_json::from_str(&ran.stdout).expect("a JSON list")
}

/// Those that can be used.
fn list() -> Vec<Value> {
    all().into_iter().filter(|adapter| adapter["index"].is_u64()).collect()
}

#[test]
fn a_headless_machine_gets_a_table_and_a_silent_stderr() {
    fedfunnel()
        .arg("devices")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .assert()
        .success()
        .stdout(predicate::str::contains("largest binding").and(predicate::str::contains("*  ")))
        .stderr("");
}

#[test]
fn json_has_every_figure_and_one_chosen_adapter() {
    let list = all();
    let wanted = [
        "index",
        "name",
        "backend",
        "kind",
        "driver",
        "max_buffer_bytes",
        "max_binding_bytes",
        "max_workgroup_bytes",
        "max_workgroup_invocations",
        "subgroup_min",
        "subgroup_max",
        "f16",
        "timestamps",
        "chosen",
    ];
    // Those that cannot be used come last, and say why.
    let usable = list.iter().take_while(|adapter| adapter["index"].is_u64()).count();
    for adapter in &list[usable..] {
        assert!(adapter["lacks"].is_string() && adapter["name"].is_string(), "{adapter}");
    }
    assert!(usable > 0);
    for (place, adapter) in list[..usable].iter().enumerate() {
        let mut found = keys(adapter);
        let mut wanted = wanted.to_vec();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        assert_eq!(adapter["index"], place);
        assert!(adapter["max_binding_bytes"].as_u64() >= Some(64 << 10), "{adapter}");
    }
    assert_eq!(list.iter().filter(|adapter| adapter["chosen"] == true).count(), 1);
}

#[test]
fn an_adapter_is_chosen_by_number_and_by_a_part_of_its_name() {
    let list = list();
    let last = list.last().expect("an adapter");
    let (index, name) = (last["index"].to_string(), last["name"].as_str().expect("a name").to_uppercase());
    let ran = succeed_in(Path::new("."), &["devices", "--device", &index, "--json"]);
    let chosen: Vec<Value> = serde_json::from_str(&ran.stdout).expect("a JSON list");
    assert_eq!(chosen[list.len() - 1]["chosen"], true);
    let ran = succeed_in(Path::new("."), &["devices", "--device", &name[..4], "--json"]);
    let chosen: Vec<Value> = serde_json::from_str(&ran.stdout).expect("a JSON list");
    assert_eq!(chosen.iter().filter(|adapter| adapter["chosen"] == true).count(), 1);
}

#[test]
fn a_device_that_is_not_there_is_answered_with_those_that_are() {
    let name = list()[0]["name"].as_str().expect("a name").to_string();
    for wrong in ["99", "nonsense-2000"] {
        let ran = run_in(Path::new("."), &["devices", "--device", wrong]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.starts_with("error: --device: ") && ran.stderr.contains(&name), "{}", ran.stderr);
        assert!(ran.stderr.contains(wrong), "{}", ran.stderr);
    }
}

#[test]
fn without_an_adapter_the_packages_are_named() {
    let folder = temporary();
    let nowhere = folder.path().join("no-driver.json");
    for arguments in [&["devices"][..], &["train", "mnist-mlp", "--out", "run"], &["demo", "--out", "run"]] {
        let output = fedfunnel()
            .current_dir(folder.path())
            .args(arguments)
            .env("VK_DRIVER_FILES", &nowhere)
            .env("VK_ICD_FILENAMES", &nowhere)
            .env("__EGL_VENDOR_LIBRARY_FILENAMES", &nowhere)
            .output()
            .expect("the program starts");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        for word in ["Debian", "Ubuntu", "Fedora", "Arch", "mesa-vulkan-drivers", "vulkan-swrast"] {
            assert!(text.contains(word), "{text}");
        }
        assert!(!folder.path().join("run").exists());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_leaves_and_a_full_disk_do_not_panic() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the device that is full");
    let program = assert_cmd::cargo::cargo_bin!("fedfunnel");
    let output = std::process::Command::new(program).arg("devices").stdout(full).output().expect("starts");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.starts_with("error: cannot write to standard output") && text.lines().count() == 1,
        "{text}"
    );

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = std::process::Command::new(program).arg("devices").stdout(writer).output().expect("starts");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
