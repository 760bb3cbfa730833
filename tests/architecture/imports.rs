//! Which file imports which, resolved through the module tree.

use super::source::{Path, Source, read};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The files of a source tree, by path from its root (`data/mod.rs`), with their text.
pub type Files = BTreeMap<String, String>;

/// One module of the tree.
struct Module {
    file: String,
    parent: Option<usize>,
    children: HashMap<String, usize>,
    source: Source,
}

/// What a path names.
#[derive(Clone, Copy)]
enum Named {
    Module(usize),
    /// An item that this module defines.
    Item(usize),
}

struct Tree<'a> {
    files: &'a Files,
    modules: Vec<Module>,
}

/// The files that are modules outside of tests.
pub fn reached(files: &Files, roots: &[&str]) -> BTreeSet<String> {
    trees(files, roots).flat_map(|tree| tree.modules).map(|module| module.file).collect()
}

/// Every import as a pair: a file, and a file that it imports.
pub fn imports(files: &Files, roots: &[&str]) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for tree in trees(files, roots) {
        for module in 0..tree.modules.len() {
            let file = &tree.modules[module].file;
            all.extend(tree.imported(module).into_iter().map(|other| (file.clone(), other)));
        }
    }
    all
}

/// The module tree of each crate.
fn trees<'a>(files: &'a Files, roots: &'a [&str]) -> impl Iterator<Item = Tree<'a>> {
    roots.iter().filter(|root| files.contains_key(**root)).map(|root| {
        let mut tree = Tree { files, modules: Vec::new() };
        tree.add(root, "", None);
        tree
    })
}

/// The pairs of files that import each other, each pair once and in order.
pub fn circles(files: &Files, roots: &[&str]) -> BTreeSet<(String, String)> {
    let all = imports(files, roots);
    let mutual = |(a, b): &(String, String)| a < b && all.contains(&(b.clone(), a.clone()));
    all.iter().filter(|pair| mutual(pair)).cloned().collect()
}

impl Tree<'_> {
    /// Adds the module in `file`, whose children lie under `folder`, and all below it.
    fn add(&mut self, file: &str, folder: &str, parent: Option<usize>) -> usize {
        let source = read(&self.files[file]);
        let declared: Vec<_> = source.modules.iter().map(|m| (m.name.clone(), m.file.clone())).collect();
        let index = self.modules.len();
        self.modules.push(Module { file: file.into(), parent, children: HashMap::new(), source });
        for (name, given) in declared {
            let beside = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            let inner = format!("{folder}{name}/");
            let places = match given {
                Some(given) => vec![format!("{beside}{given}")],
                None => vec![format!("{inner}mod.rs"), format!("{folder}{name}.rs")],
            };
            if let Some(place) = places.iter().find(|place| self.files.contains_key(*place)) {
                let child = self.add(place, &inner, Some(index));
                self.modules[index].children.insert(name, child);
            }
        }
        index
    }

    /// The other files that the file of `module` imports.
    fn imported(&self, module: usize) -> BTreeSet<String> {
        let source = &self.modules[module].source;
        let mut found = BTreeSet::new();
        let mut note = |named: Named| {
            let (Named::Module(m) | Named::Item(m)) = named;
            found.insert(self.modules[m].file.clone());
        };
        for binding in source.bindings.iter().filter(|binding| !binding.reexport) {
            match self.resolve(module, &binding.path, 0) {
                // A module counts by what is named through it.
                Some(Named::Module(_)) if source.mentions.iter().any(|path| path[0] == binding.name) => {}
                Some(named) => note(named),
                None => {}
            }
        }
        for mention in &source.mentions {
            if let Some(named) = self.resolve(module, mention, 0) {
                note(named);
            }
        }
        found.remove(&self.modules[module].file);
        found
    }

    /// What `path` names where it stands in `module`; nothing for names of other crates.
    fn resolve(&self, module: usize, path: &Path, hops: usize) -> Option<Named> {
        let mut here = module;
        for (i, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" => here = 0,
                "self" => {}
                "super" => here = self.modules[here].parent?,
                name => {
                    let inside = &self.modules[here];
                    if let Some(child) = inside.children.get(name) {
                        here = *child;
                        continue;
                    }
                    let binding =
                        inside.source.bindings.iter().find(|b| b.name == name && b.path != path[i..]);
                    if let Some(binding) = binding.filter(|_| hops < 16) {
                        let named = self.resolve(here, &binding.path, hops + 1)?;
                        let Named::Module(next) = named else { return Some(named) };
                        here = next;
                        continue;
                    }
                    // A bare name of no module and no `use` is of the prelude, of another crate, or local.
                    return (i > 0).then_some(Named::Item(here));
                }
            }
        }
        Some(Named::Module(here))
    }
}
