//! The adapter posing as devices of every kind: what is planned and which kernels are chosen keeps to what each offers.
//! Nothing runs; a kernel's needs are read from its WGSL here, not taken from the code that chose it.

use crate::support;
use crate::wgsl::{asked_for, validated};
use fedfunnel::autoencoder::small::Space;
use fedfunnel::autoencoder::{AutoencoderSettings, Expected};
use fedfunnel::data::{Dataset, ImageShape};
use fedfunnel::gpu::needs::Offer;
use fedfunnel::gpu::{AdapterKind, DeviceClass, Gpu, GpuOptions, Grid, Kernel, Pose};
use fedfunnel::model::{
    AutoencoderSpec, ClassifierSpec, ModelSpec, Moments, Network, Optimizer, OptimizerKind, built_in_names,
};
use fedfunnel::training::{Cohort, Evaluator, ResidentImages};
use naga::valid::Capabilities;

/// A GPU of this kind with subgroups of so many lanes, and everything else as scarce as it is allowed to be: no half
/// precision, no timestamps, and WebGPU's limits.
const fn posing(kind: AdapterKind, lanes: u32) -> Pose {
    Pose::least(kind).with_subgroups(lanes)
}

const GPUS: [Pose; 7] = [
    posing(AdapterKind::Discrete, 32),
    posing(AdapterKind::Discrete, 64),
    posing(AdapterKind::Integrated, 16),
    posing(AdapterKind::Integrated, 8),
    posing(AdapterKind::Virtual, 4),
    posing(AdapterKind::Other, 0),
    posing(AdapterKind::Discrete, 32).with_bindings(4 << 20),
];

const PROCESSORS: [Pose; 8] = [
    posing(AdapterKind::Cpu, 0),
    posing(AdapterKind::Cpu, 4),
    posing(AdapterKind::Cpu, 8),
    posing(AdapterKind::Cpu, 16),
    posing(AdapterKind::Cpu, 32),
    posing(AdapterKind::Cpu, 64),
    posing(AdapterKind::Cpu, 4).with_bindings(4 << 20),
    posing(AdapterKind::Cpu, 8).with_bindings(4 << 20),
];

/// WebGPU's default.
const BINDING: u64 = 128 << 20;

fn try_open(options: GpuOptions) -> fedfunnel::Result<Gpu> {
    // Opened first, and with it the drivers quietened.
    support::gpu();
    Gpu::open(&GpuOptions { device: support::device(), ..options })
}

fn open(pose: Pose) -> Gpu {
    try_open(GpuOptions { pose: Some(pose), ..Default::default() }).unwrap_or_else(|error| panic!("{error}"))
}

/// What a kernel needs that a device does not offer.
fn beyond(kernel: &Kernel, offer: &Offer) -> Option<String> {
    let source = kernel.source().unwrap();
    let name = format!("{} of {} {:?}", kernel.entry, kernel.shader, kernel.tiles);
    // What is refused without a capability needs it; half precision and whatever else is in neither set.
    let plain = validated(&name, &source, Capabilities::IMMEDIATES);
    let reads_lanes = plain.is_err();
    let (module, info) = plain
        .or_else(|_| validated(&name, &source, Capabilities::IMMEDIATES | Capabilities::SUBGROUP))
        .unwrap_or_else(|error| panic!("{error}"));
    let [lanes, buffers, shared, immediates] = asked_for(&module, &info, kernel.entry).unwrap();
    let needed = [
        ("lanes of a workgroup", lanes, offer.invocations),
        ("storage buffers", buffers, offer.storage_buffers),
        ("bytes of workgroup memory", shared, offer.workgroup_bytes),
        ("bytes of immediates", immediates, offer.immediate_bytes),
        // A workgroup whose lanes read each other's values lies in one subgroup.
        ("lanes of a subgroup", if reads_lanes { lanes } else { 0 }, offer.smallest_subgroup),
    ];
    let short = needed.iter().find(|(_, needed, offered)| needed > offered);
    short.map(|(what, needed, offered)| format!("{name}: {needed} {what}, and there are {offered}"))
}

/// Every kernel that was chosen, held against what the device offers.
fn assert_within(what: &str, gpu: &Gpu, pose: &Pose) {
    let kernels = gpu.kernels();
    assert!(!kernels.is_empty(), "{what}");
    let short: Vec<_> = kernels.iter().filter_map(|kernel| beyond(kernel, &pose.offer)).collect();
    assert!(short.is_empty(), "{what}: {short:?}");
}

fn noise(spec: &ClassifierSpec) -> Dataset {
    const IMAGES: usize = 130;
    let [channels, height, width] = spec.input;
    let pixels = IMAGES * channels * height * width;
    Dataset {
        name: "noise".into(),
        images: (0..pixels).map(|at| (at * 37 % 251) as u8).collect(),
        labels: (0..IMAGES).map(|at| (at % 10) as u8).collect(),
        shape: ImageShape { channels, height, width },
        classes: 10,
        groups: None,
    }
}

