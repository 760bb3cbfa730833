//! Work that whoever opened the device breaks off between two submits.

use crate::support::device;
use fedfunnel::Error;
use fedfunnel::gpu::{Gpu, GpuOptions, Interrupt};
use fedfunnel::ops::elementwise;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[test]
fn work_ends_between_two_submits_where_that_is_asked_for_and_the_device_goes_on() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    // At the third question, and never again.
    let interrupt = Interrupt::new(move || counted.fetch_add(1, Ordering::Relaxed) == 2);
    let gpu = Gpu::open(&GpuOptions {
        device: device(),
        interrupt: Some(interrupt),
        max_submit: Some(Duration::from_micros(1)),
        ..Default::default()
    })
    .unwrap();
    let filled = gpu.zeros("filled", 64).unwrap();
    let plan = [elementwise::fill(&gpu, &filled, 0, 64, 3.0).unwrap()];
    let mut steps = 0;
    let stopped = gpu.run_steps(&plan, 0..1_000, &mut |ended| steps += ended).unwrap_err();
    assert!(matches!(stopped, Error::Interrupted) && !stopped.is_usage(), "{stopped}");
    assert!(steps < 1_000, "{steps} steps ended");
    gpu.run_steps(&plan, 0..1_000, &mut |_| ()).unwrap();
    assert_eq!(gpu.read::<f32>(&filled).unwrap(), [3f32; 64]);
    assert!(asked.load(Ordering::Relaxed) > 3);
}
