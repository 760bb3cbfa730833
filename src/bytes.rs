//! Values as bytes, written and read in order: little-endian numbers, and lengths as LEB128.

use crate::{Error, Result};
use half::f16;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// A named stretch of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BytesPart {
    /// Whose they are: "topk(0.01)".
    pub name: String,
    /// How many.
    pub bytes: usize,
}

/// Bytes in the making, and whose they are as far as that was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer(Vec<u8>, Vec<BytesPart>);

impl Writer {
    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A number as LEB128: seven bits a byte, the lowest first.
    pub fn number(&mut self, number: impl Into<u64>) {
        let mut number = number.into();
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Four bytes a value.
    pub fn floats(&mut self, values: &[f32]) {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// Two bytes a value, each rounded to the nearest.
    pub fn halves(&mut self, values: &[f32]) {
        self.0.extend(values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()));
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// All bytes of another, with its parts; what is not of a part is of `name`.
    pub fn append(&mut self, name: &str, other: Self) {
        let Self(bytes, parts) = other;
        let own = bytes.len() - parts.iter().map(|part| part.bytes).sum::<usize>();
        self.0.extend(bytes);
        self.1.extend(parts);
        self.1.extend((own > 0).then(|| BytesPart { name: name.into(), bytes: own }));
    }

    /// Whose the bytes are, in the order in which they were said to be.
    pub fn parts(&self) -> &[BytesPart] {
        &self.1
    }

    /// All of them, to look at.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Bytes that came over the wire, read from front to back. What ends too early is an [`Error::Message`].
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
    what: &'static str,
    /// Whose the bytes were that have been read; the same for all clones.
    parts: Option<Arc<Mutex<Vec<BytesPart>>>>,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which errors call `what`: "an update".
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { left: bytes, what, parts: None }
    }

    /// The same, whose readers say [whose](Self::was_of) bytes were.
    pub fn described(self) -> Self {
        Self { parts: Some(Arc::default()), ..self }
    }

    /// Whose the bytes were that have been read, where that is said.
    pub fn parts(&self) -> Vec<BytesPart> {
        let parts = self.parts.as_ref();
        parts.map_or(Vec::new(), |parts| parts.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Says whose the bytes were that were read since `before`, but for those of which that was said already.
    pub fn was_of(&self, before: &Self, known: usize, name: &str) {
        let Some(parts) = &self.parts else { return };
        let said = self.said() - known;
        let own = (before.len() - self.len()).saturating_sub(said);
        if own > 0 {
            let part = BytesPart { name: name.into(), bytes: own };
            parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        }
    }

    /// Of how many bytes it was said whose they were.
    pub fn said(&self) -> usize {
        self.parts().iter().map(|part| part.bytes).sum()
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// A LEB128 number.
    pub fn number(&mut self) -> Result<u32> {
        let mut number = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0xf {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        let problem = format!("{} has a number of more than 32 bits", self.what);
        Err(Error::message(problem, "use the same model and codec on both sides"))
    }

    /// `count` values of four bytes.
    pub fn floats(&mut self, count: usize) -> Result<Vec<f32>> {
        let bytes = self.bytes(count.saturating_mul(4))?;
        // Chunks of exactly four bytes always convert.
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// `count` values of two bytes.
    pub fn halves(&mut self, count: usize) -> Result<Vec<f32>> {
        let bytes = self.bytes(count.saturating_mul(2))?;
        Ok(bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect())
    }

    /// `count` bytes as they are.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((bytes, left)) = self.left.split_at_checked(count) else {
            return Err(Error::message(
                format!("{} ends {} bytes too early", self.what, count - self.left.len()),
                "use the same model and codec on both sides",
            ));
        };
        self.left = left;
        Ok(bytes)
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Whether none are left.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The end: refuses bytes that nothing has read.
    pub fn finish(self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let problem = format!("{} has {} bytes more than are due", self.what, self.len());
        Err(Error::message(problem, "use the same model and codec on both sides"))
    }
}

/// Values of four bytes each.
pub fn floats_to_bytes(values: &[f32]) -> Vec<u8> {
    let mut writer = Writer(Vec::with_capacity(4 * values.len()), Vec::new());
    writer.floats(values);
    writer.into_bytes()
}

/// `expected` values of four bytes each, and nothing else.
pub fn bytes_to_floats(bytes: &[u8], expected: usize, what: &'static str) -> Result<Vec<f32>> {
    let mut reader = Reader::new(bytes, what);
    let values = reader.floats(expected)?;
    reader.finish()?;
    Ok(values)
}
