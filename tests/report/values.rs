//! Cells read back as numbers.

use fedfunnel::report::format;
use fedfunnel::report::values::{Quantity, value};
use std::time::Duration;

#[track_caller]
fn reads(cell: &str, size: f64, quantity: Quantity) {
    let read = value(cell).unwrap_or_else(|| panic!("{cell} is no number"));
    assert_eq!(read.quantity, quantity, "{cell}");
    assert!((read.size - size).abs() <= 1e-9 * size.abs(), "{cell}: {}", read.size);
}

#[test]
fn numbers_are_read_with_their_units() {
    use Quantity::{Bandwidth, Bytes, Factor, Operations, Plain, Share, Time};
    for (cell, size, quantity) in [
        ("15,910", 15_910.0, Plain),
        ("-0.3712", -0.3712, Plain),
        ("−5", -5.0, Plain),
        ("3.1e-7", 3.1e-7, Plain),
        ("1E+3", 1e3, Plain),
        ("94.9 %", 94.9, Share),
        ("94.9%", 94.9, Share),
        ("94.9 ± 0.3 %", 94.9, Share),
        ("94.9 % ± 0.3 %", 94.9, Share),
        ("94.9±0.3 %", 94.9, Share),
        ("94.9 % / 81.0 %", 94.9, Share),
        ("482.2x", 482.2, Factor),
        ("63,646 B", 63_646.0, Bytes),
        ("2 kB", 2e3, Bytes),
        ("~2.2 MB", 2.2e6, Bytes),
        ("< 3 KiB", 3072.0, Bytes),
        ("12 GB/s", 12e9, Bandwidth),
        ("3 TFLOP/s", 3e12, Operations),
        ("45 ms", 0.045, Time),
        ("1 min 12 s", 72.0, Time),
        ("2 d 3 h", 183_600.0, Time),
    ] {
        reads(cell, size, quantity);
    }
}

#[test]
fn what_is_no_number_is_none() {
    for cell in [
        "",
        "-",
        "n/a",
        "raw",
        "8 of 10",
        "1 2",
        "3 B 4",
        "2 kB 3 kB",
        "topk(part=0.01)",
        "± 3",
        "%",
        "1.2.3",
    ] {
        assert_eq!(value(cell), None, "{cell}");
    }
}

#[test]
fn what_formats_write_is_read_back() {
    for bytes in [0, 999, 63_646, 2_202_280, 999_990_000, u64::MAX] {
        let read = value(&format::bytes(bytes)).expect("a number");
        assert!((read.size - bytes as f64).abs() <= 0.06 * bytes as f64, "{bytes}");
    }
    for seconds in [0.0, 3e-6, 0.045, 4.56, 72.4, 7_300.0, 200_000.0] {
        let cell = format::duration(Duration::from_secs_f64(seconds));
        let read = value(&cell).expect("a number");
        assert!((read.size - seconds).abs() <= 0.02 * seconds, "{cell}");
    }
}
