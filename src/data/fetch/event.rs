//! The events of a download.

/// An event of a download.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchEvent<'a> {
    /// Part of a file has arrived.
    Progress {
        /// The file (of an archive's content: the file in it).
        file: &'a str,
        /// Bytes received so far.
        done: u64,
        /// Bytes to come in all, where that is known.
        total: Option<u64>,
    },
    /// A file was verified and is in the folder now.
    Stored {
        /// The file.
        file: &'a str,
    },
    /// A way to get the files did not work out; the next one is tried.
    RouteFailed {
        /// A host, or a package.
        route: &'a str,
        /// What went wrong.
        reason: &'a str,
    },
}
