//! Reading a model from one file or from several.

use super::StateFile;
use super::index::{Index, SET, beside, find};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One safetensors file, or several with an index. Of several, those that nothing is asked of may be missing.
#[derive(Debug)]
pub struct StateSet {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Single(Arc<StateFile>),
    Indexed(Index),
}

impl StateSet {
    /// Opens a file, an index (`*.json`), or a folder with `stem.safetensors` or its index.
    pub fn open(path: &Path, stem: &str) -> Result<Self> {
        let path = find(path, stem);
        let kind = if path.extension().is_some_and(|extension| extension == "json") {
            Kind::Indexed(Index::read(&path)?)
        } else if path.is_dir() {
            let problem = format!("neither {stem}.safetensors nor its index is in this folder");
            return Err(Error::file(path, problem, "name another folder, or the file"));
        } else {
            Kind::Single(Arc::new(StateFile::open(&path)?))
        };
        Ok(Self { path, kind })
    }

    /// The file, or the index.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that are there: of several at least one.
    pub fn present(&self) -> Result<Vec<Arc<StateFile>>> {
        let index = match &self.kind {
            Kind::Single(file) => return Ok(vec![file.clone()]),
            Kind::Indexed(index) => index,
        };
        let paths: Vec<_> = index.files().into_iter().map(|file| beside(&self.path, file)).collect();
        let there: Vec<_> = paths.iter().filter(|path| path.exists()).collect();
        match (there.is_empty(), paths.first()) {
            // Opening a missing file is the error.
            (true, Some(missing)) => StateFile::open(missing).map(|file| vec![Arc::new(file)]),
            _ => there.into_iter().map(|path| self.open_part(index, path)).collect(),
        }
    }

    /// Opens a file that the index names, and refuses one of another model: its name says no more than its number.
    fn open_part(&self, index: &Index, path: &Path) -> Result<Arc<StateFile>> {
        let file = StateFile::open(path)?;
        // Indices of others do not say which files they are of.
        if index.metadata.set.is_some() && file.metadata()?.get(SET) != index.metadata.set.as_ref() {
            let problem = format!("it is not one of the files that {} was written with", self.path.display());
            return Err(Error::file(path, problem, "use an index and files that were saved together"));
        }
        Ok(Arc::new(file))
    }

    /// The file in which a tensor is said to be. Errors where the file is missing.
    pub fn file_of(&self, tensor: &str) -> Result<Arc<StateFile>> {
        match &self.kind {
            Kind::Single(file) => Ok(file.clone()),
            Kind::Indexed(index) => self.open_part(index, &self.beside(index, tensor)?),
        }
    }

    /// Whether the file in which a tensor is said to be is there.
    pub fn is_present(&self, tensor: &str) -> Result<bool> {
        match &self.kind {
            Kind::Single(_) => Ok(true),
            Kind::Indexed(index) => Ok(self.beside(index, tensor)?.exists()),
        }
    }

    fn beside(&self, index: &Index, tensor: &str) -> Result<PathBuf> {
        index.weight_map.get(tensor).map(|file| beside(&self.path, file)).ok_or_else(|| {
            let problem = format!("its `weight_map` does not say where tensor {tensor:?} is");
            Error::file(&self.path, problem, "use the index of the right kind and model")
        })
    }

    /// The notes of the files that are there, which have to be the same in all of them.
    pub fn metadata(&self) -> Result<HashMap<String, String>> {
        let files = self.present()?;
        let mut notes: Option<HashMap<String, String>> = None;
        for file in &files {
            let these = file.metadata()?;
            if notes.get_or_insert_with(|| these.clone()) != &these {
                let problem = format!(
                    "its notes are not those of {}, which the index names too",
                    files[0].path().display()
                );
                return Err(Error::file(file.path(), problem, "use files that were saved together"));
            }
        }
        Ok(notes.unwrap_or_default())
    }
}
