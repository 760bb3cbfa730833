//! What the modules share: IDX files, gzip, loading by a path, and looking at what was loaded.

use fedfunnel::Result;
use fedfunnel::data::{DataDir, DataPair, Dataset, load};
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

/// The pixels of one image.
pub fn image(data: &Dataset, index: usize) -> &[u8] {
    &data.images[index * data.shape.pixels()..][..data.shape.pixels()]
}

/// How many samples each class has.
pub fn class_counts(data: &Dataset) -> Vec<usize> {
    let count = |class: usize| data.labels.iter().filter(|label| usize::from(**label) == class).count();
    (0..data.classes).map(count).collect()
}
