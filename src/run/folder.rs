//! A run's folder: who owns it, who writes in it now, and what of it may be replaced.

use super::Identity;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Whose folder it is: the file is there from the first run on and never replaced, so that a lock on it holds.
/// The system releases the lock with the process, however that ends.
const MARKER: &str = "fedfunnel.lock";

/// The marker's content, for a reader who opens it.
const MARKER_TEXT: &[u8] =
    b"Results of fedfunnel lie in this folder. It is locked while a run writes in it; keep this file.\n";

/// The file with the run's identity, and whether it is finished.
const RECORD: &str = "run.json";

/// The layout of a run's folder and of its state.
const FORMAT: u32 = 4;

/// The folder of the stages of a run that is not finished.
const STATE: &str = "state";

/// The names of the files and folders of runs, besides the files of an autoencoder.
const OWN_NAMES: [&str; 17] = [
    RECORD,
    STATE,
    "compare.csv",
    "compare.json",
    "config.toml",
    "decoder.factored",
    "events.out.tfevents.0.fedfunnel",
    "ledger.csv",
    "metrics.jsonl",
    "model.safetensors",
    "models",
    "plots",
    "report.html",
    "report.json",
    "report.md",
    "snapshots.safetensors",
    "summary.json",
];

/// An autoencoder's files begin so; it may be cut into several.
const OWN_STEM: &str = "autoencoder";

/// How a run starts in a folder that holds one already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The start is refused.
    New,
    /// The earlier run is continued.
    Resume,
    /// The earlier run is removed.
    Overwrite,
}

/// An earlier run in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// Nothing to keep: no run, or one that ended before there was anything to go on with.
    Nothing,
    /// A run that was stopped before its end.
    Unfinished(Identity),
    /// A run that is finished.
    Finished(Identity),
}

/// How far the run in a folder has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunProgress {
    /// It is finished.
    Finished,
    /// A process works on it now.
    Running,
    /// It was left in the middle, and can be gone on with.
    Unfinished,
    /// It ended before there was anything to go on with.
    Unsaved,
}

/// What a folder says of the run that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRun {
    /// The version that wrote it.
    pub version: String,
    /// What decides its result.
    pub identity: Identity,
    /// How far it has come.
    pub progress: RunProgress,
}

impl FoundRun {
    /// The run in a folder; none where it holds none.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let Ok(marker) = File::open(folder.join(MARKER)) else { return Ok(None) };
        let Some(Record { fedfunnel: version, finished, run: identity, .. }) = read_record(folder)? else {
            return Ok(None);
        };
        // A lock that is shared is in the way of a run that starts in this very moment, and of nothing else.
        let is_locked = || matches!(marker.try_lock_shared(), Err(TryLockError::WouldBlock));
        let progress = if finished {
            RunProgress::Finished
        } else if is_locked() {
            RunProgress::Running
        } else if is_saved(folder) {
            RunProgress::Unfinished
        } else {
            RunProgress::Unsaved
        };
        Ok(Some(Self { version, identity, progress }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    fedfunnel: String,
    finished: bool,
    run: Identity,
}

/// A run's folder that this process alone writes in.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    identity: Identity,
    /// Locked until it is dropped.
    _marker: File,
}

/// Refuses a start that [`RunFolder::open`] would refuse. Whether the run is to be gone on with and is finished already:
/// then nothing is left to do, and of its state nothing is left either.
pub fn is_finished(folder: &Path, identity: &Identity, start: Start) -> Result<bool> {
    files::check_output_folder("--out", folder)?;
    // The lock is released at the end.
    let marker = File::open(folder.join(MARKER)).ok();
    marker.iter().try_for_each(|marker| lock(marker, folder))?;
    let found = check(folder, marker.is_some(), identity, start)?;
    let is_finished = start == Start::Resume && matches!(found, Found::Finished(_));
    if is_finished {
        // It may have been killed between noting that it was finished and dropping its state.
        drop_state(folder)?;
    }
    Ok(is_finished)
}

fn check(folder: &Path, is_own: bool, identity: &Identity, start: Start) -> Result<Found> {
    if !is_own {
        // Nothing of the user's is replaced.
        return own_names(folder).first().map_or(Ok(Found::Nothing), |path| Err(foreign(path)));
    }
    check_state(folder)?;
    let found = look(folder)?;
    check_config(folder)?;
    let shown = folder.display();
    match (&found, start) {
        (Found::Unfinished(_), Start::New) => Err(Error::setting(
            "--out",
            format!("{shown} holds a run that was left in the middle"),
            "go on with it by --resume, start over with --overwrite, or name another folder",
        )),
        (Found::Finished(_), Start::New) => Err(Error::setting(
            "--out",
            format!("{shown} holds a finished run"),
            "replace it with --overwrite, or name another folder",
        )),
        (Found::Unfinished(earlier) | Found::Finished(earlier), Start::Resume) => {
            identity.check_same(earlier, folder).map(|()| found)
        }
        _ => Ok(found),
    }
}

/// The earlier run in a folder of fedfunnel's own.
fn look(folder: &Path) -> Result<Found> {
    let Some(record) = read_record(folder)? else { return Ok(Found::Nothing) };
    if record.finished {
        return Ok(Found::Finished(record.run));
    }
    if is_saved(folder) { Ok(Found::Unfinished(record.run)) } else { Ok(Found::Nothing) }
}

/// Whether a stage of the run in a folder was saved.
fn is_saved(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder.join(STATE)).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name() != MARKER)
}

