//! The order of the rooms: no folder of `src/` imports one above it.

use super::{ROOTS, tree};
use crate::imports::{Files, imports};
use std::collections::BTreeSet;

/// The rooms from the floor up, with the single files that stand beside them. What stands on one line stands on one
/// floor, and does not import each other either.
const FLOORS: &[&[&str]] = &[
    &["error.rs"],
    &["bytes.rs", "digest.rs", "lock.rs", "progress.rs", "text.rs", "toml_place.rs"],
    &["bits.rs", "coding"],
    &["files"],
    &["settings.rs"],
    &["gpu"],
    &["ops"],
    &["reference"],
    &["report"],
    &["data"],
    &["model"],
    &["run"],
    &["training"],
    &["autoencoder"],
    &["codec"],
    &["federation", "savings.rs"],
    &["story"],
    &["bench", "experiment"],
    &["cli"],
    &["main.rs"],
];

/// The floor of a file; nothing for `lib.rs`, which only says what rooms there are.
fn floor(file: &str) -> Option<usize> {
    let room = file.split('/').next().unwrap_or(file);
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// The imports that go up, or across a floor.
fn upward(files: &Files) -> BTreeSet<String> {
    let room = |file: &str| file.split('/').next().unwrap_or_default().to_string();
    let goes_up = |(file, other): &(String, String)| match (floor(file), floor(other)) {
        (Some(own), Some(other_floor)) => room(file) != room(other) && own <= other_floor,
        _ => false,
    };
    let all = imports(files, &ROOTS).into_iter().filter(goes_up);
    all.map(|(file, other)| format!("src/{file} imports src/{other}")).collect()
}

#[test]
fn every_file_has_a_floor() {
    let lost: Vec<_> = tree().into_keys().filter(|file| file != "lib.rs" && floor(file).is_none()).collect();
    assert!(lost.is_empty(), "{lost:?} stand in no room of FLOORS");
}

#[test]
fn no_room_imports_one_above_it() {
    let found: Vec<_> = upward(&tree()).into_iter().collect();
    assert!(found.is_empty(), "these imports go up:\n  {}", found.join("\n  "));
}

#[test]
fn an_import_that_goes_up_or_across_is_found() {
    let files = [
        ("lib.rs", "pub mod gpu; pub mod ops; pub mod cli; pub mod bench; pub mod experiment;"),
        ("gpu/mod.rs", "pub struct Gpu; use crate::ops::Op; pub fn f(_: Op) {}"),
        ("ops/mod.rs", "pub struct Op; pub fn g(_: crate::gpu::Gpu) {}"),
        ("cli/mod.rs", "use crate::gpu::Gpu; pub fn h(_: Gpu) {}"),
        ("bench/mod.rs", "pub struct B;"),
        ("experiment/mod.rs", "use crate::bench::B; pub fn i(_: B) {}"),
    ];
    let files = files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let found: Vec<_> = upward(&files).into_iter().collect();
    let due = ["src/experiment/mod.rs imports src/bench/mod.rs", "src/gpu/mod.rs imports src/ops/mod.rs"];
    assert_eq!(found, due);
}
