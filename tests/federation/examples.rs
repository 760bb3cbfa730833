//! The examples of `examples/`, run as they are, and held to what they say.

use crate::support::gpu;

#[path = "../../examples/learn_codec.rs"]
#[allow(dead_code, reason = "main is run by cargo alone")]
mod learn_codec;
#[path = "../../examples/own_stage.rs"]
#[allow(dead_code, reason = "main is run by cargo alone")]
mod own_stage;
#[path = "../../examples/own_strategy.rs"]
#[allow(dead_code, reason = "main is run by cargo alone")]
mod own_strategy;

#[test]
fn a_classifier_trains_and_logs() {
    let session = learn_codec::training::train(gpu(), 2).expect("a training");
    // 6,000 images in batches of 64, twice, and a snapshot after every tenth step.
    assert_eq!(session.snapshots().len(), 2 * 6_000usize.div_ceil(64) / 10);
    let epochs = session.notes().epochs;
    assert!(epochs[1].test_accuracy.is_some_and(|accuracy| accuracy > 0.8), "{epochs:?}");
}

#[test]
fn a_learned_codec_sends_what_it_says() {
    let sent = learn_codec::send(gpu()).expect("an update");
    // Three bytes of header, eight floats of two bytes, and four of a checksum.
    assert_eq!(sent.update_bytes, 3 + 8 * 2 + 4);
    // Eight axes at least.
    assert!(sent.setup_bytes > 8 * 4 * 15_910, "{} bytes", sent.setup_bytes);
    assert!(sent.arrived > 0.5 && sent.arrived <= 1.0, "{}", sent.arrived);
}

#[test]
fn a_stage_of_ones_own_is_a_codec_beside_raw() {
    let outcome = own_stage::compare(gpu(), 400).expect("a simulation");
    let labels: Vec<_> = outcome.federations.iter().map(|federation| federation.label.as_str()).collect();
    assert_eq!(labels.len(), 2);
    assert!(labels[1].contains("clip(0.01)"), "{labels:?}");
    let [raw, clipped] = [0, 1].map(|place: usize| outcome.federations[place].model.clone());
    assert_ne!(raw, clipped);
}

/// A part of 1 is plain averaging, and the first round is the same whatever the part is.
#[test]
fn a_strategy_of_ones_own_averages_rounds() {
    let accuracies = |part: f32| -> Vec<f64> {
        let outcome = own_strategy::play(gpu(), 400, part).expect("a simulation");
        outcome.federations[0].tests().map(|(_, tested)| tested.test_accuracy).collect()
    };
    let (plain, averaged) = (accuracies(1.0), accuracies(0.5));
    assert_eq!((plain.len(), plain[0]), (4, averaged[0]));
    assert_ne!(plain, averaged);
    let wrong = own_strategy::play(gpu(), 400, 2.0).expect_err("no part").to_string();
    assert!(wrong.contains("a part of 2; use one above 0, up to 1"), "{wrong}");
}
