//! A page that a browser can follow while rounds are played.

use super::bars::Bars;
use super::stdout::whisper;
use fedfunnel::progress::{Observer, RoundDone};
use fedfunnel::report::{PAGE, html};
use fedfunnel::run::Place;
use fedfunnel::story::SoFar;
use fedfunnel::{Result, files};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The page is not written more often: small federations play hundreds of rounds in a second.
const EVERY: Duration = Duration::from_secs(2);

/// Bars, and beside them the page in the run's folder.
pub struct Following {
    bars: Bars,
    page: PathBuf,
    name: String,
    command: String,
    so_far: SoFar,
    written: Option<Instant>,
    is_broken: bool,
}

impl Following {
    /// Follows the run of this place.
    pub fn new(bars: Bars, place: &Place<'_>) -> Self {
        let folder = place.folder.path();
        let name = folder.file_name().map_or("The run".into(), |name| name.to_string_lossy().into_owned());
        Self {
            bars,
            page: folder.join(PAGE),
            name,
            command: place.command.into(),
            so_far: SoFar::default(),
            written: None,
            is_broken: false,
        }
    }

    fn write(&self) -> Result<()> {
        let page = html(&self.so_far.page(&self.name, &self.command))?;
        files::write_atomic(&self.page, page.as_bytes())
    }
}

impl Observer for Following {
    fn begin(&mut self, what: &str, unit: &'static str, total: u64) {
        self.bars.begin(what, unit, total);
    }

    fn advance(&mut self, units: u64) {
        self.bars.advance(units);
    }

    fn note(&mut self, text: &str) {
        self.bars.note(text);
    }

    fn end(&mut self) {
        self.bars.end();
    }

    fn stop(&self) -> bool {
        self.bars.stop()
    }

    fn round(&mut self, done: &RoundDone<'_>) {
        self.so_far.add(done);
        if self.is_broken || self.written.is_some_and(|written| written.elapsed() < EVERY) {
            return;
        }
        self.written = Some(Instant::now());
        // The run goes on without it: what counts is written at the end, where an error ends it.
        if let Err(error) = self.write() {
            self.is_broken = true;
            whisper(&format!("the page of the run so far is not written: {error}"));
        }
    }
}
