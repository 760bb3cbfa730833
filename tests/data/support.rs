//! What the modules share: IDX files, gzip, and loading by a path.

use fedfunnel::Result;
use fedfunnel::data::{DataDir, DataPair, load};
use std::io::Write;
use std::path::Path;

/// An IDX file: the type of its elements, its axes and its payload.
pub fn idx(element: u8, axes: &[u32], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, element, axes.len() as u8];
    axes.iter().for_each(|length| bytes.extend(length.to_be_bytes()));
    bytes.extend(payload);
    bytes
}

/// The content as one gzip member.
pub fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A data folder that is not there, for what needs none.
pub fn nowhere() -> DataDir {
    DataDir::new("nowhere")
}

/// A data set of the user's own, by the path of its folder or of its archive.
pub fn own(path: &Path) -> Result<DataPair> {
    load(&path.to_string_lossy(), &nowhere())
}
