//! Federated rank learning by hand: how rankings are voted on, what crosses the wire, and what attackers come to.

use crate::checkpoint::{assert_same_bits, both_ways};
use crate::support::{gpu, pipeline, receive, run, spec, strategy_round, through};
use fedfunnel::Error;
use fedfunnel::codec::{Kept, MessageKind, PartSpec, Values};
use fedfunnel::federation::{Arrived, Direction, Outcome, Parts, System, SystemContext};
use fedfunnel::model::{ClassifierSpec, FrozenNetwork, Layout, MaskFile, ModelSpec, Optimizer, Ranking};

const P: usize = 15_910;
/// Weights of its matrices, and the bytes of a permutation of each: the logarithms of 15,680! and of 200!, rounded up in
/// each number of 128 bits.
const MATRICES: [usize; 2] = [15_680, 200];

fn classifier() -> ClassifierSpec {
    ModelSpec::load("mnist-mlp").and_then(ModelSpec::classifier).expect("a classifier")
}

fn system_of(classifier: &ClassifierSpec, options: &str) -> fedfunnel::Result<Box<dyn System>> {
    let options: toml::Table = options.parse().expect("TOML");
    let part = PartSpec { name: Some("frl".into()), options };
    let optimizer = Optimizer::default();
    let context = SystemContext { classifier, seed: 3, optimizer: &optimizer };
    Parts::default().systems.make(&part, &context)
}

fn system(options: &str) -> fedfunnel::Result<Box<dyn System>> {
    system_of(&classifier(), options)
}

/// What the system makes of these updates, for the network of 44 weights: matrices of 24 and 12 weights, behind each a
/// bias of 6 and of 2.
fn voted(updates: Vec<Vec<f32>>) -> Vec<f32> {
    let global = vec![0f32; 44];
    let arrived = |(who, update): (u32, Vec<f32>)| Arrived {
        who,
        // Numbers of images do not count.
        samples: 10 + 90 * who as usize,
        steps: 1,
        update: Values::Host(update),
        loss: None,
        staleness: 0,
    };
    let arrived: Vec<_> = (0..).zip(updates).map(arrived).collect();
    let mut strategy = system_of(&crate::support::small_classifier(), "").unwrap().strategy();
    strategy.combine.combine(&strategy_round(&global), &arrived).expect("a ranking")
}

/// A ranking of the small network in which the last matrix is as given and the first one is in order.
fn ending(last: [f32; 12]) -> Vec<f32> {
    let first = (0..24).map(|rank| rank as f32);
    first.chain([0.0; 6]).chain(last).chain([0.0; 2]).collect()
}

#[test]
fn places_are_ordered_by_the_sums_of_their_ranks() {
    // The sums of the first four places are 0 + 1 + 3, 1 + 0 + 2, 2 + 3 + 1 and 3 + 2 + 0: 4, 3, 6 and 5. The others are
    // as all have them.
    let rest = |first: [f32; 4]| {
        let rest = (4..12).map(|rank| rank as f32);
        ending(first.into_iter().chain(rest).collect::<Vec<_>>().try_into().unwrap())
    };
    let voters = vec![rest([0.0, 1.0, 2.0, 3.0]), rest([1.0, 0.0, 3.0, 2.0]), rest([3.0, 2.0, 1.0, 0.0])];
    assert_eq!(voted(voters), rest([1.0, 0.0, 3.0, 2.0]));
    // Two that are each other's reverse say nothing, and places are in their own order.
    let turned: Vec<_> = (0..12).rev().map(|rank| rank as f32).collect();
    let both = vec![ending(std::array::from_fn(|rank| rank as f32)), ending(turned.try_into().unwrap())];
    assert_eq!(voted(both), ending(std::array::from_fn(|rank| rank as f32)));
    // Nobody changes nothing.
    assert_eq!(voted(Vec::new()), vec![0.0; 44]);
}

#[test]
fn whatever_arrives_has_one_vote() {
    let own = ending(std::array::from_fn(|rank| rank as f32));
    // A million times as loud, and turned around: it is outvoted by two.
    let loud: Vec<_> = own.iter().map(|rank| -1e6 * rank).collect();
    assert_eq!(voted(vec![loud, own.clone(), own.clone()]), own);
    let strange = (0..44).map(|place| [f32::NAN, f32::INFINITY, -1e30, 7.5][place % 4]).collect();
    let result = voted(vec![strange]);
    let ranking = Ranking::new(&crate::support::small_classifier().layout());
    assert_eq!(ranking.of(&result), result);
    assert_ne!(result, own);
}

