//! The IDX file format of MNIST and its relatives, plain or gzipped.
//!
//! A header (two zero bytes, a type, the number of axes, then the length of each axis as a big-endian
//! 32-bit number) and the payload. Read here: unsigned bytes with one axis (labels), three axes
//! (`[n, H, W]`, grey images) or four (colour images); and of labels as QMNIST has them, 32-bit integers with two
//! axes (`[n, 8]`), the first column, which is the class. Of four axes, the channel axis is the one of
//! length 1, 3 or 4: the second makes it `[n, C, H, W]`, the last `[n, H, W, C]`; where both would do
//! it is taken for `[n, C, H, W]`, the layout used everywhere else in fedfunnel.
//!
//! A file's content decides whether it is gzipped, never its name. No header is trusted with an allocation: a plain file must have the announced size, a gzipped one must be able to. A header can be
//! looked at by itself (`open`), so that files which do not fit each other are refused
//! before they are read.

use super::ImageShape;
use super::archive::plain;
use super::gunzip::is_gzip;
use crate::text::grouped;
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The largest payload that is read: what 32-bit offsets on the device can address.
const MAX_PAYLOAD: u64 = u32::MAX as u64;
/// Deflate cannot make more than 1,032 bytes out of one; a header that announces more is corrupt.
const MAX_EXPANSION: u64 = 1032;

