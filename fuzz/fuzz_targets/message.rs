//! Arbitrary bytes as a message: refused in words, or one that is written as it was read.

#![no_main]

use fedfunnel::codec::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for checksum in [false, true] {
        let Ok(message) = Message::from_bytes(bytes, checksum) else { continue };
        let written = message.to_bytes(checksum);
        assert_eq!(message.length(checksum), written.len() as u64);
        assert_eq!(Message::from_bytes(&written, checksum).expect("what was written"), message);
    }
});
