//! What training will take of memory, known before any is taken.

use super::small::{Precision, SmallTrainer, Space};
use super::{AutoencoderSettings, Trainer, Training};
use crate::gpu::{Capacity, Gpu, MemoryUse};
use crate::model::{AutoencoderSpec, Moments, Network, Optimizer, OptimizerKind};
use crate::report::format;
use crate::{Error, Result};
use serde::Serialize;

/// What the program, the driver and its compiled kernels take on a processor: an allowance, not measured by itself.
const PROGRAM_BYTES: u64 = 170 << 20;

/// A training on snapshots that are yet to be logged.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The shape.
    pub spec: &'a AutoencoderSpec,
    /// How it is trained, and in which space.
    pub settings: &'a AutoencoderSettings,
    /// How many collaborators train together.
    pub collaborators: usize,
    /// How many snapshots each has to learn from.
    pub train: usize,
    /// How many of each are held out.
    pub held_out: usize,
}

impl Expected<'_> {
    /// What it will take of memory. Errors where no cut of its tensors fits the device's bindings.
    pub fn plan(&self, gpu: &Gpu) -> Result<MemoryPlan> {
        self.with_training(|training| MemoryPlan::of(gpu, training))
    }

    /// Refuses what will not fit the device. `field` is the setting that says how many snapshots there are.
    pub fn check(&self, gpu: &Gpu, field: &str) -> Result<()> {
        self.with_training(|training| match MemoryPlan::of(gpu, training) {
            Ok(plan) => plan.check_spec(training),
            Err(error) => Err(match too_many(gpu, training, error) {
                Error::Device { problem, mend } => Error::setting(field, problem, mend),
                other => other,
            }),
        })
    }

    fn with_training<T>(&self, work: impl FnOnce(&Training<'_>) -> T) -> T {
        let zeros = vec![0f32; self.spec.inputs()];
        let rows = |count: usize| vec![vec![&zeros[..]; count]; self.collaborators];
        let (train, held_out) = (rows(self.train), rows(self.held_out));
        let Self { spec, settings, .. } = *self;
        work(&Training { spec, settings, seed: 0, train: &train, held_out: &held_out })
    }
}

/// The error for a training that no cut of its tensors fits the device's bindings with: how many snapshots do fit,
/// or `error` where it is not they that are too many.
pub fn too_many(gpu: &Gpu, training: &Training<'_>, error: Error) -> Error {
    let Error::Device { problem, .. } = &error else { return error };
    let (train, held_out) = (&training.train[0], training.held_out.first().map_or(0, Vec::len));
    let all = train.len() + held_out;
    let fits = |count: usize| {
        let held_out = held_out * count / all;
        let expected = Expected {
            spec: training.spec,
            settings: training.settings,
            collaborators: training.train.len(),
            train: count - held_out,
            held_out,
        };
        expected.plan(gpu).is_ok()
    };
    // Two are the fewest that differ.
    match largest(all.saturating_sub(1), |count| count < 2 || fits(count)) {
        0 | 1 => error,
        most => Error::device(
            format!("{all} snapshots are too many: {problem}"),
            format!("log {most} or fewer, or use a larger --max-binding-bytes"),
        ),
    }
}

/// What a training takes when it takes most, and what there is.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryPlan {
    /// On the device, by what it is for.
    pub device: MemoryUse,
    /// On the host.
    pub host: MemoryUse,
    /// Snapshots in a mapped file: the system drops their pages when it needs the room.
    pub mapped_bytes: u64,
    /// What there is.
    pub available: Capacity,
}

impl MemoryPlan {
    /// Rehearses a training: the very code that will take the memory says how much it takes.
    pub fn of(gpu: &Gpu, training: &Training<'_>) -> Result<Self> {
        let &Training { spec, train, held_out, .. } = training;
        let rehearsal = gpu.rehearsal();
        match training.settings.space {
            Space::Wide => rehearse_wide(&rehearsal, training)?,
            Space::Small => rehearse_small(&rehearsal, training)?,
        }
        let block = rehearsal.block_bytes();
        let line = 4 * spec.inputs() as u64;
        // As f32 for each pass and for saving, and in f64 while they are found.
        let standards = (train.len() * (1 + held_out.len().min(1) + 1 + 2)) as u64 * line;
        let mut host = MemoryUse::default();
        host.add("program, driver and kernels", PROGRAM_BYTES);
        host.add("blocks on their way", 2 * block);
        host.add("standards", standards);
        if training.settings.space == Space::Small {
            // The basis that is shipped, and its message.
            host.add("factored decoder", 2 * train[0].len() as u64 * line);
        }
        let snapshots: usize = train.iter().chain(held_out).map(Vec::len).sum();
        Ok(Self {
            device: rehearsal.peak_memory(),
            host,
            mapped_bytes: snapshots as u64 * line,
            available: gpu.capacity(),
        })
    }

    /// Device and host together.
    pub fn bytes(&self) -> u64 {
        self.device.bytes + self.host.bytes
    }

