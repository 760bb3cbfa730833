//! Federations whose collaborators do not wait for each other: by hand, and as what they are in the limit.

use crate::support::{run, spec};
use fedfunnel::Result;
use fedfunnel::codec::{
    Incoming, Kept, Make, MessageKind, Outgoing, Round, Stage, StageKind, Stages, Values,
};
use fedfunnel::federation::{
    Direction, Outcome, PartAbout, Parts, Server, ServerKind, SimulationSpec, Strategies, StrategyRound,
    Timeline,
};
use std::cell::RefCell;
use std::path::Path;

/// Whatever a collaborator trains, the aggregator decodes that it has moved every weight by `2^id`.
struct Fixed;

const FIXED: StageKind = StageKind::new("fixed", Make::Plain(|_, _| Ok(Box::new(Fixed))));

impl Stage for Fixed {
    fn label(&self) -> String {
        "fixed".into()
    }

    fn encode(&self, _: &Round<'_>, _: &mut [Outgoing<'_>]) -> Result<()> {
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let change = f32::from(1u16 << incoming.who);
            incoming.values = Values::Host(round.global.iter().map(|weight| weight + change).collect());
        }
        Ok(())
    }
}

thread_local! {
    /// By how much the steps of the global model have moved its first weight. A simulation runs in its caller's thread.
    static MOVED: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// The global model is what the updates were combined to, and the step is noted.
#[derive(Default)]
struct Noted(Kept);

const NOTED: ServerKind =
    ServerKind { name: "noted", about: PartAbout::NOTHING, make: |_| Ok(Box::<Noted>::default()) };

impl Server for Noted {
    fn step(&mut self, _: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        MOVED.with_borrow_mut(|moved| moved.push(f64::from(combined[0]) - f64::from(global[0])));
        global.copy_from_slice(combined);
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}

fn parts() -> Parts {
    let (stages, strategies) = (Stages::default().with(FIXED), Strategies::default().with_server(NOTED));
    Parts { stages, strategies, ..Parts::default() }
}

/// A raw update of the demo's model in a message: a header of three bytes, and four for each of 15,910 weights. Over a
/// line of so many bits in a second it takes a second.
const MESSAGE: u64 = 63_643;

/// Collaborators with 32 images each, so that an epoch is two steps of 16. They take so many seconds for a step, and a
/// second for a message each way.
fn clocked(folder: &Path, steps: &[f64], settings: &[&str]) -> SimulationSpec {
    let file = folder.join("speeds.csv");
    let mbit = 8.0 * MESSAGE as f64 / 1e6;
    let line = |(who, step): (usize, &f64)| format!("{who},{step},{mbit},{mbit}\n");
    std::fs::write(&file, steps.iter().enumerate().map(line).collect::<String>()).unwrap();
    let own = [
        format!("collaborators={}", steps.len()),
        format!("images={}", 32 * steps.len()),
        format!("clock={{file=\"{}\"}}", file.display()),
    ];
    let shared = ["batch=16", "optimizer={kind=\"sgd\",lr=0.1,momentum=0.0}", "codecs=[\"raw\"]"];
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    spec(&parts(), &[&own[..], &shared[..], settings].concat())
}

fn play(steps: &[f64], settings: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let spec = clocked(folder.path(), steps, settings);
    run(folder.path(), &spec, &parts())
}

/// Plays a federation in which every update moves all weights by `2^id`; gives what each step moved, after so many
/// decimals, and who was sent to (`+`) and who sent (`-`) in each of them, in order.
fn by_hand(steps: &[f64], settings: &[&str]) -> (Outcome, Vec<f64>, Vec<String>) {
    MOVED.with_borrow_mut(Vec::clear);
    let shared = ["codecs=[\"raw\",\"fixed\"]", "strategy.server=noted"];
    let outcome = play(steps, &[&shared[..], settings].concat());
    let federation = &outcome.federations[1];
    let of = |number: u32| {
        let own = federation.ledger.transfers.iter().filter(|t| t.round == number);
        let shown = own.filter(|t| t.kind != MessageKind::Join).map(|t| match t.direction {
            Direction::Down => format!("+{}", t.collaborator),
            Direction::Up => format!("-{}", t.collaborator),
        });
        shown.collect::<Vec<_>>().join(" ")
    };
    let events = federation.rounds.iter().map(|round| of(round.round)).collect();
    let moved = MOVED.take().split_off(outcome.federations[0].rounds.len());
    (outcome, moved, events)
}

/// When the steps were made.
fn times(outcome: &Outcome) -> Vec<f64> {
    let mut now = 0.0;
    let each = outcome.federations[1].rounds.iter().map(|round| {
        now += round.clock.unwrap();
        (now * 1e6f64).round() / 1e6
    });
    each.collect()
}

fn assert_near(found: &[f64], due: &[f64]) {
    assert_eq!(found.len(), due.len(), "{found:?}");
    assert!(found.iter().zip(due).all(|(found, due)| (found - due).abs() < 1e-4), "{found:?} {due:?}");
}

fn bits(model: &[f32]) -> Vec<u32> {
    model.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_buffer_fills_in_the_order_of_the_clock() {
    // A second down, two steps and a second up are 3, 4 and 8 seconds. All three are always under way, so that whoever
    // arrives is the only one that is idle, and begins again.
    let (outcome, moved, events) =
        by_hand(&[0.5, 1.0, 3.0], &["asynchrony={kind=\"fedbuff\",buffer=2}", "rounds=4"]);
    // At 3 the first arrives and begins again with the same model; at 4 the second arrives, and that is the first step. At
    // 6 the first arrives; at 8 the other two at once, of which the lower id makes the second step, and the higher one is
    // the first of the third, which the first makes at 9. At 12 the first and the second arrive.
    assert_eq!(times(&outcome), [4.0, 8.0, 9.0, 12.0]);
    let end = |events: &str, from: usize| events[from..].to_string();
    assert_eq!(end(&events[0], 9), "-0 +0 -1", "{events:?}");
    assert_eq!(events[1], "+1 -0 +0 -1");
    assert_eq!((&events[2][..3], &events[2][8..]), ("-2 ", " -0"));
    assert_eq!(events[3], "+0 -0 -1");
    // Changes of 1, 2 and 4, over the root of 1 + staleness:
    let (two, three) = (2f64.sqrt(), 3f64.sqrt());
    let due = [
        (1.0 + 2.0) / 2.0,
        // The first began before the first step.
        (1.0 / two + 2.0) / 2.0,
        // The third began before all of them; the first at 6, one step ago.
        (4.0 / three + 1.0 / two) / 2.0,
        // The first began at 9; the second at 8, a step ago.
        (1.0 + 2.0 / two) / 2.0,
    ];
    assert_near(&moved, &due);
    let rounds = &outcome.federations[1].rounds;
    assert!(rounds.iter().all(|round| (round.asked, round.results) == (2, 2)));
    // A model went down for every task that began until the last step, and two came up for each step.
    let sent = |direction| {
        let all = outcome.federations[1].ledger.transfers.iter();
        all.filter(|t| t.direction == direction && t.kind != MessageKind::Join).count()
    };
    assert_eq!((sent(Direction::Down), sent(Direction::Up)), (3 + 1 + 2 + 2 + 1, 8));
}

#[test]
fn every_update_is_mixed_in_by_its_staleness() {
    let rules = "asynchrony={kind=\"fedasync\",alpha=0.5,staleness=\"hinge\",a=1.0,b=0.0}";
    let (outcome, moved, _) = by_hand(&[0.5, 1.0, 3.0], &[rules, "rounds=5"]);
    // As above, but every arrival is a step: the first at 3, 6 and 9, the second at 4 and 8 before the third.
    assert_eq!(times(&outcome), [3.0, 4.0, 6.0, 8.0, 8.0]);
    // The global model is x; an update is the model that it began with and its change. Weights are half of
    // 1 / (staleness + 1).
    let x1 = 0.5 * 1.0;
    // The second began with 0 and comes to 2, a step later: a quarter.
    let x2 = x1 + 0.25 * (2.0 - x1);
    // The first began with x1, a step ago.
    let x3 = x2 + 0.25 * (x1 + 1.0 - x2);
    // The second began with x2, a step ago; the third with 0, four steps ago: a tenth.
    let x4 = x3 + 0.25 * (x2 + 2.0 - x3);
    let x5 = x4 + 0.1 * (4.0 - x4);
    assert_near(&moved, &[x1, x2 - x1, x3 - x2, x4 - x3, x5 - x4]);
}

#[test]
fn anarchic_updates_count_by_the_step_and_their_collaborators_come_when_they_like() {
    // Always four steps: 2 + 4 * 0.5 = 4 and 2 + 4 * 2 = 10 seconds, and hardly a pause.
    let rules = "asynchrony={kind=\"afa\",buffer=2,least_steps=4,most_steps=4,rate=3.0,pause=1e-9}";
    let (outcome, moved, events) = by_hand(&[0.5, 2.0], &[rules, "rounds=2"]);
    // The first arrives at 4, 8 and 12, the second at 10: the steps are at 8, of the first twice, and at 12.
    assert_eq!(times(&outcome), [8.0, 12.0]);
    assert_eq!((&events[0][6..], &events[1][..]), ("-0 +0 -0", "+0 -1 +1 -0"));
    // Each change is of four steps, and a step goes along three of the mean: 3 / 4 of (1 + 1) / 2 and of (1 + 2) / 2.
    assert_near(&moved, &[0.75, 0.75 * 1.5]);
    // Where they take any number of steps and pause, they do so by the seed alone.
    let any = ["asynchrony={kind=\"afa\",buffer=2,most_steps=9,pause=3.0}", "rounds=5"];
    let [one, other] = [(); 2].map(|()| play(&[0.5, 2.0, 1.0], &any));
    assert_eq!(one.federations[0].ledger, other.federations[0].ledger);
    assert!(bits(&one.federations[0].model) == bits(&other.federations[0].model));
    let seed = play(&[0.5, 2.0, 1.0], &[&any[..], &["seed=5"]].concat());
    assert_ne!(seed.federations[0].ledger, one.federations[0].ledger);
}

#[test]
fn groups_arrive_together_with_as_many_steps_as_let_them() {
    // Speeds with the messages: first tasks of 4 steps take 2 + 4 * 0.5 = 4 and 2 + 4 * 1.5 = 8 seconds, 1 and 2 s a step.
    let rules = "asynchrony={kind=\"fedcompass\",least_steps=4,most_steps=16,latest=1.25,alpha=1.0,staleness=\"constant\"}";
    let (outcome, moved, events) = by_hand(&[0.5, 1.5], &[rules, "rounds=3"]);
    // At 4 the first arrives: a step of its own, half of all images. It makes a group of 16 steps that is due at 20. At 8
    // the second arrives: another step, and it gets the 12 seconds until then, 6 steps. These take 2 + 6 * 1.5 = 11
    // seconds, until 19, and the 16 of the first 2 + 16 * 0.5 = 10, until 14: at 19 both are there.
    assert_eq!(times(&outcome), [4.0, 8.0, 19.0]);
    assert_eq!((&events[1][..], &events[2][..]), ("+0 -1", "+1 -0 -1"));
    // Half of 1, half of 2, and the mean of both, whatever their steps.
    assert_near(&moved, &[0.5, 1.0, 1.5]);
    let rounds = &outcome.federations[1].rounds;
    assert_eq!(rounds.iter().map(|round| round.results).collect::<Vec<_>>(), [1, 1, 2]);
}

#[test]
fn with_equal_speeds_and_a_buffer_for_all_it_is_federated_averaging() {
    // Messages of one length: who has fewer bytes to send is there first.
    let codecs = "codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"quantize\",bits=4}]]";
    let shared = ["rounds=3", codecs, "strategy=fedavgm"];
    let waits = play(&[0.5; 4], &shared);
    let flows = play(&[0.5; 4], &[&shared[..], &["asynchrony={kind=\"fedbuff\",buffer=4}"]].concat());
    for (waits, flows) in waits.federations.iter().zip(&flows.federations) {
        assert!(bits(&waits.model) == bits(&flows.model), "{}", waits.label);
        for (waits, flows) in waits.rounds.iter().zip(&flows.rounds) {
            assert_eq!(waits.tested, flows.tested);
            assert_eq!((waits.bytes_up, waits.bytes_down), (flows.bytes_up, flows.bytes_down));
            assert!((waits.clock.unwrap() - flows.clock.unwrap()).abs() < 1e-9);
        }
    }
    // The negative control: speeds that differ are another federation.
    let slower =
        play(&[0.5, 0.5, 0.5, 2.0], &[&shared[..], &["asynchrony={kind=\"fedbuff\",buffer=4}"]].concat());
    assert_ne!(bits(&slower.federations[0].model), bits(&flows.federations[0].model));
}

#[test]
fn one_collaborator_that_is_mixed_in_whole_trains_by_itself() {
    let alone = play(&[0.5], &["rounds=3"]);
    let mixed = play(&[0.5], &["rounds=3", "asynchrony={kind=\"fedasync\",alpha=1.0}"]);
    assert!(bits(&alone.federations[0].model) == bits(&mixed.federations[0].model));
}

#[test]
fn what_is_learned_does_not_depend_on_how_many_train_side_by_side() {
    let steps = [0.3, 0.5, 0.9, 0.4, 2.5];
    let codecs = "codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.05}]]";
    for rules in [
        "asynchrony={kind=\"buffered\",concurrency=4,buffer=2}",
        "asynchrony={kind=\"mixed\"}",
        "asynchrony={kind=\"anarchic\",buffer=3,pause=1.0,most_steps=7}",
        "asynchrony={kind=\"compass\",least_steps=2,most_steps=9}",
    ] {
        let of = |more: &[&str]| play(&steps, &[&["rounds=6", codecs, rules][..], more].concat());
        let [whole, one] = [of(&[]), of(&["cohort=1"])];
        for (whole, one) in whole.federations.iter().zip(&one.federations) {
            assert!(bits(&whole.model) == bits(&one.model), "{rules} {}", whole.label);
            assert_eq!(whole.ledger, one.ledger);
            assert!(whole.model.iter().all(|weight| weight.is_finite()));
        }
        let accuracy = whole.federations[0].tests().next_back().unwrap().1.test_accuracy;
        assert!(accuracy > whole.initial.plain.accuracy, "{rules}: {accuracy}");
    }
}

#[test]
fn updates_that_do_not_count_are_not_waited_for() {
    let settings = ["rounds=4", "checksum=true", "faults={corrupt=0.3,duplicate=0.2}"];
    let rules = ["asynchrony={kind=\"buffered\",buffer=2}", "attack={kind=\"nan\",collaborators=[1]}"];
    let outcome = play(&[0.5, 1.0, 1.0, 2.0], &[&settings[..], &rules].concat());
    let federation = &outcome.federations[0];
    let rejected = federation.ledger.transfers.iter().filter(|t| t.rejected.is_some()).count();
    assert!(rejected > 2, "{rejected}");
    assert!(federation.rounds.iter().all(|round| round.results == 2 && round.asked >= 2));
    assert!(federation.rounds.iter().any(|round| round.asked > 2));
    assert!(federation.model.iter().all(|weight| weight.is_finite()));
}

#[test]
fn what_makes_no_sense_without_rounds_is_refused_in_words() {
    let shared = ["collaborators=4", "asynchrony={kind=\"fedbuff\"}"];
    let refused = |settings: &[&str]| {
        let all = [&shared[..], settings].concat();
        let all: Vec<_> = all.iter().map(|setting| setting.to_string()).collect();
        let spec = SimulationSpec::load("demo", &all);
        let data = fedfunnel::data::DataDir::new("nowhere");
        let checked = spec.and_then(|spec| fedfunnel::federation::check(&spec, &Parts::default(), &data));
        checked.unwrap_err().to_string()
    };
    for (settings, field) in [
        (&[][..], "[clock]"),
        (&["clock={}", "participation={per_round=2}"], "asynchrony.concurrency"),
        (&["clock={}", "local_tests=\"epoch\""], "local_tests"),
        (&["clock={}", "faults={deadline=3.0}"], "faults.deadline"),
        (&["clock={}", "faults={absent=0.1}"], "faults.absent"),
        (&["clock={}", "attack={kind=\"little\",part=0.3}"], "attack.kind"),
        (
            &["clock={}", "codecs=[\"raw\",[\"delta\",{stage=\"sketch\",columns=300},\"f16\"],\"fetchsgd\"]"],
            "codecs",
        ),
        (&["clock={}", "codecs=[\"raw\",{stage=\"lbgm\",threshold=0.2}]"], "codecs"),
        (&["clock={}", "codecs=[\"raw\",{stage=\"dropout\",part=0.25}]"], "codecs"),
        (&["clock={}", "codecs=[\"raw\",{stages=\"raw\",downlink={stage=\"stc\",part=0.01}}]"], "downlink"),
    ] {
        let error = refused(settings);
        assert!(error.contains(field), "{settings:?}: {error}");
    }
}

#[test]
fn rounds_that_are_counted_over_again_at_their_own_speed_take_as_long() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("speeds.csv");
    std::fs::write(&file, "0,0.25,1,2\n1,0.25,2,2\n2,0.125,4,2\n").unwrap();
    let clock = format!("clock={{file=\"{}\"}}", file.display());
    let settings = [
        "collaborators=3",
        "images=96",
        "batch=16",
        "rounds=2",
        "prepass.epochs=3",
        "participation={per_round=2}",
        "codecs=[\"raw\",{stage=\"pca\",floats=2}]",
        &clock,
    ];
    let outcome = run(folder.path(), &spec(&Parts::default(), &settings), &Parts::default());
    for federation in &outcome.federations {
        let played = Timeline::of(&outcome, federation).unwrap();
        assert_near(&Timeline::over(&outcome, federation, 2.0).unwrap().ends, &played.ends);
        let faster = Timeline::over(&outcome, federation, 200.0).unwrap();
        assert!(faster.end() < played.end() && faster.end() > 4.0 * 0.125);
        let took: f64 = federation.rounds.iter().map(|round| round.clock.unwrap()).sum();
        assert_near(&[played.end()], &[played.before + took]);
        let last = federation.tests().next_back().unwrap().1.test_accuracy;
        assert!(played.reaches(federation, last).is_some_and(|time| time <= played.end()));
        assert_eq!(played.reaches(federation, 1.1), None);
    }
    // Raw updates have nothing to wait for. The axes are learned from three epochs of two steps, and shipped: the first has
    // the slowest line, of a megabit, and gets a model in 63,643 bytes at two.
    assert_eq!(Timeline::of(&outcome, outcome.raw()).unwrap().before, 0.0);
    let own = &outcome.federations[1];
    let of_first = |kind, direction| {
        let all = own
            .ledger
            .bytes(|t| t.collaborator == 0 && t.round == 0 && (t.kind, t.direction) == (kind, direction));
        all as f64
    };
    let shipped = of_first(MessageKind::Setup, Direction::Up);
    let model = of_first(MessageKind::Model, Direction::Down);
    assert_eq!(model, MESSAGE as f64);
    let due = 8.0 * model / 2e6 + 6.0 * 0.25 + 8.0 * shipped / 1e6;
    assert_near(&[Timeline::of(&outcome, own).unwrap().before], &[due]);
}
