//! What can go wrong, in words that name the file or the field and the mend.

use std::path::{Path, PathBuf};

/// Every failure of the library. Each message is one sentence for the person who has to mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file whose content is not what it should be.
    #[error("{}: {problem}; {mend}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        mend: String,
    },
    /// The operating system refused to read or write a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it was refused.
        source: std::io::Error,
    },
    /// A setting (argument, TOML field) whose value cannot work.
    #[error("{field}: {problem}; {mend}")]
    Setting {
        /// The argument or the field, as the user wrote it.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        mend: String,
    },
    /// The adapter cannot do, or failed to do, what was asked.
    #[error("{problem}; {mend}")]
    Device {
        /// What failed.
        problem: String,
        /// What to do about it.
        mend: String,
    },
    /// A download that did not succeed.
    #[error("{problem}; {mend}")]
    Network {
        /// What failed.
        problem: String,
        /// What to do about it.
        mend: String,
    },
}

/// The result of every fallible function of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A file with wrong content.
    pub fn file(path: impl AsRef<Path>, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().into(), problem: problem.into(), mend: mend.into() }
    }

    /// A setting with a value that cannot work.
    pub fn setting(field: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Setting { field: field.into(), problem: problem.into(), mend: mend.into() }
    }

    /// A failure of the adapter.
    pub fn device(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Device { problem: problem.into(), mend: mend.into() }
    }

    /// A failed download.
    pub fn network(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Network { problem: problem.into(), mend: mend.into() }
    }

    /// Turns an I/O error into one that names the file: `.map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// True where the user's own words (arguments, specs) are at fault: exit code 2, not 1.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Setting { .. })
    }
}
