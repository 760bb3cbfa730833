//! Stages and strategies from outside the crate: one file each, and one line where they are named.

use crate::support::{pipeline, run, spec, through};
use fedfunnel::Result;
use fedfunnel::codec::{
    Incoming, Kept, Make, MessageKind, Outgoing, Round, Stage, StageKind, Stages, Values,
};
use fedfunnel::federation::{
    Direction, Local, LocalKind, LocalResult, PartAbout, Parts, Preset, Server, ServerKind, Strategies,
    StrategyRound,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sends every value with the other sign, and counts how often.
struct Negate;

static NEGATED: AtomicUsize = AtomicUsize::new(0);

const NEGATE: StageKind = StageKind::new("negate", Make::Plain(|_, _| Ok(Box::new(Negate))));

impl Stage for Negate {
    fn label(&self) -> String {
        "negate".into()
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for outgoing in batch {
            NEGATED.fetch_add(1, Ordering::Relaxed);
            let values = outgoing.values.take(round.gpu)?;
            outgoing.values = Values::Host(values.into_iter().map(|value| -value).collect());
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let values = incoming.values.take(round.gpu)?;
            incoming.values = Values::Host(values.into_iter().map(|value| -value).collect());
        }
        Ok(())
    }
}

/// Sends what is not zero, so that the values decide how many there are, and a bit for each place.
struct NonZero;

const NON_ZERO: StageKind = StageKind::new("nonzero", Make::Plain(|_, _| Ok(Box::new(NonZero))));

impl Stage for NonZero {
    fn label(&self) -> String {
        "nonzero".into()
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        None
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            let bits = |part: &[f32]| {
                part.iter().enumerate().fold(0, |bits, (place, v)| bits | u8::from(*v != 0.0) << place)
            };
            values.chunks(8).for_each(|part| outgoing.side.byte(bits(part)));
            outgoing.values = Values::Host(values.into_iter().filter(|value| *value != 0.0).collect());
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let mut values = incoming.values.take(round.gpu)?.into_iter();
            let bits = incoming.side.bytes(incoming.due.div_ceil(8))?;
            let is_sent = |place: usize| bits[place / 8] >> (place % 8) & 1 == 1;
            let all = (0..incoming.due)
                .map(|place| if is_sent(place) { values.next().unwrap_or(0.0) } else { 0.0 });
            incoming.values = Values::Host(all.collect());
        }
        Ok(())
    }
}

/// Goes half of the way to what the updates were combined to.
#[derive(Default)]
struct Halved(Kept);

impl Server for Halved {
    fn step(&mut self, _: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        global.iter_mut().zip(combined).for_each(|(global, combined)| *global += 0.5 * (combined - *global));
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}

/// Stays where it is.
#[derive(Default)]
struct Stay(Kept);

impl Server for Stay {
    fn step(&mut self, _: &StrategyRound<'_>, _: &mut [f32], _: &[f32]) {}

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}

/// Broadcasts two values, and has every collaborator answer with three.
#[derive(Default)]
struct Chatty(Kept);

static HEARD: Mutex<Vec<(u32, Vec<f32>)>> = Mutex::new(Vec::new());

impl Local for Chatty {
    fn broadcast(&self) -> Option<Vec<f32>> {
        Some(vec![1.5, -2.5])
    }

    fn report(&self, done: &LocalResult<'_>, kept: &mut Kept) -> Option<Vec<f32>> {
        let times = kept.get("times").map_or(1.0, |times| times[0] + 1.0);
        kept.put("times", vec![times]);
        let moved = done.weights.iter().zip(done.global).any(|(weight, global)| weight != global);
        assert!(moved && done.broadcast == Some(&[1.5f32, -2.5][..]));
        Some(vec![done.who as f32, done.steps as f32, times])
    }

