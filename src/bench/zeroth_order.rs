//! Training without gradients: steps along random directions beside the two passes forward that they are made of, and
//! replaying slopes to weights.

use super::harness::{Ready, Unit};
use super::synthetic::{SEED, images, values};
use super::work::{Work, work};
use crate::Result;
use crate::gpu::Gpu;
use crate::model::{ModelSpec, Optimizer};
use crate::ops::Arena;
use crate::ops::directions::{DirectionKind, Factors, SlopeForm, Stretch};
use crate::training::{Cohort, Drawn, ResidentImages, ZerothOrderCohort, ZerothOrderSettings};

/// Directions that slopes are kept of.
const DIRECTIONS: usize = 4096;

/// A classifier, and how many train it on how many images each.
#[derive(Clone, Copy)]
struct Federation {
    model: &'static str,
    shape: [usize; 3],
    collaborators: usize,
    images: usize,
}

const MNIST: Federation =
    Federation { model: "mnist-mlp", shape: [1, 28, 28], collaborators: 10, images: 94 * 64 };
const CIFAR: Federation =
    Federation { model: "cifar10-vgg3", shape: [3, 32, 32], collaborators: 2, images: 2 * 64 };

/// The works of this file.
pub(super) fn works() -> Vec<Work> {
    use DirectionKind::{Normal, Rademacher};
    vec![
        work("seeds-mnist-forward", "10 of 784-20-10: 94 times two passes forward of 64 images", |gpu| {
            forward(gpu, MNIST)
        }),
        work("seeds-mnist-steps", "as many steps along random signs", |gpu| steps(gpu, MNIST, Rademacher)),
        work("seeds-mnist-steps-normal", "the same along nearly normal directions", |gpu| {
            steps(gpu, MNIST, Normal)
        }),
        work("seeds-cifar-forward", "2 of 550,570: twice two passes forward of 64 images", |gpu| {
            forward(gpu, CIFAR)
        }),
        work("seeds-cifar-steps", "as many steps along random signs", |gpu| steps(gpu, CIFAR, Rademacher)),
        work("seeds-replay", "4,096 slopes along random signs to 15,910 weights", |gpu| {
            replay(gpu, Rademacher)
        }),
        work("seeds-replay-normal", "the same along nearly normal directions", |gpu| replay(gpu, Normal)),
    ]
}

/// The images of all, and the order in which each sees its own.
fn data(gpu: &Gpu, of: Federation) -> Result<(ResidentImages, Vec<Vec<u32>>)> {
    let resident = ResidentImages::upload(gpu, &images(of.images, of.shape))?;
    Ok((resident, vec![(0..of.images as u32).collect(); of.collaborators]))
}

fn forward(gpu: &Gpu, of: Federation) -> Result<Ready<'_>> {
    let spec = ModelSpec::load(of.model)?.classifier()?;
    let (images, orders) = data(gpu, of)?;
    let mut cohort = Cohort::new(gpu, &spec, &images, of.collaborators, 64, Optimizer::default())?;
    cohort.network.parameters.initialize(gpu, SEED, true)?;
    Ok(Ready::wall(Unit::Milliseconds, move || {
        for _ in 0..2 {
            cohort.measure(&orders, &mut |_| ())?;
        }
        Ok(())
    }))
}

fn steps(gpu: &Gpu, of: Federation, directions: DirectionKind) -> Result<Ready<'_>> {
    let spec = ModelSpec::load(of.model)?.classifier()?;
    let (images, orders) = data(gpu, of)?;
    let slopes = SlopeForm::Exact;
    let settings =
        ZerothOrderSettings { batch: 64, reach: 1e-3, rate: 1e-6, directions, slopes, slots: DIRECTIONS };
    let mut cohort = ZerothOrderCohort::new(gpu, &spec, &images, of.collaborators, settings)?;
    cohort.restart_from(&values(spec.parameters(), 0, 0.03));
    let owners: Vec<_> = (0..of.collaborators as u32).collect();
    Ok(Ready::wall(Unit::Milliseconds, move || {
        let draw = |replica: usize, step: usize| {
            let number = (97 * replica + 31 * step) % DIRECTIONS;
            Drawn { key: [SEED, 0], number: number as u32 }
        };
        cohort.epoch(0, &owners, orders.clone(), &draw, &mut |_| ()).map(drop)
    }))
}

fn replay(gpu: &Gpu, kind: DirectionKind) -> Result<Ready<'_>> {
    let count: usize = 15_910;
    let stride = count.next_multiple_of(4);
    let weights = Arena { buffer: gpu.upload("weights", &values(stride, 0, 0.1))?, stride };
    let slopes = values(DIRECTIONS, 1, 1e-4);
    let factors = Factors::upload(gpu, &[[SEED, 0]], &[vec![&slopes]])?;
    let stretch = Stretch { first: 0, offset: 0, count };
    Ready::dispatches(gpu, factors.replay(gpu, kind, &weights, stretch)?, None, Unit::Milliseconds)
}
