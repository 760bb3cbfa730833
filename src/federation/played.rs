//! A federation as far as it has come, and how it is left in a run's folder.

use super::fit::Fit;
use super::ledger::Ledger;
use super::rounds::RoundResult;
use super::spec::Codec;
use crate::Result;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::run::Run;
use crate::training::Snapshots;
use serde::{Deserialize, Serialize};

const GLOBAL: &str = "global";

/// One federation of a simulation, or the rounds that all of them have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Played {
    /// What is on its wire.
    pub codec: Codec,
    /// What its rounds came to, the first of them first.
    pub rounds: Vec<RoundResult>,
    /// Its messages.
    pub ledger: Ledger,
    /// How its codec was learned.
    pub fit: Fit,
    /// The last global model.
    #[serde(skip)]
    pub global: Vec<f32>,
    /// What each collaborator logged.
    #[serde(skip)]
    pub snapshots: Vec<Snapshots>,
}

#[derive(Serialize, Deserialize)]
struct Notes<P> {
    played: P,
    taken_at: Vec<TakenAt>,
}

impl Played {
    /// Before the first round.
    pub fn new(codec: Codec, global: Vec<f32>, ledger: Ledger) -> Self {
        Self { codec, rounds: Vec::new(), ledger, fit: Fit::default(), global, snapshots: Vec::new() }
    }

    /// Another federation that began in the same way.
    pub fn begin(&self, codec: Codec) -> Self {
        let mut ledger = Ledger::default();
        ledger.adopt(codec, &self.ledger);
        Self { rounds: self.rounds.clone(), ..Self::new(codec, self.global.clone(), ledger) }
    }

    /// What a stage had come to when it was saved last, with a model of `width` weights. `none` are logs
    /// without snapshots.
    pub fn load(run: &mut Run<'_>, stage: &str, width: usize, none: Vec<Snapshots>) -> Result<Option<Self>> {
        let Some((notes, file)) = run.load::<Notes<Self>>(stage)? else { return Ok(None) };
        let mut played = notes.played;
        let global = file.tensor(GLOBAL)?;
        global.expect_shape(&[width], "the classifier")?;
        played.global = global.values()?;
        played.snapshots = none;
        take_logs(&file, &mut played.snapshots, &notes.taken_at)?;
        Ok(Some(played))
    }

    fn tensors(&self) -> Vec<TensorShape> {
        let global = TensorShape::new(GLOBAL, &[self.global.len()]);
        [vec![global], log_shapes(&self.snapshots)].concat()
    }

    /// Bytes of what is saved.
    pub fn bytes(&self) -> u64 {
        self.tensors().iter().map(TensorShape::bytes).sum()
    }

    /// Saves it as what a stage has come to.
    pub fn save(&self, run: &mut Run<'_>, stage: &str) -> Result<()> {
        let notes = Notes { played: self, taken_at: taken_at(&self.snapshots) };
        run.save(stage, &notes, &self.tensors(), |file| {
            file.put(GLOBAL, 0, &self.global)?;
            put_logs(file, &self.snapshots)
        })
    }
}

/// When a collaborator's snapshots were taken: steps and epochs before each.
pub type TakenAt = Vec<(u64, u64)>;

/// When everybody's were.
pub fn taken_at(logs: &[Snapshots]) -> Vec<TakenAt> {
    let each = |log: &Snapshots| log.steps.iter().copied().zip(log.epochs.iter().copied()).collect();
    logs.iter().map(each).collect()
}

fn log_name(collaborator: usize) -> String {
    format!("snapshots.{collaborator}")
}

/// The tensors of logs in a state; an empty log has none.
pub fn log_shapes(logs: &[Snapshots]) -> Vec<TensorShape> {
    let there = logs.iter().enumerate().filter(|(_, log)| !log.is_empty());
    there.map(|(place, log)| TensorShape::new(log_name(place), &[log.len(), log.width()])).collect()
}

/// Puts logs into a state.
pub fn put_logs(file: &mut StateWriter, logs: &[Snapshots]) -> Result<()> {
    for (collaborator, log) in logs.iter().enumerate() {
        for (place, row) in log.rows().into_iter().enumerate() {
            file.put(&log_name(collaborator), place * row.len(), row)?;
        }
    }
    Ok(())
}

/// Reads them back into empty logs.
pub fn take_logs(file: &StateFile, logs: &mut [Snapshots], taken_at: &[TakenAt]) -> Result<()> {
    for (collaborator, (log, taken_at)) in logs.iter_mut().zip(taken_at).enumerate() {
        if let Some(count) = taken_at.len().checked_sub(1) {
            let flat = file.tensor(&log_name(collaborator))?.values()?;
            let rows = flat.chunks_exact((flat.len() / (count + 1)).max(1));
            rows.zip(taken_at).for_each(|(row, &(steps, epochs))| log.push(row.to_vec(), steps, epochs));
        }
    }
    Ok(())
}
