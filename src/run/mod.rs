//! A run in its folder, in which stages save their state, so that the run can be stopped and resumed.

mod folder;
mod identity;

pub use folder::{FoundRun, RunFolder, RunProgress, Start, is_finished};
pub use identity::Identity;

use crate::data::DataDir;
use crate::gpu::Gpu;
use crate::model::state::{StateFile, StateWriter, TensorShape, damaged_state};
use crate::progress::Observer;
use crate::report::tensorboard::Events;
use crate::report::{self, JsonLines, Report, format};
use crate::{Error, Result, files};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Saving takes at most about one part in so many of the time.
const SHARE_OF_SAVING: u32 = 20;

/// The key of the run's digest in the notes of its state.
const RUN: &str = "run";

/// The keys of a stage's notes, and of the seconds that the run took until they were saved.
const NOTES: &str = "notes";
const SECONDS: &str = "seconds";

/// More seconds than any run takes: a hundred years.
const MOST_SECONDS: f64 = 100.0 * 365.25 * 86_400.0;

/// Bytes saved in a second, as assumed until the first save.
const FIRST_GUESS: f64 = 200e6;

/// The device, data and folder of a run.
pub struct Place<'a> {
    /// The device; None for runs that only compute.
    pub gpu: Option<&'a Gpu>,
    /// The folder of data sets; None for runs that read none.
    pub data_dir: Option<&'a DataDir>,
    /// The folder of its files.
    pub folder: RunFolder,
    /// The command line that repeats the run.
    pub command: &'a str,
}

/// A run of an experiment or a simulation. Its state is one file for each stage in `state/`, written whole: what
/// a stage has to know to go on. A run that was left at any moment goes on from there to the same end.
pub struct Run<'a> {
    /// The device, data and folder.
    pub place: Place<'a>,
    /// Hears of progress, and may ask to stop.
    pub observer: &'a mut dyn Observer,
    /// Events for TensorBoard besides the curves of the report.
    pub events: Events,
    metrics: JsonLines,
    part: Option<Part>,
    start: Instant,
    /// Seconds of earlier starts.
    before: f64,
    saved: Option<(Instant, Duration)>,
}

/// A part of a run, such as one of several seeds.
struct Part {
    name: String,
    lines: Vec<serde_json::Value>,
}

impl<'a> Run<'a> {
    /// Begins a run, or goes on with it, in its folder.
    pub fn open(place: Place<'a>, observer: &'a mut dyn Observer) -> Result<Self> {
        // Stages that are read back say their lines again.
        let metrics = JsonLines::create(place.folder.path().join("metrics.jsonl"))?;
        let settings = &place.folder.identity().settings;
        files::write_atomic(&place.folder.path().join("config.toml"), settings.as_bytes())?;
        Ok(Self {
            place,
            observer,
            events: Events::default(),
            metrics,
            part: None,
            start: Instant::now(),
            before: 0.0,
            saved: None,
        })
    }

