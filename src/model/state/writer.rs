//! Writing a safetensors file value by value.

use super::layout::Layout;
use super::seal::{BLANK, SEAL, note_position};
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
    tensors: BTreeMap<String, Placed>,
    /// Values that are still to come.
    missing: u64,
    /// CRC-32C of the header, a note that is still blank included.
    header: u32,
    /// Where in the file a note is that is filled in at the end, and its length.
    blank: Option<(u64, usize)>,
    is_sealed: bool,
}

/// A tensor's place in the file, and checksums of what was put there.
#[derive(Debug)]
struct Placed {
    offset: u64,
    /// Its number of values.
    count: usize,
    shape: Vec<usize>,
    /// Offset in the file, length and CRC-32C of each piece; pieces that follow each other are one.
    pieces: Vec<(u64, usize, u32)>,
}

impl Placed {
    fn add(&mut self, offset: u64, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some((start, length, crc)) if *start + *length as u64 == offset => {
                *crc = crc32c::crc32c_append(*crc, bytes);
                *length += bytes.len();
            }
            _ => self.pieces.push((offset, bytes.len(), crc32c::crc32c(bytes))),
        }
    }

    /// Length and CRC-32C of all of its bytes.
    fn checksum(&self) -> (usize, u32) {
        let mut pieces = self.pieces.clone();
        pieces.sort_unstable();
        pieces.into_iter().fold((0, 0), |(whole, crc), (_, length, piece)| {
            (whole + length, crc32c::crc32c_combine(crc, piece, length))
        })
    }
}

impl StateWriter {
    /// Begins a file with these tensors and notes.
    pub fn create(path: &Path, tensors: &[TensorShape], metadata: &HashMap<String, String>) -> Result<Self> {
        let layout = Layout::new(tensors, metadata)?;
        let mut file = Unfinished::create(path)?;
        let begun = file.file().write_all(&layout.header).and_then(|()| file.file().set_len(layout.total));
        begun.map_err(Error::io("write", path))?;
        let missing = tensors.iter().map(|tensor| tensor.values() as u64).sum();
        let shapes: HashMap<_, _> = tensors.iter().map(|tensor| (&tensor.name, &tensor.shape)).collect();
        let placed = layout.places.into_iter().map(|(name, (offset, count))| {
            let shape = shapes.get(&name).map_or(Vec::new(), |shape| shape.to_vec());
            (name, Placed { offset, count, shape, pieces: Vec::new() })
        });
        let tensors = placed.collect();
        let header = crc32c::crc32c(&layout.header);
        Ok(Self { file, tensors, missing, header, blank: None, is_sealed: false })
    }

    /// The same with one more note, which is not known before all values are there: it is as long as `blank`, and
    /// stands there as that until it is [filled in](Self::fill).
    pub(super) fn with_blank(
        path: &Path,
        tensors: &[TensorShape],
        metadata: &HashMap<String, String>,
        (key, blank): (&str, &str),
    ) -> Result<Self> {
        let mut metadata = metadata.clone();
        metadata.insert(key.into(), blank.into());
        let position = note_position(&Layout::new(tensors, &metadata)?.header, key, blank)
            .ok_or_else(|| internal(format!("no place for the note {key:?}")))?;
        let blank = Some((position as u64, blank.len()));
        Ok(Self { blank, ..Self::create(path, tensors, &metadata)? })
    }

    /// The same with a checksum over the whole file among its notes, for files that have to be what was saved, to
    /// the bit: [`StateFile::is_as_sealed`](super::StateFile::is_as_sealed) looks at it.
    pub fn sealed(path: &Path, tensors: &[TensorShape], metadata: &HashMap<String, String>) -> Result<Self> {
        let file = Self::with_blank(path, tensors, metadata, (SEAL, BLANK))?;
        Ok(Self { is_sealed: true, ..file })
    }

    /// The name, shape and CRC-32C of each tensor, once all values are there.
    pub(super) fn checksums(&self) -> impl Iterator<Item = (&str, &[usize], u32)> {
        self.tensors.iter().map(|(name, placed)| (name.as_str(), &placed.shape[..], placed.checksum().1))
    }

    /// Fills the blank note in.
    pub(super) fn fill(&mut self, note: &str) -> Result<()> {
        match self.blank.take() {
            Some((offset, length)) if length == note.len() => self.write_at(offset, note.as_bytes(), 0),
            _ => Err(internal(format!("no blank of {} bytes", note.len()))),
        }
    }

    /// Whether the file has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Puts values into a tensor, from its value number `start` on. Each value is put once.
    pub fn put(&mut self, name: &str, start: usize, values: &[f32]) -> Result<()> {
        let placed = self.tensors.get_mut(name).ok_or_else(|| internal(format!("no {name:?}")))?;
        let (offset, count) = (placed.offset + 4 * start as u64, placed.count);
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
        let bytes = bytemuck::cast_slice(values);
        placed.add(offset, bytes);
        self.write_at(offset, bytes, values.len())
    }

    /// Puts all bytes of a tensor of bytes.
    pub fn put_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        match self.tensors.get_mut(name) {
            Some(placed) if placed.count == bytes.len() => {
                placed.add(placed.offset, bytes);
                let offset = placed.offset;
                self.write_at(offset, bytes, bytes.len())
            }
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
    pub fn finish(mut self) -> Result<()> {
        if self.missing > 0 {
            return Err(internal(format!("{} values are missing", self.missing)));
        }
        if self.is_sealed {
            let mut placed: Vec<_> = self.tensors.values().collect();
            placed.sort_unstable_by_key(|placed| (placed.offset, placed.count));
            let whole = placed
                .into_iter()
                .map(Placed::checksum)
                .fold(self.header, |whole, (length, crc)| crc32c::crc32c_combine(whole, crc, length));
            self.fill(&format!("{whole:08x}"))?;
        }
        self.file.finish()
    }
}
