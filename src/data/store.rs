//! Where data sets lie on this computer, and which are there.

use super::cifar10::Place;
use super::lookup;
use super::sample::{SAMPLES, Sample};
use super::source::{SOURCES, Source};
use crate::{Error, Result};
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that names another folder for data.
const VARIABLE: &str = "FEDFUNNEL_DATA_DIR";

/// The folder that holds one sub-folder for each data set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// This folder and no other.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder the user asked for, else that of `FEDFUNNEL_DATA_DIR`, else `fedfunnel` in the user's
    /// data folder (`~/.local/share` on Linux, `~/Library/Application Support` on macOS, `%APPDATA%` on
    /// Windows). It need not exist.
    pub fn resolve(explicit: Option<PathBuf>) -> Result<Self> {
        Self::resolve_from(explicit, Self::from_environment())
    }

    /// The folder that `FEDFUNNEL_DATA_DIR` names.
    pub fn from_environment() -> Option<PathBuf> {
        named(std::env::var_os(VARIABLE))
    }

    fn resolve_from(explicit: Option<PathBuf>, variable: Option<PathBuf>) -> Result<Self> {
        let chosen = explicit.or(variable);
        let default =
            || directories::ProjectDirs::from("", "", "fedfunnel").map(|dirs| dirs.data_dir().into());
        chosen.or_else(default).map(Self).ok_or_else(|| {
            let problem = "this user has no home folder to keep data in";
            Error::setting("--data-dir", problem, format!("give a folder, or set {VARIABLE}"))
        })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of one data set.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// The folder that a variable names; an empty one is one that is not set.
fn named(variable: Option<OsString>) -> Option<PathBuf> {
    variable.filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether a data set can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It is part of the binary.
    Embedded,
    /// All its files are in its folder.
    Present,
    /// Some of its files are missing or have the wrong size.
    Incomplete,
    /// It has not been downloaded.
    Absent,
}

/// One line of `fedfunnel data list`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DatasetStatus {
    /// The name it is loaded by.
    pub name: &'static str,
    /// What it is, with its licence.
    pub about: &'static str,
    /// Whether it can be used.
    pub presence: Presence,
    /// Where it lies or would lie; none for an embedded one.
    #[serde(serialize_with = "lossy")]
    pub folder: Option<PathBuf>,
    /// Bytes it takes there, or in the binary.
    pub bytes: u64,
    /// Training samples of the whole set.
    pub train: usize,
    /// Test samples of the whole set.
    pub test: usize,
    /// The command that makes it usable, or the argument that uses it.
    pub how: String,
}

/// A path as text, which JSON is: with replacement characters for what is not UTF-8.
fn lossy<S: serde::Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_deref().map(Path::to_string_lossy).serialize(serializer)
}

/// Every known data set and whether it is there. Sizes are looked at, contents are not: reading and
/// `fedfunnel data fetch` check those.
pub fn list(data_dir: &DataDir) -> Vec<DatasetStatus> {
    SOURCES.iter().map(|source| status(source, data_dir)).chain(SAMPLES.iter().map(embedded)).collect()
}

fn embedded(sample: &Sample) -> DatasetStatus {
    let &Sample { name, about, bytes, train, test, .. } = sample;
    let (presence, bytes, how) = (Presence::Embedded, bytes as u64, format!("--data {name}"));
    DatasetStatus { name, about, presence, folder: None, bytes, train, test, how }
}

fn status(source: &Source, data_dir: &DataDir) -> DatasetStatus {
    let &Source { name, about, train, test, .. } = source;
    let folder = data_dir.folder(name);
    let (presence, bytes) = presence(source, &folder);
    let how = match presence {
        Presence::Present => format!("--data {name}"),
        _ => format!("fedfunnel data fetch {name}"),
    };
    DatasetStatus { name, about, presence, folder: Some(folder), bytes, train, test, how }
}

/// The presence of a data set in its folder, and the bytes it takes.
fn presence(source: &Source, folder: &Path) -> (Presence, u64) {
    let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let folder = match source.place(folder) {
        Place::Archive(path) => return (Presence::Present, size(&path)),
        Place::Loose(folder) => folder,
    };
    let (mut bytes, mut found, mut sound) = (0, 0, 0);
    for file in source.files {
        let Some(path) = lookup::find(&folder, file.name) else { continue };
        let there = size(&path);
        bytes += there;
        found += 1;
        // What a gzipped file holds shows only when it is read.
        if path.extension().is_some_and(|extension| extension == "gz") || there == file.bytes {
            sound += 1;
        }
    }
    let presence = match (found, sound) {
        (0, _) => Presence::Absent,
        (_, sound) if sound == source.files.len() => Presence::Present,
        _ => Presence::Incomplete,
    };
    (presence, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_wins_over_the_variable_and_that_over_the_default() {
        let resolve = |explicit: Option<&str>, variable: Option<&str>| {
            DataDir::resolve_from(explicit.map(Into::into), variable.map(Into::into)).unwrap()
        };
        assert_eq!(resolve(Some("a"), Some("b")), DataDir::new("a"));
        assert_eq!(resolve(None, Some("b")), DataDir::new("b"));
        assert_eq!(resolve(None, Some("b")).folder("mnist"), Path::new("b").join("mnist"));
        assert_eq!((named(Some("".into())), named(Some("b".into()))), (None, Some("b".into())));
        let default = resolve(None, None);
        assert!(default.path().components().any(|part| part.as_os_str() == "fedfunnel"));
    }
}
