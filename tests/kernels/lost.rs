//! A device that goes away in mid-training.

use crate::support::{device, values};
use fedfunnel::autoencoder::{
    AutoencoderFile, AutoencoderSettings, CurvePoint, Half, Learner, MemoryPlan, TrainedAutoencoder,
    Training, Watcher, learn,
};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{ModelSpec, Network};
use fedfunnel::progress::Quiet;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::{Error, Result};
use std::path::Path;

/// Saves each checkpoint, and loses the device after the second.
struct Watching<'a> {
    gpu: &'a Gpu,
    save: &'a dyn Fn(&Learner) -> Result<()>,
    saved: Vec<Vec<f32>>,
    looks: usize,
}

impl Watcher for Watching<'_> {
    fn show(&mut self, _: &CurvePoint) {
        self.looks += 1;
    }

    fn checkpoint_every(&self) -> usize {
        2
    }

    fn checkpoint(&mut self, learner: &Learner) -> Result<()> {
        (self.save)(learner)?;
        self.saved = learner.network().parameters.read(self.gpu)?;
        if learner.epochs() == 4 {
            self.gpu.lose();
        }
        Ok(())
    }
}

#[test]
fn a_lost_device_is_one_clear_sentence_and_leaves_the_last_checkpoint_whole() {
    // Not the one that other tests share.
    let gpu = Gpu::open(&GpuOptions { device: device(), ..Default::default() }).unwrap();
    let spec = "name = \"x\"\nkind = \"autoencoder\"\nwidths = [517, 8, 517]";
    let spec = ModelSpec::parse(spec, Path::new("x")).unwrap().autoencoder().unwrap();
    let rows: Vec<_> = (0..5).map(|seed| values(517, seed)).collect();
    let train = [rows.iter().map(Vec::as_slice).collect::<Vec<_>>()];
    let settings =
        &AutoencoderSettings { epochs: 9, look_every: Some(3), batch: Some(2), ..Default::default() };
    let training = Training { spec: &spec, settings, seed: 0, train: &train, held_out: &[] };
    let mut learner = Learner::new(&gpu, &training).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let save = |learner: &Learner| {
        let (parameters, standard) = (&learner.network().parameters, &learner.standards()[0]);
        let trained = TrainedAutoencoder { spec: &spec, model: &"m".into(), parameters, standard };
        trained.save(&gpu, folder.path(), 1 << 30).map(drop)
    };
    let own = tempfile::tempdir().unwrap();
    let run_folder = RunFolder::open(own.path(), Identity::new("test", ""), Start::New).unwrap();
    let place = Place { gpu: Some(&gpu), data_dir: None, folder: run_folder, command: "" };
    let mut quiet = Quiet;
    let mut run = Run::open(place, &mut quiet).unwrap();
    let mut watching = Watching { gpu: &gpu, save: &save, saved: Vec::new(), looks: 0 };
    let failed = learn(&mut run, "training", &mut learner, &mut watching);
    let Watching { saved, looks, .. } = watching;
    let text = failed.expect_err("a lost device").to_string();
    assert!(text.contains("was lost while it worked") && text.contains("saved before is whole"), "{text}");
    assert!(!text.contains('\n') && text.len() < 300, "{text}");
    assert_eq!(looks, 1);
    // It stays lost, and a further checkpoint does not spoil the last one.
    for error in [gpu.wait().unwrap_err(), save(&learner).unwrap_err(), gpu.check().unwrap_err()] {
        assert!(error.to_string().contains("was lost"), "{error}");
    }
    let other = Gpu::open(&GpuOptions { device: device(), ..Default::default() }).unwrap();
    let file = AutoencoderFile::open(folder.path()).unwrap();
    file.standard(Half::Decoder).unwrap();
    let network = Network::new(&other, &spec.network(), 1, None).unwrap();
    file.upload(&other, &network.parameters, 0).unwrap();
    assert!(network.parameters.read(&other).unwrap() == saved, "the checkpoint is not what was trained");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
}

#[test]
fn memory_that_another_program_takes_ends_in_the_sentence_of_the_plan() {
    let gpu = Gpu::open(&GpuOptions { device: device(), ..Default::default() }).unwrap();
    let spec = "name = \"wide\"\nkind = \"autoencoder\"\nwidths = [517, 8, 517]";
    let spec = ModelSpec::parse(spec, Path::new("wide")).unwrap().autoencoder().unwrap();
    let rows: Vec<_> = (0..5).map(|seed| values(517, seed)).collect();
    let train = [rows.iter().map(Vec::as_slice).collect::<Vec<_>>()];
    let settings = &AutoencoderSettings { epochs: 3, batch: Some(4), ..Default::default() };
    let training = Training { spec: &spec, settings, seed: 0, train: &train, held_out: &[] };
    let mut learner = Learner::new(&gpu, &training).unwrap();
    learner.train(1, &mut |_| {}).unwrap();
    gpu.run_out_of_memory();
    let error = learner.train(1, &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }) && !error.is_usage(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("has run out of memory with 0.00 GB in use here"), "{text}");
    let text = MemoryPlan::explain(&gpu, &training, error).to_string();
    for words in
        ["has run out of memory", "training wide takes", "close what else", "--optimizer sgd", "--batch"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains('\n') && text.len() < 400, "{text}");
    // It was said, and the device goes on where there is memory again.
    learner.train(1, &mut |_| {}).unwrap();
    // In a federation or an experiment it is a table of the spec that asks for the training.
    gpu.run_out_of_memory();
    let error = learner.train(1, &mut |_| {}).unwrap_err();
    let text = MemoryPlan::explain_spec(&gpu, &training, error).to_string();
    for words in [
        "has run out of memory",
        "training wide takes",
        "close what else",
        "autoencoder.space: use \"small\"",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Other errors stay as they are.
    let other = MemoryPlan::explain(&gpu, &training, Error::device("it is hot", "cool it"));
    assert_eq!(other.to_string(), "it is hot; cool it");
}
