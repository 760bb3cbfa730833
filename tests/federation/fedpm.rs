//! FedPM by hand: how masks become probabilities, what crosses the wire, and what the models are.

use crate::support::{gpu, run, spec, strategy_round};
use fedfunnel::codec::{MessageKind, PartSpec, PipelineSpec, Values};
use fedfunnel::federation::{
    Arrived, Direction, Outcome, Parts, Strategy, StrategyRound, System, SystemContext,
};
use fedfunnel::model::{ClassifierSpec, FrozenNetwork, MaskFile, ModelSpec, Optimizer};
use std::path::Path;

const P: usize = 15_910;

fn classifier() -> ClassifierSpec {
    ModelSpec::load("mnist-mlp").and_then(ModelSpec::classifier).expect("a classifier")
}

fn system(options: &str) -> fedfunnel::Result<Box<dyn System>> {
    let options: toml::Table = options.parse().expect("TOML");
    let part = PartSpec { name: Some("fedpm".into()), options };
    let (classifier, optimizer) = (classifier(), Optimizer::default());
    let context = SystemContext { classifier: &classifier, seed: 3, optimizer: &optimizer };
    Parts::default().systems.make(&part, &context)
}

/// The probabilities that these masks come to in a round of this number, by a rule that has seen the ones before.
fn counted(strategy: &mut Strategy, round: StrategyRound<'_>, masks: &[[f32; 4]]) -> Vec<f32> {
    let arrived = |(who, mask): (u32, &[f32; 4])| Arrived {
        who,
        // Numbers of images do not count.
        samples: 10 + 90 * who as usize,
        steps: 1,
        update: Values::Host(mask.to_vec()),
        loss: None,
        staleness: 0,
    };
    let arrived: Vec<_> = (0..).zip(masks).map(arrived).collect();
    strategy.combine.combine(&round, &arrived).expect("probabilities")
}

#[test]
fn probabilities_are_the_mode_of_a_beta_distribution() {
    let global = [0.5f32; 4];
    let round = strategy_round(&global);
    let masks = [[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]];
    // With a prior of 1 it is the share of masks that keep a parameter; all of four are asked, and each round is anew.
    let mut strategy = system("").unwrap().strategy();
    assert_eq!(counted(&mut strategy, round, &masks), [1.0, 0.5, 0.25, 0.0]);
    let next = StrategyRound { number: 2, ..round };
    assert_eq!(counted(&mut strategy, next, &masks[3..]), [1.0, 1.0, 0.0, 0.0]);
    // alpha = 2 + 4, beta = 2: 5 / 6; the others by 2, 1 and 0 of four masks.
    let mut strategy = system("prior = 2.0").unwrap().strategy();
    let due = [5.0 / 6.0, 3.0 / 6.0, 2.0 / 6.0, 1.0 / 6.0];
    for (got, due) in counted(&mut strategy, round, &masks).iter().zip(due) {
        assert!((f64::from(*got) - due).abs() < 1e-7, "{got} {due}");
    }
}

