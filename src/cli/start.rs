//! How a run starts in its folder, and the command line that repeats it.

use super::bars::Bars;
use super::follow::Following;
use super::options::{DataDirOption, DeviceOptions};
use super::shell::quoted;
use super::signals;
use super::stdout::whisper;
use clap::Args;
use fedfunnel::Error;
use fedfunnel::run::{Place, Run, Start};
use std::path::Path;

/// What is done with a run that the folder holds already.
#[derive(Args, Debug)]
pub struct StartOptions {
    /// Go on with a run that was left in the middle
    #[arg(long)]
    resume: bool,
    /// Replace the run that the folder holds
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
}

impl StartOptions {
    /// The start that the options ask for.
    pub fn start(&self) -> Start {
        if self.resume {
            Start::Resume
        } else if self.overwrite {
            Start::Overwrite
        } else {
            Start::New
        }
    }
}

/// The command line that repeats a run: every option that decides its result, and where it is written.
#[derive(Clone, Debug)]
pub struct CommandLine(String);

impl CommandLine {
    /// Begins with a verb and what it is about, each word as it was given.
    pub fn new(words: &[&str]) -> Self {
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        Self(format!("fedfunnel {}", words.join(" ")))
    }

    /// As it was given to this process, with the data folder that the environment named, and without `--resume` and
    /// `--overwrite`.
    pub fn as_given(data_dir: Option<&DataDirOption>) -> Self {
        let words: Vec<_> =
            std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let is_start = |word: &str| {
            ["--resume", "--overwrite"].contains(&word) || word.starts_with("--lose-device-after=")
        };
        let kept: Vec<_> = words.iter().map(String::as_str).filter(|word| !is_start(word)).collect();
        let line = Self::new(&kept);
        match data_dir.and_then(DataDirOption::argument) {
            Some((name, value)) if !words.iter().any(|word| word.starts_with(name)) => {
                line.option(name, &value)
            }
            _ => line,
        }
    }

    /// An option with a value.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.0 += &format!(" {name} {}", quoted(value));
        self
    }

    /// The settings of a spec.
    pub fn settings(self, settings: &[String]) -> Self {
        settings.iter().fold(self, |line, setting| line.option("--set", setting))
    }

    /// Where data sets lie and what computes, where that was said.
    pub fn place(self, data_dir: &DataDirOption, device: &DeviceOptions) -> Self {
        let arguments = data_dir.argument().into_iter().chain(device.arguments());
        let mut line = arguments.fold(self, |line, (name, value)| line.option(name, &value));
        if device.checked {
            line.0 += " --checked";
        }
        line
    }

    /// The folder for results.
    pub fn out(self, folder: &Path) -> Self {
        self.option("--out", &folder.display().to_string())
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Does the work of a run in its place to the end, and says how to continue it where it was stopped.
pub fn run_to_end<T>(
    place: Place<'_>,
    bars: Bars,
    work: impl FnOnce(&mut Run<'_>) -> fedfunnel::Result<T>,
) -> anyhow::Result<T> {
    signals::listen(bars.quiet)?;
    let mut following = Following::new(bars, &place);
    let mut run = Run::open(place, &mut following)?;
    let done = match work(&mut run) {
        Ok(done) => done,
        Err(error) => {
            let command = run.place.command.to_string();
            let error = run.fail(error);
            // What was saved is whole, whatever became of the device.
            if let Error::Stopped { .. } | Error::DeviceLost { .. } | Error::OutOfMemory { .. } = error {
                whisper(&format!("go on with: {command} --resume"));
            }
            return Err(error.into());
        }
    };
    run.close()?;
    Ok(done)
}
