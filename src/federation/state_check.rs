//! The states of a simulation without a device: whether bytes are one that it can be gone on with from.

use super::due::Due;
use super::ledger::Ledger;
use super::parts::Parts;
use super::population::Population;
use super::prepass::PrepassNotes;
use super::simulation::classifier;
use super::spec::{PlannedCodec, PrepassKind, SimulationSpec};
use super::state::{Federation, FederationNotes, FederationState};
use crate::Result;
use crate::data::DataDir;
use crate::model::state::{StateFile, damaged_state};
use crate::model::{ClassifierSpec, WeightsOf};
use crate::run::read_notes;
use crate::training::Snapshots;
use std::path::Path;

/// What a simulation's states are held to before it goes on from one, as far as that needs no device.
pub struct StateCheck {
    due: Due,
    classifier: ClassifierSpec,
    parts: Parts,
}

/// Which of a simulation's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedStage {
    /// That of its pre-pass, of collaborators that train side by side.
    Prepass,
    /// What its codec of this number, from 0, has learned.
    Setup(usize),
    /// The rounds with its codec of this number. What the codec has learned lies in the other state.
    Rounds(usize),
}

impl StateCheck {
    /// For the states of this simulation.
    pub fn new(spec: &SimulationSpec, parts: &Parts, data_dir: &DataDir) -> Result<Self> {
        spec.check(parts)?;
        let classifier = classifier(spec)?;
        let shares = Population::new(spec, &classifier, data_dir)?.shares;
        let largest = shares.iter().map(Vec::len).max().unwrap_or(0);
        let batch = spec.batch.min(largest.max(1));
        let steps = shares.iter().map(|share| share.len().div_ceil(batch) as u64).collect();
        let (ids, width) = ((0..shares.len() as u32).collect(), classifier.parameters());
        let samples = shares.iter().map(Vec::len).collect();
        let due = Due { spec: spec.clone(), ids, samples, steps, local_epochs: spec.local_epochs, width };
        Ok(Self { due, classifier, parts: parts.clone() })
    }

    /// Refuses bytes that are no state of that stage, in words that begin with `path`. What is left to the device is
    /// a cohort's training in the middle; and the checksum is not looked at, so that it is the content which decides.
    pub fn check(&self, path: &Path, stage: SavedStage, bytes: Vec<u8>) -> Result<()> {
        let file = StateFile::from_bytes(path, bytes).map_err(|error| damaged_state(path, error))?;
        let (spec, learns) = (&self.due.spec, self.due.spec.learns(&self.parts)?);
        let raw = if learns { spec.raw_rounds() as usize } else { 0 };
        match stage {
            SavedStage::Prepass if spec.prepass()?.kind == PrepassKind::Isolated => {
                let notes: PrepassNotes = read_notes(&file)?;
                let due = self.due.of_loggers();
                notes.take_logs(&file, &mut self.no_snapshots(due.ids.len()), &due, &[due.ids.len()])
            }
            SavedStage::Prepass => {
                let mut federation = self.federation(0)?;
                federation.state.snapshots = self.no_snapshots(self.due.ids.len());
                federation.take(read_notes::<FederationNotes>(&file)?, &file, &self.due, 0..=raw)
            }
            SavedStage::Setup(place) => {
                let mut federation = self.federation(place)?;
                let due = Due { width: federation.state.global.len(), ..self.due.clone() };
                federation.take(read_notes::<FederationNotes>(&file)?, &file, &due, raw..=raw)?;
                federation.check_kept(&file, &due)
            }
            SavedStage::Rounds(place) => {
                let mut federation = self.federation(place)?;
                let last = spec.rounds as usize;
                let (local_epochs, width) = (federation.rules.local_epochs, federation.state.global.len());
                let due = Due { local_epochs, width, ..self.due.clone() };
                federation.take(read_notes::<FederationNotes>(&file)?, &file, &due, raw..=last)?;
                if federation.pipeline.learns() { Ok(()) } else { federation.check_kept(&file, &due) }
            }
        }
    }

    fn no_snapshots(&self, of: usize) -> Vec<Snapshots> {
        vec![Snapshots::new(WeightsOf::from(&self.classifier)); of]
    }

    fn federation(&self, place: usize) -> Result<Federation> {
        let Self { due, parts, classifier } = self;
        let mut pipelines = due.spec.pipelines(parts, classifier)?;
        let planned = pipelines.swap_remove(place.min(pipelines.len() - 1));
        let strategy = planned.strategy(&due.spec, parts)?;
        let PlannedCodec { pipeline, rules, system } = planned;
        let state = FederationState::new(vec![0.0; due.width], Ledger::new(due.spec.checksum));
        let federation = Federation::new(pipeline, strategy, rules, state);
        Ok(match system {
            Some(system) => federation.of_system(system),
            None => federation,
        })
    }
}
