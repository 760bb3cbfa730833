//! Presets: names for lists of stages.

use crate::support::{pipeline, run, spec, through};
use fedfunnel::codec::{Kept, PRESETS};
use fedfunnel::federation::{Parts, SimulationSpec};
use fedfunnel::reference::random::uniform_tensor;

const P: usize = 300;

/// What two codecs make of three updates is the same, byte for byte.
fn assert_alike(preset: &str, stages: &str) {
    let parts = Parts::default();
    let [preset, stages] = [preset, stages].map(|text| pipeline(&parts, text, P).unwrap());
    let global = uniform_tensor(P, 0, 9, 3, 1.0);
    let mut kept = [Kept::default(), Kept::default()];
    for round in 0..3 {
        let weights = uniform_tensor(P, 0, round, 3, 1.0);
        let [own, other] = &mut kept;
        assert_eq!(
            through(&preset, own, &global, &weights),
            through(&stages, other, &global, &weights),
            "{}",
            preset.label()
        );
    }
}

#[test]
fn a_preset_is_its_stages_under_a_short_name() {
    assert_alike(
        "{ stage = \"stc\", count = 9 }",
        "[\"delta\", \"feedback\", { stage = \"ternary\", count = 9 }]",
    );
    assert_alike(
        "[{ stage = \"dgc\", part = 0.01, clip = 3.0 }, \"f16\"]",
        "[\"delta\", { stage = \"feedback\", momentum = 0.9, clip = 3.0 }, \
         { stage = \"topk\", part = 0.01, warmup = 4 }, \"f16\"]",
    );
    assert_alike(
        "{ stage = \"fedzip\", part = 0.2, clusters = 3 }",
        "[\"delta\", { stage = \"topk\", part = 0.2 }, { stage = \"kmeans\", clusters = 3 }, \"entropy\"]",
    );
    for (text, label) in [
        ("{ stage = \"fedzip\", part = 0.01 }", "fedzip(0.01)"),
        ("{ stage = \"stc\", part = 0.01 }", "stc(0.01)"),
        ("[{ stage = \"stc\", count = 9 }]", "stc(9)"),
        ("{ stage = \"dgc\", part = 0.001 }", "dgc(0.001)"),
        ("[{ stage = \"dgc\", momentum = 0.5, count = 3 }, \"f16\"]", "dgc(3,momentum=0.5)+f16"),
    ] {
        assert_eq!(pipeline(&Parts::default(), text, P).unwrap().label(), label);
    }
    assert!(PRESETS.iter().all(|preset| Parts::default().stages.find(preset.name).is_err()));
}

#[test]
fn deep_gradient_compression_is_as_counted_by_hand() {
    let text = "{ stage = \"dgc\", count = 1, momentum = 0.5, clip = 5.0, warmup = 0 }";
    let codec = pipeline(&Parts::default(), text, 4).unwrap();
    let (mut kept, global) = (Kept::default(), [1.0, 1.0, 1.0, 1.0]);
    let mut step = |moved: [f32; 4]| {
        let (_, got) = through(&codec, &mut kept, &global, &moved.map(|value| value + 1.0));
        let state = kept.scope("1");
        let state = ["velocity", "error"].map(|name| state.get(name).unwrap().to_vec());
        (got.iter().map(|value| value - 1.0).collect::<Vec<_>>(), state)
    };
    // u = v = (3, -1, 2, 0), of which the first goes, and its momentum with it.
    let (got, [velocity, error]) = step([3.0, -1.0, 2.0, 0.0]);
    assert_eq!(got, [3.0, 0.0, 0.0, 0.0]);
    assert_eq!((velocity, error), (vec![0.0, -1.0, 2.0, 0.0], vec![0.0, -1.0, 2.0, 0.0]));
    // u = (0, -2.5, 1, 1), and v = u + (0, -1, 2, 0).
    let (got, [velocity, error]) = step([0.0, -2.0, 0.0, 1.0]);
    assert_eq!(got, [0.0, -3.5, 0.0, 0.0]);
    assert_eq!((velocity, error), (vec![0.0, 0.0, 1.0, 1.0], vec![0.0, 0.0, 3.0, 1.0]));
    // A norm of 10 is clipped to 5: u = (3, 0, 0.5, 4.5), and v = u + (0, 0, 3, 1).
    let (got, [velocity, error]) = step([6.0, 0.0, 0.0, 8.0]);
    assert_eq!(got, [0.0, 0.0, 0.0, 5.5]);
    assert_eq!((velocity, error), (vec![3.0, 0.0, 0.5, 0.0], vec![3.0, 0.0, 3.5, 0.0]));
}

