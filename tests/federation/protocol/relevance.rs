//! Updates that are left out where they do not go the way of all.

use super::support::{Sides, numbers, refused};
use crate::support::{run, spec};
use fedfunnel::Result;
use fedfunnel::codec::{Incoming, Make, MessageKind, Outgoing, Round, Stage, StageKind, Stages, Values};
use fedfunnel::federation::Parts;
use std::sync::Mutex;

fn sides(threshold: f64) -> Sides {
    Sides::new(&format!("[\"delta\", {{ stage = \"relevance\", threshold = {threshold:?} }}]"), 4, 1)
}

#[test]
fn relevance_is_as_counted_by_hand() {
    let (start, moved) = ([1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 3.0, 1.0]);
    // Against (+, -, +, 0): three of four agree.
    let weights = [9.0, -1.0, 2.0, 1.0];
    for (threshold, is_left_out) in [(0.0, false), (0.75, false), (0.76, true), (1.0, true)] {
        let mut sides = sides(threshold);
        assert_eq!(sides.codec.label(), format!("delta+relevance({threshold})"));
        // There is no last round yet.
        let first = sides.one(&start, &[0.0, 5.0, 0.0, 5.0]);
        assert_eq!((first.bytes.len(), first.is_left_out), (17, false));
        assert_eq!(first.values, [0.0, 5.0, 0.0, 5.0]);
        let second = sides.one(&moved, &weights);
        assert_eq!(second.is_left_out, is_left_out, "{threshold}");
        assert_eq!(second.bytes.len(), if is_left_out { 1 } else { 17 });
        assert_eq!(second.values, if is_left_out { moved } else { weights });
        // After a round that changed nothing all send.
        let third = sides.one(&moved, &[-9.0, 9.0, -9.0, 9.0]);
        assert!(!third.is_left_out);
    }
}

#[test]
fn feedback_owes_all_of_an_update_that_is_left_out() {
    const P: usize = 30;
    let text = "[\"delta\", \"feedback\", { stage = \"relevance\", threshold = 0.9 }, { stage = \"topk\", part = 0.5 }]";
    let mut sides = Sides::new(text, P, 3);
    let weights: Vec<_> = (0..3).map(|who| numbers(P, who, 0)).collect();
    let (start, moved) = (numbers(P, 7, 7), numbers(P, 8, 8));
    assert!(sides.round(&start, &weights).iter().all(|crossed| !crossed.is_left_out));
    let owed: Vec<_> =
        sides.senders.iter().map(|kept| kept.scope("1").get("error").unwrap().to_vec()).collect();
    for (crossed, (kept, owed)) in
        sides.round(&moved, &weights).iter().zip([0, 1, 2].map(|who| (who, &owed[who])))
    {
        assert!(crossed.is_left_out && crossed.bytes.len() == 1 && crossed.values == moved);
        let error = sides.senders[kept].scope("1").get("error").unwrap();
        let due = weights[kept]
            .iter()
            .zip(&moved)
            .zip(owed)
            .map(|((weight, global), owed)| (weight - global) + owed);
        assert_eq!(error, due.collect::<Vec<_>>());
    }
}

#[test]
fn a_round_without_updates_changes_nothing_and_costs_headers() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let codecs = "codecs=[\"raw\",[\"delta\",{stage=\"relevance\",threshold=1.0}],[\"delta\"]]";
    let outcome = run(folder.path(), &spec(&parts, &["rounds=3", codecs]), &parts);
    let [_, gated, delta] = outcome.federations.as_slice() else { panic!("three federations") };
    let sizes: Vec<_> = gated
        .ledger
        .transfers
        .iter()
        .filter(|transfer| transfer.kind == MessageKind::Update)
        .map(|transfer| (transfer.round, transfer.bytes))
        .collect();
    // All in the first round, nobody in the second, and all again in the third, since nothing has changed.
    let whole = 3 + 1 + 4 * 15_910;
    assert_eq!(sizes, [(1, whole), (1, whole), (2, 4), (2, 4), (3, whole), (3, whole)]);
    let accuracy = |round: usize| gated.rounds[round].tested.unwrap().test_accuracy;
    assert_eq!(
        (accuracy(0), gated.rounds[0].tested.unwrap().test_loss),
        (accuracy(1), gated.rounds[1].tested.unwrap().test_loss)
    );
    assert_eq!(accuracy(0), delta.rounds[0].tested.unwrap().test_accuracy);
    assert_ne!(gated.model, delta.model);
}

/// Leaves collaborator 1 out, and notes what the others come to.
struct WithoutOne;

static WEIGHTS: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

const WITHOUT_ONE: StageKind = StageKind::new("without-one", Make::Plain(|_, _| Ok(Box::new(WithoutOne))));

impl Stage for WithoutOne {
    fn label(&self) -> String {
        "without-one".into()
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            WEIGHTS.lock().unwrap().push(values.clone());
            outgoing.values = Values::Host(values);
        }
        Ok(())
    }

    fn decode(&self, _: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        batch.iter_mut().for_each(|incoming| incoming.is_left_out = incoming.who == 1);
        Ok(())
    }
}

#[test]
fn those_that_are_left_are_averaged_by_their_own_weights() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts { stages: Stages::default().with(WITHOUT_ONE), ..Parts::default() };
    let settings = ["rounds=1", "collaborators=3", "images=300", "codecs=[\"raw\",[\"without-one\"]]"];
    let outcome = run(folder.path(), &spec(&parts, &settings), &parts);
    let weights = WEIGHTS.lock().unwrap();
    let [first, _, last] = weights.as_slice() else { panic!("three collaborators") };
    let model = &outcome.federations[1].model;
    for ((model, first), last) in model.iter().zip(first).zip(last) {
        assert!((model - (first + last) / 2.0).abs() <= 1e-6 * (1.0 + model.abs()));
    }
    // The negative control: all three come to something else.
    assert_ne!(model, &outcome.federations[0].model);
}

#[test]
fn what_relevance_cannot_be_is_refused_in_words() {
    for (text, words) in [
        ("[{ stage = \"relevance\", threshold = 0.5 }]", "list delta before it"),
        ("[\"delta\", { stage = \"relevance\" }]", "threshold"),
        ("[\"delta\", { stage = \"relevance\", threshold = 1.5 }]", "share of signs"),
        (
            "[\"delta\", { stage = \"topk\", part = 0.1 }, { stage = \"relevance\", threshold = 0.5 }]",
            "behind delta",
        ),
        (
            "[\"prior\", { stage = \"pca\", floats = 2 }, { stage = \"residual\", stages = [{ stage = \"relevance\", \
             threshold = 0.5 }] }]",
            "in a codec without a code",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains("codecs: relevance") && error.contains(words), "{error}");
    }
    let error = sides(0.5).receive(&[0.0; 4], &[vec![2]]).expect_err("a kind").to_string();
    assert!(error.contains("neither there nor left out"), "{error}");
    // Bytes behind nothing are too many.
    let error = sides(0.5).receive(&[0.0; 4], &[vec![1, 0]]).expect_err("a byte").to_string();
    assert!(error.contains("more than are due"), "{error}");
}
