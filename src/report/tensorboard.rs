//! TensorBoard event files, as the `tensorboard` package itself reads them.
//!
//! A file is a row of TFRecords: the length, its masked CRC-32C, an `Event` message, its masked CRC-32C.
//! Of TensorFlow's protocol buffers a few fields are enough (`event.proto`, `summary.proto`):
//!
//! ```text
//! Event:   1 wall_time double | 2 step int64 | 3 file_version string | 5 summary Summary
//! Summary: 1 value Value (repeated)
//! Value:   1 tag string | 2 simple_value float | 5 histo HistogramProto
//! HistogramProto: 1 min | 2 max | 3 num | 4 sum | 5 sum_squares | 6 bucket_limit (packed) | 7 bucket (packed)
//! ```
//!
//! The same curves give the same bytes: wall times are steps, not the clock.

use super::Report;
use crate::bytes::Writer;
use crate::{Result, files};
use std::path::Path;

/// The file's name: TensorBoard looks for `tfevents` in it.
pub const FILE: &str = "events.out.tfevents.0.fedfunnel";

/// Buckets of a histogram.
const BUCKETS: usize = 30;

/// Events to be written.
#[derive(Clone, Debug)]
pub struct Events {
    bytes: Vec<u8>,
}

impl Default for Events {
    fn default() -> Self {
        let mut events = Self { bytes: Vec::new() };
        let mut message = double(1, 0.0);
        message.extend(bytes_field(3, b"brain.Event:2"));
        events.record(&message);
        events
    }
}

impl Events {
    /// A number at a step.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) {
        let mut field = bytes_field(1, tag.as_bytes());
        field.push(2 << 3 | 5);
        field.extend((value as f32).to_le_bytes());
        self.summary(step, &field);
    }

    /// How values are spread at a step; values that are no numbers are left out.
    pub fn histogram(&mut self, tag: &str, step: u64, values: impl Iterator<Item = f32> + Clone) {
        let values = values.filter(|value| value.is_finite()).map(f64::from);
        let (low, high) = values
            .clone()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return;
        }
        let width = if high > low { (high - low) / BUCKETS as f64 } else { 1.0 };
        let mut counts = [0.0f64; BUCKETS];
        let (mut number, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for value in values {
            counts[(((value - low) / width) as usize).min(BUCKETS - 1)] += 1.0;
            (number, sum, squares) = (number + 1.0, sum + value, squares + value * value);
        }
        let packed =
            |values: &mut dyn Iterator<Item = f64>| values.flat_map(f64::to_le_bytes).collect::<Vec<_>>();
        let mut histogram = Vec::new();
        for (number, value) in [(1, low), (2, high), (3, number), (4, sum), (5, squares)] {
            histogram.extend(double(number, value));
        }
        let limits = &mut (1..=BUCKETS).map(|place| low + width * place as f64);
        histogram.extend(bytes_field(6, &packed(limits)));
        histogram.extend(bytes_field(7, &packed(&mut counts.into_iter())));
        let mut field = bytes_field(1, tag.as_bytes());
        field.extend(bytes_field(5, &histogram));
        self.summary(step, &field);
    }

    /// Every curve of a report: a scalar for each point whose x is a step.
    pub fn curves(&mut self, report: &Report) {
        // Bars are no steps.
        for plot in report.plots.iter().filter(|plot| plot.bars.is_empty()) {
            for series in &plot.series {
                let steps = series.points.iter().filter(|(x, y)| *x >= 0.0 && x.is_finite() && y.is_finite());
                steps.for_each(|(x, y)| self.scalar(&tag(&plot.id, &series.name), x.round() as u64, *y));
            }
        }
    }

    /// Writes the file into a run's folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        files::write_atomic(&folder.join(FILE), &self.bytes)
    }

    fn summary(&mut self, step: u64, value: &[u8]) {
        let mut message = double(1, step as f64);
        message.push(2 << 3);
        message.extend(varint(step));
        message.extend(bytes_field(5, &bytes_field(1, value)));
        self.record(&message);
    }

    fn record(&mut self, message: &[u8]) {
        let length = (message.len() as u64).to_le_bytes();
        self.bytes.extend(length);
        self.bytes.extend(masked(crc32c::crc32c(&length)).to_le_bytes());
        self.bytes.extend(message);
        self.bytes.extend(masked(crc32c::crc32c(message)).to_le_bytes());
    }
}

/// A tag as TensorBoard groups them.
pub fn tag(plot: &str, curve: &str) -> String {
    if curve.is_empty() { plot.to_string() } else { format!("{plot}/{curve}") }
}

/// A checksum as TFRecords have it, so that data which contain checksums do not fool it.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn double(field: u8, value: f64) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 1];
    bytes.extend(value.to_le_bytes());
    bytes
}

fn bytes_field(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

fn varint(number: u64) -> Vec<u8> {
    let mut bytes = Writer::default();
    bytes.number(number);
    bytes.into_bytes()
}
