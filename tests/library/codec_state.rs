//! What a side keeps for a codec, as bytes.

use fedfunnel::codec::{CodecState, PipelineSpec, Side};
use std::path::Path;

fn codec(text: &str) -> PipelineSpec {
    PipelineSpec::from_text("codec", text).unwrap()
}

fn empty(text: &str, side: Side, parameters: usize) -> CodecState {
    CodecState::new(Path::new("the state"), side, &codec(text), parameters, 7)
}

#[test]
fn what_is_kept_is_the_same_after_bytes() {
    let mut state = empty("delta+f16", Side::Collaborators, 3);
    state.of_mut(4, 9).put("owed", vec![0.5, -0.0, 3.0]);
    let bytes = state.to_bytes().unwrap();
    let mut again = empty("delta+f16", Side::Collaborators, 3).filled(bytes.clone()).unwrap();
    assert_eq!(again.of(4), state.of(4));
    assert_eq!((again.last_round(4), again.last_round(5)), (9, 0));
    assert_eq!(again.to_bytes().unwrap(), bytes);
    again.forget(4);
    assert_eq!((again.last_round(4), again.of(4).get("owed")), (0, None));
}

#[test]
fn bytes_of_another_codec_side_or_model_are_refused_in_words() {
    let bytes = empty("delta+f16", Side::Collaborators, 3).to_bytes().unwrap();
    let mut damaged = bytes.clone();
    let at = damaged.windows(3).position(|part| part == b"f16").unwrap();
    damaged[at] = b'F';
    for (state, bytes, said) in [
        (empty("delta+bf16", Side::Collaborators, 3), &bytes, "it is of the codec delta+f16"),
        (empty("delta+f16", Side::Aggregator, 3), &bytes, "it is kept by the collaborators"),
        (empty("delta+f16", Side::Collaborators, 4), &bytes, "it is of 3 parameters and seed 7"),
        (empty("delta+f16", Side::Collaborators, 3), &damaged, "its checksum is wrong"),
        (empty("delta+f16", Side::Collaborators, 3), &Vec::new(), "no whole safetensors file"),
    ] {
        let error = state.filled(bytes.clone()).unwrap_err().to_string();
        assert!(error.contains("the state") && error.contains(said), "{error}");
    }
}
