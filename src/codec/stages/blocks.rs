//! Which values are written together, with a scale or a codebook of their own.

use crate::Result;
use crate::bytes::Reader;
use crate::codec::refusals::malformed;
use crate::model::Layout;
use serde::Deserialize;
use std::fmt;

/// What has a block of its own: the option `per`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) enum Per {
    /// Each tensor of the model.
    #[default]
    Tensor,
    /// Each row of a tensor as a matrix. One of a single column, such as a bias, is one block.
    Row,
    /// So many values, one behind the other.
    Values(usize),
}

impl TryFrom<toml::Value> for Per {
    type Error = String;

    fn try_from(value: toml::Value) -> std::result::Result<Self, String> {
        match &value {
            toml::Value::String(name) if name == "tensor" => Ok(Self::Tensor),
            toml::Value::String(name) if name == "row" => Ok(Self::Row),
            toml::Value::Integer(count @ 1..) => Ok(Self::Values(*count as usize)),
            _ => {
                Err(format!("per is {value}, and has to be \"tensor\", \"row\" or a number of values from 1"))
            }
        }
    }
}

impl fmt::Display for Per {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor => f.write_str("tensor"),
            Self::Row => f.write_str("row"),
            Self::Values(count) => write!(f, "{count}"),
        }
    }
}

/// The blocks of what a stage is given. Tensors and rows are those of a whole update, which has as many values as the
/// model. Anything else, such as a code or the values that `topk` leaves, is one block.
#[derive(Debug)]
pub(super) struct Blocks {
    per: Per,
    parameters: usize,
    /// Those of a whole update.
    lengths: Vec<usize>,
}

impl Blocks {
    /// For updates of a model of this layout.
    pub fn new(per: Per, layout: &Layout) -> Self {
        let tensors = layout.tensors().iter();
        let lengths: Vec<usize> = match per {
            Per::Values(_) => Vec::new(),
            Per::Tensor => tensors.map(|tensor| tensor.range.len()).collect(),
            Per::Row => {
                let rows = tensors.flat_map(|tensor| match tensor.matrix() {
                    [rows, 1] => vec![rows],
                    [rows, columns] => vec![columns; rows],
                });
                rows.collect()
            }
        };
        let lengths = lengths.into_iter().filter(|&length| length > 0).collect();
        Self { per, parameters: layout.parameters(), lengths }
    }

    /// The lengths of the blocks of so many values. None of them is empty.
    pub fn lengths(&self, count: usize) -> impl Iterator<Item = usize> {
        let is_whole = count == self.parameters && !matches!(self.per, Per::Values(_));
        let named = if is_whole { self.lengths.as_slice() } else { &[] };
        let (each, rest) = match self.per {
            Per::Values(each) => (each, count),
            _ => (count.max(1), if is_whole { 0 } else { count }),
        };
        let alike = (0..rest.div_ceil(each)).map(move |place| each.min(rest - place * each));
        named.iter().copied().chain(alike)
    }

    /// The blocks of these values.
    pub fn of<'v>(&self, mut values: &'v [f32]) -> impl Iterator<Item = &'v [f32]> {
        self.lengths(values.len()).map(move |length| {
            // The lengths add up to the number of the values.
            let (block, rest) = values.split_at(length.min(values.len()));
            values = rest;
            block
        })
    }

    /// What a label says of them: nothing where it is the usual.
    pub fn option(&self) -> Option<String> {
        (self.per != Per::Tensor).then(|| format!("per={}", self.per))
    }

    /// The scales of the blocks of so many values.
    pub fn scales(&self, count: usize, side: &mut Reader<'_>) -> Result<Vec<f32>> {
        let scales = side.floats(self.lengths(count).count())?;
        match scales.iter().find(|scale| !(**scale >= 0.0 && scale.is_finite())) {
            Some(scale) => Err(malformed(format!("an update has a block of the scale {scale}"))),
            None => Ok(scales),
        }
    }
}

/// The largest magnitude of values.
pub(super) fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

/// The mean magnitude of values.
pub(super) fn mean(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().map(|value| f64::from(value.abs())).sum();
    (sum / values.len().max(1) as f64) as f32
}

/// The label of a stage with an option that has no name, and others that are said where they are not the usual.
pub(super) fn label(name: &str, option: impl fmt::Display, more: impl IntoIterator<Item = String>) -> String {
    let more: String = more.into_iter().map(|option| format!(",{option}")).collect();
    format!("{name}({option}{more})")
}
