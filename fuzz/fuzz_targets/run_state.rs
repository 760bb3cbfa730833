//! Arbitrary bytes as the state of a simulation: what is not refused in words can be gone on with.
//!
//! The first byte says which state it is taken for, those behind it are the file.

#![no_main]

use fedfunnel::data::DataDir;
use fedfunnel::federation::{Parts, SavedStage, SimulationSpec, StateCheck};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::OnceLock;

/// The words that every refusal ends with.
const MEND: &str = "start over with --overwrite, or in another folder";

/// The simulations whose states these could be: one of each kind of pre-pass, and every stage that keeps something.
fn checks() -> &'static [StateCheck; 2] {
    static CHECKS: OnceLock<[StateCheck; 2]> = OnceLock::new();
    let check = |prepass: &str| {
        let settings = [
            "images=200",
            "test_images=50",
            "rounds=3",
            "prepass.snapshot_every=2",
            prepass,
            "autoencoder.space=small",
            "strategy=fedavgm",
            "codecs=[\"raw\",\"autoencoder\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.02}],\
             [\"feedback\",{stage=\"pca\",floats=3},\"f16\"]]",
        ];
        let spec = SimulationSpec::load("demo", &settings.map(String::from)).expect("a spec");
        StateCheck::new(&spec, &Parts::default(), &DataDir::new("data")).expect("built-in data")
    };
    CHECKS.get_or_init(|| [check("prepass.epochs=3"), check("prepass={kind=\"federated\",rounds=2,snapshot_every=2}")])
}

fuzz_target!(|input: &[u8]| {
    let Some((&which, bytes)) = input.split_first() else { return };
    let which = usize::from(which);
    let place = which / 2 % 4;
    let stage = match which / 8 % 3 {
        0 => SavedStage::Prepass,
        1 => SavedStage::Setup(place),
        _ => SavedStage::Rounds(place),
    };
    if let Err(error) = checks()[which % 2].check(Path::new("state"), stage, bytes.to_vec()) {
        let text = error.to_string();
        assert!(text.starts_with("state: ") && text.ends_with(MEND), "{text}");
    }
});