/// Training alone and in a cohort, by both rules, and testing.
fn plan_classifier(gpu: &Gpu, spec: &ClassifierSpec) -> fedfunnel::Result<()> {
    let images = ResidentImages::upload(gpu, &noise(spec))?;
    for (replicas, kind) in [(1, OptimizerKind::Adam), (3, OptimizerKind::Sgd)] {
        let optimizer = Optimizer { kind, ..Default::default() };
        Cohort::new(gpu, spec, &images, replicas, 64, optimizer)?;
    }
    Evaluator::new(gpu, spec, &images, 3).map(drop)
}

/// How autoencoders are trained: everywhere where they can be, by both rules, and with moments of half the bytes.
fn trainings(spec: &AutoencoderSpec) -> Vec<AutoencoderSettings> {
    let of = |space, kind, moments, batch| AutoencoderSettings {
        space,
        epochs: 2,
        batch,
        optimizer: Optimizer { kind, moments, ..Default::default() },
        ..Default::default()
    };
    let mut all = vec![
        of(Space::Wide, OptimizerKind::Adam, Moments::F32, Some(8)),
        of(Space::Wide, OptimizerKind::Sgd, Moments::F32, Some(3)),
    ];
    if spec.network().len() == 2 {
        all.push(of(Space::Wide, OptimizerKind::Adam, Moments::Bf16, Some(20)));
        all.push(of(Space::Small, OptimizerKind::Adam, Moments::F32, None));
    }
    all
}

fn plan_autoencoder(gpu: &Gpu, spec: &AutoencoderSpec) -> fedfunnel::Result<()> {
    trainings(spec).iter().try_for_each(|settings| {
        let expected = Expected { spec, settings, collaborators: 1, train: 20, held_out: 3 };
        expected.plan(gpu).map(drop)
    })
}

/// No piece of a model's parameters is larger than a binding, and there are no more of them than it takes.
fn assert_shards(gpu: &Gpu, spec: &AutoencoderSpec, pose: &Pose) {
    let network = Network::new(gpu, &spec.network(), 1, None).unwrap();
    let bytes: Vec<_> = network.parameters.arenas.iter().map(|arena| 4 * arena.buffer.len() as u64).collect();
    assert!(bytes.iter().all(|&bytes| bytes <= pose.max_binding_bytes), "{bytes:?}");
    let all: u64 = bytes.iter().sum();
    assert!(all >= 4 * spec.parameters() as u64);
    // Each of the two matrices and what is small beside them.
    let fewest = all.div_ceil(pose.max_binding_bytes);
    assert!((fewest..=fewest + 3).contains(&(bytes.len() as u64)), "{} for {fewest}", bytes.len());
}

fn hold_every_model_to(pose: Pose) {
    let gpu = open(pose);
    assert_eq!(
        (gpu.adapter.kind, gpu.offer(), gpu.class().is_cpu()),
        (pose.kind, &pose.offer, pose.kind == AdapterKind::Cpu)
    );
    let rehearsal = gpu.rehearsal();
    let mut planned = 0;
    for name in built_in_names() {
        let what = format!("{name} on {pose:?}");
        let spec = ModelSpec::load(name).unwrap();
        let outcome = match spec.clone().classifier() {
            Ok(spec) => plan_classifier(&rehearsal, &spec),
            Err(_) => {
                let spec = spec.autoencoder().unwrap();
                assert_shards(&rehearsal, &spec, &pose);
                plan_autoencoder(&rehearsal, &spec)
            }
        };
        match outcome {
            Ok(()) => planned += 1,
            // Only where bindings are small, and then in words that say so.
            Err(error) => {
                assert!(pose.max_binding_bytes < BINDING, "{what}: {error}");
                assert!(error.to_string().contains("--max-binding-bytes"), "{what}: {error}");
            }
        }
        assert_within(&what, &gpu, &pose);
    }
    assert!(planned >= 4 && gpu.kernels().len() > 15, "{pose:?}: {planned}");
    assert_eq!(gpu.peak_memory().bytes, 0, "planning took memory");
}

#[test]
fn every_gpu_takes_kernels_within_its_limits_for_every_model() {
    GPUS.into_iter().for_each(hold_every_model_to);
}

#[test]
fn every_processor_takes_kernels_within_its_limits_for_every_model() {
    // Kernels whose lanes share are compiled for the adapter itself, which OpenGL ES gives no subgroups.
    let shares = support::gpu().offer().smallest_subgroup > 0;
    let can_be = |pose: &Pose| shares || pose.offer.smallest_subgroup == 0;
    PROCESSORS.into_iter().filter(can_be).for_each(hold_every_model_to);
}

