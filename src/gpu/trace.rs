//! A trace: what host and device did when, in the JSON that Perfetto and Chrome's `about:tracing` read.
//!
//! Spans of the host and dispatches of the device are complete events ("X") on a track each. The device's clock
//! has a zero of its own: it is moved so that dispatches lie between their submit and the moment when their
//! timestamps had been read.

use super::dispatch::Call;
use super::{Dispatch, FieldKind};
use crate::lock::lock;
use crate::{Error, Result, files};
use serde_json::{Map, Value, json};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Events of a file, some 60 MB of them; what comes later is counted and left out.
const MOST_EVENTS: usize = 200_000;

const HOST: u32 = 1;
const DEVICE: u32 = 2;

/// The events so far.
#[derive(Debug)]
pub struct Trace {
    /// Time 0.
    start: Instant,
    most: usize,
    events: Mutex<Events>,
}

#[derive(Debug, Default)]
struct Events {
    all: Vec<Event>,
    left_out: usize,
    /// Nanoseconds from the device's clock, counted from its first tick, to the host's.
    offset: Option<f64>,
    first_tick: u64,
}

#[derive(Debug)]
struct Event {
    begin: f64,
    nanoseconds: f64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Work of the host under this name.
    Span(String),
    Run(KernelRun),
}

/// A dispatch that has run.
#[derive(Debug)]
pub(super) struct KernelRun {
    call: Call,
    step: u32,
    /// Ticks at its beginning and its end.
    ticks: [u64; 2],
}

impl KernelRun {
    pub fn new(dispatch: &Dispatch, step: u32, ticks: [u64; 2]) -> Self {
        Self { call: dispatch.call.clone(), step, ticks }
    }

    /// The kernel's immediates (shapes, offsets, flags), and what that costs.
    fn arguments(&self) -> Value {
        let Call { compiled, immediates, groups, cost } = &self.call;
        let mut all = Map::new();
        for (name, offset, kind) in &compiled.reflected.fields {
            let at = *offset as usize;
            let Some(&[a, b, c, d]) = immediates.get(at..at + 4) else { continue };
            let value = match kind {
                _ if name == "step" => json!(self.step),
                Some(FieldKind::F32) => json!(f32::from_le_bytes([a, b, c, d])),
                _ => json!(u32::from_le_bytes([a, b, c, d])),
            };
            all.insert(name.clone(), value);
        }
        all.insert("workgroups".into(), json!(groups));
        if cost.bytes > 0 {
            all.insert("bytes_moved".into(), json!(cost.bytes));
        }
        if cost.operations > 0 {
            all.insert("flops".into(), json!(cost.operations));
        }
        Value::Object(all)
    }
}

/// Work of the host under a name; it ends when this is dropped.
#[derive(Debug)]
pub struct Span {
    trace: Arc<Trace>,
    name: String,
    begin: f64,
}

impl Drop for Span {
    fn drop(&mut self) {
        self.trace.note(std::mem::take(&mut self.name), self.begin);
    }
}

impl Trace {
    /// A trace whose times count from `start`: that of the program, say.
    pub fn new(start: Instant) -> Self {
        Self::bounded(start, MOST_EVENTS)
    }

    /// The same with room for `most` events.
    pub fn bounded(start: Instant, most: usize) -> Self {
        Self { start, most, events: Mutex::default() }
    }

    /// Nanoseconds since the start.
    pub(super) fn now(&self) -> f64 {
        self.start.elapsed().as_nanos() as f64
    }

    /// Begins a span that ends when it is dropped.
    pub fn span(self: &Arc<Self>, name: impl Into<String>) -> Span {
        Span { trace: self.clone(), name: name.into(), begin: self.now() }
    }

    /// Notes a span from the trace's time 0 until now.
    pub fn span_since_start(&self, name: &str) {
        self.note(name.into(), 0.0);
    }

