//! Reads what came compressed or in an archive, never more than expected.

use super::gunzip::{Gunzip, is_gzip};
use std::io::{self, BufRead, Read};
use std::path::{Component, PathBuf};

/// The plain content of a stream that may be gzipped; told by its first bytes.
pub(super) fn plain<'a>(mut input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(if is_gzip(input.fill_buf()?) { Box::new(Gunzip::new(input)) } else { Box::new(input) })
}

/// Reads to the end, but stops one byte past `expected`: enough to tell that there is too much.
pub(super) fn read_capped(input: impl Read, expected: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    input.take(expected.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}

/// Hands over the regular files of a tar archive that lie in `folder`, by name, until `wants`
/// returns false. Nothing is unpacked to disk, so that no path in an archive can do harm.
pub(super) fn each_file<E: From<io::Error>>(
    input: impl BufRead,
    folder: &str,
    mut wants: impl FnMut(&str, &mut dyn Read) -> Result<bool, E>,
) -> Result<(), E> {
    let mut archive = tar::Archive::new(plain(input)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        // `tar` writes `./` before all names where it was told to pack the folder that it was in.
        let path: PathBuf = entry.path()?.components().filter(|part| *part != Component::CurDir).collect();
        let Some(name) = path.strip_prefix(folder).ok().and_then(|name| name.to_str()) else { continue };
        let name = name.to_string();
        let missing = entry.size();
        if !wants(&name, &mut Whole { inner: &mut entry, missing })? {
            break;
        }
    }
    Ok(())
}

/// A file in an archive, for which it is an error to end before its announced size: the archive was cut.
struct Whole<R> {
    inner: R,
    missing: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.missing = self.missing.saturating_sub(read as u64);
        if read == 0 && !buffer.is_empty() && self.missing > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
