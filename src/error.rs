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
    #[error("cannot {action} {}: {}; {}", path.display(), reason(source), mend(source))]
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
    /// A training whose values are no numbers any more: the setting that this comes from.
    #[error("{0}")]
    Diverged(Box<Error>),
    /// The adapter cannot do, or failed to do, what was asked.
    #[error("{problem}; {mend}")]
    Device {
        /// What failed.
        problem: String,
        /// What to do about it.
        mend: String,
    },
    /// The device has too little memory for what was begun: more is in use than was planned with.
    #[error("{problem}; {mend}")]
    OutOfMemory {
        /// Which device, and how much is in use.
        problem: String,
        /// What takes less.
        mend: String,
    },
    /// The device is gone in the midst of work. What was saved before can be gone on with.
    #[error("{problem}; {mend}")]
    DeviceLost {
        /// Which device, and what its driver says.
        problem: String,
        /// What to do about it.
        mend: String,
    },
    /// Work that was stopped on request, after it was saved.
    #[error("stopped, and saved what was done in {}", folder.display())]
    Stopped {
        /// Where it was saved.
        folder: PathBuf,
    },
    /// Work that was broken off between two submits, because whoever opened the device asked for it.
    #[error("interrupted; what was not saved before has to be done again")]
    Interrupted,
    /// A message of the federation that is malformed, or not the one that is due.
    #[error("{problem}; {mend}")]
    Message {
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        mend: String,
    },
    /// A state that the program cannot come into by anything that its user does.
    #[error("{problem}; this is a fault of fedfunnel; report it")]
    Fault {
        /// What was found.
        problem: String,
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

/// What the operating system has against it, without its number.
fn reason(source: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::NotFound => "there is no such file or folder".into(),
        ErrorKind::IsADirectory => "it is a folder".into(),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "a part of the path is a file".into(),
        _ => {
            let text = source.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}

/// What to do about it.
fn mend(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::NotFound => "check the path",
        ErrorKind::IsADirectory => "name a file",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "name a folder",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "allow it, or use another place",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space, or use another disk",
        _ => "check the path and the disk",
    }
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

    /// A training that diverged, and the setting that this comes from.
    pub fn diverged(field: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Diverged(Box::new(Self::setting(field, problem, mend)))
    }

    /// The same about a setting under another name: as the user wrote it.
    pub fn renamed(self, name: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Setting { field, problem, mend } => Self::Setting { field: name(field), problem, mend },
            Self::Diverged(error) => Self::Diverged(Box::new(error.renamed(name))),
            other => other,
        }
    }

    /// A failure of the adapter.
    pub fn device(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Device { problem: problem.into(), mend: mend.into() }
    }

    /// A malformed message.
    pub fn message(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Message { problem: problem.into(), mend: mend.into() }
    }

    /// A fault of the program itself.
    pub fn fault(problem: impl Into<String>) -> Self {
        Self::Fault { problem: problem.into() }
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
        matches!(self, Self::Setting { .. } | Self::Diverged(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_renamed_where_a_training_diverged_too() {
        let rename = |error: Error| error.renamed(|field| format!("federation.{field}")).to_string();
        let said = "federation.optimizer.lr: it diverged; use a smaller rate";
        assert_eq!(rename(Error::setting("optimizer.lr", "it diverged", "use a smaller rate")), said);
        let diverged = Error::diverged("optimizer.lr", "it diverged", "use a smaller rate");
        assert_eq!(rename(diverged), said);
        assert_eq!(rename(Error::message("it is short", "send it again")), "it is short; send it again");
    }
}
