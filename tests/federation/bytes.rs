//! Numbers and values as bytes.

use fedfunnel::bytes::{Reader, Writer};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_is_read(number: u32, values: Vec<f32>, byte: u8) {
        let mut writer = Writer::default();
        writer.number(number);
        writer.floats(&values);
        writer.byte(byte);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes, "it");
        prop_assert_eq!(reader.number().unwrap(), number);
        let read = reader.floats(values.len()).unwrap();
        prop_assert!(read.iter().zip(&values).all(|(a, b)| a.to_bits() == b.to_bits()));
        prop_assert_eq!(reader.byte().unwrap(), byte);
        prop_assert!(reader.byte().is_err());
        prop_assert!(reader.finish().is_ok());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, count: usize) {
        let mut reader = Reader::new(&bytes, "it");
        let _ = reader.number();
        let _ = reader.halves(count);
        let _ = reader.floats(count);
        let _ = reader.bytes(count);
    }
}

#[test]
fn numbers_take_a_byte_for_each_seven_bits() {
    for (number, length) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u32::MAX, 5)] {
        let mut writer = Writer::default();
        writer.number(number);
        assert_eq!(writer.len(), length, "{number}");
    }
    // Five bytes hold 35 bits.
    assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f], "it").number().is_err());
    assert!(Reader::new(&[1, 0], "it").finish().is_err());
}
