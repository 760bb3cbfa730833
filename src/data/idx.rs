//! The IDX file format of MNIST and its relatives, plain or gzipped.
//!
//! A header (two zero bytes, a type, the number of axes, then the length of each axis as a big-endian
//! 32-bit number) and the payload. Read here: unsigned bytes with one axis (labels), three axes
//! (`[n, H, W]`, grey images) or four (colour images). Of four axes, the channel axis is the one of
//! length 1, 3 or 4: the second makes it `[n, C, H, W]`, the last `[n, H, W, C]`; where both would do
//! it is taken for `[n, C, H, W]`, the layout used everywhere else in fedfunnel.
//!
//! Whether a file is gzipped is told by its content, never by its name. Nothing is allocated on the
//! word of a header: a plain file must have the announced size, a gzipped one must be able to.

use super::ImageShape;
use super::text::grouped;
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The largest payload that is read: what 32-bit offsets on the device can address.
const MAX_PAYLOAD: u64 = u32::MAX as u64;
/// Deflate cannot make more than 1,032 bytes out of one; a header that announces more is corrupt.
const MAX_EXPANSION: u64 = 1032;
const UNSIGNED_BYTE: u8 = 0x08;

/// Where bytes come from, for the messages about them.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The file to name.
    pub path: &'a Path,
    /// What to do when its content is damaged.
    pub mend: &'a str,
}

impl Origin<'_> {
    pub(super) fn error(&self, problem: impl Into<String>) -> Error {
        Error::file(self.path, problem, self.mend)
    }

    /// A read that failed: a damaged gzip stream, or a disk that refused.
    pub(super) fn damaged(&self, error: std::io::Error) -> Error {
        use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        match error.kind() {
            UnexpectedEof => self.error("its gzip stream ends early"),
            InvalidData | InvalidInput => self.error(format!("its gzip stream is damaged ({error})")),
            _ => Error::io("read", self.path)(error),
        }
    }
}

/// The images of one file.
#[derive(Debug, PartialEq, Eq)]
pub struct Images {
    /// How many.
    pub count: usize,
    /// The size of each.
    pub shape: ImageShape,
    /// `[n, C, H, W]`.
    pub pixels: Vec<u8>,
}

/// Reads a file of images.
pub fn read_images(origin: Origin<'_>) -> Result<Images> {
    let (file, bytes) = open(origin)?;
    images(file, bytes, origin)
}

/// Reads a file of labels.
pub fn read_labels(origin: Origin<'_>) -> Result<Vec<u8>> {
    let (file, bytes) = open(origin)?;
    labels(file, bytes, origin)
}

/// As [`read_images`], from memory.
pub fn parse_images(bytes: &[u8], origin: Origin<'_>) -> Result<Images> {
    images(bytes, bytes.len() as u64, origin)
}

/// As [`read_labels`], from memory.
pub fn parse_labels(bytes: &[u8], origin: Origin<'_>) -> Result<Vec<u8>> {
    labels(bytes, bytes.len() as u64, origin)
}

/// True for the first bytes of a gzip stream.
pub(crate) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

fn open(origin: Origin<'_>) -> Result<(BufReader<File>, u64)> {
    let file = File::open(origin.path).map_err(Error::io("read", origin.path))?;
    let metadata = file.metadata().map_err(Error::io("read", origin.path))?;
    if !metadata.is_file() {
        return Err(origin.error("it is not a file"));
    }
    Ok((BufReader::new(file), metadata.len()))
}

fn images(input: impl BufRead, bytes: u64, origin: Origin<'_>) -> Result<Images> {
    let Idx { axes, payload } = read(input, bytes, Kind::Images, origin)?;
    let (count, shape, channels_last) = match axes[..] {
        [n, height, width] => (n, ImageShape { channels: 1, height, width }, false),
        [n, a, b, c] if is_channels(a) => (n, ImageShape { channels: a, height: b, width: c }, false),
        [n, a, b, c] if is_channels(c) => (n, ImageShape { channels: c, height: a, width: b }, c > 1),
        _ => {
            return Err(origin.error(format!(
                "its axes are {}, and neither the second nor the last can be colour channels (1, 3 or 4)",
                shown(&axes)
            )));
        }
    };
    let pixels = if channels_last { channels_first(&payload, shape) } else { payload };
    Ok(Images { count, shape, pixels })
}

fn labels(input: impl BufRead, bytes: u64, origin: Origin<'_>) -> Result<Vec<u8>> {
    Ok(read(input, bytes, Kind::Labels, origin)?.payload)
}

fn is_channels(length: usize) -> bool {
    matches!(length, 1 | 3 | 4)
}

fn shown(axes: &[usize]) -> String {
    let lengths: Vec<_> = axes.iter().map(|&length| grouped(length as u64)).collect();
    lengths.join(" x ")
}

/// `[n, H, W, C]` to `[n, C, H, W]`.
fn channels_first(pixels: &[u8], shape: ImageShape) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len());
    for image in pixels.chunks_exact(shape.pixels()) {
        for channel in 0..shape.channels {
            out.extend(image.iter().skip(channel).step_by(shape.channels));
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Images,
    Labels,
}

impl Kind {
    fn payload(self) -> &'static str {
        match self {
            Self::Images => "pixels",
            Self::Labels => "labels",
        }
    }
}

