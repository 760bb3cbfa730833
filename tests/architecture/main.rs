//! The rule of the source tree: no two files of `src/` import each other.
//!
//! What counts, decided by the names in the text alone:
//!
//! 1. A file imports the file that defines what it names, be it in a `use` or by a path in its code (`crate::a::b`,
//!    `super::b`, `self::b`, `b::c` where `b` is a module declared or imported there). Names are followed through every
//!    `use` on the way, so that what a `mod.rs` passes on counts as an import of the file that it comes from, and what
//!    it defines itself as an import of the `mod.rs`.
//! 2. A `use` of a module counts by what is named through it, and by the module's own file where nothing is.
//! 3. `mod child;` and `pub use` (with any visibility) are no imports: they say where things are to be found. What a
//!    file passes on and also uses in its own code is an import.
//! 4. Code under `#[cfg(test)]` and other crates do not count. The library and the program are two crates.
//!
//! What crosses from one file to another without its name (a method of a returned value, a field) is not seen, nor is
//! a lower-case function that is passed on with `pub use` and then used in the same file without being called.

mod folders;
mod imports;
mod source;
mod tokens;

use imports::{Files, circles, imports, reached};
use std::path::Path;

const ROOTS: [&str; 2] = ["lib.rs", "main.rs"];

#[test]
fn no_two_files_import_each_other() {
    let pairs = circles(&tree(), &ROOTS);
    let lines: String = pairs.iter().map(|(a, b)| format!("\n  src/{a} <-> src/{b}")).collect();
    assert!(
        pairs.is_empty(),
        "these files import each other; move what they share into a file of its own:{lines}"
    );
}

#[test]
fn every_file_is_read_but_those_of_unit_tests() {
    let files = tree();
    let reached = reached(&files, &ROOTS);
    let unread = files.keys().filter(|file| !reached.contains(*file));
    let of_tests = |file: &&String| file.ends_with("tests.rs");
    let missed: Vec<_> = unread.filter(|file| !of_tests(file)).collect();
    assert!(missed.is_empty(), "{missed:?}");
    let imports = imports(&files, &ROOTS);
    for (file, other) in [("data/mod.rs", "error.rs"), ("model/spec/mod.rs", "model/spec/limits.rs")] {
        assert!(imports.contains(&(file.into(), other.into())), "{file} imports {other}");
    }
}

#[test]
fn a_circle_of_two_plain_files_is_found() {
    assert_eq!(
        found(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "pub struct B; fn f() -> usize { size_of::<super::a::A>() }"),
        ]),
        ["a.rs b.rs"]
    );
}

#[test]
fn a_circle_through_lists_and_new_names_is_found() {
    assert_eq!(
        found(&[
            ("lib.rs", "mod x; mod c;"),
            ("x/mod.rs", "mod a; mod b;"),
            (
                "x/a.rs",
                "use crate::{c, x::{b::{self as other, B}, self}}; pub fn f(_: B) { other::g(); c::h() }"
            ),
            ("x/b.rs", "pub struct B; use super::{a::f as renamed}; pub fn g() {}"),
            ("c.rs", "pub fn h() {}"),
        ]),
        ["x/a.rs x/b.rs"]
    );
}

#[test]
fn a_circle_through_what_a_parent_passes_on_is_found() {
    let files = [
        ("lib.rs", "mod x; pub use x::A;"),
        ("x/mod.rs", "mod a; mod b; pub use a::A; pub(crate) use b::{B, C};"),
        ("x/a.rs", "pub struct A(super::B);"),
        ("x/b.rs", "pub struct B; use crate::A; pub struct C(A);"),
    ];
    assert_eq!(found(&files), ["x/a.rs x/b.rs"]);
}

#[test]
fn a_parent_that_uses_its_child_is_in_a_circle_with_it() {
    let child = ("x/a.rs", "use super::Shared; pub struct A(Shared); pub fn make() {}");
    let with = |parent| found(&[("lib.rs", "mod x;"), ("x/mod.rs", parent), child]);
    assert_eq!(with("mod a; pub use a::A; pub struct Shared; fn f(_: A) {}"), ["x/a.rs x/mod.rs"]);
    assert_eq!(with("mod a; use a::A; pub struct Shared;"), ["x/a.rs x/mod.rs"]);
    assert_eq!(with("mod a; pub struct Shared; fn f() { a::make() }"), ["x/a.rs x/mod.rs"]);
    assert_eq!(with("mod a; pub use a::make; pub struct Shared; fn f() { make() }"), ["x/a.rs x/mod.rs"]);
    // One that only passes on is in none.
    assert!(
        with("pub mod a; pub use a::{A, make}; pub struct Shared; impl Shared { fn f() { x.make() } }")
            .is_empty()
    );
}

#[test]
fn a_circle_in_the_program_is_found() {
    assert_eq!(
        found(&[
            ("main.rs", "mod cli;"),
            ("cli/mod.rs", "mod a; pub struct Common; use fedfunnel::gpu::Gpu; fn f() { a::run() }"),
            ("cli/a.rs", "mod inner { use super::super::Common; }  pub fn run() {}"),
        ]),
        ["cli/a.rs cli/mod.rs"]
    );
}

#[test]
fn tests_comments_and_texts_are_no_imports() {
    let back = r####"
        pub struct B; // use crate::a::A;
        /// [`crate::a::A`] /* crate::a::A
        const TEXT: (&str, &str, char) = ("crate::a::A", r#"" crate::a::A"#, '"');
        /* crate::a::A /* */ crate::a::A */
        fn life<'a>(a: &'a B) -> &'a str { if a.A() { b'\'' } else { '\'' } }
        #[cfg(test)]
        use crate::a::{A, self};
        #[cfg(test)]
        fn f(_: [crate::a::A; 2]) { crate::a::g(); }
        #[cfg(test)]
        #[path = "b_tests.rs"]
        mod tests;
        #[cfg(all(test, unix))]
        mod more { use crate::a::A; }
    "####;
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B); pub fn g() {}"),
        ("b_tests.rs", "use crate::a::A;"),
    ];
    let with = |back| found(&[files[0], files[1], files[2], ("b.rs", back)]);
    assert!(with(back).is_empty());
    // What follows all of that is seen.
    assert_eq!(with(&format!("{back} fn last(_: crate::a::A) {{}}")), ["a.rs b.rs"]);
}

/// The circles in a made-up tree.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let files: Files = files.iter().map(|(file, text)| (file.to_string(), text.to_string())).collect();
    circles(&files, &ROOTS).into_iter().map(|(a, b)| format!("{a} {b}")).collect()
}

/// All files of `src/`.
fn tree() -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Files::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}
