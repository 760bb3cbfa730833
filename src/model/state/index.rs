//! The index of a model in several files, as the Hugging Face hub has it, and the names of the files.

use crate::files::{self, folder_of};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The note by which files and their index know each other: a digest of all tensors and notes, however they are cut
/// into files.
pub(super) const SET: &str = "set";

/// Which tensor lies in which file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Index {
    #[serde(default)]
    pub metadata: Totals,
    /// The files, by tensor. They lie beside the index.
    pub weight_map: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Totals {
    /// What the files carry in their notes too, so that none of another model is taken for one of these; others leave
    /// it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Bytes of all tensors.
    #[serde(default)]
    total_size: u64,
}

impl Index {
    pub fn new(set: &str, total_size: u64, weight_map: BTreeMap<String, String>) -> Self {
        Self { metadata: Totals { set: Some(set.into()), total_size }, weight_map }
    }

    /// Reads an index whose files all lie beside it.
    pub fn read(path: &Path) -> Result<Self> {
        let again = "write it again with fedfunnel autoencoder train";
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let index: Self = serde_json::from_slice(&bytes)
            .map_err(|e| Error::file(path, format!("it is no index of tensor files ({e})"), again))?;
        let outside = |file: &&String| {
            let mut parts = Path::new(file).components();
            // Both kinds of slash, so that a file means the same on every system.
            file.contains(['/', '\\'])
                || !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
        };
        if index.weight_map.is_empty() {
            return Err(Error::file(path, "its `weight_map` names no tensors", again));
        }
        match index.weight_map.iter().find(|(_, file)| outside(file)) {
            None => Ok(index),
            Some((tensor, file)) => Err(Error::file(
                path,
                format!("tensor {tensor:?} is said to be in {file:?}, which is no file beside the index"),
                "keep an index and its files in one folder, and name them without it",
            )),
        }
    }

    /// Writes it as Python's `json.dumps(index, indent=2, sort_keys=True)` would, which the hub's tools use.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(super::internal)?;
        files::write_atomic(path, format!("{text}\n").as_bytes())
    }

    /// Its files, each once.
    pub fn files(&self) -> Vec<&str> {
        let mut files: Vec<_> = self.weight_map.values().map(String::as_str).collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}

/// A model's name in a folder, from which those of its files come.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub folder: PathBuf,
    pub stem: String,
}

impl Place {
    pub fn new(folder: &Path, stem: &str) -> Self {
        Self { folder: folder.into(), stem: stem.into() }
    }

    /// The model in one file.
    pub fn single(&self) -> PathBuf {
        self.folder.join(format!("{}.safetensors", self.stem))
    }

    /// The index of the model in several.
    pub fn index(&self) -> PathBuf {
        self.folder.join(format!("{}.safetensors.index.json", self.stem))
    }

    /// File number `number`, from 1, of `count`. The spare name is for when the other one is in use.
    pub fn shard(&self, number: usize, count: usize, spare: bool) -> String {
        let spare = if spare { ".new" } else { "" };
        format!("{}-{number:05}-of-{count:05}{spare}.safetensors", self.stem)
    }

    /// The files in the folder that have a name which [`shard`](Self::shard) gives.
    pub fn shards_there(&self) -> Vec<String> {
        let is_number = |text: &str| text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_shard = |name: &str| {
            let rest = name.strip_prefix(&self.stem)?.strip_prefix('-')?.strip_suffix(".safetensors")?;
            let (number, count) = rest.strip_suffix(".new").unwrap_or(rest).split_once("-of-")?;
            Some(is_number(number) && is_number(count))
        };
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| is_shard(name) == Some(true)).collect()
    }
}

/// What a user's path means: a file, an index, or a folder with either.
pub fn find(path: &Path, stem: &str) -> PathBuf {
    let place = Place::new(path, stem);
    let files = if path.is_dir() { vec![place.index(), place.single()] } else { Vec::new() };
    files.into_iter().find(|file| file.exists()).unwrap_or_else(|| path.into())
}

/// A file that an index names.
pub(super) fn beside(index: &Path, file: &str) -> PathBuf {
    folder_of(index).join(file)
}
