//! Image data sets: readers, embedded samples, downloads, partitioners.
//!
//! [`load`] gives the train and the test split of a data set as plain bytes, ready to be made resident
//! on the device; [`partition()`] deals the samples out to collaborators, and [`epoch_order`] says in which
//! order one of them sees its own. [`fetch()`] downloads, [`list()`] says what is there.

mod archive;
mod cifar10;
mod cifar100;
mod cifar10_sample;
mod class_folders;
mod colours;
mod dataset;
mod emnist;
pub mod fetch;
mod folder;
mod groups;
mod gunzip;
mod halves;
pub mod idx;
mod label_counts;
mod leaf;
mod lookup;
mod numpy;
mod order;
mod partition;
pub mod sample;
pub mod source;
mod store;
mod variates;
mod verified;

pub use dataset::{DataPair, Dataset, ImageShape, Split};
pub use fetch::{FetchEvent, FetchReport, fetch, fetch_source};
pub use folder::load_source;
pub use groups::Groups;
pub use label_counts::{LabelCounts, Spread};
pub use order::{derive_seed, draw_below, epoch_order, shuffle_in_place};
pub use partition::{ClassAssignment, Partition, Partitioner, Shards, partition};
pub use store::{DataDir, DatasetStatus, Presence, list};
pub use variates::{normal, uniform, uniform_above_zero};

use crate::{Error, Result};
use std::path::Path;

/// Loads a data set by name (`mnist`, `cifar10`, or one of the embedded samples), or from a folder with
/// the four IDX files, the six binary batches of CIFAR-10, class folders of PNG files or NumPy's arrays, or from an
/// archive of CIFAR-10 or of such arrays (`.npz`).
///
/// A known name wins over a folder of the same name; `./mnist` always means the folder.
///
/// ```
/// use fedfunnel::data::{self, DataDir};
///
/// // A sample is part of the library, so that no file is read.
/// let images = data::load("mnist-sample", &DataDir::new("unused"))?;
/// assert_eq!((images.train.len(), images.test.len(), images.train.classes), (6_000, 1_000, 10));
/// # Ok::<(), fedfunnel::Error>(())
/// ```
pub fn load(name: &str, data_dir: &DataDir) -> Result<DataPair> {
    if let Some(sample) = sample::find(name) {
        return sample.load();
    }
    if let Some(source) = source::find(name) {
        return folder::load_source(source, &data_dir.folder(name));
    }
    let path = Path::new(name);
    if path.is_dir() {
        return folder::load_folder(name, path);
    }
    let has_ending = |endings: &[&str]| {
        let name = name.to_ascii_lowercase();
        path.is_file() && endings.iter().any(|end| name.ends_with(end))
    };
    if has_ending(&[".tar.gz", ".tgz", ".tar"]) {
        let archive = cifar10::Place::Archive(path.into());
        return cifar10::load(name, &archive, None, halves::OWN_MEND);
    }
    if has_ending(&[".npz"]) {
        return numpy::load_archive(name, path);
    }
    let refuse = |problem: &str, mend: String| Err(Error::setting(format!("data \"{name}\""), problem, mend));
    let give = format!("give {}", source::PATHS);
    if has_ending(&[
        ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".zip", ".7z", ".rar",
    ]) {
        let mend = "unpack it and give its folder, or pack that as .tar.gz";
        return refuse("it is an archive of a kind that is not read", mend.into());
    }
    if path.exists() {
        return refuse("it is a file", give);
    }
    if name.contains(['/', '\\']) || name.starts_with(['.', '~']) {
        let known = source::known_names().join(", ");
        return refuse("there is no such folder", format!("{give}, or one of {known}"));
    }
    Err(source::unknown_name(name))
}
