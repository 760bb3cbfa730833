//! What stages say of themselves is what they take: every option that is listed is accepted, none that is accepted is
//! missing, and every example is a codec.

use crate::support::pipeline_with;
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Explained, FreeOption, Make, PartSpec, PipelineSpec, Stages};
use fedfunnel::federation::{CodecSpec, Parts};
use fedfunnel::model::ModelSpec;

/// Stages that say nothing of themselves yet. This list only ever becomes shorter.
const SILENT: &[&str] = &[];

/// P of the classifier that the autoencoder is of.
const P: usize = 15_910;

/// An option that no stage has.
const UNKNOWN: &str = "no_such_option";

fn autoencoder() -> AutoencoderSettings {
    AutoencoderSettings { model: "ae-mnist".into(), epochs: 1, ..AutoencoderSettings::default() }
}

/// The refusal of a codec with this stage and these options, if it is refused.
fn refusal(kind: &Explained, options: toml::Table) -> Option<String> {
    let part = PartSpec { name: Some(kind.name.into()), options };
    let pca = PipelineSpec::from_text("codec", "pca(floats=2)").unwrap().0.remove(0);
    let parts = match Stages::default().find(kind.name).map(|stage| stage.make) {
        // A preset.
        Err(_) => vec![part],
        Ok(Make::Plain(_) | Make::Joint(_)) => vec![part],
        Ok(Make::Holding(_) | Make::HoldingAny(_)) => {
            vec![PartSpec::named("delta"), part, PartSpec::named("raw")]
        }
        Ok(Make::Bytes(_)) => vec![PartSpec::named("raw"), part],
        Ok(Make::Around(_)) if kind.name == "prior" => vec![part, pca],
        Ok(Make::Around(_)) => vec![pca, part],
    };
    let text: toml::Value = PipelineSpec(parts).into();
    pipeline_with(&Parts::default(), &text.to_string(), P, Some(&autoencoder())).err().map(|e| e.to_string())
}

/// The options that a stage names where it is given one that it does not know.
fn accepted(kind: &Explained) -> Vec<String> {
    let mut options = toml::Table::new();
    options.insert(UNKNOWN.into(), 1.into());
    let refusal = refusal(kind, options).unwrap_or_else(|| panic!("{} takes {UNKNOWN}", kind.name));
    assert!(refusal.contains(&format!("unknown field `{UNKNOWN}`")), "{}: {refusal}", kind.name);
    refusal.split('`').skip(3).step_by(2).map(String::from).collect()
}

#[test]
fn every_stage_says_what_it_is() {
    for kind in Stages::default().explained() {
        let about = &kind.about;
        assert_eq!(about.is_said(), !SILENT.contains(&kind.name), "{}", kind.name);
        if about.is_said() {
            assert!(!about.good_for.is_empty() && !about.example.is_empty(), "{}", kind.name);
        }
    }
}

#[test]
fn every_stage_has_a_row_in_the_documents() {
    let codecs = include_str!("../../docs/codecs.md");
    let readme = include_str!("../../README.md");
    for Explained { name, about, .. } in Stages::default().explained() {
        let row = codecs.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        assert!(row.is_some_and(|row| row.contains(about.summary)), "{name} in docs/codecs.md");
        let is_there = |line: &str| line.starts_with("| `") && line.contains(&format!("`{name}`"));
        assert!(readme.lines().any(is_there), "{name} in README.md");
    }
}

