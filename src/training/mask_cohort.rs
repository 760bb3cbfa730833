//! R replicas of a classifier whose weights are frozen, of which a mask chooses: the scores of the mask train.
//!
//! A step writes the weights under the mask into the parameters, takes the gradient of these as any step does, and takes
//! it back to the scores. The gradient is what SGD without momentum leaves in its first moments.

use super::cohort::{CohortSize, StepRules};
use super::{Cohort, ResidentImages, Tally};
use crate::gpu::{Buffer, Gpu};
use crate::model::{ClassifierSpec, Network, Optimizer, Parameters, kept_of};
use crate::ops::masks::{FrozenArena, KeptRule, MaskRule, RankedArena, ScoredArena, find_thresholds};
use crate::{Error, Result};

/// What a score decides of its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskKind {
    /// The probability with which it is there, by the sigmoid; drawn anew in each step.
    Bernoulli,
    /// Whether it is there: where its score is the threshold of its tensor or more.
    Threshold,
    /// Its sign.
    Sign,
}

/// How scores train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskSettings {
    /// What a score decides.
    pub kind: MaskKind,
    /// Images per step.
    pub batch: usize,
    /// How scores learn.
    pub optimizer: Optimizer,
    /// Seed of the masks that are drawn.
    pub seed: u32,
}

/// Which weights are there where thresholds follow the scores, as edge-popup has it (Ramanujan et al. 2019, arXiv
/// 1911.13299).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeptPart {
    /// The part of each tensor, above 0: those of the largest scores.
    pub part: f64,
    /// Steps of an epoch after which thresholds are found anew; 1 is the paper's.
    pub every: usize,
}

/// A cohort whose scores train.
#[derive(Debug)]
pub struct MaskCohort {
    gpu: Gpu,
    cohort: Cohort,
    arenas: Vec<ScoredArena>,
    /// The scores as parameters of the network, in whose arenas' order they lie.
    scores: Parameters,
    /// `[R, tensors]`
    thresholds: Buffer,
    /// How these follow the scores, where they do so on the host.
    kept: Option<KeptPart>,
}

impl MaskCohort {
    /// Room for `replicas` replicas of a network with these frozen weights, `[P]` in `state_dict` order.
    pub fn new(
        gpu: &Gpu,
        spec: &ClassifierSpec,
        images: &ResidentImages,
        replicas: usize,
        frozen: &[f32],
        settings: MaskSettings,
    ) -> Result<Self> {
        let MaskSettings { kind, batch, optimizer, seed } = settings;
        // As many places as the cohort has, and none beyond the data set.
        let batch = batch.clamp(1, images.len.max(1));
        let size = CohortSize { replicas, batch };
        let rules = StepRules::gradient(optimizer);
        let (cohort, (arenas, thresholds)) =
            Cohort::with_step(gpu, spec, images, size, rules, |network, writer, epoch, step| {
                let tensors = network.parameters.tensors.len();
                let thresholds = gpu.zeros("thresholds", replicas * tensors)?;
                let rule = match kind {
                    MaskKind::Bernoulli => MaskRule::Bernoulli { epoch, batch, seed },
                    MaskKind::Threshold => MaskRule::Threshold { thresholds: &thresholds, tensors },
                    MaskKind::Sign => MaskRule::Sign,
                };
                let arenas = scored_arenas(gpu, network, replicas, frozen, &optimizer)?;
                let (mut before, mut after) = (Vec::new(), Vec::new());
                for (own, trained) in arenas.iter().zip(network.trained_arenas()) {
                    before.push(own.apply(gpu, &trained.parameters.buffer, rule)?);
                    after.push(own.step(gpu, &trained.first_moments, rule, writer.rule())?);
                }
                Ok(([before, step, after].concat(), (arenas, thresholds)))
            })?;
        let own = arenas.iter().map(|arena| arena.scores.clone()).collect();
        let scores = Parameters { arenas: own, ..cohort.network.parameters.clone() };
        Ok(Self { gpu: gpu.clone(), cohort, arenas, scores, thresholds, kept: None })
    }

    /// R
    pub fn replicas(&self) -> usize {
        self.cohort.replicas()
    }

    /// Starts every replica from the same scores `[P]` with a new optimiser of this rate.
    pub fn restart(&mut self, scores: &[f32], rate: f32) -> Result<()> {
        self.scores.write_all(&self.gpu, scores);
        let clear = self.arenas.iter().map(|arena| arena.clear_moments(&self.gpu));
        self.gpu.run(&clear.collect::<Result<Vec<_>>>()?.concat())?;
        self.cohort.restart_schedule(rate);
        Ok(())
    }

    /// From which score on a replica keeps weights, one number for each tensor.
    pub fn set_thresholds(&self, replica: usize, thresholds: &[f32]) {
        self.gpu.write(&self.thresholds, replica * thresholds.len(), thresholds);
    }

