//! Any byte of a message flipped, cut off or added, for every stage that there is: refused in words or decoded, and
//! never a panic.

use crate::coded::support::{Sides, made_up_logs, made_up_weights};
use crate::support::{gpu, small_classifier};
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Kept, LocalData, Message, MessageKind, PipelineSpec, Round, Stages};
use fedfunnel::data::{Dataset, ImageShape};
use fedfunnel::reference::random::bits;
use fedfunnel::training::ResidentImages;
use fedfunnel::{Error, Result};
use proptest::prelude::*;
use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// P, and rounds whose messages are damaged.
const P: usize = 44;
const ROUNDS: u32 = 2;

/// A codec that is set up, and what has crossed the wire with it.
struct Sent {
    text: String,
    sides: Sides,
    globals: Vec<Vec<f32>>,
    /// The payloads of each round.
    payloads: Vec<Vec<Vec<u8>>>,
}

/// A codec for each stage that says what it is: its example.
fn all() -> &'static [Sent] {
    static ALL: OnceLock<Vec<Sent>> = OnceLock::new();
    ALL.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("ae.toml");
        std::fs::write(&model, format!("name = \"ae\"\nkind = \"autoencoder\"\nwidths = [{P}, 3, {P}]\n"))
            .unwrap();
        let settings = AutoencoderSettings {
            model: model.display().to_string(),
            epochs: 20,
            ..AutoencoderSettings::default()
        };
        let stages = Stages::default().explained();
        let said = stages.iter().filter(|kind| kind.about.is_said());
        let mut specs: Vec<_> = said.map(|kind| spec_of(kind.stages())).collect();
        specs.extend(["autoencoder(shared=true)", "pca(floats=2,ship=int4,shared=true)"].map(spec_of));
        specs.dedup();
        let all = specs.into_iter().map(|spec| sent(&spec, &settings));
        // What is joined is decoded by another way: `projections::fetch_sgd` damages it.
        all.filter(|sent| !sent.sides.codec.is_joint()).collect()
    })
}

fn spec_of(text: &str) -> PipelineSpec {
    PipelineSpec::from_text("example", text).unwrap()
}

/// Twelve images of 2 x 2 pixels.
fn images() -> ResidentImages {
    let pixels = (0..12 * 4).map(|i| bits(i, 0, 1, 3) as u8).collect();
    let labels = (0..12).map(|n| n % 2).collect();
    let shape = ImageShape { channels: 1, height: 2, width: 2 };
    let data = Dataset { name: "noise".into(), images: pixels, labels, shape, classes: 2, groups: None };
    ResidentImages::upload(gpu(), &data).unwrap()
}

fn sent(spec: &PipelineSpec, settings: &AutoencoderSettings) -> Sent {
    let value: toml::Value = spec.clone().into();
    let mut sides = Sides::with_autoencoder(&value.to_string(), &made_up_logs(2, 4, P), Some(settings));
    let globals: Vec<_> = (0..ROUNDS).map(|round| made_up_weights(1, P, 50 + round).remove(0)).collect();
    let mut payloads = Vec::new();
    let (classifier, images, mut progress) = (small_classifier(), images(), |_| ());
    let local = LocalData {
        spec: &classifier,
        images: &images,
        batch: 3,
        largest_share: 6,
        most_together: 2,
        order: &|who, _| (who * 6..who * 6 + 6).collect(),
        progress: RefCell::new(&mut progress),
    };
    for (round, global) in (0..ROUNDS).zip(&globals) {
        payloads.push(sides.send(round + 1, global, &made_up_weights(2, P, round), Some(&local)));
        if !sides.codec.is_joint() {
            sides.keep(round + 1, global, &payloads[round as usize]);
        }
    }
    Sent { text: spec.to_text(), sides, globals, payloads }
}

impl Sent {
    /// What an aggregator that keeps this makes of a payload.
    fn receive(&self, round: usize, kept: &Kept, payload: &[u8]) -> Result<usize> {
        let global = &self.globals[round];
        let round = Round { number: round as u32 + 1, seed: 0, global, gpu: gpu(), local: None };
        let mut values = self.sides.codec.receive(&round, vec![(0, kept, payload)])?;
        Ok(values.remove(0).take(gpu())?.len())
    }

