//! A run that is stopped and gone on with ends with the same bits, drawn values and codes that are trained for upper halves
//! included.

use crate::support::{gpu, spec};
use fedfunnel::Error;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Outcome, Parts, SimulationSpec, simulate};
use fedfunnel::progress::Observer;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use std::path::Path;

/// Asks to stop once so many pieces of work have begun.
struct Stopper(usize);

impl Observer for Stopper {
    fn begin(&mut self, _: &str, _: &'static str, _: u64) {
        self.0 = self.0.saturating_sub(1);
    }

    fn advance(&mut self, _: u64) {}
    fn note(&mut self, _: &str) {}
    fn end(&mut self) {}

    fn stop(&self) -> bool {
        self.0 == 0
    }
}

fn start(folder: &Path, spec: &SimulationSpec, stop: usize) -> fedfunnel::Result<Outcome> {
    let data_dir = DataDir::new(folder.join("data"));
    let identity = Identity::new("simulate", &spec.to_toml()?);
    let folder = RunFolder::open(&folder.join("run"), identity, Start::Resume)?;
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
    simulate(&mut Run::open(place, &mut Stopper(stop))?, spec, &Parts::default())
}

#[test]
fn a_run_with_fewer_bits_a_value_goes_on_with_the_same_bits() {
    let codecs = "codecs=[\"raw\",[\"delta\",{stage=\"quantize\",bits=3},\"entropy\"],[\"delta\",\"feedback\",\"sign\"],\
                  [\"prior\",{stage=\"pca\",floats=3},\"bf16\",{stage=\"residual\",\
                  stages=[{stage=\"topk\",part=0.02},{stage=\"kmeans\",clusters=8},\"entropy\"]},\"tune\"]]";
    let spec_of = |seed: &str| spec(&Parts::default(), &[codecs, seed]);
    let whole = tempfile::tempdir().unwrap();
    let whole = start(whole.path(), &spec_of("seed=1"), usize::MAX).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut stops = 0;
    let pieced = loop {
        match start(folder.path(), &spec_of("seed=1"), 1 + stops % 3) {
            Ok(outcome) => break outcome,
            Err(Error::Stopped { .. }) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(stops < 200, "it never ends");
    };
    assert!(stops > 5, "{stops}");
    let labels = ["raw", "delta+quantize(3)+entropy", "delta+feedback+sign"];
    let labels =
        labels.into_iter().chain(["prior+pca(3)+bf16+residual(feedback+topk(0.02)+kmeans(8)+entropy)+tune"]);
    assert!(whole.federations.iter().map(|federation| federation.label.as_str()).eq(labels));
    for (whole, pieced) in whole.federations.iter().zip(&pieced.federations) {
        let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&whole.model), bits(&pieced.model), "{}", whole.label);
        assert_eq!((&whole.rounds, &whole.ledger), (&pieced.rounds, &pieced.ledger), "{}", whole.label);
    }
    // The negative control: another seed comes to something else.
    let folder = tempfile::tempdir().unwrap();
    let other = start(folder.path(), &spec_of("seed=2"), usize::MAX).unwrap();
    assert_ne!(whole.federations[1].model, other.federations[1].model);
}
