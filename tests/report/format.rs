//! Numbers as people read them.

use fedfunnel::report::format::{
    bytes, bytes_exact, count, decimal, duration, exact, is_numeric, number, percent, ratio,
};
use std::time::Duration;

#[test]
fn counts_sizes_and_shares() {
    assert_eq!(count(0), "0");
    assert_eq!(count(999), "999");
    assert_eq!(count(15_910), "15,910");
    assert_eq!(count(352_915_690), "352,915,690");
    assert_eq!(percent(0.949), "94.9 %");
    assert_eq!(percent(-0.000_01), "0.0 %");
    assert_eq!(percent(f64::NAN), "n/a");
    assert_eq!(bytes(63_646), "63,646 B");
    assert_eq!(bytes(2_202_280), "2.2 MB");
    assert_eq!(bytes(999_990_000), "1.0 GB");
    assert_eq!(bytes(u64::MAX), "18.4 EB");
    assert_eq!(bytes_exact(706_931_880), "706,931,880 B");
}

#[test]
fn ratios_and_numbers() {
    assert_eq!(ratio(482.2), "482.2x");
    assert_eq!(ratio(1.7205), "1.72x");
    assert_eq!(ratio(9.996), "10.0x");
    assert_eq!(ratio(15_910.4), "15,910x");
    assert_eq!(ratio(f64::INFINITY), "n/a");
    assert_eq!(number(0.371_249, 4), "0.3712");
    assert_eq!(number(12_345.6, 4), "12,346");
    assert_eq!(number(9.996, 3), "10");
    assert_eq!(number(3.1e-7, 4), "3.1e-7");
    assert_eq!(number(-2.0, 4), "-2");
    assert_eq!(decimal(-1234.56, 1), "-1,234.6");
}

#[test]
fn exact_numbers_read_back() {
    for value in [0.1, -1.0 / 3.0, 1e-9, 1e300, 15_910.0, 0.0] {
        assert_eq!(exact(value).parse::<f64>(), Ok(value));
    }
    assert!(exact(1e300).len() < 10);
}

#[test]
fn durations_never_show_sixty_seconds() {
    let text = |seconds: f64| duration(Duration::from_secs_f64(seconds));
    assert_eq!(text(0.0), "0 s");
    assert_eq!(text(0.000_34), "340 us");
    assert_eq!(text(0.045), "45 ms");
    assert_eq!(text(0.999_9), "1.00 s");
    assert_eq!(text(12.34), "12.3 s");
    assert_eq!(text(59.97), "1 min 00 s");
    assert_eq!(text(72.0), "1 min 12 s");
    assert_eq!(text(3_599.9), "1 h 00 min");
    assert_eq!(text(7_500.0), "2 h 05 min");
    assert_eq!(text(90_000.0), "1 d 1 h");
}

#[test]
fn cells_that_are_numbers() {
    for cell in ["1", "-1.5", "94.9 %", "63,646 B", "482.2x", "1 min 12 s", "3.1e-7", "~8.5 GB/s", "+0.2"] {
        assert!(is_numeric(cell), "{cell}");
    }
    for cell in ["", "-", "FedAvg", "2 collaborators", "32-dimensional", "pca"] {
        assert!(!is_numeric(cell), "{cell}");
    }
}
