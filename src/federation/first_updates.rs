//! Updates of a first round, for those that measure messages before any is sent.

use super::clients::{Clients, LocalSettings, LocalWork};
use super::population::Population;
use super::spec::SimulationSpec;
use crate::Result;
use crate::model::ModelSpec;
use crate::run::Run;

/// Collaborators that train for it.
const MOST: usize = 4;

/// What a few collaborators make of the initial global model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FirstUpdates {
    /// The model that they begin with.
    pub global: Vec<f32>,
    /// The weights of each of them after a round's local epochs.
    pub weights: Vec<Vec<f32>>,
}

impl FirstUpdates {
    /// Of the first collaborators of a simulation.
    pub fn train(run: &mut Run<'_>, spec: &SimulationSpec) -> Result<Self> {
        let gpu = run.gpu()?;
        let classifier = ModelSpec::load(&spec.model)?.classifier()?;
        let population = Population::new(spec, &classifier, run.data_dir()?)?;
        let mut shares = population.shares.clone();
        shares.truncate(MOST);
        let images = population.train(gpu)?;
        let mut collaborators = Clients::new(gpu, &classifier, &images, shares, LocalSettings::of(spec))?;
        let global = collaborators.initial_weights(gpu, spec.seed)?;
        let ids = collaborators.ids();
        let epochs = spec.local_epochs;
        run.observer.begin("an update to measure messages with", "steps", collaborators.steps(&ids) * epochs);
        let work =
            LocalWork { epochs, first_epoch: 0, snapshots: None, starts: None, drifts: &[], tests: None };
        let mut progress = |steps: u32| run.observer.advance(u64::from(steps));
        let trained = collaborators.train(&ids, &global, work, &mut progress)?;
        run.observer.end();
        Ok(Self { global, weights: trained.into_iter().map(|trained| trained.weights).collect() })
    }
}