    /// Notes a span that ends now.
    fn note(&self, name: String, begin: f64) {
        let span = Event { begin, nanoseconds: self.now() - begin, what: What::Span(name) };
        lock(&self.events).add([span], self.most);
    }

    /// Adds what one submit ran, in order, between the moment of the submit and that when its timestamps were read
    /// (nanoseconds since the start). A tick has `period` nanoseconds.
    pub(super) fn add_runs(&self, runs: Vec<KernelRun>, period: f64, submitted: f64, read: f64) {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return };
        let [first, last] = [first.ticks[0], last.ticks[1]];
        let mut events = lock(&self.events);
        if events.offset.is_none() {
            events.first_tick = first;
        }
        let zero = events.first_tick;
        let device = |tick: u64| tick.wrapping_sub(zero) as i64 as f64 * period;
        // The clocks drift: the offset moves only as far as it must.
        let (earliest, latest) = (submitted - device(first), read - device(last));
        let offset = events.offset.unwrap_or(earliest).min(latest).max(earliest);
        events.offset = Some(offset);
        let runs = runs.into_iter().map(|run| Event {
            begin: (device(run.ticks[0]) + offset).max(0.0),
            nanoseconds: run.ticks[1].saturating_sub(run.ticks[0]) as f64 * period,
            what: What::Run(run),
        });
        events.add(runs, self.most);
    }

    /// Writes the file, its events in the order in which they began. Returns how many did not fit in.
    pub fn save(&self, path: &Path, device: &str) -> Result<usize> {
        let mut events = lock(&self.events);
        events.all.sort_by(|a, b| a.begin.total_cmp(&b.begin));
        let mut unfinished = files::Unfinished::create(path)?;
        let mut out = BufWriter::new(unfinished.file());
        let write = |out: &mut BufWriter<&mut std::fs::File>, text: &str| {
            out.write_all(text.as_bytes()).map_err(Error::io("write", path))
        };
        write(&mut out, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
        for (place, value) in tracks(device).iter().enumerate() {
            write(&mut out, &format!("{}{value}", if place > 0 { ",\n" } else { "" }))?;
        }
        for event in &events.all {
            write(&mut out, &format!(",\n{}", event.to_json()))?;
        }
        let other = json!({ "program": "fedfunnel", "version": env!("CARGO_PKG_VERSION"), "device": device,
            "events_left_out": events.left_out });
        write(&mut out, &format!("\n],\"otherData\":{other}}}\n"))?;
        out.flush().map_err(Error::io("write", path))?;
        drop(out);
        unfinished.finish()?;
        Ok(events.left_out)
    }
}

impl Events {
    /// Adds as many as there is room for and counts the others.
    fn add(&mut self, new: impl IntoIterator<Item = Event>, most: usize) {
        for event in new {
            if self.all.len() < most { self.all.push(event) } else { self.left_out += 1 }
        }
    }
}

impl Event {
    fn to_json(&self) -> Value {
        let (name, kind, track, arguments) = match &self.what {
            What::Span(name) => (name.as_str(), "host", HOST, json!({})),
            What::Run(run) => (run.call.compiled.kernel.entry, "kernel", DEVICE, run.arguments()),
        };
        json!({ "name": name, "cat": kind, "ph": "X", "pid": 1, "tid": track, "ts": microseconds(self.begin),
            "dur": microseconds(self.nanoseconds), "args": arguments })
    }
}

/// To the nanosecond.
fn microseconds(nanoseconds: f64) -> f64 {
    nanoseconds.round() / 1e3
}

/// The names of the tracks.
fn tracks(device: &str) -> [Value; 3] {
    let name = |what: &str, track: u32, name: &str| json!({ "name": what, "ph": "M", "pid": 1, "tid": track, "args": { "name": name } });
    [
        name("process_name", HOST, "fedfunnel"),
        name("thread_name", HOST, "host"),
        name("thread_name", DEVICE, &format!("device: {device}")),
    ]
}
