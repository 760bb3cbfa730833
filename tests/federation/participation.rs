//! Rounds that a part of the collaborators take part in.

use crate::support::{run, spec};
use fedfunnel::codec::MessageKind;
use fedfunnel::federation::{Direction, Outcome, Parts};

/// 60 collaborators of uneven sizes, 50 of them in each round.
fn sixty(settings: &[&str]) -> Outcome {
    let shared = [
        "collaborators=60",
        "images=900",
        "partition={kind=\"dirichlet\",alpha=0.5}",
        "participation={per_round=50}",
        "batch=8",
        "rounds=3",
        "codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.05}]]",
    ];
    let parts = Parts::default();
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &spec(&parts, &[&shared[..], settings].concat()), &parts)
}

#[test]
fn what_a_collaborator_learns_does_not_depend_on_how_many_train_beside_it() {
    let [whole, seven, one] = [sixty(&["cohort=50"]), sixty(&["cohort=7"]), sixty(&["cohort=1"])];
    assert!(whole.samples.iter().max() > whole.samples.iter().min().map(|least| 4 * least).as_ref());
    for (place, federation) in whole.federations.iter().enumerate() {
        for other in [&seven.federations[place], &one.federations[place]] {
            let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&federation.model), bits(&other.model), "{}", federation.label);
            assert_eq!(federation.ledger, other.ledger);
        }
    }
    // The negative control: another draw of participants comes to another model.
    assert_ne!(sixty(&["seed=1"]).federations[0].model, whole.federations[0].model);
}

#[test]
fn only_those_that_are_asked_get_and_send_messages() {
    let outcome = sixty(&["participation={per_round=7,sampling=\"weighted\"}", "codecs=[\"raw\"]"]);
    let federation = &outcome.federations[0];
    for (number, round) in (1..).zip(&federation.rounds) {
        let who = outcome.spec.participants(number, 0, &outcome.samples);
        assert_eq!((who.len(), round.asked, round.results, round.attempts), (7, 7, 7, 1));
        for (direction, kind) in [(Direction::Down, MessageKind::Model), (Direction::Up, MessageKind::Update)]
        {
            let sent =
                federation.ledger.transfers.iter().filter(|t| t.round == number && t.direction == direction);
            let sent: Vec<_> = sent.map(|t| (t.collaborator, t.kind)).collect();
            assert_eq!(sent, who.iter().map(|&who| (who, kind)).collect::<Vec<_>>());
        }
        assert!(round.local_test_accuracy.is_empty() && round.local_epochs.is_empty());
    }
    let detailed = sixty(&[
        "participation={per_round=7,sampling=\"weighted\"}",
        "codecs=[\"raw\"]",
        "local_tests=\"epoch\"",
    ]);
    assert_eq!(detailed.federations[0].model, federation.model);
    let rounds = &detailed.federations[0].rounds;
    assert!(rounds.iter().all(|round| round.local_epochs.len() == 7 && round.local_test_accuracy.len() == 7));
}

#[test]
fn models_are_tested_as_often_as_is_asked_for_and_a_federation_ends_when_it_is_good_enough() {
    let often = sixty(&["codecs=[\"raw\"]", "rounds=8"]);
    let seldom = sixty(&["codecs=[\"raw\"]", "rounds=8", "test_every=3"]);
    let tested: Vec<_> = seldom.federations[0].tests().map(|(round, _)| round).collect();
    assert_eq!(tested, [3, 6, 8]);
    for (round, test) in seldom.federations[0].tests() {
        assert_eq!(often.federations[0].rounds[round as usize - 1].tested.as_ref(), Some(test));
    }
    let due = often.federations[0].rounds[3].tested.unwrap().test_accuracy;
    let first = often.federations[0].tests().find(|(_, test)| test.test_accuracy >= due).unwrap().0;
    let stopped = sixty(&["codecs=[\"raw\"]", "rounds=8", &format!("stop_at_accuracy={due}")]);
    assert_eq!(stopped.federations[0].rounds[..], often.federations[0].rounds[..first as usize]);
}

#[test]
fn a_round_that_nobody_takes_part_in_changes_nothing() {
    // A chance of one in sixty for each.
    let outcome = sixty(&[
        "participation={per_round=1,sampling=\"poisson\"}",
        "prepass.snapshot_every=1",
        "codecs=[\"raw\",[\"delta\",\"f16\"],[\"delta\",{stage=\"sketch\",rows=3,columns=500}],\
         [\"prior\",{stage=\"pca\",floats=2,shared=true},\"tune\"]]",
        "rounds=9",
    ]);
    for federation in &outcome.federations {
        let empty: Vec<_> = federation.rounds.iter().filter(|round| round.asked == 0).collect();
        assert!(!empty.is_empty() && empty.len() < 9, "{}", empty.len());
        for round in empty {
            assert_eq!((round.bytes_up, round.bytes_down, round.results), (0, 0, 0));
            let before = federation.rounds[..round.round as usize - 1].last();
            if let Some(before) = before {
                assert_eq!(before.tested, round.tested);
            }
        }
    }
}

#[test]
fn what_idle_collaborators_keep_can_lie_in_the_runs_folder() {
    let model = |settings: &[&str]| {
        let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
        let common = ["collaborators=8", "participation.per_round=3", "rounds=5", TOPK];
        let outcome = run(folder.path(), &spec(&parts, &[&common[..], settings].concat()), &parts);
        let one = outcome.federations.into_iter().nth(1).unwrap();
        (one.model, one.ledger)
    };
    const TOPK: &str = "codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.01}]]";
    let in_memory = model(&[]);
    assert!(in_memory == model(&["idle_bytes=0"]));
    // The negative control: what they keep matters.
    assert!(in_memory != model(&["codecs=[\"raw\",[\"delta\",{stage=\"topk\",part=0.01}]]"]));
}
