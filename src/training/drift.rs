//! What strategies add to the steps of a cohort.

use crate::gpu::{Buffer, Dispatch, Gpu};
use crate::model::Parameters;
use crate::ops::Schedule;
use crate::ops::drift::{Added, Starts, apply};
use crate::{Error, Result};

/// What is added to each step of a collaborator's SGD: with the gradient `g` at the weights `w`,
/// `w -= rate * gradient * g + pull * (w - start) + correction`, where `rate` is the optimiser's.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Factor on the gradient's part of the step: 1 as it is.
    pub gradient: f32,
    /// Part of the way back to the weights that the round began with, below 1.
    pub pull: f32,
    /// What is taken off in every step, `[P]`.
    pub correction: Option<Vec<f32>>,
}

impl Drift {
    /// The rate of the optimiser's step before what is added to it. What is added looks at the weights after that
    /// step and so goes `pull` of it back too; what is left of a step at this rate is one at `rate * gradient`.
    pub(super) fn rate(&self, rate: f32) -> f32 {
        (f64::from(rate) * f64::from(self.gradient) / (1.0 - f64::from(self.pull))) as f32
    }

    /// Refuses what cannot be added to the steps of a model of so many weights.
    fn check(&self, parameters: usize) -> Result<()> {
        let refuse = |problem, mend| Err(Error::setting("strategy.local", problem, mend));
        let Self { gradient, pull, correction } = self;
        if !(0.0..1.0).contains(pull) {
            return refuse(format!("it pulls models back by {pull}"), "use a part of 0 to below 1");
        }
        if !(*gradient >= 0.0 && gradient.is_finite()) {
            return refuse(format!("it takes gradients {gradient} times"), "use a factor of 0 or more");
        }
        match correction.as_ref().map(Vec::len).filter(|&own| own != parameters) {
            Some(own) => {
                let problem = format!("it corrects {own} weights, and the model has {parameters}");
                refuse(problem, "give a correction for each weight")
            }
            None => Ok(()),
        }
    }
}

/// The memory of what is added to the steps of R replicas, and the step with it.
#[derive(Debug)]
pub(super) struct Drifting {
    pulls: Buffer,
    /// For each arena the weights that replicas began with, `[stride]`.
    starts: Vec<Buffer>,
    /// For each arena what is taken off, `[R, stride]`.
    corrections: Vec<Buffer>,
    /// The dispatches of a step.
    pub step: Vec<Dispatch>,
    /// Whether steps are those with something added.
    pub is_on: bool,
}

impl Drifting {
    /// Adds nothing yet to these steps.
    pub fn new(gpu: &Gpu, parameters: &Parameters, schedule: &Schedule, step: &[Dispatch]) -> Result<Self> {
        let replicas = parameters.replicas;
        let mut own = Self {
            pulls: gpu.zeros("pulls", replicas)?,
            starts: Vec::new(),
            corrections: Vec::new(),
            step: step.to_vec(),
            is_on: false,
        };
        for arena in &parameters.arenas {
            let start = gpu.zeros("starts", arena.stride)?;
            let corrections = gpu.zeros("corrections", replicas * arena.stride)?;
            let starts = Starts::Shared(&start);
            let added = Added { replicas, pulls: &own.pulls, starts, corrections: &corrections };
            own.step.push(apply(gpu, arena, schedule, added)?);
            own.starts.push(start);
            own.corrections.push(corrections);
        }
        Ok(own)
    }

    /// From here on adds these to the steps of the first replicas, which begin with the same weights. Gives what they
    /// have in common. Errors where they differ in more than their corrections, since all share one rate.
    pub fn turn_on<'a>(
        &mut self,
        gpu: &Gpu,
        parameters: &Parameters,
        start: &[f32],
        drifts: &'a [Drift],
    ) -> Result<&'a Drift> {
        let Some(first) = drifts.first() else { return Err(Error::fault("nothing is added to steps")) };
        drifts.iter().try_for_each(|drift| drift.check(parameters.count()))?;
        if drifts.iter().any(|drift| (drift.gradient, drift.pull) != (first.gradient, first.pull)) {
            let problem = "it adds different factors to the steps of collaborators that train together";
            return Err(Error::setting("strategy.local", problem, "let them differ in corrections alone"));
        }
        gpu.write(&self.pulls, 0, &vec![first.pull; parameters.replicas]);
        for (buffer, start) in self.starts.iter().zip(parameters.laid_out(start)) {
            gpu.write(buffer, 0, &start);
        }
        let zeros = vec![0.0; parameters.count()];
        for (replica, drift) in drifts.iter().enumerate() {
            let correction = parameters.laid_out(drift.correction.as_deref().unwrap_or(&zeros));
            for ((buffer, arena), values) in self.corrections.iter().zip(&parameters.arenas).zip(correction) {
                gpu.write(buffer, replica * arena.stride, &values);
            }
        }
        self.is_on = true;
        Ok(first)
    }
}
