//! Messages, byte for byte.

use fedfunnel::Error;
use fedfunnel::codec::{Message, MessageKind, message_bytes};
use proptest::prelude::*;

const KINDS: [MessageKind; 5] =
    [MessageKind::Join, MessageKind::Model, MessageKind::Setup, MessageKind::Update, MessageKind::Control];

#[test]
fn the_header_of_a_small_federation_is_three_bytes() {
    let message = Message { kind: MessageKind::Update, round: 10, collaborator: 1, payload: vec![0; 128] };
    assert_eq!(message.to_bytes(false).len(), 131);
    assert_eq!(message_bytes(128), 131);
    assert_eq!(message.to_bytes(true).len(), 135);
}

#[test]
fn other_versions_and_kinds_are_refused() {
    for bytes in [&[][..], &[0x11, 0, 0], &[0x31, 0, 0], &[0x25, 0, 0], &[0x21], &[0x21, 0x80], &[0x29, 0, 0]]
    {
        let error = Message::from_bytes(bytes, false).unwrap_err();
        assert!(matches!(error, Error::Message { .. }), "{bytes:?}: {error}");
    }
    assert!(Message::from_bytes(&[0x21, 0, 0], false).is_ok());
}

#[test]
fn a_checksum_finds_every_flipped_bit() {
    let message = Message { kind: MessageKind::Update, round: 3, collaborator: 200, payload: vec![7; 9] };
    let bytes = message.to_bytes(true);
    for bit in 0..8 * bytes.len() {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Message::from_bytes(&damaged, true).is_err(), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_what_arrives(
        round: u32, collaborator: u32, kind in 0..5usize, payload: Vec<u8>, checksum: bool,
    ) {
        let message = Message { kind: KINDS[kind], round, collaborator, payload };
        prop_assert_eq!(message.length(checksum), message.to_bytes(checksum).len() as u64);
        prop_assert_eq!(Message::from_bytes(&message.to_bytes(checksum), checksum).unwrap(), message);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = (Message::from_bytes(&bytes, false), Message::from_bytes(&bytes, true));
    }
}