    fn absorb(&mut self, _: &StrategyRound<'_>, reports: &[(u32, Vec<f32>)]) {
        HEARD.lock().unwrap().extend(reports.iter().cloned());
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}

fn parts() -> Parts {
    let preset =
        |name, server, local| Preset { name, combine: "mean", server, local, about: PartAbout::NOTHING };
    Parts {
        stages: Stages::default().with(NEGATE).with(NON_ZERO),
        strategies: Strategies::default()
            .with_server(ServerKind {
                name: "halved",
                about: PartAbout::NOTHING,
                make: |_| Ok(Box::<Halved>::default()),
            })
            .with_server(ServerKind {
                name: "stay",
                about: PartAbout::NOTHING,
                make: |_| Ok(Box::<Stay>::default()),
            })
            .with_local(LocalKind {
                name: "chatty",
                about: PartAbout::NOTHING,
                make: |_| Ok(Box::<Chatty>::default()),
            })
            .with_preset(preset("fedhalf", "halved", "plain")),
        ..Parts::default()
    }
}

#[test]
fn a_stage_of_ones_own_changes_what_is_sent_and_nothing_else() {
    let negate = pipeline(&parts(), "[\"negate\"]", 3).unwrap();
    let (sent, got) = through(&negate, &mut Kept::default(), &[0.0; 3], &[1.0, -2.0, 0.5]);
    let due: Vec<u8> = [-1.0f32, 2.0, -0.5].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!((sent, got), (due, vec![1.0, -2.0, 0.5]));

    let folder = tempfile::tempdir().unwrap();
    let parts = parts();
    let before = NEGATED.load(Ordering::Relaxed);
    let outcome = run(folder.path(), &spec(&parts, &["codecs=[\"raw\",[\"negate\"],[\"delta\"]]"]), &parts);
    assert_eq!(NEGATED.load(Ordering::Relaxed) - before, 4, "two collaborators, two rounds");
    let [raw, negated, delta] = outcome.federations.as_slice() else { panic!("three federations") };
    assert_eq!((negated.label.as_str(), &negated.model), ("negate", &raw.model));
    assert_eq!(negated.ledger, raw.ledger);
    // The negative control: a stage that rounds differently comes to other bits.
    assert_ne!(delta.model, raw.model);
}

#[test]
fn values_that_decide_how_many_they_are_are_counted_in_the_message() {
    let codec =
        pipeline(&parts(), "[{ stage = \"topk\", part = 0.5 }, \"nonzero\", \"negate\"]", 10).unwrap();
    let values = [0.0, 3.0, 0.0, 0.0, -1.0, 0.0, 0.0, 2.0, 0.0, 0.0];
    let (sent, got) = through(&codec, &mut Kept::default(), &[0.0; 10], &values);
    assert_eq!(got, values);
    // A count of one byte, three values, a byte of bits for five, and one of their distances: 0, 0, 0, 1 and 2.
    assert_eq!(sent.len(), 1 + 4 * 3 + 1 + 1);
    assert_eq!(codec.floats(10, &Kept::default()), None);
}

#[test]
fn a_strategy_of_ones_own_goes_half_of_the_way() {
    let parts = parts();
    let model = |settings: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let all = [&["codecs=[\"raw\"]", "rounds=1"][..], settings].concat();
        run(folder.path(), &spec(&parts, &all), &parts).federations.swap_remove(0).model
    };
    let whole = model(&[]);
    let half = model(&["strategy=fedhalf"]);
    let start = model(&["strategy.server=stay"]);
    assert_ne!(whole, start);
    let due: Vec<f32> =
        start.iter().zip(&whole).map(|(start, whole)| start + 0.5 * (whole - start)).collect();
    assert_eq!(half, due);
    // Momentum at half the rate begins as that does.
    let momentum = model(&["strategy.server={kind=\"momentum\",rate=0.5}"]);
    for ((momentum, half), whole) in momentum.iter().zip(&half).zip(&whole) {
        assert!((momentum - half).abs() <= 1e-6 * (1.0 + whole.abs()));
    }
}

#[test]
fn what_a_local_rule_says_crosses_the_wire_and_is_counted() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), parts());
    let settings = ["codecs=[\"raw\"]", "strategy.local=chatty", "checksum=true"];
    let outcome = run(folder.path(), &spec(&parts, &settings), &parts);
    let ledger = &outcome.federations[0].ledger;
    let control = |way| ledger.bytes(|t| t.kind == MessageKind::Control && t.direction == way);
    // Three bytes of header and four of a checksum.
    assert_eq!(control(Direction::Down), 2 * 2 * (3 + 2 * 4 + 4));
    assert_eq!(control(Direction::Up), 2 * 2 * (3 + 3 * 4 + 4));
    assert_eq!(ledger.message_bytes(Direction::Up, MessageKind::Update), Some(3 + 4 * 15_910 + 4));
    // 100 images in batches of 32, and one epoch; what a collaborator keeps is its own.
    let due = [(0, [0.0, 4.0, 1.0]), (1, [1.0, 4.0, 1.0]), (0, [0.0, 4.0, 2.0]), (1, [1.0, 4.0, 2.0])];
    let due: Vec<_> = due.into_iter().map(|(who, values)| (who, values.to_vec())).collect();
    assert_eq!(*HEARD.lock().unwrap(), due);
}
