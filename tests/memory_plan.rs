//! Training takes the memory that its plan says, on the device and in the process.
//!
//! A binary of its own with one test, since the peak is the whole process's. Linux alone says what it is.
#![cfg(target_os = "linux")]

use fedfunnel::autoencoder::small::{Precision, SmallTrainer, Space};
use fedfunnel::autoencoder::{
    AutoencoderSettings, MemoryPlan, Standard, TrainedAutoencoder, Trainer, Training,
};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{ModelSpec, Moments, Network, Optimizer, OptimizerKind};
use std::path::Path;

const WIDTH: usize = 100_003;

/// Bytes of the process's memory, by the name that the kernel gives them.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("a line of that name");
    1024 * line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().expect("a number")
}

/// What `work` gives, and by how much the process grows at its largest while it runs.
fn growth<T>(work: impl FnOnce() -> T) -> (T, u64) {
    // From here on the peak is that of what follows.
    std::fs::write("/proc/self/clear_refs", "5").expect("a peak that can be reset");
    let before = memory("VmRSS");
    let done = work();
    (done, memory("VmHWM").saturating_sub(before))
}

/// Whether the peak is at most 5 % above the plan, and the plan at most 25 % above the peak.
fn agree(plan: u64, peak: u64) -> bool {
    peak as f64 <= 1.05 * plan as f64 && plan as f64 <= 1.25 * peak as f64
}

/// A training with everything that takes memory on the way, saving too; so many bytes besides lie on the
/// device all along.
fn peak_of(gpu: &Gpu, training: &Training<'_>, besides: u64) -> u64 {
    let piece = 1 << 19;
    let _besides: Vec<_> =
        (0..besides / piece).map(|_| gpu.zeros("besides", piece as usize / 4).expect("memory")).collect();
    match training.settings.space {
        Space::Wide => train_wide(gpu, training),
        Space::Small => train_small(gpu, training),
    }
    gpu.peak_memory().bytes
}

fn train_wide(gpu: &Gpu, training: &Training<'_>) {
    let mut trainer = Trainer::new(gpu, training).expect("a trainer");
    trainer.train(2, &mut |_| {}).expect("trained");
    trainer.take_losses(2).expect("losses");
    trainer.measure_train().expect("measured");
    trainer.measure_held_out().expect("measured");
    save(gpu, training, trainer.network(), &trainer.standards()[0]);
}

fn train_small(gpu: &Gpu, training: &Training<'_>) {
    let mut trainer = SmallTrainer::new(gpu, training).expect("a trainer");
    trainer.train(2, &mut |_| {});
    trainer.expand().expect("expanded");
    trainer.measure().expect("measured");
    save(gpu, training, trainer.network(), trainer.standard());
    let factored = trainer.factored(Precision::F32).expect("factors");
    assert!(!factored.to_bytes().is_empty());
    for precision in [Precision::F32, Precision::F16] {
        trainer.measure_factored(&trainer.factored(precision).expect("factors")).expect("measured");
    }
}

fn save(gpu: &Gpu, training: &Training<'_>, network: &Network, standard: &Standard) {
    let folder = tempfile::tempdir().expect("a folder");
    let (spec, model, parameters) = (training.spec, &"m".into(), &network.parameters);
    let trained = TrainedAutoencoder { spec, model, parameters, standard };
    trained.save(gpu, folder.path(), 1 << 40).expect("saved");
}

#[test]
fn training_takes_what_its_plan_says() {
    // SAFETY: nothing else runs yet.
    unsafe { fedfunnel::gpu::quieten_drivers() };
    let text = format!("name = \"x\"\nkind = \"autoencoder\"\nwidths = [{WIDTH}, 64, {WIDTH}]");
    let spec = ModelSpec::parse(&text, Path::new("x")).unwrap().autoencoder().unwrap();
    let rows: Vec<Vec<f32>> =
        (0..14).map(|row| (0..WIDTH).map(|p| ((row * 31 + p * 7) % 101) as f32 * 0.01).collect()).collect();
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    let (train, held_out) = ([rows[..11].to_vec()], [rows[11..].to_vec()]);
    for (space, kind, moments, batch, limit) in [
        (Space::Wide, OptimizerKind::Adam, Moments::F32, None, None),
        (Space::Wide, OptimizerKind::Adam, Moments::F32, Some(3), Some(1 << 20)),
        (Space::Wide, OptimizerKind::Adam, Moments::Bf16, None, Some(1 << 20)),
        (Space::Wide, OptimizerKind::Sgd, Moments::F32, Some(4), None),
        (Space::Small, OptimizerKind::Adam, Moments::F32, None, None),
        (Space::Small, OptimizerKind::Sgd, Moments::F32, Some(4), None),
    ] {
        let optimizer = Optimizer { kind, moments, ..Optimizer::default() };
        let settings = &AutoencoderSettings { space, epochs: 2, optimizer, batch, ..Default::default() };
        let training = Training { spec: &spec, settings, seed: 1, train: &train, held_out: &held_out };
        let open = || {
            let options = GpuOptions { max_binding_bytes: limit, ..Default::default() };
            Gpu::open(&options).unwrap_or_else(|error| panic!("{error}"))
        };
        let gpu = open();
        let plan = MemoryPlan::of(&gpu, &training).unwrap();
        assert_eq!(gpu.peak_memory().bytes, 0, "planning took memory");
        let (peak, grown) = growth(|| peak_of(&gpu, &training, 0));
        let what = format!(
            "{space:?}, {kind:?}, {moments:?}, batch {batch:?}: planned {}, peak {peak}",
            plan.device.bytes
        );
        println!("{what}; planned in all {}, the process grew by {grown}", plan.bytes());
        assert!(agree(plan.device.bytes, peak), "{what}: {:?} {:?}", plan.device, gpu.peak_memory());
        // On a processor all of it is the process's.
        let least = if gpu.class().is_cpu() { plan.device.bytes * 3 / 4 } else { 0 };
        assert!(grown >= least && grown as f64 <= 1.05 * plan.bytes() as f64, "{what}: {grown}");
        assert!(gpu.memory().bytes < plan.device.bytes / 2, "memory is not given back: {:?}", gpu.memory());
        // The control: a tenth more is seen.
        let gpu = open();
        let peak = peak_of(&gpu, &training, plan.device.bytes / 10);
        assert!(!agree(plan.device.bytes, peak), "{what}: {peak} with a tenth more");
        let (_, grown) = growth(|| vec![1u8; plan.bytes() as usize * 11 / 10]);
        assert!(grown as f64 > 1.05 * plan.bytes() as f64, "{grown} is not seen");
        // Adam has a moment more than SGD, and there are none in the small space.
        assert_eq!(
            plan.device.parts.contains_key("second moments"),
            (space, kind) == (Space::Wide, OptimizerKind::Adam)
        );
    }
}
