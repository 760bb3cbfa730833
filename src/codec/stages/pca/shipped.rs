//! Axes and their mean as they cross the wire.

use crate::Result;
use crate::autoencoder::pca::{PcaState, orthonormal};
use crate::bytes::{Reader, Writer};
use crate::error::Error;
use serde::Deserialize;

/// How many bits the values of axes take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Four bytes a value.
    #[default]
    F32,
    /// Two bytes a value.
    F16,
    /// A byte a value, in units of a 127th of the largest of its row.
    Int8,
    /// Half a byte a value, in units of a seventh of the largest of its row; the mean's values are as in `int8`.
    Int4,
}

/// Axes with what else is shipped.
#[derive(Clone, Debug, PartialEq)]
pub struct Shipped {
    /// Axes and mean.
    pub state: PcaState,
    /// The standard deviation along each axis, where one decoder is made of those of all.
    pub spreads: Option<Vec<f32>>,
}

impl Precision {
    /// That of the mean.
    fn of_mean(self) -> Self {
        if self == Self::Int4 { Self::Int8 } else { self }
    }

    /// Bytes of a row of `width` values.
    fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::F32 => 4 * width,
            Self::F16 => 2 * width,
            Self::Int8 => 4 + width,
            Self::Int4 => 4 + width.div_ceil(2),
        }
    }

    /// How many axes of `width` values so many bytes are, and whether their spreads are among these.
    fn axes_of(self, width: usize, bytes: usize) -> Option<(usize, bool)> {
        let rows = bytes.checked_sub(self.of_mean().row_bytes(width))?;
        let row = self.row_bytes(width);
        match (rows.is_multiple_of(row), rows.is_multiple_of(row + 4)) {
            // A mean without axes decodes nothing.
            _ if rows == 0 => None,
            (true, _) => Some((rows / row, false)),
            (false, true) => Some((rows / (row + 4), true)),
            (false, false) => None,
        }
    }

    /// How many axes so many bytes are.
    pub fn floats_of(self, width: usize, bytes: usize) -> usize {
        self.axes_of(width, bytes).map_or(0, |(axes, _)| axes)
    }

    /// The bytes of axes without their mean.
    pub fn rows(self, axes: &[f32], width: usize) -> Vec<u8> {
        let mut bytes = Writer::default();
        axes.chunks_exact(width.max(1)).for_each(|row| self.write(row, &mut bytes));
        bytes.into_bytes()
    }

    /// The bytes of a decoder whose last axes are others, from [those](Self::rows).
    pub fn replaced(self, width: usize, decoder: &[u8], rows: &[u8]) -> Result<Vec<u8>> {
        let row = self.row_bytes(width);
        let end = self.floats_of(width, decoder.len()) * row;
        if rows.is_empty() || !rows.len().is_multiple_of(row) || rows.len() > end {
            let problem = format!("{} bytes are no axes of {width} values", rows.len());
            return Err(Error::message(problem, "use the same model and codec on both sides"));
        }
        Ok([&decoder[..end - rows.len()], rows, &decoder[end..]].concat())
    }

    fn write(self, values: &[f32], bytes: &mut Writer) {
        let most = match self {
            Self::F32 => return bytes.floats(values),
            Self::F16 => return bytes.halves(values),
            Self::Int8 => 127.0,
            Self::Int4 => 7.0,
        };
        let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        let unit = if largest > 0.0 { largest / most } else { 1.0 };
        bytes.floats(&[unit]);
        let whole = |value: &f32| (value / unit).round().clamp(-most, most) as i8 as u8;
        match self {
            Self::Int4 => values.chunks(2).for_each(|pair| {
                let [low, high] = [0, 1].map(|place| pair.get(place).map_or(0, whole) & 15);
                bytes.byte(low | high << 4);
            }),
            _ => values.iter().for_each(|value| bytes.byte(whole(value))),
        }
    }

    fn read(self, width: usize, bytes: &mut Reader<'_>) -> Result<Vec<f32>> {
        match self {
            Self::F32 => bytes.floats(width),
            Self::F16 => bytes.halves(width),
            Self::Int8 => {
                let unit = bytes.floats(1)?[0];
                Ok(bytes.bytes(width)?.iter().map(|&byte| f32::from(byte as i8) * unit).collect())
            }
            Self::Int4 => {
                let unit = bytes.floats(1)?[0];
                let both = bytes.bytes(width.div_ceil(2))?.iter().flat_map(|byte| [byte & 15, byte >> 4]);
                // Shifted up and down again, so that the sign goes along.
                Ok(both.take(width).map(|half| f32::from(((half << 4) as i8) >> 4) * unit).collect())
            }
        }
    }
}

impl Shipped {
    /// The bytes that ship it.
    pub fn to_bytes(&self, precision: Precision) -> Vec<u8> {
        let mut bytes = Writer::default();
        let PcaState { rows, means, .. } = &self.state;
        bytes.bytes(&precision.rows(rows, means.len()));
        precision.of_mean().write(means, &mut bytes);
        self.spreads.iter().for_each(|spreads| bytes.floats(spreads));
        bytes.into_bytes()
    }

    /// From the bytes that shipped it, for `width` weights. Axes that were rounded are made orthonormal again, on both
    /// sides alike.
    pub fn from_bytes(width: usize, precision: Precision, bytes: &[u8]) -> Result<Self> {
        let Some((floats, has_spreads)) = precision.axes_of(width, bytes.len()) else {
            let problem = format!("{} bytes are no PCA decoder of {width} values", bytes.len());
            return Err(Error::message(problem, "use the same model and codec on both sides"));
        };
        let mut reader = Reader::new(bytes, "a PCA decoder");
        let mut rows = Vec::with_capacity(floats * width);
        for _ in 0..floats {
            rows.extend(precision.read(width, &mut reader)?);
        }
        let means = precision.of_mean().read(width, &mut reader)?;
        let spreads = if has_spreads { Some(reader.floats(floats)?) } else { None };
        reader.finish()?;
        if precision != Precision::F32 {
            rows = orthonormal(rows, width);
        }
        Ok(Self { state: PcaState { floats, rows, means }, spreads })
    }

    /// Weights that are spread as those that the axes were fitted to: on either side of the mean along each axis, so
    /// that their mean and their variances are the same.
    pub fn points(&self) -> Vec<Vec<f32>> {
        let PcaState { floats, rows, means } = &self.state;
        let spreads = self.spreads.iter().flatten();
        let each = rows.chunks_exact(means.len().max(1)).zip(spreads);
        let around = each.flat_map(|(axis, spread)| {
            let far = spread * (*floats as f32).sqrt();
            [far, -far].map(|far| means.iter().zip(axis).map(|(mean, axis)| mean + far * axis).collect())
        });
        around.collect()
    }
}
