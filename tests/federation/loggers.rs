//! A part of the collaborators logs weights and learns; the others get the decoder when they first take part.

use crate::coded::resume::{StopAfter, start};
use crate::support::{run, spec};
use fedfunnel::Error;
use fedfunnel::codec::MessageKind;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Direction, FederationOutcome, Outcome, Parts, SimulationSpec, check};
use std::collections::BTreeSet;

/// Seven collaborators of 30 images, two in a round, of whom three log.
const SOME: [&str; 6] = [
    "collaborators=7",
    "images=210",
    "participation={per_round=2}",
    "rounds=5",
    "prepass={epochs=3,snapshot_every=1,collaborators=3}",
    "batch=10",
];

const CODECS: &str = "codecs=[\"raw\",{stage=\"pca\",floats=3,shared=true},\
     [\"prior\",{stage=\"pca\",floats=4,ship=\"f16\",shared=true},\"f16\",\
     {stage=\"residual\",stages=[{stage=\"ternary\",count=90}]},\"tune\"]]";

const P: u64 = 15_910;

fn of(settings: &[&str]) -> SimulationSpec {
    spec(&Parts::default(), &[&SOME[..], settings].concat())
}

fn sent(federation: &FederationOutcome, kind: MessageKind, way: Direction) -> Vec<(u32, u32, u64)> {
    let of_kind = federation.ledger.transfers.iter().filter(|t| t.kind == kind && t.direction == way);
    of_kind.map(|t| (t.round, t.collaborator, t.bytes)).collect()
}

#[test]
fn the_others_get_the_decoder_when_they_first_take_part_and_not_before() {
    let spec = of(&[CODECS, "initial=\"seed\""]);
    let samples = [30; 7];
    let loggers = spec.loggers(&samples);
    assert!(loggers.len() == 3 && loggers.is_sorted() && loggers == spec.loggers(&samples), "{loggers:?}");
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), &spec, &Parts::default());
    assert_eq!(outcome.snapshots, [9; 3], "three epochs of three steps");
    let [raw, plain, tuned] = outcome.federations.as_slice() else { panic!("three federations") };
    // By hand: those who log get it at once, the others before the model of their first round.
    let mut known: BTreeSet<u32> = loggers.iter().copied().collect();
    let mut due: Vec<_> = loggers.iter().map(|&who| (0, who)).collect();
    let mut late = [0u64; 5];
    for round in 1..=5 {
        for who in spec.participants(round, 0, &samples) {
            if known.insert(who) {
                due.push((round, who));
                late[round as usize - 1] += 1;
            }
        }
    }
    assert!((3..7).contains(&due.len()) && late.iter().sum::<u64>() > 0, "one never takes part: {due:?}");
    assert_eq!(sent(raw, MessageKind::Setup, Direction::Down), []);
    for (federation, up, down) in [
        // Three bytes of a header: axes, a mean, and the spreads of a collaborator's own.
        (plain, 3 + 4 * (3 + 1) * P + 4 * 3, 3 + 4 * (3 + 1) * P),
        (tuned, 3 + 2 * (4 + 1) * P + 4 * 4, 3 + 2 * (4 + 1) * P),
    ] {
        let each: Vec<_> = loggers.iter().map(|&who| (0, who, up)).collect();
        assert_eq!(sent(federation, MessageKind::Setup, Direction::Up), each, "{}", federation.label);
        let each: Vec<_> = due.iter().map(|&(round, who)| (round, who, down)).collect();
        assert_eq!(sent(federation, MessageKind::Setup, Direction::Down), each, "{}", federation.label);
        // Those who log begin from a seed of four bytes.
        let models = sent(federation, MessageKind::Model, Direction::Down);
        let begun: Vec<_> = models.iter().filter(|(round, ..)| *round == 0).copied().collect();
        assert_eq!(begun, loggers.iter().map(|&who| (0, who, 3 + 4)).collect::<Vec<_>>());
        for (round, late) in federation.rounds.iter().zip(late) {
            assert_eq!(round.bytes_down, 2 * (3 + 4 * P) + late * down, "{}", federation.label);
        }
    }
    assert_eq!(plain.floats, Some(3));
    // The negative control: another seed draws others.
    assert!((1..9).any(|seed| of(&[CODECS, &format!("seed={seed}")]).loggers(&samples) != loggers));
}

#[test]
fn where_all_log_nothing_depends_on_whether_that_is_said() {
    let outcomes = [",collaborators=7", ""].map(|said| {
        let prepass = format!("prepass={{epochs=3,snapshot_every=1{said}}}");
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &of(&[CODECS, &prepass]), &Parts::default())
    });
    let [said, unsaid] = &outcomes;
    same_bits(said, unsaid);
    // The negative control: three of them learn something else.
    let folder = tempfile::tempdir().unwrap();
    let some = run(folder.path(), &of(&[CODECS]), &Parts::default());
    assert_ne!(some.federations[1].model, said.federations[1].model);
    assert_eq!(some.federations[0].model, said.federations[0].model);
}