/// The record of the last run in a folder.
fn read_record(folder: &Path) -> Result<Option<Record>> {
    let path = folder.join(RECORD);
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_text(&path)?;
    let damaged = |problem: String| Error::file(&path, problem, "move the folder away, or name another one");
    // A record of another layout may have other fields too.
    #[derive(Deserialize)]
    struct Layout {
        format: u32,
    }
    let layout: Layout = serde_json::from_str(&text).map_err(|e| damaged(format!("it is damaged ({e})")))?;
    if layout.format != FORMAT {
        return Err(damaged(format!("it was written by another version (layout {})", layout.format)));
    }
    serde_json::from_str(&text).map(Some).map_err(|e| damaged(format!("it is damaged ({e})")))
}

/// Refuses to take a folder of the user's for the state of a run.
fn check_state(folder: &Path) -> Result<()> {
    let state = folder.join(STATE);
    // One without anything has lost nothing to whoever puts something there: it is left where a run was killed before
    // it had marked its folder, or when it had all but removed it.
    let is_empty = || std::fs::read_dir(&state).is_ok_and(|mut entries| entries.next().is_none());
    let is_own = state.symlink_metadata().is_err() || state.join(MARKER).is_file() || is_empty();
    if is_own { Ok(()) } else { Err(foreign(&state)) }
}

/// Refuses to replace a spec that was changed or put there by the user.
fn check_config(folder: &Path) -> Result<()> {
    let path = folder.join("config.toml");
    if !path.exists() {
        return Ok(());
    }
    let text = files::read_text(&path)?;
    let is_own = read_record(folder)?.is_some_and(|record| record.run.settings == text);
    if is_own { Ok(()) } else { Err(foreign(&path)) }
}

fn foreign(path: &Path) -> Error {
    let problem = format!("{} was not written by this version of fedfunnel", path.display());
    Error::setting("--out", problem, "move it away, or name another folder")
}

/// What is in a folder under the names that runs write. Links, pipes and devices of these names were put there to be
/// written through.
fn own_names(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_own = |name: &str| {
        let is_tensors = name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json");
        OWN_NAMES.contains(&name) || name.starts_with(OWN_STEM) && is_tensors
    };
    let mut names: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_own))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    names.sort();
    names
}

fn lock(marker: &File, folder: &Path) -> Result<()> {
    match marker.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::setting(
            "--out",
            format!("another run is writing in {}", folder.display()),
            "wait until it is over, or name another folder",
        )),
        // On a file system without locks the folder is not protected, and the run goes on.
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", folder.join(MARKER))(error)),
    }
}

