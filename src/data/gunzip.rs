//! Unpacks gzip as `gunzip` does: all members of a file, and nothing of what follows them.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// The bytes that a gzip member begins with.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// True for the first bytes of a gzip stream.
pub(super) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(GZIP)
}

/// A stream, after the bytes that were taken from it to see what comes.
type Rest<R> = io::Chain<&'static [u8], R>;

/// The plain content of a gzip stream. Members follow one another, with zeros between them or none; what comes
/// after the last and is no member is left alone. A member that ends early is an error.
pub(super) struct Gunzip<R> {
    /// None after the last member.
    member: Option<GzDecoder<Rest<R>>>,
}

impl<R: BufRead> Gunzip<R> {
    /// For a stream that begins with a member.
    pub fn new(input: R) -> Self {
        Self { member: Some(GzDecoder::new(GZIP[..0].chain(input))) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            // What a member was looked at by is its own beginning.
            let rest = self.member.take().map(|member| member.into_inner().into_inner().1);
            self.member = rest.map(next_member).transpose()?.flatten().map(GzDecoder::new);
        }
        Ok(0)
    }
}

/// The stream from its next member on, if there is one.
///
/// What a stream gives at a time may end between the two bytes that a member begins with, so that they are
/// looked at one by one.
fn next_member<R: BufRead>(mut input: R) -> io::Result<Option<Rest<R>>> {
    loop {
        // Files are padded with zeros, on tapes for one.
        let there = input.fill_buf()?;
        let zeros = there.iter().take_while(|byte| **byte == 0).count();
        let is_all = zeros > 0 && zeros == there.len();
        input.consume(zeros);
        if !is_all {
            break;
        }
    }
    if input.fill_buf()?.first() != Some(&GZIP[0]) {
        return Ok(None);
    }
    input.consume(1);
    let is_member = input.fill_buf()?.first() == Some(&GZIP[1]);
    Ok(is_member.then(|| GZIP[..1].chain(input)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::idx::{Origin, parse_labels};
    use std::io::Write;
    use std::path::Path;

    /// The content as one member.
    fn gzipped(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn labels(bytes: &[u8]) -> crate::Result<Vec<u8>> {
        parse_labels(bytes, Origin { path: Path::new("some-file"), mend: "replace it" })
    }

    #[test]
    fn what_follows_the_last_member_is_ignored_as_gunzip_does() {
        let bytes = [0, 0, 8, 1, 0, 0, 0, 4, 7, 8, 9, 1];
        let mut two = gzipped(&bytes[..7]);
        two.extend([0; 5]);
        two.extend(gzipped(&bytes[7..]));
        for start in [gzipped(&bytes), two] {
            for end in
                [&[0; 700][..], b"\0", b"x", b"\x1f", b"\x1f\x1f\x8b", b"garbage of more than ten bytes"]
            {
                let whole = [&start[..], end].concat();
                assert_eq!(labels(&whole).unwrap(), [7, 8, 9, 1], "{end:?}");
                // The same where it comes byte by byte, so that a member's beginning is never there at once.
                let input = std::io::BufReader::with_capacity(1, &whole[..]);
                let mut plain = Vec::new();
                Gunzip::new(input).read_to_end(&mut plain).unwrap();
                assert_eq!(plain, bytes, "{end:?}");
            }
        }
        // A second member that is cut is no garbage.
        let mut cut = gzipped(&bytes[..7]);
        let second = gzipped(&bytes[7..]);
        cut.extend(&second[..second.len() - 3]);
        let said = labels(&cut).unwrap_err().to_string();
        assert!(said.contains("its gzip stream ends early"), "{said}");
    }
}
