//! Events for TensorBoard, read back by a reader of their own.

use fedfunnel::report::tensorboard::{Events, FILE};

/// A field of a message: its number, and its content as bytes (of a varint: as eight of them).
fn fields(mut message: &[u8]) -> Vec<(u8, Vec<u8>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = bytes.split_first().expect("a varint ends");
            *bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if *byte < 0x80 {
                return number;
            }
        }
    }
    let mut found = Vec::new();
    while let Some((&key, rest)) = message.split_first() {
        message = rest;
        let length = match key & 7 {
            0 => {
                found.push((key >> 3, varint(&mut message).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (content, rest) = message.split_at(length);
        found.push((key >> 3, content.to_vec()));
        message = rest;
    }
    found
}

/// What is left in a file.
fn written(events: &Events) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    events.save(folder.path()).unwrap();
    std::fs::read(folder.path().join(FILE)).unwrap()
}

/// A checksum as TFRecords have it.
fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The messages of a file, checksums checked.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(word(&bytes[8..]), masked(crc32c::crc32c(&bytes[..8])));
        let message = &bytes[12..12 + length];
        assert_eq!(word(&bytes[12 + length..]), masked(crc32c::crc32c(message)));
        found.push(message.to_vec());
        bytes = &bytes[16 + length..];
    }
    found
}

fn get(fields: &[(u8, Vec<u8>)], number: u8) -> &[u8] {
    &fields.iter().find(|(found, _)| *found == number).expect("the field is there").1
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn a_checksum_is_that_of_other_writers() {
    // RFC 3720, B.4: 32 bytes of zeros.
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
}

#[test]
fn scalars_and_histograms_read_back() {
    let mut events = Events::default();
    events.scalar("loss/train", 300, 0.25);
    events.histogram("weights", 1 << 40, [-1.0, 0.0, 0.0, 2.0, f32::NAN].into_iter());
    events.histogram("nothing", 0, [f32::INFINITY].into_iter());
    let records = records(&written(&events));
    assert_eq!(records.len(), 3);
    assert_eq!(get(&fields(&records[0]), 3), b"brain.Event:2");
    let event = fields(&records[1]);
    assert_eq!(get(&event, 2), 300u64.to_le_bytes());
    let value = fields(get(&fields(get(&event, 5)), 1));
    assert_eq!((get(&value, 1), get(&value, 2)), (&b"loss/train"[..], &0.25f32.to_le_bytes()[..]));
    let event = fields(&records[2]);
    assert_eq!(get(&event, 2), (1u64 << 40).to_le_bytes());
    let histogram = fields(get(&fields(get(&fields(get(&event, 5)), 1)), 5));
    let number = |field| doubles(get(&histogram, field))[0];
    assert_eq!([1, 2, 3, 4, 5].map(number), [-1.0, 2.0, 4.0, 1.0, 5.0]);
    let (limits, counts) = (doubles(get(&histogram, 6)), doubles(get(&histogram, 7)));
    assert_eq!((limits.len(), counts.iter().sum::<f64>()), (30, 4.0));
    assert!(limits.is_sorted() && (limits[30 - 1] - 2.0).abs() < 1e-9);
    assert_eq!((counts[0], counts[10], counts[30 - 1]), (1.0, 2.0, 1.0));
}

#[test]
#[should_panic(expected = "assertion")]
fn the_reader_sees_a_flipped_bit() {
    let mut events = Events::default();
    events.scalar("a", 1, 1.0);
    let mut bytes = written(&events);
    let last = bytes.len() - 6;
    bytes[last] ^= 1;
    records(&bytes);
}
