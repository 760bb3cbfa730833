//! Whole federations: updates of each stage are trained on, and runs that are stopped end with the same bits.

use crate::support::{gpu, spec};
use fedfunnel::Error;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Outcome, Parts, SimulationSpec, simulate};
use fedfunnel::progress::Observer;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use std::path::Path;

/// Asks to stop after the first round of each federation.
#[derive(Default)]
struct StopAfterFirst {
    stops: bool,
}

impl Observer for StopAfterFirst {
    fn begin(&mut self, _: &str, _: &'static str, _: u64) {}

    fn advance(&mut self, _: u64) {}

    fn note(&mut self, text: &str) {
        self.stops |= text.starts_with("round 1/");
    }

    fn end(&mut self) {}

    fn stop(&self) -> bool {
        self.stops
    }
}

fn start(folder: &Path, spec: &SimulationSpec, observer: &mut dyn Observer) -> fedfunnel::Result<Outcome> {
    let data_dir = DataDir::new(folder.join("data"));
    let identity = Identity::new("simulate", &spec.to_toml()?);
    let folder = RunFolder::open(&folder.join("run"), identity, Start::Resume)?;
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
    simulate(&mut Run::open(place, observer)?, spec, &Parts::default())
}

#[test]
fn federations_of_every_projection_learn_and_are_gone_on_with_to_the_same_bits() {
    let codecs = "codecs=[\"raw\",\
        [\"delta\",\"feedback\",{stage=\"lowrank\",rank=4},\"f16\"],\
        [\"delta\",\"rotate\",\"f16\"],\
        [\"delta\",\"drive\"],\
        [\"delta\",\"feedback\",{stage=\"subspace\",floats=4000}],\
        [\"delta\",\"feedback\",{stage=\"sketch\",columns=1000}],\
        [\"delta\",{stage=\"fetchsgd\",columns=1000,k=800}],\
        [\"prior\",{stage=\"pca\",floats=4},{stage=\"residual\",stages=[{stage=\"lowrank\",rank=1}]}],\
        [\"prior\",{stage=\"pca\",floats=4},{stage=\"residual\",stages=[{stage=\"drive\",unbiased=false}]}],\
        [\"prior\",{stage=\"pca\",floats=4},{stage=\"residual\",stages=[{stage=\"subspace\",floats=2000}]}],\
        [\"prior\",{stage=\"pca\",floats=4},{stage=\"residual\",stages=[{stage=\"sketch\",columns=500},\"f16\"]}]]";
    let spec = spec(&Parts::default(), &["rounds=2", "local_epochs=2", codecs]);
    let whole = tempfile::tempdir().unwrap();
    let whole = start(whole.path(), &spec, &mut fedfunnel::progress::Quiet).unwrap();
    assert_eq!(whole.federations.len(), 11);
    let losses: Vec<_> =
        whole.federations.iter().map(|federation| federation.rounds[1].tested.unwrap().test_loss).collect();
    let first = whole.initial.plain.loss;
    assert!(losses.iter().all(|loss| *loss < first), "{first} {losses:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut stops = 0;
    let pieced = loop {
        match start(folder.path(), &spec, &mut StopAfterFirst::default()) {
            Ok(outcome) => break outcome,
            Err(Error::Stopped { .. }) => stops += 1,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(stops, 11, "once in each federation");
    for (whole, pieced) in whole.federations.iter().zip(&pieced.federations) {
        let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(bits(&whole.model) == bits(&pieced.model), "{}", whole.label);
        assert_eq!((&whole.rounds, &whole.ledger), (&pieced.rounds, &pieced.ledger), "{}", whole.label);
    }
}
