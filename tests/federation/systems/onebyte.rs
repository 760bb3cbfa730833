//! One byte a step: exact bytes in both directions, and the same bits on every side.

use crate::support::{gpu, receive, run_on, small_classifier, spec, strategy_round};
use fedfunnel::codec::{Context, MessageKind, PartSpec, PipelineSpec, Values};
use fedfunnel::data::DataDir;
use fedfunnel::federation::{
    Arrived, Direction, FederationOutcome, Outcome, Parts, SavedStage, SimulationSpec, StateCheck, System,
    SystemContext, check, simulate,
};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::state::{StateFile, StateWriter, TensorShape};
use fedfunnel::model::{ClassifierSpec, ModelSpec, Optimizer};
use fedfunnel::ops::directions::DirectionKind;
use fedfunnel::progress::{Observer, Quiet};
use fedfunnel::reference::directions as twin;
use fedfunnel::reference::random::pcg4d;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::{Error, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const P: usize = 15_910;
const WHOLE: u64 = 3 + 4 * P as u64;

/// A fast federation with other settings.
fn small(options: &str, settings: &[&str]) -> SimulationSpec {
    let codecs = format!("codecs=[\"raw\",{{system=\"onebyte\"{options}}}]");
    spec(&Parts::default(), &[&[codecs.as_str(), "batch=16", "local_epochs=3"][..], settings].concat())
}

/// Plays it, or goes on with it.
fn play(folder: &Path, spec: &SimulationSpec, observer: &mut dyn Observer) -> Result<Outcome> {
    let data_dir = DataDir::new(folder.join("data"));
    let identity = Identity::new("simulate", &spec.to_toml()?);
    let folder = RunFolder::open(&folder.join("run"), identity, Start::Resume)?;
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder, command: "a test" };
    simulate(&mut Run::open(place, observer)?, spec, &Parts::default())
}

fn simulated(options: &str, settings: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    play(folder.path(), &small(options, settings), &mut Quiet).unwrap_or_else(|error| panic!("{error}"))
}

/// The system as a spec makes it.
fn system(options: &str, classifier: &ClassifierSpec, seed: u64) -> Result<Box<dyn System>> {
    let part = PartSpec { name: Some("onebyte".into()), options: options.parse().expect("TOML") };
    let optimizer = Optimizer::default();
    Parts::default().systems.make(&part, &SystemContext { classifier, seed, optimizer: &optimizer })
}

/// An update that counts.
fn one(who: u32, samples: usize, steps: usize, update: Vec<f32>) -> Arrived {
    let update = Values::Host(update);
    Arrived { who, samples, steps: steps as u64, update, loss: None, staleness: 0 }
}

/// Bytes of the models that went down, by round and collaborator.
fn models(federation: &FederationOutcome) -> Vec<(u32, u32, u64)> {
    let down = federation.ledger.transfers.iter().filter(|t| t.direction == Direction::Down);
    down.inspect(|t| assert_eq!(t.kind, MessageKind::Model))
        .map(|t| (t.round, t.collaborator, t.bytes))
        .collect()
}

#[test]
fn up_goes_a_byte_a_step_and_down_go_the_bytes_of_all() {
    let outcome = simulated("", &["rounds=3"]);
    let own = &outcome.federations[1];
    assert_eq!((own.label.as_str(), &outcome.samples), ("onebyte", &vec![100, 100]));
    let steps = 3 * 100u64.div_ceil(16);
    let update = 1 + steps;
    assert_eq!(own.ledger.message_bytes(Direction::Up, MessageKind::Update), Some(3 + update));
    // An id, a number of images and one of bytes for each; and the first model is drawn from the seed.
    let echo = 3 + 2 * (3 + update);
    let due = [(1, 3), (2, echo), (3, echo)];
    let due: Vec<_> = due.iter().flat_map(|&(round, bytes)| [(round, 0, bytes), (round, 1, bytes)]).collect();
    assert_eq!(models(own), due);
    for (round, down) in own.rounds.iter().zip([3, echo, echo]) {
        assert_eq!((round.bytes_up, round.bytes_down), (2 * (3 + update), 2 * down));
    }
    assert!(own.rounds.iter().all(|round| round.local_test_accuracy.len() == 2));
}

#[test]
fn it_learns_by_passes_forward_alone() {
    let outcome = simulated(",lr=0.003", &["rounds=3", "local_epochs=40"]);
    let own = &outcome.federations[1];
    let tested = |round: usize| own.rounds[round].tested.expect("a test");
    assert!(tested(2).test_loss < tested(0).test_loss - 0.05, "{:?} to {:?}", tested(0), tested(2));
    let losses: Vec<_> = own.rounds.iter().filter_map(|round| round.train_loss).collect();
    assert!(losses[2] < losses[0], "{losses:?}");
}