#[test]
fn a_run_that_is_gone_on_with_ends_with_the_same_bits() {
    let autoencoder = ",[\"prior\",{stage=\"autoencoder\",shared=true},\"tune\"]]";
    let codecs = format!("{}{autoencoder}", &CODECS[..CODECS.len() - 1]);
    let small = ["autoencoder.space=small", "autoencoder.epochs=10", "autoencoder.latent=3"];
    let spec = of(&[&[codecs.as_str()][..], &small].concat());
    let whole = tempfile::tempdir().unwrap();
    let whole = start(whole.path(), &spec, &mut StopAfter::default()).unwrap();
    for round in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let mut stops = 0;
        let pieced = loop {
            match start(folder.path(), &spec, &mut StopAfter::of(round)) {
                Ok(outcome) => break outcome,
                Err(Error::Stopped { .. }) => stops += 1,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(stops, 4, "once in each federation");
        same_bits(&whole, &pieced);
    }
}

#[test]
fn a_checkpoint_has_the_decoder_once() {
    let folder = tempfile::tempdir().unwrap();
    let spec = of(&[CODECS]);
    let stopped = start(folder.path(), &spec, &mut StopAfter::of(3));
    assert!(matches!(stopped, Err(Error::Stopped { .. })), "in the raw federation");
    let stopped = start(folder.path(), &spec, &mut StopAfter::of(3));
    assert!(matches!(stopped, Err(Error::Stopped { .. })), "in the next one");
    let states = std::fs::read_dir(folder.path().join("run/state")).unwrap();
    let sizes = states.map(|entry| entry.unwrap()).filter_map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        name.starts_with("1-").then(|| (name, entry.metadata().unwrap().len()))
    });
    let mut sizes: Vec<_> = sizes.collect();
    sizes.sort();
    let [(setup, of_setup), (rounds, of_rounds)] = sizes.as_slice() else { panic!("{sizes:?}") };
    assert!(setup.ends_with("-setup.safetensors") && rounds.ends_with(".safetensors"), "{sizes:?}");
    // The global model; and three copies of four rows: as it came, and as each side keeps it.
    let row = 4 * P;
    assert!((13 * row..14 * row).contains(of_setup), "{of_setup}");
    assert!((row..2 * row).contains(of_rounds), "{of_rounds}");
}

#[test]
fn what_cannot_be_shared_or_logged_is_refused_in_words() {
    let refused = |settings: &[&str]| {
        let spec = SimulationSpec::load_with(
            "demo",
            &SOME.iter().chain(settings).map(|setting| setting.to_string()).collect::<Vec<_>>(),
            &Parts::default(),
        );
        let data = DataDir::new("nowhere");
        spec.and_then(|spec| check(&spec, &Parts::default(), &data)).unwrap_err().to_string()
    };
    let own = refused(&["codecs=[\"raw\",{stage=\"pca\",floats=2}]"]);
    assert!(
        own.contains("prepass.collaborators") && own.contains("pca(2)") && own.contains("shared"),
        "{own}"
    );
    for count in ["0", "8"] {
        let prepass = format!("prepass={{epochs=3,snapshot_every=1,collaborators={count}}}");
        let error = refused(&[CODECS, &prepass]);
        assert!(error.contains("prepass.collaborators") && error.contains("1 to 7"), "{error}");
    }
    let federated = "prepass={kind=\"federated\",rounds=1,snapshot_every=1,collaborators=3}";
    let error = refused(&[CODECS, federated]);
    assert!(error.contains("prepass.collaborators") && error.contains("isolated"), "{error}");
    let error = refused(&[CODECS, "prepass={kind=\"federated\",rounds=1,snapshot_every=1}"]);
    assert!(error.contains("prepass.kind") && error.contains("participation"), "{error}");
    let error =
        refused(&[CODECS, "prepass={kind=\"federated\",rounds=1,snapshot_every=1}", "faults={late=0.1}"]);
    assert!(error.starts_with("faults") && error.contains("federated"), "{error}");
}

fn same_bits(whole: &Outcome, other: &Outcome) {
    assert_eq!(whole.federations.len(), other.federations.len());
    for (whole, other) in whole.federations.iter().zip(&other.federations) {
        let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(bits(&whole.model) == bits(&other.model), "{}", whole.label);
        assert_eq!((&whole.rounds, &whole.ledger), (&other.rounds, &other.ledger), "{}", whole.label);
    }
}
