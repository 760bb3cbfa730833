//! Where things lie: a shader's host, twin and tests are found by its name, and nothing calls upwards.

use fedfunnel::gpu::SHADERS;
use std::path::{Path, PathBuf};

/// Shaders that do the work of one layer share its folder.
const FAMILIES: &[(&str, &[&str])] = &[
    ("conv", &["conv3x3", "conv3x3_tiles"]),
    ("dense", &["dense_lanes", "dense_update", "dense_update_lanes", "moments_bf16"]),
    ("mlp", &["mlp_probe"]),
];

/// Where hosts, twins and tests lie.
const ROOMS: [&str; 3] = ["src/ops", "src/reference", "tests/kernels"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn family(shader: &str) -> &str {
    let found = FAMILIES.iter().find(|(_, members)| members.contains(&shader));
    found.map_or(shader, |(family, _)| family)
}

/// The file `name.rs` or the folder `name/` of a room.
fn place(room: &str, name: &str) -> Option<PathBuf> {
    let room = repository().join(room);
    let (file, folder) = (room.join(format!("{name}.rs")), room.join(name));
    if file.is_file() { Some(file) } else { Some(folder).filter(|folder| folder.join("mod.rs").is_file()) }
}

/// All Rust files of a folder and the folders in it.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// What is not where the shader's name says.
fn missing(shader: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for room in ROOMS {
        if place(room, family(shader)).is_none() {
            missing.push(format!("{room} has nothing for shaders/{shader}.wgsl"));
        }
    }
    // The host of a family names each of its shaders, or is a file of that name.
    if let Some(folder) = place(ROOMS[0], family(shader)).filter(|_| family(shader) != shader) {
        let files = rust_files(&folder);
        let named = |file: &PathBuf| {
            file.file_stem().is_some_and(|stem| stem == shader)
                || std::fs::read_to_string(file).unwrap().contains(&format!("\"{shader}\""))
        };
        if !files.iter().any(named) {
            missing.push(format!("{} does not name shaders/{shader}.wgsl", folder.display()));
        }
    }
    missing
}

#[test]
fn every_shader_has_a_host_a_twin_and_tests_of_its_name() {
    let all: Vec<_> = SHADERS.iter().flat_map(|(shader, _)| missing(shader)).collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
    for (family, members) in FAMILIES {
        for shader in members.iter().chain([family]) {
            assert!(SHADERS.iter().any(|(name, _)| name == shader), "there is no shaders/{shader}.wgsl");
        }
    }
}

#[test]
fn a_shader_without_a_host_is_missed() {
    assert_eq!(missing("no_such_shader").len(), ROOMS.len());
}

/// A module with children is a folder with a `mod.rs`, never a file beside the folder.
#[test]
fn no_file_stands_beside_a_folder_of_its_name() {
    let mut beside = Vec::new();
    for room in ["src", "tests"] {
        let files = rust_files(&repository().join(room));
        beside.extend(files.into_iter().filter(|file| file.with_extension("").is_dir()));
    }
    assert!(beside.is_empty(), "{beside:?}");
}

/// The files below a folder of `src/` that name one of these, outside of their tests.
fn naming(folder: &str, words: &[&str]) -> Vec<PathBuf> {
    let mut files = rust_files(&repository().join("src").join(folder));
    files.retain(|file| {
        let source = std::fs::read_to_string(file).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        words.iter().any(|word| code.contains(word))
    });
    files
}

#[test]
fn layers_know_no_models() {
    let found = naming("ops", &["crate::model", "crate::reference"]);
    assert!(found.is_empty(), "{found:?}");
    assert!(!naming("model", &["crate::ops"]).is_empty());
}

#[test]
fn only_checks_call_the_twins() {
    let mut found = naming("", &["reference::"]);
    found.retain(|file| !file.starts_with(repository().join("src/reference")));
    assert!(found.is_empty(), "{found:?}");
    assert!(!naming("reference", &["reference::"]).is_empty());
}