#[test]
fn the_same_bits_come_of_every_cohort_and_device() {
    let model =
        |options: &str, settings: &[&str]| simulated(options, settings).federations.swap_remove(1).model;
    let shares = ["collaborators=5", "partition={kind=\"dirichlet\",alpha=0.5}"];
    for options in ["", ",directions=\"normal\""] {
        let together = model(options, &shares);
        for cohort in ["cohort=1", "cohort=3"] {
            assert_eq!(together, model(options, &[&shares[..], &[cohort]].concat()));
        }
        assert_ne!(together, model(options, &[&shares[..], &["seed=1"]].concat()));
    }
    // A device of its own too.
    let (folder, parts) = (tempfile::tempdir().expect("a folder"), Parts::default());
    let other = Gpu::open(&GpuOptions::default()).expect("a device");
    let own = run_on(&other, folder.path(), &small("", &shares), &parts);
    assert_eq!(own.federations[1].model, model("", &shares));
}

/// The steps of two collaborators by hand, in f64.
#[test]
fn the_steps_of_all_are_gone_by_their_parts_of_the_images() {
    let classifier = small_classifier();
    let (round, seed, width) = (1, 7, 44);
    let start = classifier.initial_weights(7);
    let slopes = [vec![16.0, -8.0, 4.0], vec![2.0, 0.0, 32.0, -448.0, 0.5]];
    let arrived = |steps: [usize; 2]| {
        let of = |place: usize, who, samples| {
            let mut update = slopes[place].clone();
            update.resize(width, 0.0);
            one(who, samples, steps[place], update)
        };
        [of(0, 2, 30), of(1, 130, 10)]
    };
    for (name, kind) in [("rademacher", DirectionKind::Rademacher), ("normal", DirectionKind::Normal)] {
        let options = format!("lr = 0.5\nunit = 0.125\ndirections = \"{name}\"");
        let mut strategy = system(&options, &classifier, seed).unwrap().strategy();
        let got = strategy.combine.combine(&strategy_round(&start), &arrived([3, 5])).unwrap();
        let mut due: Vec<_> = start.iter().map(|&weight| f64::from(weight)).collect();
        for ((who, share), slopes) in [(2, 0.75), (130, 0.25)].into_iter().zip(&slopes) {
            let key = [pcg4d([round, 0x6279_7465, 0, seed as u32])[0], who];
            for (number, slope) in (0..).zip(slopes) {
                let z = twin::direction(kind, width, key, number);
                twin::walk(&mut due, &z, -0.5 * share * 0.125 * f64::from(*slope));
            }
        }
        for (got, due) in got.iter().zip(&due) {
            assert!((f64::from(*got) - due).abs() < 3e-5, "{name}: {got} {due}");
        }
        // What stands behind the steps that a collaborator takes counts for nothing.
        let fewer = strategy.combine.combine(&strategy_round(&start), &arrived([3, 3])).unwrap();
        assert_ne!(fewer, got);
    }
    assert_eq!(system("", &classifier, seed).unwrap().initial(), start);
}

/// The bytes that the next round would send down, of a run that came to its end.
fn last_echo(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let path = folder.join("run/state/1-onebyte.safetensors");
    let file = StateFile::open(&path).expect("a state");
    let notes: Value = serde_json::from_str(&file.metadata().expect("notes")["notes"]).expect("JSON");
    let code = notes["state"]["code"].as_array().expect("bytes");
    let code = code.iter().map(|byte| byte.as_u64().expect("a byte") as u8);
    (code.collect(), std::fs::read(&path).expect("a file"))
}