    /// What is too large for what there is, if anything: where, how much it takes, and how much is there.
    /// `most` is the user's own bound on all of it. An unknown capacity does not limit.
    pub fn excess(&self, most: Option<u64>) -> Option<(&'static str, u64, u64)> {
        let Capacity { device, host, shared } = self.available;
        let all = ("device and host", self.bytes());
        let bounds = if shared {
            [Some((all, host)), None, None]
        } else {
            let (on_device, on_host) = (("the device", self.device.bytes), ("the host", self.host.bytes));
            [Some((on_device, device)), Some((on_host, host)), None]
        };
        let mut bounds = bounds;
        bounds[2] = Some((all, most));
        bounds
            .into_iter()
            .flatten()
            .filter_map(|((place, bytes), limit)| Some((place, bytes, limit?)))
            .find(|(_, bytes, limit)| bytes > limit)
    }

    /// Refuses a training that does not fit, in words that say which arguments of a command would.
    pub fn check(&self, gpu: &Gpu, training: &Training<'_>, most: Option<u64>) -> Result<()> {
        let Some(problem) = self.problem(training, most) else { return Ok(()) };
        let mends = fitting(gpu, training, most);
        let mend = match mends.as_slice() {
            [] => "use a smaller autoencoder, or a device with more memory".to_string(),
            [only] => format!("use {only}"),
            [first @ .., last] => format!("use {} or {last}", first.join(", ")),
        };
        Err(Error::device(problem, mend))
    }

    /// What to say of a training that ran out of the device's memory though its plan fitted, since something else uses
    /// that memory too: how much it takes, and which arguments of a command take less. Other errors stay as they are.
    pub fn explain(gpu: &Gpu, training: &Training<'_>, error: Error) -> Error {
        Self::ran_out(gpu, training, error, |plan| {
            let mends = fitting(gpu, training, Some(plan.bytes() - 1));
            mends.iter().map(|mend| format!(", or use {mend}")).collect()
        })
    }

    /// The same of a training that the table `autoencoder` of a spec asks for.
    pub fn explain_spec(gpu: &Gpu, training: &Training<'_>, error: Error) -> Error {
        Self::ran_out(gpu, training, error, |_| {
            let (field, mend) = spec_mend(training);
            format!("; {field}: {mend}")
        })
    }

    fn ran_out(
        gpu: &Gpu,
        training: &Training<'_>,
        error: Error,
        mends: impl FnOnce(&Self) -> String,
    ) -> Error {
        let Error::OutOfMemory { problem, .. } = &error else { return error };
        let Ok(plan) = Self::of(gpu, training) else { return error };
        let takes = format::bytes(plan.device.bytes);
        Error::OutOfMemory {
            problem: format!(
                "{problem}, and training {} takes {takes} of the device memory",
                training.spec.name
            ),
            mend: format!("close what else uses the device and go on{}", mends(&plan)),
        }
    }

    /// Refuses a training that the table `autoencoder` of a spec asks for, and that does not fit.
    pub fn check_spec(&self, training: &Training<'_>) -> Result<()> {
        let Some(problem) = self.problem(training, None) else { return Ok(()) };
        let (field, mend) = spec_mend(training);
        Err(Error::setting(field, problem, mend))
    }

    fn problem(&self, training: &Training<'_>, most: Option<u64>) -> Option<String> {
        let (place, bytes, limit) = self.excess(most)?;
        Some(format!(
            "training {} takes {} of {place} memory and there are {}, {} too little",
            training.spec.name,
            format::bytes(bytes),
            format::bytes(limit),
            format::bytes(bytes - limit)
        ))
    }
}

/// The field of a spec that a training of too much memory is for, and what takes less.
fn spec_mend(training: &Training<'_>) -> (&'static str, &'static str) {
    match training.settings.space {
        Space::Wide => {
            ("autoencoder.space", "use \"small\", a smaller autoencoder.latent, or another machine")
        }
        Space::Small => ("autoencoder.latent", "use fewer, or another machine"),
    }
}

/// Training at full width, and saving: the latter reads tensors back block by block.
fn rehearse_wide(gpu: &Gpu, training: &Training<'_>) -> Result<()> {
    let mut trainer = Trainer::new(gpu, training)?;
    trainer.train(1, &mut |_| {})?;
    trainer.take_losses(1)?;
    trainer.measure_train()?;
    trainer.measure_held_out()?;
    rehearse_saving(gpu, trainer.network())
}

/// Training in the span of the snapshots, and all that is made of it: the wide matrices and the factored decoder.
fn rehearse_small(gpu: &Gpu, training: &Training<'_>) -> Result<()> {
    let mut trainer = SmallTrainer::new(gpu, training)?;
    trainer.train(1, &mut |_| {});
    trainer.expand()?;
    trainer.measure()?;
    rehearse_saving(gpu, trainer.network())?;
    trainer.measure_factored(&trainer.factored(Precision::F32)?).map(drop)
}

