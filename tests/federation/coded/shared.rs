//! One decoder for all, that the aggregator makes of those that came.

use super::support::{Axes, Sides, dot, floats_of, left_by, made_up_logs, made_up_weights};
use crate::support::{gpu, run, spec};
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Kept, MessageKind};
use fedfunnel::federation::{Direction, Parts};
use fedfunnel::training::Snapshots;
use nalgebra::{DMatrix, DVector};

const P: usize = 23;
const Z: usize = 4;

/// The covariance of snapshots around their mean.
fn covariance(rows: &[Vec<f64>]) -> DMatrix<f64> {
    let count = rows.len() as f64;
    let mean = rows.iter().fold(DVector::zeros(P), |sum, row| sum + DVector::from_row_slice(row)) / count;
    rows.iter().fold(DMatrix::zeros(P, P), |sum, row| {
        let away = DVector::from_row_slice(row) - &mean;
        sum + &away * away.transpose() / count
    })
}

/// Eigenvalues and eigenvectors, the largest first.
fn principal(covariance: DMatrix<f64>) -> Vec<(f64, Vec<f64>)> {
    let eigen = covariance.symmetric_eigen();
    let columns = eigen.eigenvectors.column_iter().map(|column| column.iter().copied().collect());
    let mut all: Vec<_> = eigen.eigenvalues.iter().copied().zip(columns).collect();
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    all
}

fn rows_of(log: &Snapshots) -> Vec<Vec<f64>> {
    log.rows().into_iter().map(|row| row.iter().map(|&value| value.into()).collect()).collect()
}

#[test]
fn shared_axes_are_the_principal_ones_of_all_that_was_shipped() {
    let logs = made_up_logs(3, 7, P);
    let sides = Sides::new("[{ stage = \"pca\", floats = 4, shared = true }]", &logs);
    assert_eq!(sides.codec.label(), "pca(4,shared)");
    let mut pooled = DMatrix::zeros(P, P);
    let mut means = Vec::new();
    for (shipped, log) in sides.shipped.iter().zip(&logs) {
        let (Axes { rows, mean }, spreads) = Axes::shipped(shipped, Z, P);
        assert_eq!(spreads.len(), Z);
        for ((row, spread), (variance, axis)) in
            rows.iter().zip(spreads).zip(principal(covariance(&rows_of(log))))
        {
            assert!((spread - variance.sqrt()).abs() < 1e-6, "{spread} {variance}");
            assert!((dot(row, &axis).abs() - 1.0).abs() < 1e-5);
            let row = DVector::from_row_slice(row);
            pooled += &row * row.transpose() * (spread * spread / logs.len() as f64);
        }
        means.push(mean);
    }
    pooled += covariance(&means);
    let sent_back = sides.sent_back.as_deref().unwrap();
    let (all, behind) = Axes::shipped(sent_back, Z, P);
    assert!(behind.is_empty());
    let due = principal(pooled);
    for (row, (variance, axis)) in all.rows.iter().zip(&due) {
        assert!((dot(row, axis).abs() - 1.0).abs() < 1e-5, "{} of variance {variance}", dot(row, axis));
    }
    for (place, value) in all.mean.iter().enumerate() {
        let mean = means.iter().map(|mean| mean[place]).sum::<f64>() / means.len() as f64;
        assert!((value - mean).abs() < 1e-6);
    }
    // The negative control: no collaborator's own axes span them.
    for shipped in &sides.shipped {
        assert!(left_by(&Axes::shipped(shipped, Z, P).0.rows, &all.rows[0]) > 0.05);
    }
    for kept in sides.senders.iter().chain(&sides.receivers) {
        assert_eq!(kept.scope("0").bytes("axes"), Some(sent_back));
    }
}