impl RunFolder {
    /// Takes a folder for a run; it is created where it is not there. The files of an earlier run are removed,
    /// unless that is continued.
    pub fn open(folder: &Path, identity: Identity, start: Start) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
        let path = folder.join(MARKER);
        let opened = File::options().read(true).append(true).create(true).open(&path);
        let mut marker = opened.map_err(Error::io("write", &path))?;
        lock(&marker, folder)?;
        let length = marker.metadata().map_err(Error::io("read", &path))?.len();
        let found = check(folder, length > 0, &identity, start).inspect_err(|_| {
            if length == 0 {
                // This process has just created it.
                let _ = std::fs::remove_file(&path);
            }
        })?;
        if length == 0 {
            marker.write_all(MARKER_TEXT).map_err(Error::io("write", &path))?;
        }
        let own = Self { path: folder.into(), identity, _marker: marker };
        match (found, start) {
            (Found::Unfinished(_), Start::Resume) => {}
            (Found::Finished(_), Start::Resume) => {
                let problem = format!("the run in {} was finished a moment ago", folder.display());
                return Err(Error::setting("--resume", problem, "look at its report"));
            }
            // Files of an earlier run are not mixed with this one's.
            _ => own_names(folder).iter().try_for_each(|path| remove(path))?,
        }
        own.record(false)?;
        Ok(own)
    }

    /// Whether a folder holds what this verb has made.
    pub fn holds(folder: &Path, verb: &str) -> bool {
        folder.join(MARKER).is_file()
            && matches!(look(folder), Ok(Found::Finished(run) | Found::Unfinished(run)) if run.verb == verb)
    }

    /// The identity of the run.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a stage's state.
    pub fn state_file(&self, stage: &str) -> PathBuf {
        self.path.join(STATE).join(format!("{stage}.safetensors"))
    }

    /// The folder of the run's state, which is there from the first stage on that is saved.
    pub fn make_state(&self) -> Result<PathBuf> {
        let state = self.path.join(STATE);
        let marker = state.join(MARKER);
        if !marker.exists() {
            files::write_atomic(&marker, MARKER_TEXT)?;
        }
        Ok(state)
    }

    /// Notes that the run is finished, and drops its state.
    pub fn finish(&self) -> Result<()> {
        self.record(true)?;
        self.drop_state()
    }

    /// Drops the states of stages whose names begin like that.
    pub fn drop_states(&self, beginning: &str) -> Result<()> {
        let entries = std::fs::read_dir(self.path.join(STATE)).into_iter().flatten().flatten();
        let is_of = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(beginning));
        entries.filter(|entry| is_of(&entry.file_name())).try_for_each(|entry| remove(&entry.path()))
    }

    /// Drops the state, so that the run cannot be continued.
    pub fn drop_state(&self) -> Result<()> {
        drop_state(&self.path)
    }

    fn record(&self, finished: bool) -> Result<()> {
        let fedfunnel = env!("CARGO_PKG_VERSION").to_string();
        let record = Record { format: FORMAT, fedfunnel, finished, run: self.identity.clone() };
        let text = serde_json::to_string_pretty(&record)
            .map_err(|e| Error::fault(format!("a run could not be recorded: {e}")))?;
        files::write_atomic(&self.path.join(RECORD), format!("{text}\n").as_bytes())
    }
}

fn drop_state(folder: &Path) -> Result<()> {
    let state = folder.join(STATE);
    if state.exists() { remove(&state) } else { Ok(()) }
}

/// Removes a file, or a folder with all that is in it. The mark that a folder is fedfunnel's own goes last, so that what
/// is left of it is known for that by whoever goes on from there.
fn remove(path: &Path) -> Result<()> {
    let about = path.symlink_metadata().map_err(Error::io("read", path))?;
    if about.is_dir() {
        let failed = || Error::io("remove the folder", path);
        let entries = std::fs::read_dir(path)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .map_err(failed())?;
        let (marks, others): (Vec<_>, Vec<_>) =
            entries.iter().map(std::fs::DirEntry::path).partition(|path| path.ends_with(MARKER));
        others.iter().chain(&marks).try_for_each(|path| remove(path))?;
        return std::fs::remove_dir(path).map_err(failed());
    }
    std::fs::remove_file(path).map_err(Error::io("remove", path))
}
