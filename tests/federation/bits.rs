//! Numbers as bits.

use fedfunnel::Error;
use fedfunnel::bits::{BitReader, BitWriter};
use fedfunnel::bytes::Reader;
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_in_bits_is_read(numbers: Vec<(u64, u8)>, last: bool) {
        let counts = numbers.iter().map(|&(_, count)| u32::from(count % 65));
        let mut writer = BitWriter::default();
        for (&(number, _), count) in numbers.iter().zip(counts.clone()) {
            writer.bits(number, count);
        }
        writer.bit(last);
        let bytes = writer.into_bytes();
        let all = counts.clone().sum::<u32>() as usize + 1;
        prop_assert_eq!(bytes.len(), all.div_ceil(8));

        let mut reader = Reader::new(&bytes, "it");
        let mut bits = BitReader::new(&mut reader);
        for (&(number, _), count) in numbers.iter().zip(counts) {
            let due = if count == 64 { number } else { number & ((1 << count) - 1) };
            prop_assert_eq!(bits.bits(count).unwrap(), due);
        }
        prop_assert_eq!(bits.bit().unwrap(), last);
        prop_assert!(bits.finish().is_ok());
        prop_assert!(reader.finish().is_ok());
    }

    #[test]
    fn arbitrary_bits_never_panic(bytes: Vec<u8>, count in 0..200u32) {
        let mut reader = Reader::new(&bytes, "it");
        let mut bits = BitReader::new(&mut reader);
        let read = bits.bits(count);
        prop_assert_eq!(read.is_ok(), count as usize <= 8 * bytes.len());
        let _ = bits.finish();
    }
}

#[test]
fn the_first_bit_is_the_lowest_and_the_last_byte_ends_in_zeros() {
    let mut writer = BitWriter::default();
    writer.bit(true);
    writer.bits(0b0110, 4);
    writer.bits(0b1_0000_0001, 9);
    assert_eq!(writer.into_bytes(), [0b0010_1101, 0b0010_0000]);

    let error = |bytes: &[u8], count| {
        let mut reader = Reader::new(bytes, "it");
        let mut bits = BitReader::new(&mut reader);
        bits.bits(count).and_then(|_| bits.finish()).unwrap_err()
    };
    for (error, word) in [(error(&[0b10], 1), "not zero"), (error(&[0xff], 9), "too early")] {
        assert!(matches!(error, Error::Message { .. }) && error.to_string().contains(word), "{error}");
    }
}