fn rehearse_saving(gpu: &Gpu, network: &Network) -> Result<()> {
    let Some(arena) = network.parameters.arenas.first() else { return Ok(()) };
    let values = arena.buffer.len().min(gpu.block_bytes() as usize / 4);
    gpu.read_part::<f32>(&arena.buffer, 0, values).map(drop)
}

/// Settings that would each fit by themselves; where none does, SGD and a smaller latent together.
fn fitting(gpu: &Gpu, training: &Training<'_>, most: Option<u64>) -> Vec<String> {
    let fits =
        |training: &Training<'_>| MemoryPlan::of(gpu, training).is_ok_and(|plan| plan.excess(most).is_none());
    let latent = |training: &Training<'_>| {
        let fits = |latent| {
            let spec = training.spec.clone().with_latent("--latent", latent);
            spec.is_ok_and(|spec| fits(&Training { spec: &spec, ..*training }))
        };
        largest_by_four(training.spec.latent().saturating_sub(1), fits)
    };
    let smaller = |training| latent(training).map(|latent| format!("--latent {latent}"));
    if training.settings.space == Space::Small {
        return smaller(training).into_iter().collect();
    }
    let settings = training.settings;
    let with = |optimizer| AutoencoderSettings { optimizer, ..settings.clone() };
    let adaptive = settings.optimizer.kind != OptimizerKind::Sgd;
    let sgd = with(Optimizer { kind: OptimizerKind::Sgd, ..settings.optimizer });
    let sgd = Training { settings: &sgd, ..*training };
    let mut found = Vec::new();
    if adaptive && fits(&sgd) {
        found.push("--optimizer sgd (one moment less)".to_string());
    }
    let half = with(Optimizer { moments: Moments::Bf16, ..settings.optimizer });
    if settings.optimizer.moments == Moments::F32 && fits(&Training { settings: &half, ..*training }) {
        found.push("--moments bf16 (two bytes each)".to_string());
    }
    let snapshots = training.train.iter().map(Vec::len).max().unwrap_or(1);
    let halves =
        std::iter::successors(Some(settings.batch.unwrap_or(snapshots).min(snapshots) / 2), |b| Some(b / 2));
    let batch = halves.take_while(|&batch| batch > 0).find(|&batch| {
        let settings = AutoencoderSettings { batch: Some(batch), ..settings.clone() };
        fits(&Training { settings: &settings, ..*training })
    });
    found.extend(batch.map(|batch| format!("--batch {batch}")));
    found.extend(smaller(training));
    // Not for every autoencoder: those it is not for are refused in the rehearsal.
    let adam = with(Optimizer { kind: OptimizerKind::Adam, moments: Moments::F32, ..settings.optimizer });
    let small = AutoencoderSettings { space: Space::Small, ..adam };
    if fits(&Training { settings: &small, ..*training }) {
        found.push("--space small (no moments)".to_string());
    }
    if found.is_empty() && adaptive {
        found.extend(latent(&sgd).map(|latent| format!("--optimizer sgd with --latent {latent}")));
    }
    found
}

/// The largest number up to `most` that fits, where all smaller ones do; 0 where none does.
fn largest(most: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

/// The same, rounded down to whole groups of four where that leaves one, since kernels take values by four.
fn largest_by_four(most: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let largest = largest(most, &fits);
    [largest - largest % 4, largest].into_iter().find(|&number| number > 0 && fits(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(available: Capacity) -> MemoryPlan {
        let (mut device, mut host) = (MemoryUse::default(), MemoryUse::default());
        device.add("parameters", 70);
        host.add("standards", 30);
        MemoryPlan { device, host, mapped_bytes: 9, available }
    }

    #[test]
    fn memory_that_is_shared_has_to_hold_both() {
        let of = |shared, device, host, most| plan(Capacity { device, host, shared }).excess(most);
        assert_eq!(of(true, None, Some(100), None), None);
        assert_eq!(of(true, Some(1), Some(99), None), Some(("device and host", 100, 99)));
        assert_eq!(of(false, Some(70), Some(30), None), None);
        assert_eq!(of(false, Some(69), Some(30), None), Some(("the device", 70, 69)));
        assert_eq!(of(false, Some(70), Some(29), None), Some(("the host", 30, 29)));
        // An unknown capacity does not limit; the user's own bound always does.
        assert_eq!(of(false, None, None, None), None);
        assert_eq!(of(false, None, None, Some(99)), Some(("device and host", 100, 99)));
    }

    #[test]
    fn the_largest_that_fits_is_found_by_four() {
        assert_eq!(largest_by_four(319, |n| n <= 250), Some(248));
        assert_eq!(largest_by_four(3, |n| n <= 2), Some(2));
        assert_eq!(largest_by_four(319, |_| false), None);
        assert_eq!(largest_by_four(0, |_| true), None);
        assert_eq!(
            [largest(319, |n| n <= 250), largest(319, |_| true), largest(319, |_| false)],
            [250, 319, 0]
        );
    }
}
