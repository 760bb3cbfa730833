//! Reads the files of a zip archive that are stored or deflated, as NumPy's `.npz` are.

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// The record at an archive's end without its comment, and with the longest one.
const END: u64 = 22;
const LONGEST_END: u64 = END + 0xffff;
/// What its records begin with.
const END_MARK: &[u8] = b"PK\x05\x06";
const ENTRY_MARK: &[u8] = b"PK\x01\x02";
const FILE_MARK: &[u8] = b"PK\x03\x04";
/// The lengths of the records of an entry in the list and before its content, without names.
const ENTRY: usize = 46;
const HEADER: usize = 30;
/// The most bytes that a list of entries is taken to have.
const LONGEST_LIST: u64 = 16 << 20;

/// A file in an archive, as the list at its end has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name, with the folders that it is in.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    packed: u64,
    method: u16,
    crc: u32,
    offset: u64,
}

fn wrong(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |two| u16::from_le_bytes(*two))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_le_bytes(*four))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))
}

/// The files of an archive.
pub(super) fn entries(file: &mut File) -> io::Result<Vec<Entry>> {
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(LONGEST_END);
    let tail = read_at(file, start, length - start)?;
    let place = tail.windows(END_MARK.len()).rposition(|bytes| bytes == END_MARK);
    let end = place.and_then(|place| tail.get(place..)).filter(|end| end.len() as u64 >= END);
    let end = end.ok_or_else(|| wrong("it is no zip archive"))?;
    let (bytes, offset) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    if bytes > LONGEST_LIST || offset.saturating_add(bytes) > length {
        return Err(wrong("the list of its files is damaged, or it has more than 4 GB"));
    }
    let list = read_at(file, offset, bytes)?;
    let (mut rest, mut entries) = (&list[..], Vec::new());
    while !rest.is_empty() {
        let (entry, behind) = entry(rest).ok_or_else(|| wrong("the list of its files is damaged"))?;
        entries.push(entry);
        rest = behind;
    }
    Ok(entries)
}

/// The first entry of a list, and what follows it.
fn entry(list: &[u8]) -> Option<(Entry, &[u8])> {
    let whole = list.strip_prefix(ENTRY_MARK).filter(|_| list.len() >= ENTRY).map(|_| list)?;
    let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(whole, at)));
    let (name, rest) = whole[ENTRY..].split_at_checked(name)?;
    let (mut extra, rest) = rest.split_at_checked(extra)?;
    let (_, rest) = rest.split_at_checked(comment)?;
    let [mut packed, mut bytes, mut offset] = [20, 24, 42].map(|at| u64::from(u32_at(whole, at)));
    // Numbers that do not fit stand in a field of their own, in this order.
    while extra.len() >= 4 {
        let (kind, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let field = extra.get(4..4 + length)?;
        if kind == 1 {
            let mut at = 0;
            for number in [&mut bytes, &mut packed, &mut offset] {
                if *number == u64::from(u32::MAX) {
                    *number = u64_at(field, at)?;
                    at += 8;
                }
            }
        }
        extra = &extra[4 + length..];
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let (method, crc) = (u16_at(whole, 10), u32_at(whole, 16));
    Some((Entry { name, bytes, packed, method, crc, offset }, rest))
}

/// The content of a file, of `most` bytes at most, held to its checksum.
pub(super) fn read(file: &mut File, entry: &Entry, most: u64) -> io::Result<Vec<u8>> {
    if entry.bytes > most {
        return Err(wrong("it is larger than what fits"));
    }
    let header = read_at(file, entry.offset, HEADER as u64)?;
    if !header.starts_with(FILE_MARK) {
        return Err(wrong("it does not lie where the archive says"));
    }
    let behind = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
    file.seek(SeekFrom::Start(entry.offset + HEADER as u64 + behind))?;
    let packed = BufReader::new(file).take(entry.packed);
    let mut content = Vec::new();
    let most = entry.bytes + 1;
    let done = match entry.method {
        0 => packed.take(most).read_to_end(&mut content),
        8 => DeflateDecoder::new(packed).take(most).read_to_end(&mut content),
        _ => Err(wrong("it is packed in a way that is not read; use numpy.savez or savez_compressed")),
    };
    done?;
    let mut crc = Crc::new();
    crc.update(&content);
    if content.len() as u64 != entry.bytes || crc.sum() != entry.crc {
        return Err(wrong("it is damaged (its checksum is wrong)"));
    }
    Ok(content)
}

/// So many bytes from a place on.
fn read_at(file: &mut File, place: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(place))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