/// A collaborator's side, which knows the weights before the round, the spec and the bytes that come down.
#[test]
fn a_collaborator_replays_what_comes_down_to_the_bits_of_the_aggregator() {
    let settings = ["rounds=1", "collaborators=3", "partition={kind=\"dirichlet\",alpha=0.5}"];
    let folder = tempfile::tempdir().expect("a folder");
    let spec = small("", &settings);
    let outcome = play(folder.path(), &spec, &mut Quiet).unwrap_or_else(|error| panic!("{error}"));
    let (echo, _) = last_echo(folder.path());
    let classifier = ModelSpec::load("mnist-mlp").and_then(ModelSpec::classifier).expect("a classifier");
    let own = system("", &classifier, u64::from(spec.seed)).unwrap();
    let start = own.initial();
    let stages = PipelineSpec::from_text("codec", "byte").unwrap();
    let context = Context { layout: &own.layout(), seed: 0, autoencoder: None };
    let pipeline = Parts::default().stages.pipeline(&stages, &context).unwrap();
    let (mut left, mut arrived) = (&echo[..], Vec::new());
    let number = |left: &mut &[u8]| {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = left.split_first().expect("a byte");
            *left = rest;
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if *byte < 0x80 {
                return number;
            }
        }
    };
    while !left.is_empty() {
        let [who, samples, length] = [(); 3].map(|()| number(&mut left));
        let update = receive(&pipeline, &start, &left[..length]).expect("slopes");
        left = &left[length..];
        assert_eq!(samples, outcome.samples[who]);
        arrived.push(one(who as u32, samples, 3 * samples.div_ceil(16), update));
    }
    assert_eq!(arrived.len(), 3);
    let other = Gpu::open(&GpuOptions::default()).expect("a device");
    let round = fedfunnel::federation::StrategyRound {
        seed: u64::from(spec.seed),
        gpu: &other,
        ..strategy_round(&start)
    };
    let replayed = own.strategy().combine.combine(&round, &arrived).unwrap();
    assert_eq!(replayed, outcome.federations[1].model);
    assert_ne!(replayed, start);
}

#[test]
fn those_that_were_not_there_the_round_before_get_the_whole_model() {
    let settings = ["rounds=4", "collaborators=4", "participation={per_round=2}", "local_epochs=1"];
    let outcome = simulated("", &settings);
    let own = &outcome.federations[1];
    let mut before: BTreeSet<u32> = (0..4).collect();
    let (mut wholes, mut echoes) = (0, 0);
    for round in 1..=4 {
        let sent = models(own).into_iter().filter(|sent| sent.0 == round);
        let sent: Vec<_> = sent.map(|(_, who, bytes)| (who, bytes)).collect();
        assert_eq!(sent.len(), 2);
        // 50 images in 4 steps each.
        let short = if round == 1 { 3 } else { 3 + 2 * (3 + 1 + 4) };
        for &(who, bytes) in &sent {
            assert_eq!(bytes, if before.contains(&who) { short } else { WHOLE }, "{who} in round {round}");
            *if before.contains(&who) { &mut echoes } else { &mut wholes } += 1;
        }
        before = sent.into_iter().map(|(who, _)| who).collect();
    }
    assert!(wholes > 0 && echoes > 2, "{wholes} {echoes}");
}

#[test]
fn updates_that_get_lost_are_not_echoed_and_attackers_are_turned_around() {
    // Nobody's update counts: nothing is changed, and nothing goes down.
    let lost = simulated("", &["faults={late=1.0}", "rounds=2", "local_epochs=1"]);
    let own = &lost.federations[1];
    assert_eq!(own.model, lost.classifier.initial_weights(lost.spec.seed));
    assert!(models(own).iter().all(|sent| sent.2 == 3));
    let some = simulated("", &["faults={corrupt=0.5}", "checksum=true", "rounds=6", "local_epochs=1"]);
    let sizes: BTreeSet<_> = models(&some.federations[1]).iter().map(|sent| sent.2).collect();
    // 100 images in 7 steps, of nobody, of one or of both, in messages with a checksum.
    let known: BTreeSet<_> = [7, 7 + 11, 7 + 22].into();
    assert!(sizes.is_subset(&known) && sizes.len() > 1, "{sizes:?}");

    let attack = "attack={kind=\"sign-flip\",collaborators=[0,1],strength=1.0}";
    let [flipped, honest] =
        [&[attack, "rounds=1"][..], &["rounds=1"]].map(|settings| simulated("", settings));
    let start = flipped.classifier.initial_weights(flipped.spec.seed);
    let models = flipped.federations[1].model.iter().zip(&honest.federations[1].model).zip(&start);
    for ((flipped, honest), start) in models {
        assert!((flipped + honest - 2.0 * start).abs() <= 1e-5, "{flipped} and {honest} of {start}");
    }
}