#[test]
fn masks_are_counted_until_everybody_was_asked_once() {
    let global = [0.5f32; 4];
    // One of four is asked in a round: counts begin anew after four.
    let at = |number| StrategyRound { number, asked: 1, ..strategy_round(&global) };
    let mut strategy = system("").unwrap().strategy();
    let one = |mask: [f32; 4]| vec![mask];
    assert_eq!(counted(&mut strategy, at(1), &one([1.0, 1.0, 0.0, 0.0])), [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(counted(&mut strategy, at(2), &one([1.0, 0.0, 0.0, 0.0])), [1.0, 0.5, 0.0, 0.0]);
    assert_eq!(counted(&mut strategy, at(4), &one([1.0, 0.0, 1.0, 0.0])), [1.0, 1.0 / 3.0, 1.0 / 3.0, 0.0]);
    assert_eq!(counted(&mut strategy, at(5), &one([0.0, 0.0, 1.0, 1.0])), [0.0, 0.0, 1.0, 1.0]);
    // Another number of rounds where one is given.
    let mut strategy = system("reset = 2").unwrap().strategy();
    counted(&mut strategy, at(1), &one([1.0; 4]));
    assert_eq!(counted(&mut strategy, at(2), &one([0.0; 4])), [0.5; 4]);
    assert_eq!(counted(&mut strategy, at(3), &one([0.0; 4])), [0.0; 4]);
}

#[test]
fn hostile_updates_count_as_a_mask_at_most() {
    let global = [0.5f32; 4];
    let mut strategy = system("").unwrap().strategy();
    let masks = [[1e30, f32::NAN, -7.0, 0.5], [0.0, 1.0, 1.0, 0.0]];
    assert_eq!(counted(&mut strategy, strategy_round(&global), &masks), [0.5, 0.5, 0.5, 0.25]);
    // What a checkpoint has is held to what counts can be.
    strategy.combine.check_kept(4).unwrap();
    assert!(strategy.combine.check_kept(5).is_err());
    strategy.combine.kept().put("ones", vec![3.0; 4]);
    assert!(strategy.combine.check_kept(4).is_err());
}

#[test]
fn options_are_refused_in_words() {
    for (options, words) in [
        ("prior = 0.5", "use 1 or more"),
        ("lr = 0.0", "lr is 0"),
        ("reset = 0", "reset is 0"),
        ("clip = 0.7", "clip is 0.7"),
        ("prier = 2.0", "unknown field `prier`"),
    ] {
        let error = system(options).err().map_or(String::new(), |error| error.to_string());
        assert!(error.contains(words), "{options}: {error}");
    }
}

/// What is sent and kept of a parameter that is frozen at zero is nothing.
#[test]
fn biases_are_never_kept() {
    let system = system("").unwrap();
    let initial = system.initial();
    let layout = classifier().layout();
    for tensor in layout.tensors() {
        let due = if tensor.shape.len() == 1 { 0.0 } else { 0.5 };
        assert!(initial[tensor.range.clone()].iter().all(|&value| value == due), "{}", tensor.name);
    }
    let weights = system.weights(gpu(), &vec![1.0; P]).unwrap();
    assert_eq!(weights, FrozenNetwork::new(&layout, 3).weights());
    assert_eq!(system.weights(gpu(), &vec![0.0; P]).unwrap(), vec![0.0; P]);
}

const CODECS: &str = "codecs=[\"raw\",\"fedpm\"]";

fn simulated(settings: &[&str]) -> Outcome {
    let (folder, parts) = (tempfile::tempdir().expect("a folder"), Parts::default());
    run(
        folder.path(),
        &spec(&parts, &[&[CODECS, "local_epochs=3", "batch=16"][..], settings].concat()),
        &parts,
    )
}

#[test]
fn masks_learn_at_a_bit_a_parameter_and_the_model_is_a_seed_and_a_mask() {
    let more =
        ["images=1000", "test_images=200", "collaborators=4", "local_epochs=4", "batch=10", "rounds=4"];
    let outcome = simulated(&more);
    let own = &outcome.federations[1];
    assert_eq!(own.label, PipelineSpec::from_text("codec", "fedpm").unwrap().to_text());
    let tests: Vec<_> = own.tests().map(|(_, tested)| tested.test_accuracy).collect();
    assert!(tests[3] > 0.65 && tests[3] > tests[0], "{tests:?}");
    let updates =
        own.ledger.transfers.iter().filter(|t| (t.direction, t.kind) == (Direction::Up, MessageKind::Update));
    for update in updates {
        assert!(update.bytes <= 3 + 1 + P.div_ceil(8) as u64, "{} bytes", update.bytes);
    }
    let mask = MaskFile::of(&outcome.classifier, outcome.spec.seed, &own.model).expect("a mask");
    // A header beside the bits of a model that is small.
    assert!(mask.to_bytes().len() < P / 8 + 64);
    assert_eq!(mask.weights(&outcome.classifier, Path::new("own.mask")).unwrap(), own.model);
    assert!(MaskFile::of(&outcome.classifier, outcome.spec.seed, &outcome.raw().model).is_none());
    let local = &own.rounds[3].local_test_accuracy;
    assert!(!local.is_empty() && local.iter().all(|accuracy| *accuracy > 0.4), "{local:?}");
}

#[test]
fn masks_come_to_the_same_bits_whatever_trains_side_by_side() {
    let model = |settings: &[&str]| simulated(settings).federations.swap_remove(1).model;
    let more = ["collaborators=3", "rounds=2"];
    let together = model(&more);
    assert_eq!(together, model(&[&more[..], &["cohort=1"]].concat()));
    assert_eq!(together, model(&[&more[..], &["cohort=2"]].concat()));
    assert_ne!(together, model(&[&more[..], &["seed=1"]].concat()));
}
