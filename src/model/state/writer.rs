//! Writing a safetensors file value by value.

use super::layout::Layout;
use super::{TensorShape, first_unusable, internal};
use crate::files::Unfinished;
use crate::gpu::Gpu;
use crate::model::Parameters;
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// A safetensors file in the making. Its values come in any order and go straight to their places; until
/// [`finish`](Self::finish) nothing of it is seen under its name.
#[derive(Debug)]
pub struct StateWriter {
    file: Unfinished,
    /// The offset in the file and the number of values of each tensor.
    places: BTreeMap<String, (u64, usize)>,
    /// Values that are still to come.
    missing: u64,
}

impl StateWriter {
    /// Begins a file with these tensors and notes.
    pub fn create(path: &Path, tensors: &[TensorShape], metadata: &HashMap<String, String>) -> Result<Self> {
        let layout = Layout::new(tensors, metadata)?;
        let mut file = Unfinished::create(path)?;
        let begun = file.file().write_all(&layout.header).and_then(|()| file.file().set_len(layout.total));
        begun.map_err(Error::io("write", path))?;
        let missing = tensors.iter().map(|tensor| tensor.values() as u64).sum();
        Ok(Self { file, places: layout.places, missing })
    }

    /// Whether the file has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Puts values into a tensor, from its value number `start` on. Each value is put once.
    pub fn put(&mut self, name: &str, start: usize, values: &[f32]) -> Result<()> {
        let &(offset, count) = self.places.get(name).ok_or_else(|| internal(format!("no {name:?}")))?;
        if start + values.len() > count {
            return Err(internal(format!("{name:?} has no more than {count} values")));
        }
        if let Some((place, value)) = first_unusable(values) {
            return Err(Error::file(
                self.file.path(),
                format!("value {} of tensor {name:?} became {value} in training", start + place),
                "train again with a smaller rate",
            ));
        }
        // Safetensors are little-endian, as is every platform that wgpu's native backends run on.
        self.write_at(offset + 4 * start as u64, bytemuck::cast_slice(values), values.len())
    }

    /// Puts all bytes of a tensor of bytes.
    pub fn put_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        match self.places.get(name) {
            Some(&(offset, count)) if count == bytes.len() => self.write_at(offset, bytes, count),
            _ => Err(internal(format!("no {name:?} of {} bytes", bytes.len()))),
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8], values: usize) -> Result<()> {
        let written =
            self.file.file().seek(SeekFrom::Start(offset)).and_then(|_| self.file.file().write_all(bytes));
        written.map_err(Error::io("write", self.file.path()))?;
        self.missing = self.missing.saturating_sub(values as u64);
        Ok(())
    }

    /// Puts those tensors of a replica that the file has, as they come from the device.
    pub fn put_parameters(&mut self, gpu: &Gpu, parameters: &Parameters, replica: usize) -> Result<()> {
        for tensor in &parameters.tensors {
            if self.has(&tensor.name) {
                let put = &mut |start, values: &[f32]| self.put(&tensor.name, start, values);
                parameters.read_tensor(gpu, replica, tensor, put)?;
            }
        }
        Ok(())
    }

    /// Puts the file in its place.
    pub fn finish(self) -> Result<()> {
        match self.missing {
            0 => self.file.finish(),
            missing => Err(internal(format!("{missing} values are missing"))),
        }
    }
}