#[test]
fn shared_axes_in_few_bits_are_the_same_on_both_sides() {
    for ship in ["f32", "f16", "int8", "int4"] {
        let text = format!(
            "[\"prior\", {{ stage = \"pca\", floats = 2, ship = \"{ship}\", shared = true }}, \"tune\"]"
        );
        let sides = Sides::new(&text, &made_up_logs(3, 7, P));
        let sent_back = sides.sent_back.as_deref();
        for (sender, receiver) in sides.senders.iter().zip(&sides.receivers) {
            let (sender, receiver) = (sender.scope("0"), receiver.scope("0"));
            let copies =
                [sender, sender.scope("mirror"), receiver].map(|kept| kept.scope("learned").bytes("axes"));
            assert_eq!(copies, [sent_back; 3], "{ship}");
        }
    }
}

#[test]
fn one_copy_for_all_comes_to_the_same_bits_as_one_for_each() {
    let residual = "{ stage = \"residual\", stages = { stage = \"ternary\", count = 5 } }";
    let text = format!("[\"prior\", {{ stage = \"pca\", floats = 3, shared = true }}, \"f16\", {residual}]");
    let [mut own, mut one] = [0, 1].map(|_| Sides::new(&text, &made_up_logs(3, 7, P)));
    let sent_back = one.sent_back.clone().unwrap();
    let (mut sender, mut receiver) = (Kept::default(), Kept::default());
    one.codec.adopt(gpu(), &sent_back, &mut sender).unwrap();
    one.codec.install_shared(&sent_back, &mut receiver).unwrap();
    one.senders = vec![sender; 3];
    one.receivers = vec![receiver; 3];
    let mut global = vec![0.25; P];
    for round in 1..4 {
        let weights = made_up_weights(3, P, round);
        let payloads = own.send(round, &global, &weights, None);
        assert_eq!(payloads, one.send(round, &global, &weights, None));
        let received = own.receive(round, &global, &payloads);
        assert_eq!(received, one.receive(round, &global, &payloads));
        // The negative control: updates differ, and so do those of the next round.
        assert_ne!(received[0], received[1]);
        global.clone_from(&received[2]);
    }
}

#[test]
fn many_updates_through_one_copy_are_those_of_each_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "");
    for text in
        ["[{ stage = \"pca\", floats = 3, shared = true }]", "[{ stage = \"autoencoder\", shared = true }]"]
    {
        let mut sides = Sides::with_autoencoder(text, &made_up_logs(11, 7, P), Some(&settings));
        let global = vec![0.25; P];
        let weights = made_up_weights(11, P, 1);
        let together = sides.send(1, &global, &weights, None);
        let decoded = sides.receive(1, &global, &together);
        for (place, (weights, payload)) in weights.iter().zip(&together).enumerate() {
            let mut one = vec![sides.senders[place].clone()];
            std::mem::swap(&mut one, &mut sides.senders);
            let alone = sides.send(1, &global, std::slice::from_ref(weights), None);
            std::mem::swap(&mut one, &mut sides.senders);
            for (together, alone) in floats_of(payload).iter().zip(floats_of(&alone[0])) {
                assert!((together - alone).abs() < 2e-6 * (1.0 + alone.abs()), "{text}: {together} {alone}");
            }
            let alone = sides.receive(1, &global, &alone);
            for (together, alone) in decoded[place].iter().zip(&alone[0]) {
                assert!((together - alone).abs() < 2e-6 * (1.0 + alone.abs()), "{text}: {together} {alone}");
            }
        }
        // The negative control: another update comes to something else.
        assert!(decoded[0].iter().zip(&decoded[1]).any(|(a, b)| (a - b).abs() > 1e-3));
    }
}

