//! Progress for people: bars on a terminal, a line for each round and each piece of work elsewhere.

use super::signals;
use super::stdout::whisper;
use fedfunnel::gpu::{Span, Trace};
use fedfunnel::progress::Observer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

/// Draws progress on stderr.
pub struct Bars {
    /// Whether nothing is said.
    pub quiet: bool,
    terminal: bool,
    bar: Option<ProgressBar>,
    what: String,
    note: String,
    started: Instant,
    trace: Option<Arc<Trace>>,
    /// The current piece of work in the trace.
    span: Option<Span>,
}

impl Bars {
    /// Says nothing where `quiet`.
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            quiet,
            terminal,
            bar: None,
            what: String::new(),
            note: String::new(),
            started: Instant::now(),
            trace: None,
            span: None,
        }
    }

    /// Notes each piece of work in a trace too, where there is one.
    pub fn tracing(self, trace: Option<&Arc<Trace>>) -> Self {
        Self { trace: trace.cloned(), ..self }
    }

    fn line(&self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let line = format!("{:<28} {seconds:>7.1} s  {}", self.what, self.note);
        whisper(line.trim_end());
    }
}

impl Observer for Bars {
    fn stop(&self) -> bool {
        signals::asked_to_stop()
    }

    fn begin(&mut self, what: &str, unit: &'static str, total: u64) {
        self.what = what.to_string();
        self.note.clear();
        self.started = Instant::now();
        self.span = self.trace.as_ref().map(|trace| trace.span(what));
        if self.quiet || !self.terminal {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
        let template = match unit {
            "bytes" => {
                "{prefix:28} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}".into()
            }
            _ => format!(
                "{{prefix:28}} {{wide_bar}} {{pos}}/{{len}} {unit}  {{per_sec}}  {{eta}} left  {{msg}}"
            ),
        };
        // The templates are constants of ours; one that does not parse falls back to the default style.
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.set_prefix(what.to_string());
        self.bar = Some(bar);
    }

    fn advance(&mut self, units: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(units);
        }
    }

    fn note(&mut self, text: &str) {
        // Where nothing can be drawn, each round gets its line; the last one is that of the end.
        if !self.quiet && !self.terminal && !self.note.is_empty() {
            self.line();
        }
        self.note = text.to_string();
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_string());
        }
    }

    fn end(&mut self) {
        self.span = None;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if !self.quiet {
            self.line();
        }
    }
}