struct Idx {
    axes: Vec<usize>,
    payload: Vec<u8>,
}

fn read(mut input: impl BufRead, bytes: u64, kind: Kind, origin: Origin<'_>) -> Result<Idx> {
    let start = input.fill_buf().map_err(Error::io("read", origin.path))?;
    if is_gzip(start) {
        let capacity = bytes.saturating_mul(MAX_EXPANSION);
        decode(flate2::bufread::MultiGzDecoder::new(input), Size::AtMost(capacity), kind, origin)
    } else {
        decode(input, Size::Exactly(bytes), kind, origin)
    }
}

/// What is known about the length of a stream before it is read.
#[derive(Clone, Copy)]
enum Size {
    Exactly(u64),
    AtMost(u64),
}

fn decode(mut input: impl Read, size: Size, kind: Kind, origin: Origin<'_>) -> Result<Idx> {
    let mut magic = [0; 4];
    read_header(&mut input, &mut magic, origin)?;
    let axis_count = check_magic(magic, kind, origin)?;
    let mut header = [0; 16];
    let header = &mut header[..4 * axis_count];
    read_header(&mut input, header, origin)?;
    let mut announced = 1u64;
    let mut axes = Vec::with_capacity(axis_count);
    for length in header.chunks_exact(4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        announced = announced.saturating_mul(u64::from(length));
        // A 32-bit length fits a usize on every platform with a GPU driver.
        axes.push(length as usize);
    }
    let what = kind.payload();
    if announced == 0 {
        return Err(origin.error(format!("it holds no {what} (axes {})", shown(&axes))));
    }
    if announced > MAX_PAYLOAD {
        return Err(origin.error(format!(
            "it announces {} of {what} (axes {}), more than the {} that fit",
            if announced == u64::MAX {
                "too many bytes".into()
            } else {
                format!("{} bytes", grouped(announced))
            },
            shown(&axes),
            grouped(MAX_PAYLOAD)
        )));
    }
    let header_bytes = 4 + 4 * axis_count as u64;
    let there = match size {
        Size::Exactly(bytes) => bytes.saturating_sub(header_bytes),
        Size::AtMost(bytes) if bytes < announced => {
            return Err(origin.error(format!(
                "{} bytes of {what} announced, more than the compressed file can hold",
                grouped(announced)
            )));
        }
        Size::AtMost(_) => announced,
    };
    if there != announced {
        return Err(origin.error(mismatch(announced, grouped(there), what)));
    }
    // From here on the announced size is one that the file has, or can have.
    let mut payload = match size {
        Size::Exactly(_) => Vec::with_capacity(announced as usize),
        Size::AtMost(_) => Vec::new(),
    };
    input.by_ref().take(announced).read_to_end(&mut payload).map_err(|e| origin.damaged(e))?;
    if payload.len() as u64 != announced {
        return Err(origin.error(mismatch(announced, grouped(payload.len() as u64), what)));
    }
    // Reading on to the end also makes the decoder compare the checksum of a gzip stream.
    if input.read(&mut [0]).map_err(|e| origin.damaged(e))? > 0 {
        return Err(origin.error(mismatch(announced, "more".into(), what)));
    }
    Ok(Idx { axes, payload })
}

fn mismatch(announced: u64, there: String, what: &str) -> String {
    format!("{} bytes of {what} announced, {there} there", grouped(announced))
}

fn read_header(input: &mut impl Read, header: &mut [u8], origin: Origin<'_>) -> Result<()> {
    input.read_exact(header).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => origin.error("it ends within its header"),
        _ => origin.damaged(e),
    })
}

/// The number of axes, where the magic number is one for this kind of file.
fn check_magic(magic: [u8; 4], kind: Kind, origin: Origin<'_>) -> Result<usize> {
    let [0, 0, element, axes] = magic else {
        let [a, b, c, d] = magic;
        return Err(origin.error(format!(
            "it starts with {a:02x} {b:02x} {c:02x} {d:02x}, which is not an IDX file's beginning"
        )));
    };
    if element != UNSIGNED_BYTE {
        let element = match element {
            0x09 => "signed bytes".into(),
            0x0b => "16-bit integers".into(),
            0x0c => "32-bit integers".into(),
            0x0d => "32-bit floats".into(),
            0x0e => "64-bit floats".into(),
            other => format!("elements of an unknown type ({other:#04x})"),
        };
        return Err(origin.error(format!("it holds {element}, and only unsigned bytes (0x08) are read")));
    }
    match (kind, axes) {
        (Kind::Labels, 1) | (Kind::Images, 3 | 4) => Ok(usize::from(axes)),
        (Kind::Images, 1) => Err(Error::file(
            origin.path,
            "it holds labels (one axis) where images are expected",
            "put the file of images in its place",
        )),
        (Kind::Labels, 3 | 4) => Err(Error::file(
            origin.path,
            format!("it holds images ({axes} axes) where labels are expected"),
            "put the file of labels in its place",
        )),
        (_, axes) => Err(origin.error(format!(
            "it has {axes} axes, and {} expected",
            if kind == Kind::Labels { "one is" } else { "three or four are" }
        ))),
    }
}

#[cfg(test)]
#[path = "idx_tests.rs"]
mod tests;