    /// One at a time: a codec holds the decoders that it used last, and other threads install damaged ones.
    fn alone() -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        ONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a payload is decoded to as many values as there are, or refused as a message.
    fn is_fine(&self, round: usize, kept: &Kept, payload: &[u8]) -> std::result::Result<(), String> {
        match self.receive(round, kept, payload) {
            Ok(P) | Err(Error::Message { .. }) => Ok(()),
            Ok(values) => Err(format!("{}: {values} values", self.text)),
            Err(error) => Err(format!("{}: {error}", self.text)),
        }
    }
}

/// The bytes with one of them changed, with an end cut off, and with some added.
fn damaged(bytes: &[u8], place: usize, change: u8, added: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![[bytes, added].concat()];
    if !bytes.is_empty() {
        let place = place % bytes.len();
        let mut flipped = bytes.to_vec();
        flipped[place] ^= change;
        all.extend([flipped, bytes[..place].to_vec()]);
    }
    all
}

#[test]
fn every_message_is_decoded_as_it_was_sent() {
    let _alone = Sent::alone();
    for sent in all() {
        for round in 0..ROUNDS as usize {
            let kept = &sent.sides.receivers[0];
            assert_eq!(sent.receive(round, kept, &sent.payloads[round][0]).unwrap(), P, "{}", sent.text);
            let more = [&sent.payloads[round][0][..], &[0]].concat();
            let error = sent.receive(round, kept, &more).unwrap_err();
            assert!(matches!(error, Error::Message { .. }), "{}: {error}", sent.text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_updates_of_any_stage_are_refused_or_decoded(
        which: usize, round in 0..ROUNDS as usize, who in 0..2usize, place: usize, change in 1u8..,
        added in proptest::collection::vec(any::<u8>(), 1..9),
    ) {
        let _alone = Sent::alone();
        let sent = &all()[which % all().len()];
        let payload = &sent.payloads[round][who];
        for bytes in damaged(payload, place, change, &added) {
            let fine = sent.is_fine(round, &sent.sides.receivers[who], &bytes);
            prop_assert!(fine.is_ok(), "{}", fine.unwrap_err());
        }
        let message = Message {
            kind: MessageKind::Update, round: round as u32 + 1, collaborator: who as u32, payload: payload.clone(),
        };
        let whole = message.to_bytes(true);
        for bytes in damaged(&whole, place, change, &added) {
            prop_assert!(Message::from_bytes(&bytes, true).is_err());
        }
        for bytes in damaged(&message.to_bytes(false), place, change, &added) {
            if let Ok(Message { payload, .. }) = Message::from_bytes(&bytes, false) {
                let fine = sent.is_fine(round, &sent.sides.receivers[who], &payload);
                prop_assert!(fine.is_ok(), "{}", fine.unwrap_err());
            }
        }
    }

    #[test]
    fn damaged_setups_of_any_stage_are_refused_or_decode_something(
        which: usize, who in 0..2usize, place: usize, change in 1u8..,
        added in proptest::collection::vec(any::<u8>(), 1..9),
    ) {
        let _alone = Sent::alone();
        let learned: Vec<_> = all().iter().filter(|sent| sent.sides.codec.learns()).collect();
        let sent = learned[which % learned.len()];
        let back = sent.sides.sent_back.iter().map(|bytes| (&sent.sides.shipped[who], Some(bytes)));
        let shipped = std::iter::once((&sent.sides.shipped[who], None)).chain(back);
        for (shipped, back) in shipped {
            for bytes in damaged(back.unwrap_or(shipped), place, change, &added) {
                let mut kept = Kept::default();
                let installed = match back {
                    None => sent.sides.codec.install(&bytes, &mut kept),
                    Some(_) => {
                        let first = sent.sides.codec.install(shipped, &mut kept);
                        first.and_then(|()| sent.sides.codec.install(&bytes, &mut kept))
                    }
                };
                if let Err(error) = installed {
                    prop_assert!(matches!(error, Error::Message { .. }), "{}: {}", sent.text, error);
                    continue;
                }
                if sent.sides.codec.check_receivers(Some(P), &[&kept]).is_ok() {
                    let fine = sent.is_fine(0, &kept, &sent.payloads[0][who]);
                    prop_assert!(fine.is_ok(), "{}", fine.unwrap_err());
                }
            }
        }
    }
}