/// Of QMNIST's labels: class, series, writer, and where the digit is found elsewhere.
const QMNIST_COLUMNS: usize = 8;

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

    /// More than there is memory for.
    pub(super) fn too_large(&self, bytes: u64, what: &str) -> Error {
        let problem = format!("there is no memory for its {} bytes of {what}", grouped(bytes));
        Error::file(self.path, problem, "free some, or keep fewer images in it")
    }

    /// A read that failed: a damaged gzip stream, a disk that refused, or no memory left.
    pub(super) fn damaged(&self, error: std::io::Error) -> Error {
        use std::io::ErrorKind::{InvalidData, InvalidInput, OutOfMemory, UnexpectedEof};
        match error.kind() {
            OutOfMemory => {
                let problem = "there is no memory for what is in it";
                Error::file(self.path, problem, "free some, or keep fewer images in it")
            }
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

/// Reads a file of labels.
pub fn read_labels(origin: Origin<'_>) -> Result<Vec<u8>> {
    open(Kind::Labels, origin)?.labels()
}

/// Reads images from memory.
pub fn parse_images(bytes: &[u8], origin: Origin<'_>) -> Result<Images> {
    announced(bytes, bytes.len() as u64, Kind::Images, origin)?.images()
}

/// Reads labels from memory.
pub fn parse_labels(bytes: &[u8], origin: Origin<'_>) -> Result<Vec<u8>> {
    announced(bytes, bytes.len() as u64, Kind::Labels, origin)?.labels()
}

/// Reads the header of a file.
pub(super) fn open(kind: Kind, origin: Origin<'_>) -> Result<Announced<'_>> {
    let file = File::open(origin.path).map_err(Error::io("read", origin.path))?;
    let metadata = file.metadata().map_err(Error::io("read", origin.path))?;
    if !metadata.is_file() {
        return Err(origin.error("it is not a file"));
    }
    announced(BufReader::new(file), metadata.len(), kind, origin)
}

/// What a header announces: values that the file has, or can have where it is gzipped, and that are still to be
/// read.
pub(super) struct Announced<'a> {
    origin: Origin<'a>,
    kind: Kind,
    /// Of one value: 1, or 4 of labels that are 32-bit integers.
    value_bytes: u64,
    axes: Vec<usize>,
    /// Of all values.
    bytes: u64,
    /// Whether the file has been seen to be that long.
    exact: bool,
    input: Box<dyn Read + 'a>,
}

impl Announced<'_> {
    /// How many images or labels there are.
    pub fn count(&self) -> usize {
        self.axes[0]
    }

    /// Reads images.
    pub fn images(self) -> Result<Images> {
        let origin = self.origin;
        let (count, shape, channels_last) = match self.axes[..] {
            [n, height, width] => (n, ImageShape { channels: 1, height, width }, false),
            [n, a, b, c] if is_channels(a) => (n, ImageShape { channels: a, height: b, width: c }, false),
            [n, a, b, c] if is_channels(c) => (n, ImageShape { channels: c, height: a, width: b }, c > 1),
            _ => {
                let axes = shown(&self.axes);
                let no_colours = "neither the second nor the last can be colour channels (1, 3 or 4)";
                let mend = "write images of 1, 3 or 4 channels, as [n, C, H, W] or [n, H, W, C]";
                return Err(Error::file(origin.path, format!("its axes are {axes}, and {no_colours}"), mend));
            }
        };
        let payload = self.payload()?;
        let pixels = if channels_last { channels_first(&payload, shape, origin)? } else { payload };
        Ok(Images { count, shape, pixels })
    }

    /// Reads labels.
    pub fn labels(self) -> Result<Vec<u8>> {
        self.labels_and_writers().map(|(labels, _)| labels)
    }

    /// Reads labels, and who wrote each digit where they are QMNIST's: the third of its eight columns.
    pub fn labels_and_writers(self) -> Result<(Vec<u8>, Option<Vec<i32>>)> {
        let (origin, columns) = (self.origin, self.axes.get(1).copied().unwrap_or(1));
        if self.value_bytes == 1 {
            return Ok((self.payload()?, None));
        }
        let payload = self.payload()?;
        let class = |(place, row): (usize, &[u8])| {
            let label = i32::from_be_bytes([row[0], row[1], row[2], row[3]]);
            u8::try_from(label).map_err(|_| {
                let problem = format!("label {label} at place {place} is not one of 0 to 255");
                Error::file(origin.path, problem, "number the classes from 0 on")
            })
        };
        let rows = || payload.chunks_exact(4 * columns);
        let writer = |row: &[u8]| i32::from_be_bytes([row[8], row[9], row[10], row[11]]);
        let writers = (columns == QMNIST_COLUMNS).then(|| rows().map(writer).collect());
        Ok((rows().enumerate().map(class).collect::<Result<_>>()?, writers))
    }

    /// Refuses a number of bytes that is 0, too large, or other than a file of `length` bytes can have.
    fn check_size(&self, length: u64) -> Result<()> {
        let (announced, origin, what) = (self.bytes, self.origin, self.kind.payload());
        if announced == 0 {
            let problem = format!("it holds no {what} (axes {})", shown(&self.axes));
            return Err(Error::file(origin.path, problem, "put at least one into it"));
        }
        if announced > MAX_PAYLOAD {
            let bytes = match announced {
                u64::MAX => "too many bytes".into(),
                bytes => format!("{} bytes", grouped(bytes)),
            };
            let (axes, most) = (shown(&self.axes), grouped(MAX_PAYLOAD));
            let problem =
                format!("it announces {bytes} of {what} (axes {axes}), more than the {most} that fit");
            let mend = "keep fewer images in it, or replace it where it is damaged";
            return Err(Error::file(origin.path, problem, mend));
        }
        let there = length.saturating_sub(4 + 4 * self.axes.len() as u64);
        if self.exact && there != announced {
            return Err(origin.error(mismatch(announced, grouped(there), what)));
        }
        if !self.exact && length.saturating_mul(MAX_EXPANSION) < announced {
            let bytes = grouped(announced);
            let problem =
                format!("{bytes} bytes of {what} announced, more than the compressed file can hold");
            return Err(origin.error(problem));
        }
        Ok(())
    }

    fn payload(mut self) -> Result<Vec<u8>> {
        let (announced, origin, what) = (self.bytes, self.origin, self.kind.payload());
        let mut payload = Vec::new();
        if self.exact {
            // At most 4 GiB, which a usize holds on every platform with a GPU driver.
            payload.try_reserve_exact(announced as usize).map_err(|_| origin.too_large(announced, what))?;
        }
        let read = self.input.by_ref().take(announced).read_to_end(&mut payload);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::OutOfMemory => origin.too_large(announced, what),
            _ => origin.damaged(error),
        })?;
        if payload.len() as u64 != announced {
            return Err(origin.error(mismatch(announced, grouped(payload.len() as u64), what)));
        }
        // Reading on to the end also makes the decoder compare the checksum of a gzip stream.
        if self.input.read(&mut [0]).map_err(|e| origin.damaged(e))? > 0 {
            return Err(origin.error(mismatch(announced, "more".into(), what)));
        }
        Ok(payload)
    }
}

