//! Groups of samples that the data themselves name, such as who wrote a digit.

use super::archive::plain;
use super::idx::Origin;
use super::lookup::find;
use crate::text::counted;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The files that name the groups of the training images, plain or with `.gz`.
const FILES: [&str; 2] = ["train-groups.txt", "train-groups"];

/// The longest file that is read: 64 letters for each of as many samples as there can be.
const MOST_BYTES: u64 = 1 << 32;

/// The group of each sample.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Groups {
    /// The names of the groups, in their order: that of numbers where all are whole numbers, else that of letters.
    pub names: Vec<String>,
    /// For each sample its group's place in `names`.
    pub of: Vec<u32>,
}

impl Groups {
    /// Of the names of the samples' groups.
    pub fn new<S: AsRef<str>>(each: &[S]) -> Self {
        let distinct: BTreeSet<&str> = each.iter().map(AsRef::as_ref).collect();
        let mut names: Vec<&str> = distinct.into_iter().collect();
        let number = |name: &str| name.parse::<i64>().ok();
        if names.iter().all(|name| number(name).is_some()) {
            names.sort_by_key(|name| number(name));
        }
        let places: std::collections::HashMap<&str, u32> = names.iter().copied().zip(0..).collect();
        let of = each.iter().map(|name| places[name.as_ref()]).collect();
        Self { names: names.into_iter().map(str::to_string).collect(), of }
    }

    /// The name of each sample's group.
    pub fn each(&self) -> impl Iterator<Item = &str> {
        self.of.iter().map(|&place| self.names[place as usize].as_str())
    }
}

/// The groups that a file in the folder names, a line for each of so many training images; `None` where there is no
/// such file.
pub(super) fn read(folder: &Path, images: usize, mend: &str) -> Result<Option<Groups>> {
    let Some(path) = FILES.iter().find_map(|name| find(folder, name)) else { return Ok(None) };
    let origin = Origin { path: &path, mend };
    let file = File::open(&path).map_err(Error::io("read", &path))?;
    let mut bytes = Vec::new();
    let content = plain(BufReader::new(file)).map_err(|error| origin.damaged(error))?;
    content.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|error| origin.damaged(error))?;
    let refuse = |problem: String, mend: &str| Err(Error::file(&path, problem, mend));
    let Ok(text) = String::from_utf8(bytes) else {
        return refuse("it is not UTF-8 text".into(), "write the name of a group in each line");
    };
    let names: Vec<&str> = text.lines().map(str::trim).collect();
    if names.len() != images {
        let problem = format!("{} for {}", counted(names.len(), "line"), counted(images, "training image"));
        return refuse(problem, "give each image one line, in their order");
    }
    if let Some(empty) = names.iter().position(|name| name.is_empty()) {
        return refuse(format!("line {} is empty", empty + 1), "write the name of a group in each line");
    }
    Ok(Some(Groups::new(&names)))
}