    /// Lets thresholds follow the scores from now on, which is asked for once.
    ///
    /// A GPU finds them in the steps themselves. A processor reads its own memory between steps and chooses there: of 20
    /// replicas of 15,910 weights in 2.4 ms, for which the kernels take 13 ms.
    pub fn keep(&mut self, kept: KeptPart) -> Result<()> {
        if self.gpu.class().is_cpu() {
            self.kept = Some(kept);
            return Ok(());
        }
        let counts: Vec<_> =
            self.scores.tensors.iter().map(|tensor| kept_of(tensor.len(), kept.part)).collect();
        let rule = KeptRule {
            kept: &counts,
            epoch: self.cohort.epoch_state(),
            batch: self.cohort.batch(),
            every: kept.every.max(1),
        };
        let ranked = |(arena, scores)| RankedArena { scores, parts: self.scores.parts_of(arena) };
        let ranked: Vec<_> = self.scores.arenas.iter().enumerate().map(ranked).collect();
        let plan = find_thresholds(&self.gpu, &ranked, self.replicas(), rule, &self.thresholds)?;
        self.cohort.begin_steps_with(plan);
        Ok(())
    }

    /// Sets the thresholds of all replicas to what keeps this part of each tensor of theirs.
    fn follow_scores(&self, part: f64) -> Result<()> {
        for (replica, mut scores) in self.scores()?.into_iter().enumerate() {
            let mut rest = scores.as_mut_slice();
            let mut thresholds = Vec::with_capacity(self.scores.tensors.len());
            for tensor in &self.scores.tensors {
                let (own, behind) = rest.split_at_mut(tensor.len());
                rest = behind;
                let least = own.len() - kept_of(own.len(), part);
                thresholds.push(*own.select_nth_unstable_by(least, f32::total_cmp).1);
            }
            self.set_thresholds(replica, &thresholds);
        }
        Ok(())
    }

    /// Trains an epoch in which replica `r`, whose data are `owners[r]`'s, sees the samples `orders[r]` in that order;
    /// gives what each came to on its samples, under the masks of its steps.
    pub fn epoch(
        &mut self,
        number: u64,
        owners: &[u32],
        mut orders: Vec<Vec<u32>>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Tally>> {
        orders.resize(self.replicas(), Vec::new());
        self.cohort.begin_epoch(number, owners);
        let steps = self.cohort.steps(&orders);
        let together = self.kept.map_or(steps, |kept| kept.every).max(1);
        for first in (0..steps).step_by(together) {
            if let Some(KeptPart { part, .. }) = self.kept {
                self.follow_scores(part)?;
            }
            self.cohort.train(&orders, first..steps.min(first + together), progress)?;
        }
        let mut tallies = self.cohort.take_tallies()?;
        tallies.truncate(owners.len());
        Ok(tallies)
    }

    /// The scores of all replicas, `[R][P]` in `state_dict` order.
    pub fn scores(&self) -> Result<Vec<Vec<f32>>> {
        self.scores.read(&self.gpu)
    }
}

/// The memory of scores for the arenas of a network.
fn scored_arenas(
    gpu: &Gpu,
    network: &Network,
    replicas: usize,
    frozen: &[f32],
    optimizer: &Optimizer,
) -> Result<Vec<ScoredArena>> {
    let parameters = &network.parameters;
    if frozen.len() != parameters.count() {
        let problem = format!("{} frozen weights of {} parameters", frozen.len(), parameters.count());
        return Err(Error::fault(problem));
    }
    let of_tensor = |(tensor, own): (usize, usize)| std::iter::repeat_n(tensor as u32, own);
    let tensors: Vec<_> =
        parameters.tensors.iter().map(|tensor| tensor.len()).enumerate().flat_map(of_tensor).collect();
    let numbers: Vec<_> = (0..frozen.len() as u32).collect();
    let (numbers, tensors) = (numbers_laid_out(parameters, &numbers), numbers_laid_out(parameters, &tensors));
    let laid_out = parameters.laid_out(frozen).into_iter().zip(numbers.into_iter().zip(tensors));
    let arena = |(weights, (numbers, tensors)): (Vec<f32>, (Vec<u32>, Vec<u32>))| {
        let own = FrozenArena { weights: &weights, numbers: &numbers, tensors: &tensors };
        ScoredArena::new(gpu, own, replicas, optimizer)
    };
    laid_out.map(arena).collect()
}

/// Numbers `[P]` as a replica's parameters lie in each arena. They go as halves of 16 bits, since f32 has whole numbers up
/// to 2^24 alone.
fn numbers_laid_out(parameters: &Parameters, numbers: &[u32]) -> Vec<Vec<u32>> {
    let half = |shift: u32| {
        let halves: Vec<_> = numbers.iter().map(|number| (number >> shift & 0xffff) as f32).collect();
        parameters.laid_out(&halves)
    };
    let joined = |(low, high): (Vec<f32>, Vec<f32>)| {
        low.into_iter().zip(high).map(|(low, high)| low as u32 | (high as u32) << 16).collect()
    };
    half(0).into_iter().zip(half(16)).map(joined).collect()
}
