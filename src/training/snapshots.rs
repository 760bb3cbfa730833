//! Snapshots of a model's weights while it trains: what an autoencoder learns from.

use super::{Cohort, Inputs, Tally};
use crate::model::WeightsOf;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// When a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotEvery {
    /// After each epoch.
    Epoch,
    /// After every so many steps, counted over epochs.
    Steps(usize),
}

impl SnapshotEvery {
    /// How many are taken in `epochs` epochs of `steps` steps each.
    pub fn count(self, epochs: u64, steps: u64) -> u64 {
        match self {
            Self::Epoch => epochs,
            Self::Steps(every) => epochs.saturating_mul(steps) / every.max(1) as u64,
        }
    }
}

impl SnapshotEvery {
    /// The steps and whole epochs before each that is taken in `epochs` epochs of `steps` steps each.
    pub fn times(self, epochs: u64, steps: u64) -> Vec<(u64, u64)> {
        match self {
            Self::Epoch => (1..=epochs).map(|epoch| (epoch * steps, epoch)).collect(),
            Self::Steps(every) => {
                let taken = (1..=self.count(epochs, steps)).map(|number| number * every.max(1) as u64);
                taken.map(|step| (step, step / steps.max(1))).collect()
            }
        }
    }
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

impl std::fmt::Display for SnapshotEvery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Epoch => f.write_str("epoch"),
            Self::Steps(steps) => write!(f, "{steps}"),
        }
    }
}

/// The tensor of a snapshot file.
const TENSOR: &str = "snapshots";

/// Weights over time: rows of P values in `state_dict` order.
#[derive(Clone, Debug, Default)]
pub struct Snapshots {
    /// The classifier they are of.
    pub model: WeightsOf,
    rows: Rows,
    /// Steps taken before each row.
    pub steps: Vec<u64>,
    /// Epochs finished before each row.
    pub epochs: Vec<u64>,
    /// How the model sees images.
    pub inputs: Inputs,
}

/// The values, in time order.
#[derive(Clone, Debug)]
enum Rows {
    /// In memory: rows as they were taken.
    Taken(Vec<Vec<f32>>),
    /// In a mapped file: `count` rows of `width` values.
    Mapped { file: Arc<StateFile>, count: usize, width: usize },
}

impl Default for Rows {
    fn default() -> Self {
        Self::Taken(Vec::new())
    }
}

impl Snapshots {
    /// None yet.
    pub fn new(model: impl Into<WeightsOf>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// S
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Taken(rows) => rows.len(),
            Rows::Mapped { count, .. } => *count,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// P
    pub fn width(&self) -> usize {
        match &self.rows {
            Rows::Taken(rows) => rows.first().map_or(0, Vec::len),
            Rows::Mapped { width, .. } => *width,
        }
    }

    /// The rows, in time order, where they lie: in memory or in the file.
    pub fn rows(&self) -> Vec<&[f32]> {
        match &self.rows {
            Rows::Taken(rows) => rows.iter().map(Vec::as_slice).collect(),
            Rows::Mapped { file, width, .. } => file
                .tensor(TENSOR)
                .ok()
                .and_then(|tensor| tensor.in_place())
                .map_or(Vec::new(), |values| values.chunks_exact(*width).collect()),
        }
    }

    /// Adds a row that was taken after so many steps and whole epochs.
    pub fn push(&mut self, row: Vec<f32>, steps: u64, epochs: u64) {
        if let Rows::Mapped { .. } = self.rows {
            self.rows = Rows::Taken(self.rows().into_iter().map(<[f32]>::to_vec).collect());
        }
        if let Rows::Taken(rows) = &mut self.rows {
            rows.push(row);
        }
        self.steps.push(steps);
        self.epochs.push(epochs);
    }

    /// Adds those of a later training, which began after so many steps and epochs.
    pub fn extend(&mut self, later: &Self, steps: u64, epochs: u64) {
        self.model.clone_from(&later.model);
        self.inputs.clone_from(&later.inputs);
        let taken_at = later.steps.iter().zip(&later.epochs);
        for (row, (step, epoch)) in later.rows().into_iter().zip(taken_at) {
            self.push(row.to_vec(), steps + step, epochs + epoch);
        }
    }

    /// Writes them as `snapshots` of shape `[S, P]`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let numbers = |values: &[u64]| values.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let mut metadata =
            HashMap::from([("steps".into(), numbers(&self.steps)), ("epochs".into(), numbers(&self.epochs))]);
        self.model.note(&mut metadata)?;
        self.inputs.note(&mut metadata);
        let shape = TensorShape::new(TENSOR, &[self.len(), self.width()]);
        let mut file = StateWriter::create(path, &[shape], &metadata)?;
        for (place, row) in self.rows().into_iter().enumerate() {
            file.put(TENSOR, place * self.width(), row)?;
        }
        file.finish()
    }