#[test]
fn options_are_refused_in_words() {
    for (options, words) in [
        ("keep = 0.0", "keep is 0"),
        ("keep = 1.5", "keep is 1.5"),
        ("lr = -1.0", "lr is -1"),
        ("momentum = 1.0", "momentum is 1"),
        ("refresh = 0", "refresh is 0"),
        ("keeps = 0.5", "unknown field `keeps`"),
    ] {
        let error = system(options).err().map_or(String::new(), |error| error.to_string());
        assert!(error.contains(words), "{options}: {error}");
    }
}

#[test]
fn the_network_keeps_the_weights_of_the_highest_ranks() {
    let layout = classifier().layout();
    let frozen = FrozenNetwork::new(&layout, 3);
    for (keep, due) in [(0.5, [7_840, 100]), (0.1, [1_568, 20]), (1.0, [15_680, 200])] {
        let system = system(&format!("keep = {keep}")).unwrap();
        let ranks = system.initial();
        let weights = system.weights(gpu(), &ranks).unwrap();
        let matrices = layout.tensors().iter().filter(|tensor| tensor.shape.len() > 1);
        for (tensor, kept) in matrices.zip(due) {
            let least = (tensor.range.len() - kept) as f32;
            for place in tensor.range.clone() {
                let due = if ranks[place] >= least { frozen.weights()[place] } else { 0.0 };
                assert_eq!(weights[place], due, "{place}");
            }
        }
    }
    // Values that are no ranks stand for theirs.
    let system = system("").unwrap();
    let scaled: Vec<_> = system.initial().iter().map(|rank| 0.25 * rank - 9.0).collect();
    assert_eq!(system.weights(gpu(), &scaled).unwrap(), system.weights(gpu(), &system.initial()).unwrap());
}

/// The bytes of a permutation of each matrix.
fn due_bytes() -> f64 {
    let logarithm = |count: usize| (1..=count).map(|number| (number as f64).log2()).sum::<f64>();
    MATRICES.map(logarithm).iter().sum::<f64>() / 8.0
}

