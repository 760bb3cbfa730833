//! Trains a classifier on the sample of MNIST that is part of the library, logs its weights, and tests it.
//!
//!     cargo run --release --example train

use fedfunnel::Result;
use fedfunnel::data::{self, DataDir};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{ModelSpec, Optimizer};
use fedfunnel::ops::augment::Augmentation;
use fedfunnel::progress::Quiet;
use fedfunnel::training::{Session, SessionSettings, SnapshotEvery};

fn main() -> Result<()> {
    let gpu = Gpu::open(&GpuOptions::default())?;
    println!("on {}", gpu.adapter.name);
    let session = train(&gpu, 3)?;
    let weights = &session.cohort().parameters()?[0];
    println!("{} weights, {} snapshots of them", weights.len(), session.snapshots().len());
    Ok(())
}

/// A classifier after so many epochs, with a snapshot of its weights after every tenth step.
pub fn train(gpu: &Gpu, epochs: u64) -> Result<Session> {
    let spec = ModelSpec::load("mnist-mlp")?.classifier()?;
    // A sample lies in no folder; "mnist", or the path of a folder of your own, would.
    let images = data::load("mnist-sample", &DataDir::resolve(None)?)?;
    spec.check_data(&images)?;
    let settings = SessionSettings {
        epochs,
        batch: 64,
        optimizer: Optimizer::default(),
        seed: 0,
        shuffle: true,
        test_every: 1,
        snapshots: Some(SnapshotEvery::Steps(10)),
        standardize: false,
        changes: Augmentation::default(),
    };
    let mut session = Session::new(gpu, &spec, &images, settings)?;
    while !session.is_over() {
        let epoch = session.epoch("epoch", &mut Quiet)?;
        println!("epoch {}: {epoch}", epoch.epoch);
    }
    Ok(session)
}