fn is_channels(length: usize) -> bool {
    matches!(length, 1 | 3 | 4)
}

fn shown(axes: &[usize]) -> String {
    let lengths: Vec<_> = axes.iter().map(|&length| grouped(length as u64)).collect();
    lengths.join(" x ")
}

/// `[n, H, W, C]` to `[n, C, H, W]`.
fn channels_first(pixels: &[u8], shape: ImageShape, origin: Origin<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    out.try_reserve_exact(pixels.len()).map_err(|_| origin.too_large(pixels.len() as u64, "pixels"))?;
    for image in pixels.chunks_exact(shape.pixels()) {
        for channel in 0..shape.channels {
            out.extend(image.iter().skip(channel).step_by(shape.channels));
        }
    }
    Ok(out)
}

/// What a file is expected to hold.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
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

fn announced<'a>(
    mut input: impl BufRead + 'a,
    bytes: u64,
    kind: Kind,
    origin: Origin<'a>,
) -> Result<Announced<'a>> {
    let failed = |error| Error::io("read", origin.path)(error);
    let exact = !is_gzip(input.fill_buf().map_err(failed)?);
    let mut input = plain(input).map_err(failed)?;
    let mut magic = [0; 4];
    read_header(&mut input, &mut magic, origin)?;
    let (value_bytes, axis_count) = check_magic(magic, kind, origin)?;
    let mut header = [0; 16];
    let header = &mut header[..4 * axis_count];
    read_header(&mut input, header, origin)?;
    let mut announced = value_bytes;
    let mut axes = Vec::with_capacity(axis_count);
    for length in header.chunks_exact(4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        announced = announced.saturating_mul(u64::from(length));
        // A 32-bit length fits a usize on every platform with a GPU driver.
        axes.push(length as usize);
    }
    let announced = Announced { origin, kind, value_bytes, axes, bytes: announced, exact, input };
    announced.check_size(bytes).map(|()| announced)
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

/// The bytes of a value and the number of axes, where the magic number is one for this kind of file.
fn check_magic(magic: [u8; 4], kind: Kind, origin: Origin<'_>) -> Result<(u64, usize)> {
    let [0, 0, element, axes] = magic else {
        let [a, b, c, d] = magic;
        return Err(origin.error(format!(
            "it starts with {a:02x} {b:02x} {c:02x} {d:02x}, which is not an IDX file's beginning"
        )));
    };
    let value_bytes = match (element, kind) {
        (0x08, _) => 1,
        (0x0c, Kind::Labels) => 4,
        _ => {
            let held = match element {
                0x09 => "signed bytes".into(),
                0x0b => "16-bit integers".into(),
                0x0c => "32-bit integers".into(),
                0x0d => "32-bit floats".into(),
                0x0e => "64-bit floats".into(),
                other => format!("elements of an unknown type ({other:#04x})"),
            };
            let problem = format!("it holds {held}, and only unsigned bytes (0x08) are read");
            return Err(Error::file(origin.path, problem, "write its values as unsigned bytes, 0 to 255"));
        }
    };
    let (problem, mend) = match (kind, axes) {
        (Kind::Labels, 1) | (Kind::Images, 3 | 4) => return Ok((value_bytes, usize::from(axes))),
        (Kind::Labels, 2) if value_bytes == 4 => return Ok((value_bytes, 2)),
        (Kind::Images, 1) => {
            let problem = "it holds labels (one axis) where images are expected".to_string();
            (problem, "put the file of images in its place")
        }
        (Kind::Labels, 3 | 4) => {
            let problem = format!("it holds images ({axes} axes) where labels are expected");
            (problem, "put the file of labels in its place")
        }
        (Kind::Labels, _) => {
            (format!("it has {axes} axes, and one is expected"), "write labels as [n], one for each image")
        }
        (Kind::Images, _) => {
            let problem = format!("it has {axes} axes, and three or four are expected");
            (problem, "write images as [n, H, W], [n, C, H, W] or [n, H, W, C]")
        }
    };
    Err(Error::file(origin.path, problem, mend))
}
