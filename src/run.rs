//! A run in its folder: where stages leave what they did, so that the run can be left and gone on with.

use crate::data::DataDir;
use crate::gpu::Gpu;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::progress::Observer;
use crate::report::tensorboard::Events;
use crate::report::{self, JsonLines, Report, format};
use crate::{Error, Result, files};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Saving takes no more than about this part of the time.
const SHARE_OF_SAVING: u32 = 20;

/// Bytes that are taken to be saved in a second until it has been tried.
const FIRST_GUESS: f64 = 200e6;

/// What a run works with.
pub struct Place<'a> {
    /// The device; None for what only computes.
    pub gpu: Option<&'a Gpu>,
    /// Where data sets lie.
    pub data_dir: &'a DataDir,
    /// Where everything is written.
    pub folder: &'a Path,
    /// The command line that repeats the run.
    pub command: &'a str,
}

/// A run of an experiment or a simulation. Its state is one file for each stage in `state/`, written whole: what
/// a stage has to know to go on. A run that was left at any moment goes on from there to the same end.
pub struct Run<'a> {
    /// What it works with.
    pub place: Place<'a>,
    /// Hears of progress, and may ask to stop.
    pub observer: &'a mut dyn Observer,
    /// What TensorBoard is to show besides the curves of the report.
    pub events: Events,
    metrics: JsonLines,
    start: Instant,
    /// Seconds of earlier starts.
    before: f64,
    saved: Option<(Instant, Duration)>,
}

/// What a run's folder holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing of a run.
    Nothing,
    /// A run that was left in the middle.
    Unfinished,
    /// A run that came to its end.
    Finished,
}

impl Found {
    /// Looks into a folder.
    pub fn look(folder: &Path) -> Self {
        if state_folder(folder).is_dir() {
            Self::Unfinished
        } else if folder.join("report.json").is_file() {
            Self::Finished
        } else {
            Self::Nothing
        }
    }
}

fn state_folder(folder: &Path) -> PathBuf {
    folder.join("state")
}

/// Refuses to start where another run would be lost, or to go on with one that is not this one.
pub fn check_folder(folder: &Path, config: &str, resume: bool) -> Result<()> {
    files::check_output_folder("--out", folder)?;
    if Found::look(folder) == Found::Nothing {
        return Ok(());
    }
    if !resume {
        if Found::look(folder) == Found::Finished {
            return Ok(());
        }
        let problem = format!("{} holds a run that was left in the middle", folder.display());
        return Err(Error::setting("--out", problem, "go on with it by --resume, or name another folder"));
    }
    let path = folder.join("config.toml");
    if files::read_text(&path)? == config {
        return Ok(());
    }
    let problem = format!("{} was started with other settings", folder.display());
    Err(Error::setting(
        "--resume",
        problem,
        format!("repeat those in {}, or name another folder", path.display()),
    ))
}

impl<'a> Run<'a> {
    /// Opens the folder; see [`check_folder`].
    pub fn open(place: Place<'a>, config: &str, observer: &'a mut dyn Observer) -> Result<Self> {
        let state = state_folder(place.folder);
        std::fs::create_dir_all(&state).map_err(Error::io("create the folder", &state))?;
        files::write_atomic(&place.folder.join("config.toml"), config.as_bytes())?;
        // Stages that are read back say their lines again.
        let metrics = JsonLines::create(place.folder.join("metrics.jsonl"))?;
        Ok(Self {
            place,
            observer,
            events: Events::default(),
            metrics,
            start: Instant::now(),
            before: 0.0,
            saved: None,
        })
    }

    /// The device.
    pub fn gpu(&self) -> Result<&'a Gpu> {
        self.place
            .gpu
            .ok_or_else(|| Error::device("no device was opened", "this is a fault of fedfunnel; report it"))
    }

    /// Writes a line into `metrics.jsonl`.
    pub fn log(&mut self, line: &impl Serialize) -> Result<()> {
        self.metrics.push(line)
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
        self.place.folder.join(name)
    }

    /// What a stage had come to when it was saved last.
    pub fn load<T: DeserializeOwned>(&mut self, stage: &str) -> Result<Option<(T, StateFile)>> {
        let path = self.state_path(stage);
        if !path.exists() {
            return Ok(None);
        }
        let file = StateFile::open(&path)?;
        let metadata = file.metadata()?;
        let text = |key: &str| metadata.get(key).map(String::as_str).unwrap_or_default();
        let notes = serde_json::from_str(text("notes")).map_err(|e| {
            Error::file(
                &path,
                format!("its notes cannot be read ({e})"),
                "start the run anew in another folder",
            )
        })?;
        self.before = self.before.max(text("seconds").parse().unwrap_or(0.0));
        Ok(Some((notes, file)))
    }

    /// Saves what a stage has come to: notes, and tensors that `fill` puts into the file.
    pub fn save(
        &mut self,
        stage: &str,
        notes: &impl Serialize,
        tensors: &[TensorShape],
        fill: impl FnOnce(&mut StateWriter) -> Result<()>,
    ) -> Result<()> {
        let start = Instant::now();
        let notes = serde_json::to_string(notes).map_err(|e| {
            Error::device(
                format!("a state could not be written: {e}"),
                "this is a fault of fedfunnel; report it",
            )
        })?;
        let seconds = self.wall().as_secs_f64().to_string();
        let metadata = HashMap::from([("notes".to_string(), notes), ("seconds".to_string(), seconds)]);
        let mut file = StateWriter::create(&self.state_path(stage), tensors, &metadata)?;
        fill(&mut file)?;
        file.finish()?;
        self.saved = Some((Instant::now(), start.elapsed()));
        Ok(())
    }

    /// A place where a stage can be left: saves it now and then, and where it is asked to stop, stops. `bytes`
    /// is how large its state is.
    pub fn pause(&mut self, bytes: u64, save: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let stop = self.observer.stop();
        let (last, took) = self.saved.unwrap_or((self.start, Duration::from_millis(50)));
        let took = took.max(Duration::from_secs_f64(bytes as f64 / FIRST_GUESS));
        if stop || last.elapsed() > took * SHARE_OF_SAVING {
            save(self)?;
        }
        if stop { Err(Error::Stopped { folder: self.place.folder.into() }) } else { Ok(()) }
    }

    /// The run came to its end: writes what is left of it, and drops its state, which is needed no more.
    pub fn finish(mut self, report: &Report) -> Result<()> {
        self.metrics.finish()?;
        self.events.curves(report);
        self.events.save(self.place.folder)?;
        report::save(report, self.place.folder)?;
        let state = state_folder(self.place.folder);
        std::fs::remove_dir_all(&state).map_err(Error::io("remove the folder", &state))
    }

    fn state_path(&self, stage: &str) -> PathBuf {
        state_folder(self.place.folder).join(stage).with_extension("safetensors")
    }
}