    /// The device.
    pub fn gpu(&self) -> Result<&'a Gpu> {
        self.place.gpu.ok_or_else(|| Error::fault("no device was opened"))
    }

    /// The folder of data sets.
    pub fn data_dir(&self) -> Result<&'a DataDir> {
        self.place.data_dir.ok_or_else(|| Error::fault("no data is read here"))
    }

    /// Writes a line into `metrics.jsonl`, with the part that it is of.
    pub fn log(&mut self, line: &impl Serialize) -> Result<()> {
        let Some(part) = &mut self.part else { return self.metrics.push(line) };
        let mut line = serde_json::to_value(line)
            .map_err(|e| Error::fault(format!("a line of the metrics could not be written: {e}")))?;
        if let Some(fields) = line.as_object_mut() {
            fields.insert("part".into(), part.name.clone().into());
        }
        self.metrics.push(&line)?;
        part.lines.push(line);
        Ok(())
    }

    /// Begins a part of the run: stages that are saved and lines that are logged from here on are of it, so that the
    /// same work can be done several times.
    pub fn enter(&mut self, part: &str) {
        self.part = Some(Part { name: part.into(), lines: Vec::new() });
    }

    /// Ends the part; gives what it has logged.
    pub fn leave(&mut self) -> Vec<serde_json::Value> {
        self.part.take().map_or(Vec::new(), |part| part.lines)
    }

    /// Drops the states of a part.
    pub fn forget_part(&self, part: &str) -> Result<()> {
        self.place.folder.drop_states(&format!("{part}."))
    }

    /// A stage's name within the part that the run is in.
    fn stage_name(&self, stage: &str) -> String {
        self.part.as_ref().map_or(stage.into(), |part| format!("{}.{stage}", part.name))
    }

    /// Time of the whole, earlier starts included.
    pub fn wall(&self) -> Duration {
        Duration::from_secs_f64(self.before) + self.start.elapsed()
    }

    /// Facts that every report has: who ran it, on what, for how long.
    pub fn facts(&self, seed: Option<u32>) -> Vec<(String, String)> {
        let mut facts = Vec::new();
        let mut fact = |name: &str, value: String| facts.push((name.to_string(), value));
        if let Some(seed) = seed {
            fact("Seed", seed.to_string());
        }
        if let Some(gpu) = self.place.gpu {
            let adapter = &gpu.adapter;
            fact("Device", format!("{} ({}, {})", adapter.name, adapter.kind, adapter.backend));
            fact("Driver", adapter.driver.clone());
        }
        fact("fedfunnel", env!("CARGO_PKG_VERSION").to_string());
        fact("Wall time", format::duration(self.wall()));
        fact("Method", "Chandar et al., arXiv 2108.05670".into());
        facts
    }

    /// A file of the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.folder.path().join(name)
    }

    /// The notes and tensors of a stage as they were saved last.
    pub fn load<T: DeserializeOwned>(&mut self, stage: &str) -> Result<Option<(T, StateFile)>> {
        let path = self.place.folder.state_file(&self.stage_name(stage));
        if !path.exists() {
            return Ok(None);
        }
        let file = StateFile::open(&path).map_err(|error| damaged_state(&path, error))?;
        let metadata = file.resumed(file.metadata())?;
        let text = |key: &str| metadata.get(key).map(String::as_str).unwrap_or_default();
        if text(RUN) != self.place.folder.identity().digest() {
            return Err(file.damaged("it is of a run with other settings, models or data"));
        }
        if !file.resumed(file.is_as_sealed())? {
            return Err(file.damaged("it is not what was saved (its checksum is wrong)"));
        }
        let notes = read_notes(&file)?;
        self.before = self.before.max(read_seconds(&file, text(SECONDS))?);
        Ok(Some((notes, file)))
    }

    /// Saves the state of a stage: notes, and tensors that `fill` puts into the file.
    pub fn save(
        &mut self,
        stage: &str,
        notes: &impl Serialize,
        tensors: &[TensorShape],
        fill: impl FnOnce(&mut StateWriter) -> Result<()>,
    ) -> Result<()> {
        let start = Instant::now();
        let notes = serde_json::to_string(notes)
            .map_err(|e| Error::fault(format!("a state could not be written: {e}")))?;
        let seconds = self.wall().as_secs_f64().to_string();
        let digest = self.place.folder.identity().digest();
        let metadata =
            HashMap::from([(NOTES, notes), (SECONDS, seconds), (RUN, digest)].map(|(k, v)| (k.into(), v)));
        self.place.folder.make_state()?;
        let mut file =
            StateWriter::sealed(&self.place.folder.state_file(&self.stage_name(stage)), tensors, &metadata)?;
        fill(&mut file)?;
        file.finish()?;
        self.saved = Some((Instant::now(), start.elapsed()));
        Ok(())
    }

    /// A folder for what is of use to this process alone; it goes with the run's state.
    pub fn scratch(&self) -> Result<PathBuf> {
        self.place.folder.make_state()
    }

    /// Drops the states of stages whose names begin like that: what they came to is saved elsewhere.
    pub fn forget(&self, beginning: &str) -> Result<()> {
        self.place.folder.drop_states(&self.stage_name(beginning))
    }

    /// A point where a stage can be stopped: saves its state now and then, and stops where that is asked for. `bytes`
    /// is the size of the state.
    pub fn pause(&mut self, bytes: u64, save: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let stop = self.observer.stop();
        let (last, took) = self.saved.unwrap_or((self.start, Duration::from_millis(50)));
        let took = took.max(Duration::from_secs_f64(bytes as f64 / FIRST_GUESS));
        if stop || last.elapsed() > took * SHARE_OF_SAVING {
            save(self)?;
        }
        if stop { Err(Error::Stopped { folder: self.place.folder.path().into() }) } else { Ok(()) }
    }

    /// Writes the run's report, and its events with the curves of that.
    pub fn write_report(&mut self, report: &Report) -> Result<()> {
        self.events.curves(report);
        self.events.save(self.place.folder.path())?;
        report::save(report, self.place.folder.path())
    }

    /// Ends a finished run whose results are written.
    pub fn close(self) -> Result<()> {
        self.metrics.finish()?;
        self.place.folder.finish()
    }

    /// The run ended with an error. Where its settings cannot work, its state is dropped.
    pub fn fail(self, error: Error) -> Error {
        if error.is_usage() {
            // The error that ended the run is the one to report.
            let _ = self.place.folder.drop_state();
        }
        error
    }
}

/// The notes of a stage in the file of its state.
pub(crate) fn read_notes<T: DeserializeOwned>(file: &StateFile) -> Result<T> {
    let metadata = file.resumed(file.metadata())?;
    let notes = metadata.get(NOTES).ok_or_else(|| file.damaged("it has no notes"))?;
    serde_json::from_str(notes).map_err(|e| file.damaged(format!("its notes cannot be read ({e})")))
}

fn read_seconds(file: &StateFile, text: &str) -> Result<f64> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds));
    seconds.ok_or_else(|| file.damaged(format!("{text:?} is no number of seconds that a run took")))
}