/// Asks to stop after this round of the system.
struct StopAfter(&'static str, bool);

impl Observer for StopAfter {
    fn begin(&mut self, what: &str, _: &'static str, _: u64) {
        self.1 &= what.starts_with("onebyte");
    }

    fn advance(&mut self, _: u64) {}

    fn note(&mut self, text: &str) {
        self.1 |= text.starts_with(self.0);
    }

    fn end(&mut self) {
        self.1 = false;
    }

    fn stop(&self) -> bool {
        self.1
    }
}

#[test]
fn it_is_gone_on_with_to_the_same_bits_and_messages() {
    let spec = small("", &["rounds=4", "collaborators=3", "participation={per_round=2}"]);
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let whole = play(folders[0].path(), &spec, &mut Quiet).unwrap();
    let mut stops = 0;
    let pieced = loop {
        match play(folders[1].path(), &spec, &mut StopAfter("round 2/", false)) {
            Ok(outcome) => break outcome,
            Err(Error::Stopped { .. }) => stops += 1,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(stops > 0);
    let [whole, pieced] = [&whole.federations[1], &pieced.federations[1]];
    assert_eq!((&whole.model, &whole.rounds, &whole.ledger), (&pieced.model, &pieced.rounds, &pieced.ledger));
}

#[test]
fn a_state_has_what_arrived_exactly_where_it_is_due() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = small("", &["rounds=2"]);
    play(folder.path(), &spec, &mut Quiet).unwrap_or_else(|error| panic!("{error}"));
    let (echo, bytes) = last_echo(folder.path());
    assert_eq!(echo[..3], [0, 100, 22]);
    let checks = StateCheck::new(&spec, &Parts::default(), &DataDir::new("nowhere")).unwrap();
    let path = Path::new("a state");
    checks.check(path, SavedStage::Rounds(1), bytes).unwrap();
    let state = folder.path().join("run/state");
    let refused = |place: usize, name: &str, code: Value| {
        let file = StateFile::open(&state.join(name)).expect("a state");
        let mut metadata = file.metadata().expect("notes");
        let mut notes: Value = serde_json::from_str(&metadata["notes"]).expect("JSON");
        notes["state"]["code"] = code;
        metadata.insert("notes".into(), notes.to_string());
        let global = file.tensor("global").expect("a model").values().expect("values");
        let written = folder.path().join("changed");
        let shapes = [TensorShape::new("global", &[global.len()])];
        let mut writer = StateWriter::sealed(&written, &shapes, &metadata).expect("a file");
        writer.put("global", 0, &global).expect("values");
        writer.finish().expect("written");
        let bytes = std::fs::read(&written).expect("bytes");
        checks.check(path, SavedStage::Rounds(place), bytes).err().map_or(String::new(), |e| e.to_string())
    };
    let of = |bytes: &[u8]| serde_json::json!(bytes);
    assert_eq!(refused(1, "1-onebyte.safetensors", of(&echo)), "");
    for (code, words) in [
        (Value::Null, "no code where one is due"),
        (of(&[0, 100, 9]), "too early"),
        (of(&[7, 100, 1, 0]), "collaborator 7"),
        (of(&[0, 99, 1, 0]), "collaborator 0 with other images"),
        (of(&[1, 100, 1, 0, 0, 100, 1, 0]), "out of order"),
    ] {
        let error = refused(1, "1-onebyte.safetensors", code);
        assert!(error.contains(words) && error.starts_with("a state: "), "{words}: {error}");
    }
    let error = refused(0, "0-raw.safetensors", of(&echo));
    assert!(error.contains("a code where none is due"), "{error}");
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    for (options, more, words) in [
        (",lr=0.0", "", "lr above 0"),
        (",epsilon=-1.0", "", "epsilon above 0"),
        (",unit=0.0", "", "unit above 0"),
        (",unit=inf", "", "unit above 0"),
        (",directions=\"cauchy\"", "", "cauchy"),
        (",scale=4", "", "scale"),
        (",stages=\"raw\"", "", "list byte first"),
        ("", "faults={longest=3.0}", "faults.longest"),
        (",downlink=\"code\"", "", "leave the downlink out"),
    ] {
        let codecs = format!("codecs=[\"raw\",{{system=\"onebyte\"{options}}}]");
        let settings: Vec<_> = [codecs, more.into()].into_iter().filter(|text| !text.is_empty()).collect();
        let (parts, data_dir) = (Parts::default(), DataDir::new("nowhere"));
        let checked = SimulationSpec::load_with("demo", &settings, &parts)
            .and_then(|spec| check(&spec, &parts, &data_dir));
        let said = checked.err().map_or(String::new(), |error| error.to_string());
        assert!(said.contains("onebyte") && said.contains(words), "{options} {more}: {said}");
    }
}

#[test]
fn more_steps_than_there_are_weights_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    // Raw updates of an epoch, and 160 epochs of 100 steps each.
    let codecs = "codecs=[\"raw\",{system=\"onebyte\",local_epochs=160}]";
    let spec = small("", &["rounds=1", "batch=1", "local_epochs=1", codecs]);
    let error = play(folder.path(), &spec, &mut Quiet).unwrap_err();
    let said = error.to_string();
    assert!(error.is_usage() && said.contains("16000 steps") && said.contains("larger batch"), "{said}");
}
