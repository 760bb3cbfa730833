//! What stands in several shaders is the same text in all of them: WGSL has no includes, so that only a test can hold
//! the copies equal.

use fedfunnel::gpu::{SHADERS, shared_sections};
use std::collections::{BTreeMap, BTreeSet};

/// A function or struct of a file: what declares it, and its whole text from there on.
struct Item<'a> {
    name: &'a str,
    text: &'a str,
    at: usize,
}

/// The functions and structs of a file. Each begins at the start of a line and ends with a brace there, or on its line.
fn items(source: &str) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let head = line.strip_prefix("fn ").or(line.strip_prefix("struct "));
        if let Some(head) = head {
            let name = head.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            let end = if line.trim_end().ends_with('}') {
                at + line.len()
            } else {
                at + source[at..].find("\n}\n").expect("an end") + 3
            };
            found.push(Item { name, text: &source[at..end], at });
        }
        at += line.len();
    }
    found
}

/// Whatever is wrong with the shared text of these files, given by name and source.
fn faults(files: &[(&str, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut sections = BTreeMap::<&str, Vec<_>>::new();
    let mut shared_functions = BTreeSet::new();
    let mut outside = Vec::new();
    for (file, source) in files {
        let own = match shared_sections(source) {
            Ok(own) => own,
            Err(error) => {
                faults.push(format!("{file}: {error}"));
                continue;
            }
        };
        for item in items(source) {
            if !own.iter().any(|section| section.place.contains(&item.at)) {
                outside.push((*file, item));
            } else if item.text.starts_with("fn ") {
                shared_functions.insert(item.name);
            }
        }
        for section in own {
            sections.entry(section.name).or_default().push((*file, section));
        }
    }
    for (name, copies) in &sections {
        let canonical: Vec<_> = copies.iter().filter(|(_, section)| section.from.is_none()).collect();
        let [(home, canonical)] = canonical[..] else {
            faults.push(format!("section {name:?} has {} canonical copies", canonical.len()));
            continue;
        };
        for (file, copy) in copies {
            if copy.from.is_some_and(|from| from != format!("{home}.wgsl")) {
                faults.push(format!("{file}: the canonical copy of section {name:?} is in {home}.wgsl"));
            }
            if copy.text != canonical.text {
                faults.push(format!("{file}: section {name:?} differs from that of {home}.wgsl"));
            }
        }
    }
    let mut seen = BTreeMap::new();
    for (file, item) in outside {
        if shared_functions.contains(item.name) {
            faults.push(format!("{file}: {} stands outside of a section", item.name));
        }
        if let Some(other) = seen.insert(item.text, file) {
            faults.push(format!("{other} and {file}: {} has the same text, in no section", item.name));
        }
    }
    faults
}

fn shaders() -> Vec<(&'static str, String)> {
    SHADERS.iter().map(|(name, source)| (*name, source.to_string())).collect()
}

#[test]
fn sections_of_one_name_have_one_text() {
    let all = faults(&shaders());
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn what_all_layers_share_is_in_sections() {
    let files = shaders();
    let used = |name: &str| {
        let sections = files.iter().flat_map(|(_, source)| shared_sections(source).unwrap());
        sections.filter(|section| section.name == name).count()
    };
    for (name, at_least) in
        [("activate", 6), ("derivative", 8), ("optimizer", 4), ("moments", 2), ("steps", 2)]
    {
        assert!(used(name) >= at_least, "{name}: {}", used(name));
    }
}

/// Each way in which copies can drift apart is found.
#[test]
fn a_copy_that_differs_is_an_error_that_names_its_file() {
    let changed = |file: &str, from: &str, to: &str| {
        let mut files = shaders();
        let (_, source) = files.iter_mut().find(|(name, _)| *name == file).unwrap();
        assert!(source.contains(from), "{file}: {from}");
        *source = source.replace(from, to);
        faults(&files).join("\n")
    };
    for (file, from, to, words) in [
        ("mlp", "max(x, 0.0)", "max(x, 0.1)", "mlp: section \"activate\" differs from that of dense.wgsl"),
        ("pool", "return y * (1.0 - y);", "return  y * (1.0 - y);", "pool: section \"derivative\" differs"),
        // The canonical copy alone was changed: every other one is named.
        ("optimizer", "(1.0 - by.beta1) * g;", "g;", "mlp: section \"optimizer\" differs"),
        (
            "dense",
            "// begin shared: activate\n",
            "// begin shared: activate, from conv.wgsl\n",
            "0 canonical",
        ),
        ("conv", "activate, from dense.wgsl", "activate", "2 canonical copies"),
        (
            "conv",
            "activate, from dense.wgsl",
            "activate, from pool.wgsl",
            "conv: the canonical copy of section",
        ),
        ("conv", "// end shared: activate\n", "", "conv: section \"activate\" does not end before"),
        ("conv", "// begin shared: derivative, from dense.wgsl\n", "", "ends without having begun"),
        // A copy that is not marked, with a text of its own and with the same.
        (
            "gram",
            "struct Pack {",
            "fn activate(x: f32) -> f32 {\n    return x;\n}\nstruct Pack {",
            "gram: activate",
        ),
    ] {
        let found = changed(file, from, to);
        assert!(found.contains(words), "{file}, {from:?}: {found}");
    }
}

#[test]
fn the_same_function_in_two_files_and_no_section_is_an_error() {
    let function = "fn twice(x: f32) -> f32 {\n    return 2.0 * x;\n}\n";
    let two = [("one", function.to_string()), ("other", format!("// Twice.\n{function}"))];
    assert_eq!(faults(&two), ["one and other: twice has the same text, in no section"]);
    let different = [("one", function.to_string()), ("other", function.replace("2.0", "3.0"))];
    assert!(faults(&different).is_empty());
}
