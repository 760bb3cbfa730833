//! Digests of what a run depends on.

use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// Feeds a digest piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// Adds a piece, its length first, so that two pieces are not one longer piece.
    pub fn piece(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The SHA-256 in hexadecimal.
    pub fn hexadecimal(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

/// The SHA-256 of bytes.
pub fn of_bytes(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Bytes as a hash is written.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of one piece of text.
pub fn of_text(text: &str) -> String {
    Digester::default().piece(text.as_bytes()).hexadecimal()
}

/// The SHA-256 of a file's content.
pub fn of_file(path: &Path) -> Result<String> {
    let read = File::open(path).and_then(|file| copy_hashed(file, &mut io::sink()));
    read.map(|content| content.sha256).map_err(Error::io("read", path))
}

/// The size and the SHA-256 of some content.
#[derive(Clone, Debug)]
pub struct Hashed {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Copies to the end, and hashes what was copied.
pub fn copy_hashed(mut from: impl Read, to: &mut impl Write) -> io::Result<Hashed> {
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut block = vec![0; 1 << 20];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(Hashed { bytes, sha256: hexadecimal(&hasher.finalize()) }),
            read => {
                hasher.update(&block[..read]);
                to.write_all(&block[..read])?;
                bytes += read as u64;
            }
        }
    }
}
