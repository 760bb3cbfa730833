//! FedKSeed: sums of slopes along shared directions, in exact bytes and to the same bits on both sides.

use crate::support::{gpu, run, run_on, spec};
use fedfunnel::codec::MessageKind;
use fedfunnel::federation::{Direction, Outcome, Parts, SimulationSpec, check};
use fedfunnel::gpu::{Gpu, GpuOptions};

/// A fast federation with other settings.
fn simulated(system: &str, settings: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let parts = Parts::default();
    let codecs = format!("codecs=[\"raw\",{system}]");
    run(folder.path(), &spec(&parts, &[&[codecs.as_str()][..], settings].concat()), &parts)
}

#[test]
fn a_message_is_four_bytes_a_direction_in_both_directions_and_a_round_is_under_18_kb() {
    let outcome = simulated("{system=\"fedkseed\"}", &["rounds=2"]);
    let own = &outcome.federations[1];
    assert_eq!(own.label, "fedkseed");
    for (direction, kind) in [(Direction::Up, MessageKind::Update), (Direction::Down, MessageKind::Model)] {
        let bytes = own.ledger.message_bytes(direction, kind).expect("messages of one size");
        assert_eq!(bytes, 3 + 4 * 4_096);
        assert!(bytes < 18_000);
    }
    // A collaborator sends and gets one message in each round, and nothing else crosses.
    let collaborators = outcome.federations[0].ledger.transfers.len();
    assert_eq!(own.ledger.transfers.len(), collaborators);
    let fewer = simulated("{system=\"fedkseed\",seeds=100}", &["rounds=1"]);
    let bytes = fewer.federations[1].ledger.message_bytes(Direction::Up, MessageKind::Update);
    assert_eq!(bytes, Some(3 + 400));
}

#[test]
fn it_learns_by_passes_forward_alone() {
    let system = "{system=\"fedkseed\",lr=0.003}";
    let outcome = simulated(system, &["rounds=3", "local_epochs=40", "batch=16"]);
    let own = &outcome.federations[1];
    let tested = |round: usize| own.rounds[round].tested.expect("a test");
    assert!(tested(2).test_loss < tested(0).test_loss - 0.05, "{:?} to {:?}", tested(0), tested(2));
    let losses: Vec<_> = own.rounds.iter().filter_map(|round| round.train_loss).collect();
    assert!(losses[2] < losses[0], "{losses:?}");
}

#[test]
fn the_same_bits_come_of_every_cohort_and_device() {
    let model =
        |system: &str, settings: &[&str]| simulated(system, settings).federations.swap_remove(1).model;
    for system in ["{system=\"fedkseed\",seeds=300}", "{system=\"fedkseed\",seeds=300,directions=\"normal\"}"]
    {
        let together = model(system, &["rounds=2"]);
        assert_eq!(together, model(system, &["rounds=2", "cohort=1"]));
        assert_ne!(together, model(system, &["rounds=2", "seed=1"]));
    }
    // A device of its own too.
    let (folder, parts) = (tempfile::tempdir().expect("a folder"), Parts::default());
    let codecs = "codecs=[\"raw\",{system=\"fedkseed\",seeds=300}]";
    let other = Gpu::open(&GpuOptions::default());
    let other = other.expect("a device");
    let own = run_on(&other, folder.path(), &spec(&parts, &[codecs, "rounds=2"]), &parts);
    let here = simulated("{system=\"fedkseed\",seeds=300}", &["rounds=2"]);
    assert_eq!(own.federations[1].model, here.federations[1].model);
    assert_eq!(gpu().adapter.name, other.adapter.name);
}

#[test]
fn options_that_cannot_work_are_refused_by_name() {
    for (options, word) in [
        ("seeds=0", "seeds"),
        ("lr=0.0", "lr"),
        ("lr=-1.0", "lr"),
        ("epsilon=0.0", "epsilon"),
        ("directions=\"cauchy\"", "cauchy"),
        ("seed=4", "seed"),
    ] {
        let codecs = format!("codecs=[\"raw\",{{system=\"fedkseed\",{options}}}]");
        let parts = Parts::default();
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = fedfunnel::data::DataDir::new(folder.path().to_path_buf());
        let checked = SimulationSpec::load_with("demo", &[codecs], &parts)
            .and_then(|spec| check(&spec, &parts, &data_dir));
        let said = checked.err().map_or(String::new(), |error| error.to_string());
        assert!(said.contains("fedkseed") && said.contains(word), "{options}: {said}");
    }
}
