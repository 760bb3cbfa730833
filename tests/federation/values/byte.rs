//! One byte a value at a scale of 1, of fewer values than there are weights.

use super::{arrived, codec, refused, there_and_back, unsendable};
use crate::support::gpu;
use fedfunnel::codec::{Kept, Round, Values};
use fedfunnel::model::Layout;

#[test]
fn as_many_bytes_cross_as_there_are_values_and_zeros_stand_for_the_others() {
    let byte = codec(&Layout::flat(200), "\"byte\"");
    assert_eq!(byte.label(), "byte");
    let (global, mut kept) = (vec![0.0; 200], Kept::default());
    let round = Round { number: 1, seed: 0, global: &global, gpu: gpu(), local: None };
    let values = vec![1.0, -448.0, 0.0, 1.0 / 512.0, 1e9, 1.0625];
    let sent = byte.send(&round, vec![(7, &mut kept, Values::Host(values))]).unwrap().remove(0);
    // 1.0625 lies between 1 and 1.125, and the even byte is that of 1.
    assert_eq!(sent, [6, 0x38, 0xfe, 0, 1, 0x7e, 0x38]);
    let got = arrived(&byte, 200, &sent).unwrap();
    assert_eq!(got[..6], [1.0, -448.0, 0.0, 1.0 / 512.0, 448.0, 1.0]);
    assert_eq!(got[6..], [0.0; 194]);
    // A number of more than seven bits.
    let (sent, got) = there_and_back(&byte, &vec![2.5; 200]);
    assert_eq!((sent.len(), got), (2 + 200, vec![2.5; 200]));
}

#[test]
fn hostile_bytes_are_refused_in_words() {
    let byte = codec(&Layout::flat(3), "\"byte\"");
    for (bytes, words) in [
        (&[][..], "too early"),
        (&[2, 1], "too early"),
        (&[1, 1, 1], "more than are due"),
        (&[4, 1, 1, 1, 1], "4 bytes of values, and 3 are possible"),
        (&[2, 0, 0x7f], "no number"),
        (&[0xff, 0xff, 0xff, 0xff, 0x7f], "32 bits"),
    ] {
        let error = refused(&byte, 3, bytes);
        assert!(error.contains(words), "{bytes:?}: {error}");
    }
    assert_eq!(arrived(&byte, 3, &[0]).unwrap(), [0.0; 3]);
    assert!(unsendable(&byte, &[0.0, f32::INFINITY]).contains("collaborator 5 has a value of inf"));
}
