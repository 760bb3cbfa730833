//! Messages that arrive otherwise than they were sent: refused, or decoded to as many values as are due.

use super::support::{layout, pipeline, round, values};
use crate::support::gpu;
use fedfunnel::Error;
use fedfunnel::codec::{Kept, Pipeline, Values};
use proptest::prelude::*;

const CODECS: [&str; 9] = [
    "[{stage=\"lowrank\",rank=1}]",
    "[\"feedback\",{stage=\"lowrank\",rank=1},\"f16\"]",
    "[\"rotate\",\"f16\"]",
    "[\"delta\",\"drive\"]",
    "[\"feedback\",{stage=\"drive\",unbiased=false}]",
    "[{stage=\"subspace\",floats=9}]",
    "[{stage=\"sketch\",columns=9}]",
    "[\"feedback\",{stage=\"sketch\",columns=9,rows=2,k=3},\"f16\"]",
    "[\"delta\",{stage=\"fetchsgd\",columns=9,rows=2},\"f16\"]",
];

/// Whether bytes are refused as a message, or decoded to as many values as are due; also where they are joined with what
/// is as it should be.
fn is_taken_or_refused(codec: &Pipeline, bytes: &[u8]) -> bool {
    let global = vec![0.5; layout().parameters()];
    let kept = Kept::default();
    if codec.is_joint() {
        let whole = sent(codec);
        let mut joint = Kept::default();
        let payloads = vec![(3, &kept, bytes), (5, &kept, &whole[..])];
        match codec.join(&round(1, 1, &global), payloads, &[1.0, 2.0], &mut joint) {
            Ok(values) => assert_eq!(values.len(), global.len()),
            // Sums that are no numbers come of values that are none.
            Err(Error::Setting { problem, .. }) => assert!(problem.contains("sum of sketches"), "{problem}"),
            Err(error) => {
                assert!(matches!(error, Error::Message { .. }) && joint == Kept::default(), "{error}");
            }
        }
    }
    let received = codec.receive(&round(1, 1, &global), vec![(3, &kept, bytes)]);
    match received.and_then(|mut values| values.remove(0).take(gpu())) {
        Ok(values) => values.len() == global.len(),
        Err(error) => matches!(error, Error::Message { .. }),
    }
}

fn sent(codec: &Pipeline) -> Vec<u8> {
    let width = layout().parameters();
    let (global, update) = (vec![0.5; width], Values::Host(values(width, 2)));
    codec.send(&round(1, 1, &global), vec![(3, &mut Kept::default(), update)]).unwrap().remove(0)
}

#[test]
fn any_byte_flipped_and_any_end_cut_off_or_added_is_refused_or_decoded() {
    for text in CODECS {
        let codec = pipeline(text, &layout()).unwrap();
        let whole = sent(&codec);
        assert!(is_taken_or_refused(&codec, &whole));
        // All bytes of the short ones, and some of each part of the others.
        let step = whole.len().div_ceil(150);
        for place in (0..whole.len()).step_by(step) {
            for flip in [0xff, 0x80, 0x01] {
                let mut bytes = whole.clone();
                bytes[place] ^= flip;
                assert!(is_taken_or_refused(&codec, &bytes), "{text}: byte {place}");
            }
            let global = vec![0.5; layout().parameters()];
            let kept = Kept::default();
            let cut = codec.receive(&round(1, 1, &global), vec![(3, &kept, &whole[..place])]);
            assert!(matches!(cut, Err(Error::Message { .. })), "{text}: cut at {place}");
        }
        for added in [&[0][..], &[0xff; 9]] {
            let global = vec![0.5; layout().parameters()];
            let (kept, longer) = (Kept::default(), [&whole[..], added].concat());
            let longer = codec.receive(&round(1, 1, &global), vec![(3, &kept, &longer)]);
            assert!(matches!(longer, Err(Error::Message { .. })), "{text}: longer");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_are_refused_or_decoded(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        chosen in 0..CODECS.len(),
    ) {
        let codec = pipeline(CODECS[chosen], &layout()).unwrap();
        prop_assert!(is_taken_or_refused(&codec, &bytes));
        // As long as they have to be, so that it is not the length that they are refused for.
        let whole = sent(&codec);
        let fitting: Vec<u8> = (0..whole.len()).map(|place| bytes.get(place % bytes.len().max(1)).copied().unwrap_or(0)).collect();
        prop_assert!(is_taken_or_refused(&codec, &fitting));
    }
}
