//! HideNseek by hand: what pruning leaves, what crosses the wire, and what the models are.

use crate::checkpoint::{assert_same_bits, both_ways};
use crate::support::{gpu, run, spec};
use fedfunnel::codec::{MessageKind, PartSpec};
use fedfunnel::federation::{Direction, Outcome, Parts, System, SystemContext};
use fedfunnel::model::{ClassifierSpec, ModelSpec, Optimizer, random_weights, synaptic_saliency};

/// Weights of the classifier's matrices, and a fifth of them.
const MATRICES: usize = 15_880;
const LEFT: usize = 3_176;

fn classifier() -> ClassifierSpec {
    ModelSpec::load("mnist-mlp").and_then(ModelSpec::classifier).expect("a classifier")
}

fn system(options: &str) -> fedfunnel::Result<Box<dyn System>> {
    let options: toml::Table = options.parse().expect("TOML");
    let part = PartSpec { name: Some("hidenseek".into()), options };
    let (classifier, optimizer) = (classifier(), Optimizer::default());
    let context = SystemContext { classifier: &classifier, seed: 3, optimizer: &optimizer };
    Parts::default().systems.make(&part, &context)
}

#[test]
fn the_most_salient_weights_are_left_with_the_signs_that_most_have() {
    let layout = classifier().layout();
    let (weights, system) = (random_weights(&layout, 3), system("").unwrap());
    let saliency = synaptic_saliency(&layout, &weights);
    let initial = system.initial();
    assert_eq!((initial.len(), system.layout().parameters()), (LEFT, LEFT));
    // The first model is the network as it was drawn, where it is left.
    let model = system.weights(gpu(), &initial).unwrap();
    let least = model.iter().zip(&saliency).filter(|(weight, _)| **weight != 0.0).map(|(_, own)| *own);
    let least = least.fold(f64::INFINITY, f64::min);
    for ((own, drawn), saliency) in model.iter().zip(&weights).zip(&saliency) {
        let due = if *saliency >= least { *drawn } else { 0.0 };
        assert_eq!(*own, due);
    }
    // As many plus signs as minus signs are a plus.
    let plus = system.weights(gpu(), &[0.5; LEFT]).unwrap();
    let minus = system.weights(gpu(), &[0.49; LEFT]).unwrap();
    for ((plus, minus), own) in plus.iter().zip(minus).zip(&model) {
        assert_eq!((*plus, minus), (own.abs(), -own.abs()));
    }
}

#[test]
fn options_are_refused_in_words() {
    for (options, words) in [
        ("keep = 0.0", "keep is 0"),
        ("keep = 1.01", "keep is 1.01"),
        ("keep = 0.001", "nothing is left of 0.weight"),
        ("lr = 0.0", "lr is 0"),
        ("kept = 0.5", "unknown field `kept`"),
    ] {
        let error = system(options).err().map_or(String::new(), |error| error.to_string());
        assert!(error.contains(words), "{options}: {error}");
    }
    assert_eq!(system("keep = 1.0").unwrap().initial().len(), MATRICES);
}

fn simulated(settings: &[&str]) -> Outcome {
    let (folder, parts) = (tempfile::tempdir().expect("a folder"), Parts::default());
    let shared = ["codecs=[\"raw\",\"hidenseek\"]", "local_epochs=3", "batch=10"];
    run(folder.path(), &spec(&parts, &[&shared[..], settings].concat()), &parts)
}

#[test]
fn signs_learn_at_a_bit_for_each_weight_that_is_left() {
    let more = ["images=1000", "test_images=200", "collaborators=4", "rounds=4"];
    let outcome = simulated(&more);
    let own = &outcome.federations[1];
    let tests: Vec<_> = own.tests().map(|(_, tested)| tested.test_accuracy).collect();
    assert!(tests[3] > 0.6 && tests[3] > tests[0] - 0.05, "{tests:?}");
    let updates =
        own.ledger.transfers.iter().filter(|t| (t.direction, t.kind) == (Direction::Up, MessageKind::Update));
    let bytes: Vec<_> = updates.map(|update| update.bytes).collect();
    assert!(
        bytes.len() == 16 && bytes.iter().all(|bytes| *bytes <= 3 + 1 + LEFT.div_ceil(8) as u64),
        "{bytes:?}"
    );
    assert_eq!(own.model.iter().filter(|weight| **weight != 0.0).count(), LEFT);
}

#[test]
fn signs_come_to_the_same_bits_whatever_trains_side_by_side() {
    let model = |settings: &[&str]| simulated(settings).federations.swap_remove(1).model;
    let more = ["collaborators=3"];
    let together = model(&more);
    assert_eq!(together, model(&[&more[..], &["cohort=1"]].concat()));
    assert_ne!(together, model(&[&more[..], &["seed=1"]].concat()));
}

#[test]
fn a_run_that_is_stopped_ends_with_the_same_signs() {
    let settings =
        ["collaborators=3", "rounds=3", "codecs=[\"raw\",{system=\"hidenseek\",downlink=[\"f16\"]}]"];
    let spec = spec(&Parts::default(), &settings);
    let [whole, pieced] = both_ways(&spec, |_, _, stops| assert!(stops >= 2, "{stops}"));
    assert_same_bits(&whole, &pieced);
    assert_ne!(whole.federations[0].model, whole.federations[1].model);
}
