//! Global models that come down as the average of the codes.

use crate::support::{run, spec};
use fedfunnel::codec::MessageKind;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Direction, FederationOutcome, Parts, check};

const CODE: &str = "[\"prior\",{stage=\"pca\",floats=4,shared=true},\"tune\"]";

/// Bytes of each global model that came down, by round and collaborator.
fn models(federation: &FederationOutcome) -> Vec<(u32, u32, u64)> {
    let sent = federation.ledger.transfers.iter();
    let sent = sent.filter(|t| (t.kind, t.direction) == (MessageKind::Model, Direction::Down));
    sent.map(|t| (t.round, t.collaborator, t.bytes)).collect()
}

/// Both of two collaborators get messages of so many bytes in these rounds.
fn to_both(rounds: impl IntoIterator<Item = (u32, u64)>) -> Vec<(u32, u32, u64)> {
    rounds.into_iter().flat_map(|(round, bytes)| [0, 1].map(|who| (round, who, bytes))).collect()
}

const WHOLE: u64 = 3 + 4 * 15_910;

#[test]
fn a_global_model_that_comes_down_as_a_code_is_that_which_comes_down_whole() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let halves = CODE.replace(",\"tune\"", ",\"f16\",\"tune\"");
    let codecs = format!(
        "codecs=[\"raw\",{CODE},{{stages={CODE},downlink=\"code\"}},{{stages={halves},downlink=\"code\"}}]"
    );
    // Unequal shares, so that codes are weighted as models are.
    let settings = ["rounds=3", "partition={kind=\"dirichlet\",alpha=1.0}", "seed=1", &codecs];
    let outcome = run(folder.path(), &spec(&parts, &settings), &parts);
    assert_ne!(outcome.samples[0], outcome.samples[1]);
    let [raw, whole, code, halves] = outcome.federations.as_slice() else { panic!("four federations") };
    assert_eq!(whole.label, "prior+pca(4,shared)+tune");
    assert_eq!(code.label, "prior+pca(4,shared)+tune, codes down");
    let furthest = |other: &FederationOutcome| {
        other.model.iter().zip(&whole.model).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max)
    };
    assert!(furthest(code) < 2e-7, "{}", furthest(code));
    for (code, whole) in code.rounds.iter().zip(&whole.rounds) {
        assert_eq!(code.tested.unwrap().test_accuracy, whole.tested.unwrap().test_accuracy);
        assert!(
            (code.tested.unwrap().test_loss - whole.tested.unwrap().test_loss).abs()
                < 1e-6 * whole.tested.unwrap().test_loss
        );
    }
    // The negative control: what is rounded on its way comes to something near, and raw to something else.
    assert!((4e-7..1e-3).contains(&furthest(halves)), "{}", furthest(halves));
    assert!(furthest(raw) > 0.01, "{}", furthest(raw));
    // A pre-pass in isolation has brought everybody the initial model.
    assert_eq!(models(whole), to_both((0..=3).map(|round| (round, WHOLE))));
    assert_eq!(models(code), to_both([(0, WHOLE), (2, 3 + 4 * 4), (3, 3 + 4 * 4)]));
    assert_eq!(models(halves), to_both([(0, WHOLE), (2, 3 + 2 * 4), (3, 3 + 2 * 4)]));
    assert_eq!(code.rounds.iter().map(|round| round.bytes_down).collect::<Vec<_>>(), [0, 38, 38]);
    // The other way nothing changes.
    let up = |federation: &FederationOutcome| federation.ledger.bytes(|t| t.direction == Direction::Up);
    assert_eq!(up(code), up(whole));
}

#[test]
fn behind_uncompressed_rounds_the_model_comes_down_whole_once() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let codecs = format!("codecs=[\"raw\",{CODE},{{stages={CODE},downlink=\"code\"}}]");
    let prepass = "prepass={kind=\"federated\",rounds=2,snapshot_every=1}";
    let outcome = run(folder.path(), &spec(&parts, &["rounds=4", prepass, &codecs]), &parts);
    let [_, whole, code] = outcome.federations.as_slice() else { panic!("three federations") };
    assert_eq!(models(code), to_both([(1, WHOLE), (2, WHOLE), (3, WHOLE), (4, 3 + 4 * 4)]));
    let furthest = code.model.iter().zip(&whole.model).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(furthest < 3e-7, "{furthest}");
}

#[test]
fn codes_that_cannot_go_down_are_refused_in_words() {
    let parts = Parts::default();
    let data_dir = DataDir::new("nowhere");
    let refused = |codec: &str, more: &str| {
        let codecs = format!("codecs=[\"raw\",{{stages={codec},downlink=\"code\"}}]");
        let error = check(&spec(&parts, &[&codecs, more]), &parts, &data_dir).unwrap_err();
        assert!(error.is_usage(), "{error}");
        error.to_string()
    };
    let shared = "{stage=\"pca\",floats=4,shared=true}";
    let residual = "{stage=\"residual\",stages=[{stage=\"ternary\",count=90}]}";
    for codec in [
        "[\"prior\",{stage=\"pca\",floats=4},\"tune\"]".to_string(),
        "[\"prior\",{stage=\"autoencoder\",space=\"small\"}]".to_string(),
        format!("[\"prior\",{shared},{residual}]"),
        format!("[\"prior\",{shared},{residual},\"tune\"]"),
        format!("[\"feedback\",\"prior\",{shared}]"),
        "[\"raw\"]".to_string(),
        "[\"delta\",\"f16\"]".to_string(),
    ] {
        let error = refused(&codec, "rounds=2");
        for word in ["codecs: downlink", "shared = true", "without residual"] {
            assert!(error.contains(word), "{codec}: {error}");
        }
    }
    for strategy in ["fedavgm", "{server={kind=\"momentum\",momentum=0.5}}"] {
        let error = refused(CODE, &format!("strategy={strategy}"));
        assert!(error.contains("codecs: downlink") && error.contains("set strategy to fedavg"), "{error}");
    }
    let codecs = format!("codecs=[\"raw\",{{stages={CODE},downlink=\"code\"}}]");
    check(&spec(&parts, &[&codecs]), &parts, &data_dir).unwrap();
    let error = fedfunnel::federation::SimulationSpec::load(
        "demo",
        &[format!("codecs=[\"raw\",{{stages={CODE},downlink=\"codes\"}}]")],
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("codes") && error.contains("`code`"), "{error}");
}