#[test]
fn a_ranking_crosses_in_the_logarithm_of_the_number_of_permutations() {
    let (parts, ranking) = (Parts::default(), Ranking::new(&classifier().layout()));
    let codec = pipeline(&parts, "\"ranking\"", P).unwrap();
    let values: Vec<_> = (0..P).map(|place| ((place * 7_919) % 9_973) as f32 - 3_000.0).collect();
    let (bytes, decoded) = through(&codec, &mut Kept::default(), &vec![0.0; P], &values);
    assert_eq!(decoded, ranking.of(&values));
    let due = due_bytes();
    assert!((due..1.01 * due).contains(&(bytes.len() as f64)), "{} of {due} bytes", bytes.len());
    // Whatever attackers send is a permutation, and a permutation is what arrives.
    let hostile: Vec<_> = (0..P).map(|place| [f32::NAN, f32::INFINITY, 0.0][place % 3]).collect();
    let (same, decoded) = through(&codec, &mut Kept::default(), &vec![0.0; P], &hostile);
    assert_eq!(same.len(), bytes.len());
    assert_eq!(decoded, ranking.of(&hostile));
    // Numbers that are beyond the last permutation are refused, and so are bytes too few and too many.
    let ones = vec![0xff; bytes.len()];
    for (bytes, words) in
        [(&ones[..], "no permutation"), (&bytes[..bytes.len() - 1], ""), (&[&bytes[..], &[0]].concat(), "")]
    {
        let error = receive(&codec, &vec![0.0; P], bytes).expect_err("a refusal");
        assert!(matches!(error, Error::Message { .. }) && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn models_without_matrices_and_values_that_are_no_model_are_refused() {
    let parts = Parts::default();
    assert_eq!(Layout::flat(10).tensors().len(), 1);
    let error = pipeline(&parts, "\"ranking\"", 10).err().expect("a refusal").to_string();
    assert!(error.contains("no matrix to rank"), "{error}");
}

fn simulated(codecs: &str, settings: &[&str]) -> Outcome {
    let (folder, parts) = (tempfile::tempdir().expect("a folder"), Parts::default());
    let codecs = format!("codecs=[\"raw\",{codecs}]");
    run(
        folder.path(),
        &spec(&parts, &[&[codecs.as_str(), "local_epochs=2", "batch=10"][..], settings].concat()),
        &parts,
    )
}

#[test]
fn rankings_learn_and_the_model_is_a_seed_and_a_mask() {
    let more = ["images=1000", "test_images=200", "collaborators=4", "rounds=6"];
    let outcome = simulated("\"frl\"", &more);
    let own = &outcome.federations[1];
    let tests: Vec<_> = own.tests().map(|(_, tested)| tested.test_accuracy).collect();
    assert!(tests[5] > 0.7 && tests[5] > tests[0], "{tests:?}");
    let updates =
        own.ledger.transfers.iter().filter(|t| (t.direction, t.kind) == (Direction::Up, MessageKind::Update));
    let mut count = 0;
    for update in updates {
        assert!((update.bytes as f64) < 1.01 * due_bytes() + 8.0, "{} bytes", update.bytes);
        count += 1;
    }
    assert_eq!(count, 24);
    let mask = MaskFile::of(&outcome.classifier, outcome.spec.seed, &own.model).expect("a mask");
    assert!(mask.to_bytes().len() < P / 8 + 128, "{} bytes", mask.to_bytes().len());
    let kept = own.model.iter().filter(|weight| **weight != 0.0).count();
    assert_eq!(kept, MATRICES.iter().sum::<usize>() / 2);
    let local = &own.rounds[5].local_test_accuracy;
    assert!(!local.is_empty() && local.iter().all(|accuracy| *accuracy > 0.4), "{local:?}");
}

#[test]
fn rankings_come_to_the_same_bits_whatever_trains_side_by_side() {
    let model = |settings: &[&str]| {
        simulated("{system=\"frl\",refresh=3}", settings).federations.swap_remove(1).model
    };
    let more = ["collaborators=3"];
    let together = model(&more);
    assert_eq!(together, model(&[&more[..], &["cohort=1"]].concat()));
    assert_eq!(together, model(&[&more[..], &["cohort=2"]].concat()));
    assert_ne!(together, model(&[&more[..], &["seed=1"]].concat()));
}

#[test]
fn reversed_rankings_are_outvoted() {
    let more = ["images=1000", "test_images=200", "collaborators=5", "rounds=5"];
    let last = |settings: &[&str]| {
        let outcome = simulated("\"frl\"", &[&more[..], settings].concat());
        outcome.federations[1].tests().last().expect("a test").1.test_accuracy
    };
    let clean = last(&[]);
    let attacked = last(&["attack={kind=\"sign-flip\",part=0.2}"]);
    let loud = last(&["attack={kind=\"sign-flip\",part=0.2,strength=1000.0}"]);
    assert!(attacked > clean - 0.1 && loud > clean - 0.1, "{clean} {attacked} {loud}");
    // A strength makes no difference to a ranking.
    assert_eq!(attacked, loud);
    // The negative control: attackers that are many are not outvoted.
    let many = last(&["attack={kind=\"sign-flip\",part=0.8}"]);
    assert!(many < clean - 0.2, "{clean} {many}");
}

#[test]
fn a_run_that_is_stopped_ends_with_the_same_ranking() {
    let settings = [
        "collaborators=3",
        "rounds=3",
        "participation={per_round=2}",
        "codecs=[\"raw\",\"frl\",{system=\"frl\",downlink=[\"ranking\"]}]",
    ];
    let spec = spec(&Parts::default(), &settings);
    let [whole, pieced] = both_ways(&spec, |_, _, stops| assert!(stops >= 2, "{stops}"));
    assert_same_bits(&whole, &pieced);
    // A ranking that goes down as one is as it was.
    assert_eq!(whole.federations[1].model, whole.federations[2].model);
    assert!(whole.federations[2].ledger.bytes(|_| true) < whole.federations[1].ledger.bytes(|_| true));
    assert_ne!(whole.federations[0].model, whole.federations[1].model);
}