    /// Maps a file of them. The values stay there.
    pub fn load(path: &Path) -> Result<Self> {
        let file = Arc::new(StateFile::open(path)?);
        let metadata = file.metadata()?;
        let tensor = file.tensor(TENSOR)?;
        // Values that are not aligned, in files of other programs, are copied.
        let unaligned = if tensor.check_in_place()? { None } else { Some(tensor.values()?) };
        let named = WeightsOf::read(&metadata, path)?;
        let (&[count, width], Some(model)) = (tensor.shape.as_slice(), named) else {
            return Err(Error::file(
                path,
                format!(
                    "it is no snapshot file (`snapshots` has shape {:?}, or no model is named)",
                    tensor.shape
                ),
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
        let numbers = |key: &str| -> Vec<u64> {
            let text = metadata.get(key).map(String::as_str).unwrap_or_default();
            text.split(',').filter_map(|number| number.parse().ok()).collect()
        };
        let (steps, epochs) = (numbers("steps"), numbers("epochs"));
        let inputs = Inputs::read(&metadata, path)?;
        let rows = match unaligned {
            None => Rows::Mapped { file, count, width },
            Some(values) => Rows::Taken(values.chunks_exact(width).map(<[f32]>::to_vec).collect()),
        };
        Ok(Self { model, rows, steps, epochs, inputs })
    }
}

/// An epoch of a cohort.
#[derive(Clone, Copy, Debug, Default)]
pub struct CohortEpoch<'a> {
    /// Its number: images are changed differently in each.
    pub number: u64,
    /// The ids of those whose data the replicas train on, filled up with zeros.
    pub owners: &'a [u32],
    /// Epochs that the cohort has trained before.
    pub epochs_before: u64,
    /// When to log snapshots.
    pub snapshots: Option<SnapshotEvery>,
}

/// Trains one epoch of a cohort and takes snapshots on the way; gives what each replica came to on its samples. A replica with
/// fewer samples takes fewer steps and rests at the end; when it logs goes by its own steps, so that it does not depend
/// on the others.
pub fn train_epoch(
    cohort: &mut Cohort,
    orders: &[Vec<u32>],
    epoch: CohortEpoch<'_>,
    into: &mut [Snapshots],
    progress: &mut dyn FnMut(u32),
) -> Result<Vec<Tally>> {
    let CohortEpoch { number, owners, epochs_before, snapshots: every } = epoch;
    cohort.begin_epoch(number, owners);
    let own: Vec<_> = orders.iter().map(|order| cohort.steps(std::slice::from_ref(order))).collect();
    let total = own.iter().copied().max().unwrap_or(0);
    // The next step of a replica's own after which it logs.
    let next_log = |own: usize, step: usize| match every {
        Some(SnapshotEvery::Steps(n)) => {
            let done = epochs_before as usize * own + step;
            Some(step + n - done % n).filter(|next| *next <= own)
        }
        // Its weights stay as they are while it rests.
        Some(SnapshotEvery::Epoch) => Some(total),
        None => None,
    };
    let mut step = 0;
    while step < total {
        let next: Vec<_> = own.iter().take(into.len()).map(|&own| next_log(own, step)).collect();
        let stop = next.iter().flatten().copied().min().unwrap_or(total);
        cohort.train(orders, step..stop, progress)?;
        step = stop;
        if next.contains(&Some(step)) {
            let each = into.iter_mut().zip(cohort.parameters()?).zip(next).zip(&own);
            for (((snapshots, row), _), &own) in each.filter(|((_, next), _)| *next == Some(step)) {
                let (own, done) = (own as u64, step.min(own) as u64);
                snapshots.push(row, epochs_before * own + done, epochs_before + u64::from(done == own));
            }
        }
    }
    cohort.take_tallies()
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
