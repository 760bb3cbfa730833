//! A device that goes away in mid-training.

use crate::support::values;
use fedfunnel::Result;
use fedfunnel::autoencoder::{
    AutoencoderFile, CurvePoint, Half, Pace, Trainer, TrainerSettings, Watcher, save_autoencoder,
    train_with_curve,
};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{ModelSpec, Network, Optimizer};
use fedfunnel::progress::{Observer, Quiet};
use std::path::Path;

/// Saves each checkpoint, and loses the device after the second.
struct Watching<'a> {
    gpu: &'a Gpu,
    save: &'a dyn Fn(&Trainer) -> Result<()>,
    quiet: Quiet,
    saved: Vec<Vec<f32>>,
    looks: usize,
}

impl Watcher for Watching<'_> {
    fn observer(&mut self) -> &mut dyn Observer {
        &mut self.quiet
    }

    fn looked(&mut self, _: &Trainer, _: &[CurvePoint]) -> Result<()> {
        self.looks += 1;
        Ok(())
    }

    fn checkpoint(&mut self, trainer: &Trainer) -> Result<()> {
        (self.save)(trainer)?;
        self.saved = trainer.network().parameters.read(self.gpu)?;
        if trainer.epochs() == 4 {
            self.gpu.lose();
        }
        Ok(())
    }
}

#[test]
fn a_lost_device_is_one_clear_sentence_and_leaves_the_last_checkpoint_whole() {
    // Not the one that other tests share.
    let gpu = Gpu::open(&GpuOptions::default()).unwrap();
    let spec = "name = \"x\"\nkind = \"autoencoder\"\nwidths = [517, 8, 517]";
    let spec = ModelSpec::parse(spec, Path::new("x")).unwrap().autoencoder().unwrap();
    let rows: Vec<_> = (0..5).map(|seed| values(517, seed)).collect();
    let train = [rows.iter().map(Vec::as_slice).collect::<Vec<_>>()];
    let settings = TrainerSettings { optimizer: Optimizer::default(), batch: Some(2), seed: 0 };
    let mut trainer = Trainer::new(&gpu, &spec, &train, &[Vec::new()], settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let save = |trainer: &Trainer| {
        let (parameters, standards) = (&trainer.network().parameters, trainer.read_standards()?);
        save_autoencoder(&gpu, folder.path(), (&spec, &"m".into()), (parameters, 0), &standards[0], 1 << 30)
            .map(drop)
    };
    let pace = Pace { epochs: 9, look_every: 3, checkpoint_every: 2 };
    let mut watching = Watching { gpu: &gpu, save: &save, quiet: Quiet, saved: Vec::new(), looks: 0 };
    let failed = train_with_curve(&mut trainer, pace, "training", 0.0, &mut watching);
    let Watching { saved, looks, .. } = watching;
    let text = failed.expect_err("a lost device").to_string();
    assert!(text.contains("was lost while it worked") && text.contains("saved before is whole"), "{text}");
    assert!(!text.contains('\n') && text.len() < 300, "{text}");
    assert_eq!(looks, 1);
    // It stays lost, and a further checkpoint does not spoil the last one.
    for error in [gpu.wait().unwrap_err(), save(&trainer).unwrap_err(), gpu.check().unwrap_err()] {
        assert!(error.to_string().contains("was lost"), "{error}");
    }
    let other = Gpu::open(&GpuOptions::default()).unwrap();
    let file = AutoencoderFile::open(folder.path()).unwrap();
    file.standard(Half::Decoder).unwrap();
    let network = Network::new(&other, &spec.network(), 1, None).unwrap();
    file.upload(&other, &network.parameters, 0).unwrap();
    assert!(network.parameters.read(&other).unwrap() == saved, "the checkpoint is not what was trained");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
}
