//! What a codec's table says besides its stages.

use crate::support::{run, spec};
use fedfunnel::federation::{CodecSpec, Downlink, Parts, SimulationSpec};

fn load(settings: &[&str]) -> fedfunnel::Result<SimulationSpec> {
    SimulationSpec::load("demo", &settings.iter().map(|setting| setting.to_string()).collect::<Vec<_>>())
}

#[test]
fn a_codec_with_epochs_of_its_own_trains_as_a_federation_of_so_many() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let codecs = "codecs=[\"raw\",{stages=\"raw\",local_epochs=2},{stages=[\"delta\"],local_epochs=1}]";
    let outcome = run(&folder.path().join("one"), &spec(&parts, &[codecs]), &parts);
    let two = ["codecs=[\"raw\"]", "local_epochs=2"];
    let due = run(&folder.path().join("two"), &spec(&parts, &two), &parts);
    let [plain, twice, once] = outcome.federations.as_slice() else { panic!("three federations") };
    assert_eq!((twice.label.as_str(), once.label.as_str()), ("raw, 2 local epochs", "delta, 1 local epochs"));
    assert_eq!([plain, twice, once].map(|one| one.local_epochs), [1, 2, 1]);
    // What is compared with is raw by itself.
    assert_eq!([plain, twice, once].map(|one| one.is_raw), [true, false, false]);
    let due = &due.federations[0];
    let bits = |model: &[f32]| model.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert!(bits(&twice.model) == bits(&due.model));
    assert_eq!((&twice.rounds, &twice.ledger), (&due.rounds, &due.ledger));
    // The negative control: one epoch comes to something else.
    assert!(bits(&plain.model) != bits(&due.model));
}

#[test]
fn epochs_of_a_codec_that_cannot_be_are_refused_in_words() {
    let codecs = |epochs: &str| format!("codecs=[\"raw\",{{stages=[\"delta\"],local_epochs={epochs}}}]");
    for (settings, words) in [
        (vec![codecs("0")], ["local_epochs of 0", "1 or more"]),
        (vec![codecs("-1")], ["-1", "u64"]),
        (
            vec![codecs("1"), "prepass={kind=\"federated\",rounds=1,snapshot_every=1}".into()],
            ["those of all codecs", "isolated pre-pass"],
        ),
        (
            vec!["codecs=[\"raw\",{stages=[\"delta\"],local_epoch=2}]".into()],
            ["`local_epoch`", "local_epochs"],
        ),
        (vec!["codecs=[{stages=\"raw\",local_epochs=2}]".into()], ["raw is missing", "add it"]),
        (vec!["codecs=[\"raw\",{stages=[]}]".into()], ["without stages", "raw"]),
    ] {
        let error = load(&settings.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("codecs"), "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{word}: {error}"));
    }
}

#[test]
fn a_table_of_a_codec_is_written_as_it_was_read() {
    #[derive(serde::Deserialize, serde::Serialize, PartialEq, Debug)]
    struct Spec {
        codecs: Vec<CodecSpec>,
    }
    let text = "codecs = [\"raw\", { local_epochs = 2, stages = \"raw\" }, \
                { downlink = \"code\", stages = [\"prior\", { floats = 3, shared = true, stage = \"pca\" }] }, \
                [\"delta\", { part = 0.01, stage = \"topk\" }]]\n";
    let spec: Spec = toml::from_str(text).unwrap();
    assert_eq!(toml::to_string(&spec).unwrap(), text);
    let [raw, twice, down, _] = spec.codecs.as_slice() else { panic!("four codecs") };
    assert_eq!((raw, raw.local_epochs, raw.downlink), (&CodecSpec::raw(), None, Downlink::Model));
    assert_eq!((twice.local_epochs, twice.is_raw()), (Some(2), false));
    assert_eq!((down.downlink, down.suffix().as_str()), (Downlink::Code, ", codes down"));
    // What says nothing but its stages is these.
    let plain: Spec = toml::from_str("codecs = [{ stages = [\"raw\"], downlink = \"model\" }]").unwrap();
    assert_eq!(plain.codecs, [CodecSpec::raw()]);
}