/// The control: a choice that is wrong for the device is refused, and seen by what these tests hold choices to.
#[test]
fn a_kernel_beyond_the_device_is_reported() {
    let spec = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
    let pose = posing(AdapterKind::Cpu, 4);
    // Kernels whose lanes share what eight of them load, where four can.
    let options = GpuOptions { pose: Some(pose), posing: Some(DeviceClass::CpuLanes), ..Default::default() };
    let gpu = try_open(options).unwrap();
    let error = plan_classifier(&gpu.rehearsal(), &spec).unwrap_err().to_string();
    assert!(error.contains("needs 8 lanes in every subgroup where the device allows 4"), "{error}");
    let greedy = [
        (Kernel::new("dense_lanes", "dense_lanes_rows_dot"), "lanes", "lanes of a subgroup"),
        (
            Kernel::new("conv3x3_tiles", "conv3x3_tiles_product").tiled(&[("CHANNELS", 16)]),
            "bytes of workgroup memory",
            "bytes of workgroup memory",
        ),
    ];
    for (kernel, said, seen) in greedy {
        let error = gpu.dispatch(&kernel, &(), &[], Grid(1, 1, 1)).unwrap_err().to_string();
        assert!(error.contains(kernel.entry) && error.contains(said), "{error}");
        assert!(beyond(&kernel, &pose.offer).is_some_and(|words| words.contains(seen)));
    }
    // What a GPU takes needs workgroup memory, buffers and immediates; a device with less of each is seen.
    let gpu = open(GPUS[0]);
    plan_classifier(&gpu.rehearsal(), &ModelSpec::load("cifar10-vgg3").unwrap().classifier().unwrap())
        .unwrap();
    let least = Offer::LEAST;
    for scarce in [
        Offer { workgroup_bytes: 4 << 10, ..least },
        Offer { storage_buffers: 4, ..least },
        Offer { invocations: 31, ..least },
        Offer { immediate_bytes: 32, ..least },
    ] {
        assert!(gpu.kernels().iter().any(|kernel| beyond(kernel, &scarce).is_some()), "{scarce:?}");
    }
}

#[test]
fn a_device_with_too_little_is_refused_in_words_with_both_figures() {
    let least = Offer::LEAST;
    for (offer, words) in [
        // What some implementations of WebGPU have; WebGPU itself promises none.
        (Offer { immediate_bytes: 64, ..least }, "64 bytes of immediates where kernels need 104"),
        (Offer { immediate_bytes: 0, ..least }, "has no immediates (push constants)"),
        (Offer { storage_buffers: 4, ..least }, "4 storage buffers in a kernel where kernels need 8"),
        (Offer { invocations: 128, ..least }, "128 invocations in a workgroup where kernels need 256"),
        (
            Offer { workgroup_bytes: 8 << 10, ..least },
            "8192 bytes of workgroup memory where kernels need 16384",
        ),
        (Offer { invocations: 0, ..least }, "runs no compute shaders"),
    ] {
        let pose = Pose { offer, ..Pose::least(AdapterKind::Integrated) };
        let error = try_open(GpuOptions { pose: Some(pose), ..Default::default() }).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn without_timestamps_only_timing_is_refused() {
    let pose = Some(Pose::least(AdapterKind::Integrated));
    let error = try_open(GpuOptions { pose, profile: true, ..Default::default() }).unwrap_err().to_string();
    assert!(error.contains("--profile") && error.contains("cannot time kernels"), "{error}");
    assert!(!open(Pose::least(AdapterKind::Integrated)).adapter.timestamps);
}

#[test]
fn memory_of_its_own_and_memory_that_is_shared_are_held_against_the_right_part_of_a_plan() {
    let spec = ModelSpec::load("ae-cifar10").unwrap().autoencoder().unwrap();
    let settings = &trainings(&spec)[0];
    let excess = |pose: Pose, most| {
        let expected = Expected { spec: &spec, settings, collaborators: 1, train: 8, held_out: 0 };
        let plan = expected.plan(&open(pose)).unwrap();
        assert!(plan.device.bytes > 4 << 30, "{}", plan.device.bytes);
        assert_eq!(plan.available.shared, matches!(pose.kind, AdapterKind::Integrated | AdapterKind::Cpu));
        plan.excess(most).map(|(place, ..)| place)
    };
    let discrete = posing(AdapterKind::Discrete, 32);
    assert_eq!(excess(discrete.with_memory(1 << 30), None), Some("the device"));
    assert_ne!(excess(discrete.with_memory(24 << 30), None), Some("the device"));
    // An unknown capacity does not limit.
    assert_ne!(excess(discrete, None), Some("the device"));
    // A processor's and a laptop's memory holds both, whatever the driver says of its own.
    for kind in [AdapterKind::Integrated, AdapterKind::Cpu] {
        assert_eq!(excess(posing(kind, 4).with_memory(64), Some(1 << 30)), Some("device and host"));
    }
}
