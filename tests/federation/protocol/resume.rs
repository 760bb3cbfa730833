//! Runs that are stopped between their rounds go on to the same bits.

use crate::support::{gpu, spec};
use fedfunnel::Error;
use fedfunnel::codec::MessageKind;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{FederationOutcome, Outcome, Parts, SimulationSpec, simulate};
use fedfunnel::progress::Observer;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use std::path::Path;

/// Asks to stop after the round that it waits for.
#[derive(Default)]
struct StopAfter {
    round: Option<u32>,
    stops: bool,
}

impl Observer for StopAfter {
    fn begin(&mut self, _: &str, _: &'static str, _: u64) {}
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

fn start(folder: &Path, spec: &SimulationSpec, observer: &mut StopAfter) -> fedfunnel::Result<Outcome> {
    let data_dir = DataDir::new(folder.join("data"));
    let identity = Identity::new("simulate", &spec.to_toml()?);
    let folder = RunFolder::open(&folder.join("run"), identity, Start::Resume)?;
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
    simulate(&mut Run::open(place, observer)?, spec, &Parts::default())
}

/// Bytes of its updates, without their headers.
fn sizes(federation: &FederationOutcome) -> Vec<u64> {
    let updates = federation.ledger.transfers.iter().filter(|transfer| transfer.kind == MessageKind::Update);
    updates.map(|transfer| transfer.bytes - 3).collect()
}

#[test]
fn what_both_sides_keep_is_gone_on_with_to_the_same_bits() {
    let ternary = "{stage=\"ternary\",count=90}";
    let codecs = [
        "\"raw\"".to_string(),
        "[\"delta\",{stage=\"lbgm\",threshold=0.9}]".to_string(),
        "[\"delta\",\"feedback\",{stage=\"lbgm\",threshold=0.8},{stage=\"topk\",part=0.3}]".to_string(),
        format!("[\"delta\",{{stage=\"relevance\",threshold=0.53}},{ternary}]"),
        format!("[\"delta\",{{stage=\"scallion\",alpha=0.5}},{ternary}]"),
        format!("[\"delta\",\"feedback\",{{stage=\"dropout\",part=0.25}},{ternary}]"),
        "[\"delta\",\"feedback\",{stage=\"synthetic\",steps=5}]".to_string(),
        "[\"scafcom\",{stage=\"topk\",part=0.1}]".to_string(),
        format!(
            "[\"prior\",{{stage=\"pca\",floats=2}},{{stage=\"residual\",stages=[\"scafcom\",{{stage=\"lbgm\",threshold=0.99}},{ternary}]}}]"
        ),
    ];
    let spec = spec(
        &Parts::default(),
        &["rounds=3", "images=300", "collaborators=3", &format!("codecs=[{}]", codecs.join(","))],
    );
    let whole = tempfile::tempdir().unwrap();
    let whole = start(whole.path(), &spec, &mut StopAfter::default()).unwrap();
    assert_eq!(whole.federations.len(), codecs.len());
    for round in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let mut stops = 0;
        let pieced = loop {
            let mut observer = StopAfter { round: Some(round), ..StopAfter::default() };
            match start(folder.path(), &spec, &mut observer) {
                Ok(outcome) => break outcome,
                Err(Error::Stopped { .. }) => stops += 1,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(stops, codecs.len(), "once in each federation");
        for (whole, pieced) in whole.federations.iter().zip(&pieced.federations) {
            let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert!(bits(&whole.model) == bits(&pieced.model), "{}", whole.label);
            assert_eq!((&whole.rounds, &whole.ledger), (&pieced.rounds, &pieced.ledger), "{}", whole.label);
        }
    }
    // The negative control: no two codecs come to the same.
    for (place, one) in whole.federations.iter().enumerate() {
        assert!(whole.federations[..place].iter().all(|other| other.model != one.model), "{}", one.label);
    }
    // Multiples and updates that are left out are among what was said.
    let [_, lbgm, owed, relevance, ..] = whole.federations.as_slice() else { panic!("federations") };
    assert!(sizes(lbgm)[3..].contains(&5), "{:?}", sizes(lbgm));
    assert!(sizes(owed)[3..].contains(&5), "{:?}", sizes(owed));
    let left_out = sizes(relevance)[3..].iter().filter(|bytes| **bytes == 1).count();
    assert!((1..6).contains(&left_out), "{:?}", sizes(relevance));
}
