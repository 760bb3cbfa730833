//! Global models that go down as what a round changed of them, through stages of their own.

use crate::support::{run, spec};
use crate::ternary::ternarised;
use fedfunnel::codec::MessageKind;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{CodecSpec, Direction, FederationOutcome, Parts, SimulationSpec, check};

const WHOLE: u64 = 3 + 4 * 15_910;

/// Bytes of the global models that came down to a collaborator, by round.
fn models(federation: &FederationOutcome, who: u32) -> Vec<(u32, u64)> {
    let sent = federation.ledger.transfers.iter();
    let sent =
        sent.filter(|t| (t.kind, t.direction, t.collaborator) == (MessageKind::Model, Direction::Down, who));
    sent.map(|t| (t.round, t.bytes)).collect()
}

fn with_down(stages: &str, down: &str) -> String {
    format!("{{stages={stages},downlink={down}}}")
}

#[test]
fn the_global_model_is_what_arrives_of_its_changes() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let codecs = [
        "\"raw\"".to_string(),
        // Changes that are too small to be sent, so that the model stays where it is.
        with_down("\"raw\"", "[\"delta\",{stage=\"threshold\",value=1e9}]"),
        with_down("\"raw\"", "[\"delta\",\"feedback\",{stage=\"ternary\",count=400}]"),
        with_down("\"raw\"", "{stage=\"stc\",count=400}"),
        with_down("{stage=\"stc\",count=90}", "{stage=\"stc\",count=90}"),
        with_down("\"raw\"", "[\"raw\"]"),
    ];
    let codecs = format!("codecs=[{}]", codecs.join(","));
    let outcome = |rounds: &str| run(&folder.path().join(rounds), &spec(&parts, &[rounds, &codecs]), &parts);
    let one = outcome("rounds=1");
    let [raw, start, stages, preset, ..] = one.federations.as_slice() else { panic!("six federations") };
    assert_eq!(stages.label, "raw, delta+feedback+ternary(400) down");
    assert_eq!(preset.label, "raw, stc(400) down");
    assert!(!preset.is_raw);
    let moved: Vec<_> = raw.model.iter().zip(&start.model).map(|(new, old)| new - old).collect();
    let due: Vec<_> =
        ternarised(&moved, 400).iter().zip(&start.model).map(|(change, old)| change + old).collect();
    assert_eq!((&stages.model, &preset.model), (&due, &due));
    // The negative control: that is not where all of the change leads to.
    assert_ne!(raw.model, due);

    let three = outcome("rounds=3");
    let [raw, start_still, _, preset, both, whole] = three.federations.as_slice() else { panic!() };
    assert_eq!(start_still.model, start.model);
    assert_eq!(models(raw, 0), [(1, WHOLE), (2, WHOLE), (3, WHOLE)]);
    // Each place has so many bits of rest, a zero and a sign; ones of quotients are at most n / 2^rest.
    for (federation, count, rest) in [(preset, 400, 4), (both, 90, 7)] {
        for who in [0, 1] {
            let [(1, WHOLE), (2, second), (3, third)] = models(federation, who)[..] else { panic!() };
            let least = 3 + 4 + count * (rest + 2) / 8;
            let most = least + (15_910 >> rest) / 8 + 1;
            assert!(
                [second, third].iter().all(|bytes| (least..=most).contains(bytes)),
                "{second} {least} {most}"
            );
        }
    }
    // All of the changes, exactly as they are, are the model.
    assert_eq!((&whole.model, models(whole, 1)), (&raw.model, models(raw, 1)));
    let up = |federation: &FederationOutcome| federation.ledger.bytes(|t| t.direction == Direction::Up);
    assert_eq!(up(preset), up(raw));
    assert!(both.rounds.iter().all(|round| round.tested.unwrap().test_loss.is_finite()));
}

#[test]
fn stages_of_a_downlink_that_cannot_be_are_refused_in_words() {
    let (parts, data_dir) = (Parts::default(), DataDir::new("nowhere"));
    for (down, words) in [
        ("[\"delta\",\"topkk\"]", ["topkk", "did you mean topk?"]),
        ("[\"feedback\"]", ["feedback", "list one behind it"]),
        ("[{stage=\"pca\",floats=3}]", ["codecs: downlink", "learn nothing"]),
        ("[\"delta\",{stage=\"lbgm\",threshold=0.2}]", ["codecs: downlink", "what came before"]),
        ("[\"delta\",{stage=\"fetchsgd\",columns=6}]", ["codecs: downlink", "one global model"]),
        ("[{stage=\"dropout\",part=0.5}]", ["codecs: downlink", "parts of the model"]),
        ("[]", ["without stages", "codecs"]),
        ("3", ["neither a name", "codecs"]),
        ("\"stc\"", ["`code`", "list of stages"]),
        ("{stage=\"stc\",count=0}", ["stc", "1 or more"]),
    ] {
        let codecs = format!("codecs=[\"raw\",{}]", with_down("\"raw\"", down));
        let loaded = SimulationSpec::load("demo", &[codecs]);
        let error = loaded.and_then(|spec| check(&spec, &parts, &data_dir)).unwrap_err();
        assert!(error.is_usage(), "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{word}: {error}"));
    }
}

#[test]
fn a_downlink_is_written_as_it_was_read() {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct Spec {
        codecs: Vec<CodecSpec>,
    }
    let text = "codecs = [\"raw\", { downlink = [\"delta\", \"f16\"], stages = \"raw\" }, \
                { downlink = [{ part = 0.01, stage = \"stc\" }], stages = \"raw\" }, \
                { downlink = [\"f16\"], stages = \"raw\" }]\n";
    let spec: Spec = toml::from_str(text).unwrap();
    assert_eq!(toml::to_string(&spec).unwrap(), text);
    assert!(spec.codecs[1..].iter().all(|codec| !codec.is_raw() && codec.down.is_some()));
}
