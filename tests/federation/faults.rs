//! What goes wrong on the way, and what the aggregator makes of it.

use crate::support::{run, spec};
use fedfunnel::codec::MessageKind;
use fedfunnel::federation::{Direction, Fate, Outcome, Parts, Rejected, SimulationSpec, Transfer};

fn ten(settings: &[&str]) -> SimulationSpec {
    let shared = [
        "collaborators=10",
        "images=300",
        "batch=16",
        "optimizer={kind=\"sgd\",lr=0.1,momentum=0.0}",
        "rounds=6",
        "codecs=[\"raw\"]",
        "checksum=true",
    ];
    spec(&Parts::default(), &[&shared[..], settings].concat())
}

fn play(spec: &SimulationSpec) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), spec, &Parts::default())
}

const ALL: &str = "faults={absent=0.15,breaks_off=0.15,late=0.15,duplicate=0.15,corrupt=0.15}";

#[test]
fn every_fault_is_in_the_ledger_and_the_round_goes_on() {
    let outcome = play(&ten(&[ALL]));
    let federation = &outcome.federations[0];
    let mut seen = [0; 6];
    for (number, round) in (1..).zip(&federation.rounds) {
        let mut results = 0;
        for who in 0..10 {
            let own = |t: &&Transfer| t.round == number && t.collaborator == who;
            let sent: Vec<_> = federation.ledger.transfers.iter().filter(own).collect();
            let down = sent.iter().filter(|t| t.direction == Direction::Down).count();
            let up: Vec<_> =
                sent.iter().filter(|t| t.kind == MessageKind::Update).map(|t| t.rejected).collect();
            let (place, due): (usize, (usize, Vec<Option<Rejected>>)) =
                match outcome.spec.fate(number, 0, who) {
                    Fate::Fine => (0, (1, vec![None])),
                    Fate::Absent => (1, (0, vec![])),
                    Fate::BreaksOff => (2, (1, vec![])),
                    Fate::Late => (3, (1, vec![Some(Rejected::Late)])),
                    Fate::Duplicate => (4, (1, vec![Some(Rejected::Duplicate), None])),
                    Fate::Corrupt(_) => (5, (1, vec![Some(Rejected::Malformed)])),
                };
            assert_eq!((down, &up), (due.0, &due.1), "collaborator {who} in round {number}");
            seen[place] += 1;
            results += usize::from(up.contains(&None));
        }
        assert_eq!((round.asked, round.results), (10, results));
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    // It learns less than without, and it learns.
    let fine = play(&ten(&[]));
    let accuracy = |outcome: &Outcome| outcome.federations[0].tests().next_back().unwrap().1.test_accuracy;
    assert_ne!(fine.federations[0].model, federation.model);
    assert!(accuracy(&outcome) > outcome.initial.plain.accuracy + 0.1, "{}", accuracy(&outcome));
}

#[test]
fn damaged_updates_of_every_codec_are_refused_or_decoded_and_never_end_a_run() {
    let codecs = "codecs=[\"raw\",[\"delta\",\"f16\"],{stage=\"stc\",count=90},[\"delta\",\"feedback\",{stage=\"topk\",part=0.05},\
                  \"entropy\"],[\"delta\",{stage=\"quantize\",bits=2}],[\"delta\",{stage=\"sketch\",rows=3,columns=500}],\
                  {stage=\"pca\",floats=2}]";
    let outcome = play(&ten(&[codecs, "rounds=3", "checksum=false", "faults={corrupt=0.6}"]));
    for federation in &outcome.federations {
        assert_eq!(federation.rounds.len(), 3);
        assert!(federation.model.iter().all(|weight| weight.is_finite()), "{}", federation.label);
    }
    let rejected = |why| {
        let all = outcome.federations.iter().flat_map(|federation| &federation.ledger.transfers);
        all.filter(|t| t.rejected == Some(why)).count()
    };
    assert!(rejected(Rejected::Malformed) > 0);
}

#[test]
fn a_round_of_too_few_results_is_skipped_or_repeated() {
    let skipped = play(&ten(&["rounds=2", "faults={breaks_off=1.0}"]));
    let [first, second] = &skipped.federations[0].rounds[..] else { panic!("two rounds") };
    assert_eq!((first.results, first.attempts, first.tested), (0, 1, second.tested));
    assert_eq!(first.tested.unwrap().test_loss, skipped.initial.plain.loss);
    let hopeless = play(&ten(&["rounds=1", "faults={breaks_off=1.0,below=\"repeat\"}"]));
    assert_eq!(hopeless.federations[0].rounds[0].attempts, 10);
    let repeated = play(&ten(&["faults={breaks_off=0.5,min_results=6,below=\"repeat\"}"]));
    let rounds = &repeated.federations[0].rounds;
    assert!(rounds.iter().all(|round| round.results >= 6));
    let again = rounds.iter().find(|round| round.attempts > 1).expect("a round that is played again");
    // Models that went down in vain are counted.
    let models = repeated.federations[0].ledger.transfers.iter().filter(|t| t.round == again.round);
    let models = models.filter(|t| t.kind == MessageKind::Model).count();
    assert_eq!(models, 10 * again.attempts as usize);
}

#[test]
fn updates_that_are_no_numbers_are_kept_out() {
    let outcome = play(&ten(&["attack={kind=\"nan\",collaborators=[2,5]}"]));
    let federation = &outcome.federations[0];
    let why = |who| {
        let of = |t: &&Transfer| t.kind == MessageKind::Update && t.collaborator == who;
        federation.ledger.transfers.iter().filter(of).map(|t| t.rejected).collect::<Vec<_>>()
    };
    for who in 0..10 {
        let due = if [2, 5].contains(&who) { Some(Rejected::NotFinite) } else { None };
        assert_eq!(why(who), vec![due; 6]);
    }
    assert!(federation.rounds.iter().all(|round| round.results == 8));
}

/// Whether a codec can say such values or not, whatever its collaborators keep, and whether the aggregator waits or not.
#[test]
fn updates_that_are_no_numbers_are_kept_out_whatever_the_codec() {
    let stages =
        "codecs=[\"raw\",\"f16\",[\"delta\",\"sign\"],[\"delta\",\"feedback\",{stage=\"topk\",part=0.05}]]";
    let others = "codecs=[\"raw\",{stage=\"stc\",count=90},{stage=\"pca\",floats=2},{system=\"fedpm\"},\
                  {system=\"onebyte\"},{system=\"hidenseek\"}]";
    let attack = "attack={kind=\"nan\",collaborators=[2,5]}";
    let asynchrony = ["asynchrony={kind=\"buffered\",buffer=2}", "clock={}"];
    let waits = |codecs| ten(&[codecs, attack, "rounds=3"]);
    let alone = ten(&[&[stages, attack, "rounds=3"][..], &asynchrony].concat());
    for spec in [waits(stages), waits(others), alone] {
        for federation in play(&spec).federations {
            let label = &federation.label;
            assert!(federation.model.iter().all(|weight| weight.is_finite()), "{label}");
            let updates = federation.ledger.transfers.iter().filter(|t| t.kind == MessageKind::Update);
            for update in updates {
                let due = [2, 5].contains(&update.collaborator).then_some(Rejected::NotFinite);
                assert_eq!(update.rejected, due, "{label}: {update:?}");
            }
            let is_waited_for = spec.asynchrony.is_none();
            assert!(!is_waited_for || federation.rounds.iter().all(|round| round.results == 8), "{label}");
        }
    }
}

#[test]
fn updates_that_are_far_too_long_are_kept_out() {
    let accuracy = |settings: &[&str]| {
        play(&ten(&[&["rounds=12", "optimizer.lr=0.4"][..], settings].concat())).federations[0]
            .tests()
            .next_back()
            .unwrap()
            .1
            .test_accuracy
    };
    let attack = "attack={kind=\"sign-flip\",part=0.2,strength=30.0}";
    let [fine, hit, kept_out] =
        [accuracy(&[]), accuracy(&[attack]), accuracy(&[attack, "faults={longest=3.0}"])];
    assert!(hit + 0.3 < kept_out && hit + 0.3 < fine, "{fine} {hit} {kept_out}");
}

#[test]
fn who_is_slower_than_the_deadline_comes_too_late() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("speeds.csv");
    // 30 images in batches of 16 are two steps; a raw update has 63,647 bytes, checksum included, each way.
    let line = |who: usize| format!("{who},{},{},8\n", if who == 3 { 1.0 } else { 0.1 }, 1 + who);
    std::fs::write(&file, (0..10).map(line).collect::<String>()).unwrap();
    let clock = format!("clock={{file=\"{}\"}}", file.display());
    let outcome = play(&ten(&[&clock, "faults={deadline=1.5}", "rounds=2"]));
    for round in &outcome.federations[0].rounds {
        assert_eq!((round.results, round.clock), (9, Some(1.5)));
    }
    let waits = play(&ten(&[&clock, "rounds=2"]));
    let due = 63_647.0 * 8.0 / 8e6 + 2.0 * 1.0 + 63_647.0 * 8.0 / 4e6;
    for round in &waits.federations[0].rounds {
        assert_eq!(round.results, 10);
        assert!((round.clock.unwrap() - due).abs() < 1e-9, "{:?} {due}", round.clock);
    }
}
