//! A federation as far as it has come, and how it is left in a run's folder.

use super::ledger::Ledger;
use super::logs::{TakenAt, log_shapes, put_logs, take_logs, taken_at};
use super::results::{Fit, RoundResult};
use super::spec::Codec;
use crate::Result;
use crate::model::state::TensorShape;
use crate::run::Run;
use crate::training::Snapshots;
use serde::{Deserialize, Serialize};

const GLOBAL: &str = "global";

/// One federation of a simulation, or the rounds that all of them have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FederationState {
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
    state: P,
    taken_at: Vec<TakenAt>,
}

impl FederationState {
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
        let mut state = notes.state;
        let global = file.tensor(GLOBAL)?;
        global.expect_shape(&[width], "the classifier")?;
        state.global = global.values()?;
        state.snapshots = none;
        take_logs(&file, &mut state.snapshots, &notes.taken_at)?;
        Ok(Some(state))
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
        let notes = Notes { state: self, taken_at: taken_at(&self.snapshots) };
        run.save(stage, &notes, &self.tensors(), |file| {
            file.put(GLOBAL, 0, &self.global)?;
            put_logs(file, &self.snapshots)
        })
    }
}
