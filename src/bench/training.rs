//! Training steps of the models, through what `fedfunnel train` and `fedfunnel autoencoder train` run.

use super::harness::{Ready, Unit};
use super::synthetic::{SEED, images, snapshots};
use super::work::{Work, work};
use crate::Result;
use crate::autoencoder::{AutoencoderSettings, Trainer, Training};
use crate::data::epoch_order;
use crate::gpu::{Clock, Cost, Gpu};
use crate::model::{AutoencoderSpec, ModelSpec, Optimizer, OptimizerKind, frozen_weights};
use crate::training::{Cohort, CohortEpoch, MaskCohort, MaskKind, MaskSettings, ResidentImages, train_epoch};
use std::time::{Duration, Instant};

/// Steps that a repeat of a classifier takes, for which pictures are made.
const STEPS: usize = 4;

/// Steps of an autoencoder that a repeat takes: of those that are short, and of others.
const MANY: usize = 32;
const FEW: usize = 4;
const SHORT: Duration = Duration::from_millis(200);

/// The works of this file.
pub(super) fn works() -> Vec<Work> {
    let steps = |name, what, model, snapshots| {
        work(name, what, move |gpu| {
            steps_of(gpu, &ModelSpec::load(model)?.autoencoder()?, snapshots, Unit::Milliseconds)
        })
    };
    vec![
        work("mnist-epoch", "784-20-10, Adam: 938 steps of 64 on 60,000 images", |gpu| {
            classifier(gpu, "mnist-mlp", [1, 28, 28], 60_000, Optimizer::default(), Unit::Seconds)
        }),
        work("mnist-step", "one step of it by itself, sent and waited for", |gpu| {
            classifier(gpu, "mnist-mlp", [1, 28, 28], 64, Optimizer::default(), Unit::Milliseconds)
        }),
        work(
            "cifar-train-b64",
            "the 550,570-parameter classifier, SGD with momentum: 4 steps of 64",
            |gpu| {
                let images = STEPS * 64;
                let sgd = Optimizer { kind: OptimizerKind::Sgd, ..Optimizer::default() };
                classifier(gpu, "cifar10-vgg3", [3, 32, 32], images, sgd, Unit::Images(images as u32))
            },
        ),
        work("mask-epoch", "mnist-epoch, of masks over frozen weights", |gpu| {
            masks(gpu, "mnist-mlp", [1, 28, 28], 60_000, Unit::Seconds)
        }),
        work("mask-step", "mnist-step, of masks over frozen weights", |gpu| {
            masks(gpu, "mnist-mlp", [1, 28, 28], 64, Unit::Milliseconds)
        }),
        work("mask-cifar-b64", "cifar-train-b64, of masks over frozen weights with Adam", |gpu| {
            let images = STEPS * 64;
            masks(gpu, "cifar10-vgg3", [3, 32, 32], images, Unit::Images(images as u32))
        }),
        steps("ae-mnist-step", "15,910-32-15,910, Adam, 20 snapshots", "ae-mnist", 20),
        steps("ae-conv-mnist-step", "the convolutional one, Adam, 20 snapshots", "ae-conv-mnist", 20),
        steps(
            "ae-conv-cifar10-step",
            "550,570 weights by convolutions, Adam, 4 snapshots",
            "ae-conv-cifar10",
            4,
        ),
    ]
}

/// One epoch on `count` images in steps of 64.
fn classifier<'g>(
    gpu: &'g Gpu,
    model: &str,
    shape: [usize; 3],
    count: usize,
    optimizer: Optimizer,
    unit: Unit,
) -> Result<Ready<'g>> {
    let spec = ModelSpec::load(model)?.classifier()?;
    let images = ResidentImages::upload(gpu, &images(count, shape))?;
    let mut cohort = Cohort::new(gpu, &spec, &images, 1, 64, optimizer)?;
    cohort.network.parameters.initialize(gpu, SEED, true)?;
    let orders = [epoch_order(count, u64::from(SEED), 0, true)];
    Ok(Ready::wall(unit, move || {
        train_epoch(&mut cohort, &orders, CohortEpoch::default(), &mut [], &mut |_| ()).map(drop)
    }))
}

/// The same of masks over frozen weights, by Adam.
fn masks<'g>(gpu: &'g Gpu, model: &str, shape: [usize; 3], count: usize, unit: Unit) -> Result<Ready<'g>> {
    let spec = ModelSpec::load(model)?.classifier()?;
    let images = ResidentImages::upload(gpu, &images(count, shape))?;
    let frozen = frozen_weights(&spec.layout(), SEED);
    let optimizer = Optimizer { lr: 0.1, ..Optimizer::default() };
    let settings = MaskSettings { kind: MaskKind::Bernoulli, batch: 64, optimizer, seed: SEED };
    let mut cohort = MaskCohort::new(gpu, &spec, &images, 1, &frozen, settings)?;
    cohort.restart(&vec![0.0; frozen.len()], optimizer.lr)?;
    let order = epoch_order(count, u64::from(SEED), 0, true);
    Ok(Ready::wall(unit, move || cohort.epoch(0, &[0], vec![order.clone()], &mut |_| ()).map(drop)))
}

/// Steps of an autoencoder, several in each repeat, timed one by one where each is a submit of its own.
pub(super) fn steps_of<'g>(
    gpu: &'g Gpu,
    spec: &AutoencoderSpec,
    count: usize,
    unit: Unit,
) -> Result<Ready<'g>> {
    let rows = snapshots(count, spec.inputs());
    let rows = [rows.iter().map(Vec::as_slice).collect()];
    let optimizer = Optimizer { lr: 1e-4, ..Optimizer::default() };
    let settings = &AutoencoderSettings { optimizer, ..Default::default() };
    let training = Training { spec, settings, seed: SEED, train: &rows, held_out: &[] };
    let mut trainer = Trainer::new(gpu, &training)?;
    // The first time compiles, and tells whether steps are short.
    let mut steps = 1;
    let repeat = move || {
        let mut ends = vec![(Instant::now(), 0)];
        trainer.train(steps, &mut |done| ends.push((Instant::now(), done)))?;
        trainer.take_losses(steps)?;
        // The first submit is not counted where there are others: before it goes a pass over the encoder, once.
        let counted = if ends.len() > 3 { &ends[1..] } else { &ends[..] };
        if steps == 1 {
            let short = ends[0].0.elapsed() < SHORT;
            steps = if short { MANY } else { FEW };
        }
        let all: u32 = counted[1..].iter().map(|(_, done)| done).sum();
        let took = |from: &(Instant, u32), to: &(Instant, u32)| to.0.duration_since(from.0).as_secs_f64();
        Ok(if counted[1..].iter().all(|(_, done)| *done == 1) {
            counted.windows(2).map(|pair| took(&pair[0], &pair[1])).collect()
        } else {
            vec![took(&counted[0], &counted[counted.len() - 1]) / f64::from(all.max(1))]
        })
    };
    Ok(Ready { repeat: Box::new(repeat), clock: Clock::Wall, cost: Cost::default(), unit })
}