#[test]
fn what_cannot_be_a_preset_is_refused_in_words() {
    let parts = Parts::default();
    for (text, words) in [
        (
            "[\"delta\", { stage = \"stc\", count = 9 }]",
            ["codecs: stc", "delta, feedback, ternary", "list it first"],
        ),
        ("[{ stage = \"stc\", count = 9, k = 3 }]", ["codecs: stc", "`k`", "correct it"]),
        ("\"stc\"", ["codecs: stc (codecs: ternary)", "nothing says how many", "set part"]),
        ("{ stage = \"stc\", count = 301 }", ["codecs: stc", "301 of 300", "up to 300"]),
        ("{ stage = \"stc\", part = \"much\" }", ["codecs: stc", "much", "correct it"]),
        ("{ stage = \"dgc\", part = 0.1, momentum = 1.5 }", ["codecs: dgc", "1.5", "below 1"]),
        (
            "[\"feedback\", { stage = \"dgc\", part = 0.1 }]",
            ["codecs: dgc", "stages of its own", "list it first"],
        ),
        ("\"dgcc\"", ["dgcc", "did you mean", "dgc?"]),
    ] {
        let error = pipeline(&parts, text, P).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.is_usage(), "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{word}: {error}"));
    }
    let error = SimulationSpec::load_with("demo", &["codecs=[\"raw\",\"stcc\"]".into()], &parts).unwrap_err();
    assert!(error.to_string().contains("did you mean stc?"), "{error}");
}

#[test]
fn presets_work_in_a_federation_and_beside_a_code() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let beside = |stages: &str| {
        format!("[\"prior\",{{stage=\"pca\",floats=2}},{{stage=\"residual\",stages=[{stages}]}}]")
    };
    let codecs = [
        "\"raw\"".to_string(),
        "{stage=\"stc\",count=90}".into(),
        "[\"delta\",\"feedback\",{stage=\"ternary\",count=90}]".into(),
        "[{stage=\"dgc\",part=0.01},\"f16\"]".into(),
        "[\"delta\",{stage=\"randk\",part=0.1,unbiased=true}]".into(),
        "[\"delta\",\"feedback\",{stage=\"threshold\",of=\"rms\",multiple=3.0}]".into(),
        beside("{stage=\"stc\",count=90}"),
        beside("{stage=\"ternary\",count=90}"),
        beside("{stage=\"dgc\",count=20}"),
        beside("{stage=\"randk\",count=50},\"f16\""),
        "{stage=\"powersgd\",rank=1}".into(),
        "[\"delta\",\"feedback\",{stage=\"lowrank\",rank=1}]".into(),
    ];
    let codecs = format!("codecs=[{}]", codecs.join(","));
    let outcome = run(folder.path(), &spec(&parts, &[&codecs, "collaborators=3"]), &parts);
    let labels: Vec<_> = outcome.federations.iter().map(|federation| federation.label.as_str()).collect();
    let due = [
        "raw",
        "stc(90)",
        "delta+feedback+ternary(90)",
        "dgc(0.01)+f16",
        "delta+randk(0.1,unbiased)",
        "delta+feedback+threshold(3rms)",
        "prior+pca(2)+residual(stc(90))",
        "prior+pca(2)+residual(feedback+ternary(90))",
        "prior+pca(2)+residual(dgc(20))",
        "prior+pca(2)+residual(feedback+randk(50)+f16)",
        "powersgd(rank=1)",
        "delta+feedback+lowrank(1)",
    ];
    assert_eq!(labels, due);
    let model = |place: usize| &outcome.federations[place].model;
    assert_eq!((model(1), model(6), model(10)), (model(2), model(7), model(11)));
    // The negative control: other codecs come to other models.
    assert!((0..9).all(|place| place == 1 || place == 6 || model(place) != model(place + 1)));
    let written = outcome.spec.to_toml().unwrap();
    assert!(written.contains("stage = \"stc\""), "{written}");
}
