//! Snapshots of a model's weights while it trains: what an autoencoder learns from.

use super::{Cohort, Inputs};
use crate::model::state::{self, StateFile};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// When a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotEvery {
    /// After each epoch.
    Epoch,
    /// After every so many steps, counted over epochs.
    Steps(usize),
}

impl std::str::FromStr for SnapshotEvery {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.parse() {
            Ok(0) | Err(_) if text != "epoch" => {
                Err(format!("{text:?} is neither `epoch` nor a number of steps"))
            }
            Ok(steps) => Ok(Self::Steps(steps)),
            Err(_) => Ok(Self::Epoch),
        }
    }
}

/// Weights over time: rows of P values in `state_dict` order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshots {
    /// The model they are of.
    pub model: String,
    /// The rows, in time order.
    pub rows: Vec<Vec<f32>>,
    /// Steps taken before each row.
    pub steps: Vec<u64>,
    /// Epochs finished before each row.
    pub epochs: Vec<u64>,
    /// What the model takes.
    pub inputs: Inputs,
}

impl Snapshots {
    /// None yet.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// P
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// Writes them as `snapshots` of shape `[S, P]`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let flat: Vec<f32> = self.rows.concat();
        let numbers = |values: &[u64]| values.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let mut metadata = HashMap::from([
            ("model".into(), self.model.clone()),
            ("steps".into(), numbers(&self.steps)),
            ("epochs".into(), numbers(&self.epochs)),
        ]);
        self.inputs.note(&mut metadata);
        let view = state::view(&[self.rows.len(), self.width()], &flat)?;
        crate::files::write_atomic(path, &state::serialize(vec![("snapshots", view)], metadata)?)
    }

    /// Reads them back.
    pub fn load(path: &Path) -> Result<Self> {
        let file = StateFile::open(path)?;
        let (shape, flat) = file.tensor("snapshots")?;
        let (&[count, width], Some(model)) = (shape.as_slice(), file.metadata()?.remove("model")) else {
            return Err(Error::file(
                path,
                format!("it is no snapshot file (`snapshots` has shape {shape:?}, or no model is named)"),
                "write one with fedfunnel train --snapshots",
            ));
        };
        if count == 0 || width == 0 {
            return Err(Error::file(
                path,
                format!("`snapshots` holds {count} snapshots of {width} values"),
                "write one with fedfunnel train --snapshots",
            ));
        }
        let metadata = file.metadata()?;
        let numbers = |key: &str| -> Vec<u64> {
            let text = metadata.get(key).map(String::as_str).unwrap_or_default();
            text.split(',').filter_map(|number| number.parse().ok()).collect()
        };
        let rows = flat.chunks_exact(width).map(<[f32]>::to_vec).collect();
        let inputs = Inputs::read(&metadata, path)?;
        Ok(Self { model, rows, steps: numbers("steps"), epochs: numbers("epochs"), inputs })
    }
}

/// Trains one epoch of a cohort and takes snapshots on the way. `done` is the number of steps and of
/// epochs that were taken before.
pub fn train_epoch(
    cohort: &mut Cohort<'_>,
    orders: &[Vec<u32>],
    every: Option<SnapshotEvery>,
    done: (u64, u64),
    into: &mut [Snapshots],
    progress: &mut dyn FnMut(u32),
) -> Result<()> {
    let total = cohort.steps(orders);
    let (done_steps, done_epochs) = done;
    let mut step = 0;
    while step < total {
        let next = match every {
            // The next multiple of `n`, counted over epochs.
            Some(SnapshotEvery::Steps(n)) => (step + n - (done_steps as usize + step) % n).min(total),
            _ => total,
        };
        cohort.train(orders, step..next, progress)?;
        step = next;
        let epoch_is_over = step == total;
        let due = match every {
            None => false,
            Some(SnapshotEvery::Epoch) => epoch_is_over,
            Some(SnapshotEvery::Steps(n)) => (done_steps as usize + step).is_multiple_of(n),
        };
        if due {
            for (snapshots, row) in into.iter_mut().zip(cohort.parameters()?) {
                snapshots.rows.push(row);
                snapshots.steps.push(done_steps + step as u64);
                snapshots.epochs.push(done_epochs + u64::from(epoch_is_over));
            }
        }
    }
    Ok(())
}

impl serde::Serialize for SnapshotEvery {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Epoch => serializer.serialize_str("epoch"),
            Self::Steps(steps) => serializer.serialize_u64(*steps as u64),
        }
    }
}

impl<'de> serde::Deserialize<'de> for SnapshotEvery {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Written {
            Steps(u64),
            Text(String),
        }
        let text = match serde::Deserialize::deserialize(deserializer)? {
            Written::Steps(steps) => steps.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}
