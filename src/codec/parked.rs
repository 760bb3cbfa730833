//! Values that lie in a run's folder instead of in memory. They are read where they lie, and the system keeps of them in
//! memory what it has room for.

use crate::{Error, Result};
use bytemuck::Pod;
use memmap2::Mmap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where values begin in a file, so that they can be read as they lie.
const ALIGNMENT: usize = 8;

/// Where idle values go, and how many bytes of them stay in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    /// A folder of the run.
    pub folder: PathBuf,
    /// Bytes in memory at most.
    pub limit: u64,
}

/// A file without a name: it is gone when the last that lies in it is, however the program ends.
#[derive(Debug)]
pub(super) struct ParkedFile(Mmap);

impl ParkedFile {
    /// Its bytes.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Values in memory or in a file.
#[derive(Debug)]
pub(super) enum Stored<T> {
    Own(Vec<T>),
    Parked { file: Arc<ParkedFile>, at: Range<usize> },
}

impl<T: Pod> Deref for Stored<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Own(values) => values,
            Self::Parked { file, at } => bytemuck::cast_slice(&file.0[at.clone()]),
        }
    }
}

/// Writes values into a new file.
pub(super) struct Writing {
    file: BufWriter<File>,
    folder: PathBuf,
    length: usize,
}

impl Writing {
    /// Into a file of this folder.
    pub fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io("write in the folder", folder))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), folder: folder.into(), length: 0 })
    }

    /// Appends bytes; gives where they lie.
    pub fn put(&mut self, bytes: &[u8]) -> Result<Range<usize>> {
        let failed = || Error::io("write in the folder", &self.folder);
        let padding = bytes.len().next_multiple_of(ALIGNMENT) - bytes.len();
        self.file.write_all(bytes).map_err(failed())?;
        self.file.write_all(&[0; ALIGNMENT][..padding]).map_err(failed())?;
        let start = self.length;
        self.length += bytes.len() + padding;
        Ok(start..start + bytes.len())
    }

    /// Ends the file.
    pub fn finish(self) -> Result<Arc<ParkedFile>> {
        let failed = || Error::io("write in the folder", &self.folder);
        let file = self.file.into_inner().map_err(|error| failed()(error.into_error()))?;
        // SAFETY: the file has no name, so that nobody else can change it.
        let mapping = unsafe { Mmap::map(&file) }.map_err(failed())?;
        Ok(Arc::new(ParkedFile(mapping)))
    }
}
