//! Runs with codes that are stopped between their rounds and gone on with end with the same bits.

use crate::support::{gpu, spec};
use fedfunnel::Error;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Outcome, Parts, SimulationSpec, simulate};
use fedfunnel::progress::Observer;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use std::path::Path;

/// Asks to stop after the round that it waits for.
#[derive(Default)]
pub struct StopAfter {
    round: Option<u32>,
    stops: bool,
    begun: Vec<String>,
}

impl StopAfter {
    pub fn of(round: u32) -> Self {
        Self { round: Some(round), ..Self::default() }
    }
}

impl Observer for StopAfter {
    fn begin(&mut self, what: &str, _: &'static str, _: u64) {
        self.begun.push(what.into());
    }

    fn advance(&mut self, _: u64) {}

    fn note(&mut self, text: &str) {
        let is_due = |round: u32| text.starts_with(&format!("round {round}/"));
        self.stops |= self.round.is_some_and(is_due);
    }

    fn end(&mut self) {}

    fn stop(&self) -> bool {
        self.stops
    }
}

pub fn start(folder: &Path, spec: &SimulationSpec, observer: &mut StopAfter) -> fedfunnel::Result<Outcome> {
    let data_dir = DataDir::new(folder.join("data"));
    let identity = Identity::new("simulate", &spec.to_toml()?);
    let folder = RunFolder::open(&folder.join("run"), identity, Start::Resume)?;
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
    simulate(&mut Run::open(place, observer)?, spec, &Parts::default())
}

#[test]
fn codes_of_every_kind_are_gone_on_with_to_the_same_bits() {
    let pca = "{stage=\"pca\",floats=4,ship=\"int8\",shared=true}";
    let residual = "{stage=\"residual\",stages=[{stage=\"ternary\",count=90}]}";
    let own = "{stage=\"pca\",floats=4}";
    let codecs = format!(
        "codecs=[\"raw\",[\"prior\",{pca},\"f16\",{residual},\"tune\"],\
         {{stages=[\"prior\",{pca},\"f16\",\"tune\"],downlink=\"code\",local_epochs=2}},\
         [\"prior\",{own},\"feedback\",{{stage=\"topk\",part=0.5}},\"tune\"],\
         [\"prior\",{{stage=\"autoencoder\",shared=true}},\"tune\"],\
         [\"prior\",{own},\"f16\",{residual},\"filters\",\"tune\"],\
         [\"prior\",{own},\"f16\",\"tune\",{{stage=\"refresh\",every=1,axes=2}}]]"
    );
    let small = ["autoencoder.space=small", "autoencoder.epochs=10", "autoencoder.latent=3"];
    let spec = spec(&Parts::default(), &[&["rounds=3", &codecs][..], &small].concat());
    let whole = tempfile::tempdir().unwrap();
    let whole = start(whole.path(), &spec, &mut StopAfter::default()).unwrap();
    assert_eq!(whole.federations.len(), 7);
    for round in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let (mut stops, mut begun) = (0, Vec::new());
        let pieced = loop {
            let mut observer = StopAfter::of(round);
            let result = start(folder.path(), &spec, &mut observer);
            begun.extend(observer.begun);
            match result {
                Ok(outcome) => break outcome,
                Err(Error::Stopped { .. }) => stops += 1,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(stops, 7, "once in each federation");
        let learned = begun.iter().filter(|what| *what == "principal axes").count();
        assert_eq!(learned, 5, "nothing is learned twice");
        for (whole, pieced) in whole.federations.iter().zip(&pieced.federations) {
            let label = &whole.label;
            let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert!(bits(&whole.model) == bits(&pieced.model), "{label}");
            assert_eq!((&whole.rounds, &whole.ledger), (&pieced.rounds, &pieced.ledger), "{label}");
            let alone = [whole, pieced].map(|one| one.tuned_alone.map(|tested| tested.plain));
            assert_eq!(alone[0], alone[1], "{label}");
        }
    }
    // The negative control: no two codecs come to the same.
    for (place, one) in whole.federations.iter().enumerate() {
        assert!(whole.federations[..place].iter().all(|other| other.model != one.model), "{}", one.label);
    }
}