#[test]
fn a_shared_decoder_goes_up_from_each_and_comes_down_to_each_once() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let codecs = "codecs=[\"raw\",{stage=\"pca\",floats=3},{stage=\"pca\",floats=3,shared=true}]";
    let spec = spec(&parts, &[codecs, "collaborators=3", "images=300"]);
    let outcome = run(folder.path(), &spec, &parts);
    let [raw, own, shared] = outcome.federations.as_slice() else { panic!("three federations") };
    let width = 15_910;
    let setups = |federation: &fedfunnel::federation::FederationOutcome| {
        let of = |way| {
            let sent = federation.ledger.transfers.iter();
            let sent = sent.filter(move |t| t.kind == MessageKind::Setup && t.direction == way);
            sent.map(|t| (t.collaborator, t.bytes)).collect::<Vec<_>>()
        };
        (of(Direction::Up), of(Direction::Down))
    };
    let each = |bytes: u64| (0..3).map(|who| (who, bytes)).collect::<Vec<_>>();
    let axes = 3 + 4 * (3 + 1) * width;
    assert_eq!(setups(raw), (vec![], vec![]));
    assert_eq!(setups(own), (each(axes), vec![]));
    assert_eq!(setups(shared), (each(axes + 4 * 3), each(axes)));
    assert_eq!((shared.label.as_str(), shared.floats), ("pca(3,shared)", Some(3)));
}

/// Settings of an autoencoder of `P` weights, whose model lies in a folder.
fn settings(folder: &std::path::Path, more: &str) -> AutoencoderSettings {
    let model = folder.join("ae.toml");
    let text = format!("name = \"ae\"\nkind = \"autoencoder\"\nwidths = [{P}, 3, {P}]\n");
    std::fs::write(&model, text).unwrap();
    toml::from_str(&format!(
        "model = {model:?}\nepochs = 200\n{more}\n[optimizer]\nkind = \"adam\"\nlr = 1e-2\n"
    ))
    .unwrap()
}

#[test]
fn what_encodes_for_a_shared_autoencoder_is_of_the_least_squared_error() {
    let folder = tempfile::tempdir().unwrap();
    for more in ["", "space = \"small\""] {
        let settings = settings(folder.path(), more);
        let text = "[{ stage = \"autoencoder\", shared = true }]";
        let mut sides = Sides::with_autoencoder(text, &made_up_logs(3, 7, P), Some(&settings));
        assert_eq!(sides.codec.label(), "autoencoder(3,shared)");
        // All have one decoder.
        let code = [0.75f32, -1.5, 0.25];
        let decoded = sides.decoded(&code);
        assert!(decoded.iter().all(|other| *other == decoded[0]));
        for sent in sides.send(1, &[0.0; P], &decoded, None) {
            for (sent, due) in floats_of(&sent).into_iter().zip(code) {
                assert!((sent - f64::from(due)).abs() < 1e-4, "{sent} {due}");
            }
        }
        // Of weights that no code decodes to, what is missed is at right angles to what can be said.
        let directions = sides.directions(3).swap_remove(0);
        let weights = made_up_weights(3, P, 1);
        for (arrived, weights) in sides.through(1, &[0.0; P], &weights).iter().zip(&weights) {
            let missed: Vec<_> =
                weights.iter().zip(arrived).map(|(w, a)| f64::from(*w) - f64::from(*a)).collect();
            for direction in &directions {
                let cosine =
                    dot(direction, &missed) / (dot(direction, direction) * dot(&missed, &missed)).sqrt();
                assert!(cosine.abs() < 1e-5, "{cosine}");
            }
        }
    }
    // The negative control: what a collaborator's own training leaves to encode with is no such encoder.
    let settings = settings(folder.path(), "");
    let mut own = Sides::with_autoencoder("[\"autoencoder\"]", &made_up_logs(3, 7, P), Some(&settings));
    let code = [0.75f32, -1.5, 0.25];
    let decoded = own.decoded(&code);
    let sent = floats_of(&own.send(1, &[0.0; P], &decoded, None)[0]);
    assert!(sent.iter().zip(code).any(|(sent, due)| (sent - f64::from(due)).abs() > 1e-3), "{sent:?}");
}
