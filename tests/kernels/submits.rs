//! Submits are as long as they may be: more of them where that is less, and the same bits.

use crate::support::{device, gpu};
use fedfunnel::data::{Dataset, ImageShape};
use fedfunnel::gpu::{DeviceClass, Gpu, GpuOptions};
use fedfunnel::model::{ModelSpec, Optimizer};
use fedfunnel::ops::elementwise;
use fedfunnel::training::{Cohort, ResidentImages};
use std::time::Duration;

const IMAGES: usize = 320;
const BATCH: usize = 16;
const STEPS: usize = IMAGES / BATCH;

fn open(class: DeviceClass, longest: Option<Duration>) -> Gpu {
    // Opened first, and with it the drivers quietened.
    gpu();
    let options =
        GpuOptions { device: device(), posing: Some(class), max_submit: longest, ..Default::default() };
    Gpu::open(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// The weights after two epochs, how many submits the steps took, and how many steps were said to have ended.
fn trained(class: DeviceClass, longest: Option<Duration>) -> (Vec<Vec<f32>>, u64, u32) {
    let gpu = open(class, longest);
    let spec = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
    let data = Dataset {
        name: "noise".into(),
        images: (0..IMAGES * 784).map(|at| (at * 37 % 251) as u8).collect(),
        labels: (0..IMAGES).map(|at| (at * 7 % 10) as u8).collect(),
        shape: ImageShape { channels: 1, height: 28, width: 28 },
        classes: 10,
        groups: None,
    };
    let images = ResidentImages::upload(&gpu, &data).unwrap();
    let mut cohort = Cohort::new(&gpu, &spec, &images, 2, BATCH, Optimizer::default()).unwrap();
    cohort.network.parameters.initialize(&gpu, 3, false).unwrap();
    let orders: Vec<Vec<u32>> = vec![(0..IMAGES as u32).collect(), (0..IMAGES as u32).rev().collect()];
    let (before, mut ended) = (gpu.submits(), 0);
    for _ in 0..2 {
        cohort.train(&orders, 0..STEPS, &mut |steps| ended += steps).unwrap();
    }
    let submits = gpu.submits() - before;
    (cohort.parameters().unwrap(), submits, ended)
}

const TINY: Option<Duration> = Some(Duration::from_micros(1));

#[test]
fn a_tiny_bound_takes_more_submits_to_the_same_bits() {
    let (usual, few, ended) = trained(DeviceClass::Gpu, None);
    assert_eq!(ended, 2 * STEPS as u32);
    let (cut, many, ended) = trained(DeviceClass::Gpu, TINY);
    assert!(usual == cut, "other bits");
    assert_eq!(ended, 2 * STEPS as u32);
    // A dispatch each, and there are several in a step.
    assert!(many >= 2 * STEPS as u64 * 5 && many > 2 * few, "{many} submits, {few} without a bound");
    // The control: other steps are other bits.
    assert!(usual.iter().flatten().any(|value| *value != 0.0) && usual[0] != usual[1]);
}

#[test]
fn a_processor_s_steps_are_kept_whole() {
    let (cut, many, ended) = trained(DeviceClass::CpuPlain, TINY);
    assert_eq!((many, ended), (2 * STEPS as u64, 2 * STEPS as u32));
    assert!(cut == trained(DeviceClass::CpuPlain, None).0);
}

#[test]
fn a_long_list_is_cut_as_well() {
    let fills = |class, longest| {
        let gpu = open(class, longest);
        let buffer = gpu.zeros("numbers", 64).unwrap();
        let fills: Vec<_> =
            (0..8).map(|n| elementwise::fill(&gpu, &buffer, 8 * n, 8, n as f32).unwrap()).collect();
        let before = gpu.submits();
        gpu.run(&fills).unwrap();
        (gpu.submits() - before, gpu.read::<f32>(&buffer).unwrap())
    };
    let (one, expected) = fills(DeviceClass::Gpu, None);
    assert_eq!((one, expected[63]), (1, 7.0));
    assert_eq!(fills(DeviceClass::Gpu, Some(Duration::from_nanos(1))), (8, expected.clone()));
    assert_eq!(fills(DeviceClass::CpuPlain, Some(Duration::from_nanos(1))), (1, expected));
}
