//! What was found in a file: its kind, facts, and tables of tensors or files.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// What a file or a folder holds.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    /// The path, as it was given.
    pub path: String,
    /// What it is: "snapshots".
    pub kind: &'static str,
    /// Its size, with all that is below a folder.
    pub bytes: u64,
    /// What else it says, in order.
    #[serde(serialize_with = "as_map")]
    pub facts: Vec<(String, Value)>,
    /// Its tensors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tensors: Vec<FoundTensor>,
    /// The files of a folder, or those that an index names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FoundFile>,
}

/// A tensor of a file.
#[derive(Debug, Serialize)]
pub struct FoundTensor {
    /// Its name.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its size.
    pub bytes: u64,
    /// What its values are like, where they are 32-bit floats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValueRange>,
}

/// What values are like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValueRange {
    /// The least of the finite ones.
    pub least: f32,
    /// The greatest of the finite ones.
    pub greatest: f32,
    /// Root mean square of the finite ones.
    pub rms: f64,
    /// How many are no finite numbers.
    pub not_finite: u64,
}

/// A file.
#[derive(Debug, Serialize)]
pub struct FoundFile {
    /// Its name.
    pub name: String,
    /// Its size; none where it is not there.
    pub bytes: Option<u64>,
}

fn as_map<S: Serializer>(facts: &[(String, Value)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(facts.iter().map(|(name, value)| (name, value)))
}

impl Found {
    /// Something of a kind.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, ..Self::default() }
    }

    /// The same with another fact.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }
}

impl ValueRange {
    /// Of values that lie in bytes, as files have them; none where there are no values.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (mut least, mut greatest) = (f32::INFINITY, f32::NEG_INFINITY);
        let (mut squares, mut finite, mut not_finite) = (0.0, 0u64, 0);
        for four in bytes.as_chunks::<4>().0 {
            let value = f32::from_le_bytes(*four);
            if value.is_finite() {
                (least, greatest) = (least.min(value), greatest.max(value));
                squares += f64::from(value) * f64::from(value);
                finite += 1;
            } else {
                not_finite += 1;
            }
        }
        if finite == 0 {
            (least, greatest) = (0.0, 0.0);
        }
        let rms = (squares / finite.max(1) as f64).sqrt();
        (finite + not_finite > 0).then_some(Self { least, greatest, rms, not_finite })
    }
}
