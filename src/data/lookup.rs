//! The files of a data set by name, whether gzipped or not.

use std::path::{Path, PathBuf};

/// The file of this name in a folder, plain or with `.gz`; the plain one where there are both.
pub(super) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
}