#[test]
fn every_option_that_is_listed_is_accepted_and_none_is_missing() {
    for kind in Stages::default().explained().iter().filter(|kind| kind.about.is_said()) {
        let listed: Vec<_> = kind.about.options.iter().map(|option| option.name).collect();
        for name in accepted(kind) {
            assert!(listed.contains(&name.as_str()), "{} takes {name}, and does not say so", kind.name);
        }
        for name in listed {
            // Whatever is wrong with the value, the option itself is known.
            let mut options = toml::Table::new();
            options.insert(name.into(), toml::Value::Array(Vec::new()));
            let refusal = refusal(kind, options).unwrap_or_default();
            assert!(!refusal.contains("unknown field"), "{} does not take {name}: {refusal}", kind.name);
        }
        for option in kind.about.options {
            assert!(!option.meaning.is_empty(), "{}: {}", kind.name, option.name);
        }
        if let Some(FreeOption { name, instead, .. }) = kind.free {
            for name in std::iter::once(&name).chain(instead) {
                assert!(
                    kind.about.options.iter().any(|option| option.name == *name),
                    "{}: {name}",
                    kind.name
                );
            }
        }
    }
}

#[test]
fn every_example_is_a_codec_with_its_stage() {
    for kind in Stages::default().explained().iter().filter(|kind| kind.about.is_said()) {
        // The name of a system stands for its stages.
        let spec = CodecSpec::of(PipelineSpec::from_text("example", kind.about.example).unwrap()).stages;
        assert!(spec.names().any(|name| name == kind.name), "{}: {}", kind.name, kind.about.example);
        let text: toml::Value = spec.into();
        if let Err(error) = pipeline_with(&Parts::default(), &text.to_string(), P, Some(&autoencoder())) {
            panic!("{}: {error}", kind.name);
        }
    }
}

#[test]
fn a_codec_is_read_from_a_line_and_written_as_one() {
    assert!(ModelSpec::load("ae-mnist").is_ok());
    let read = |text: &str| PipelineSpec::from_text("--codec", text);
    for (text, list) in [
        ("raw", "\"raw\""),
        ("prior+autoencoder+f16+tune", "[\"prior\", \"autoencoder\", \"f16\", \"tune\"]"),
        (" delta + topk( part = 0.01 ) ", "[\"delta\", { part = 0.01, stage = \"topk\" }]"),
        ("ternary(count=4000)", "[{ count = 4000, stage = \"ternary\" }]"),
        (
            "pca(floats=3,ship=int8,shared=true)",
            "[{ floats = 3, ship = \"int8\", shared = true, stage = \"pca\" }]",
        ),
        (
            "pca(floats=3)+residual(stages=delta+ternary(count=9))",
            "[{ floats = 3, stage = \"pca\" }, { stage = \"residual\", stages = \"delta+ternary(count=9)\" }]",
        ),
        (
            "autoencoder(hidden=[64,32],model=\"a b\")",
            "[{ hidden = [64, 32], model = \"a b\", stage = \"autoencoder\" }]",
        ),
    ] {
        let table: toml::Table = format!("codec = {list}").parse().unwrap();
        let spec = read(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(spec, PipelineSpec::try_from(table["codec"].clone()).unwrap(), "{text}");
        assert_eq!(read(&spec.to_text()).unwrap(), spec, "{}", spec.to_text());
    }
    for (text, word) in [
        ("", "without a name"),
        ("delta+", "without a name"),
        ("topk(part=0.01", "nothing closes"),
        ("topk)part=0.01(", "closes nothing"),
        ("topk(0.01)", "has no ="),
        ("topk(part=0.01)f16", "put a +"),
        ("topk(part=0.01,part=0.02)", "twice"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(word), "{text}: {error}");
        assert!(error.to_string().starts_with("--codec: "), "{error}");
    }
    let all =
        PipelineSpec::list_from_text("--codecs", "raw, delta+topk(part=0.1), autoencoder(hidden=[64,32])")
            .unwrap();
    assert_eq!(all.iter().map(|spec| spec.0.len()).collect::<Vec<_>>(), [1, 2, 1]);
}

#[test]
fn a_spec_takes_a_codec_as_a_line() {
    let set = ["codecs=[\"raw\",\"delta+feedback+topk(part=0.01)\"]".to_string()];
    let spec = fedfunnel::federation::SimulationSpec::load("demo", &set).unwrap();
    let set = ["codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.01}]]".to_string()];
    assert_eq!(spec, fedfunnel::federation::SimulationSpec::load("demo", &set).unwrap());
}
