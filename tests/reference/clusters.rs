//! Lloyd's iterations, by hand.

use fedfunnel::reference::clusters::{lloyd, nearest, squared_error, tally};

#[test]
fn of_two_that_are_as_near_the_lower_one_is_taken() {
    let centroids = [-1.0, 1.0, 4.0];
    for (value, place) in [(-9.0, 0), (0.0, 0), (0.1, 1), (2.5, 1), (2.6, 2), (9.0, 2)] {
        assert_eq!(nearest(&centroids, value), place, "{value}");
    }
}

#[test]
fn centroids_move_to_means_and_one_without_values_stays() {
    let values = [0.0, 1.0, 2.0, 9.0, 11.0];
    let mut centroids = [0.0, 3.0, 100.0];
    // 0 and 1 are nearest to 0; 2, 9 and 11 to 3.
    lloyd(&values, &mut centroids, 1);
    assert_eq!(centroids, [0.5, 22.0 / 3.0, 100.0]);
    // Now 2 is nearest to 0.5, and that is how it stays.
    lloyd(&values, &mut centroids, 1);
    assert_eq!(centroids, [1.0, 10.0, 100.0]);
    lloyd(&values, &mut centroids, 5);
    assert_eq!(centroids, [1.0, 10.0, 100.0]);
    assert_eq!(squared_error(&values, &centroids), 4.0);
    assert_eq!(squared_error(&values, &[0.5, 22.0 / 3.0]).round(), 19.0);
}

#[test]
fn bins_are_in_the_order_of_values() {
    // 1 is 0x3f80_0000, and 1 + 2^-8 has the 16th bit from below.
    let bins = tally(&[1.0, 1.0 + 1.0 / 256.0, -1.0, 0.0, -0.0, 2.0, 1.0 + 1.0 / 32_768.0]);
    let filled: Vec<_> = (0..1 << 16).filter(|&bin| bins[bin][0] > 0).collect();
    assert_eq!(filled, [0x407f, 0x7fff, 0x8000, 0xbf80, 0xc000]);
    assert_eq!(bins[0xbf80], [3, 0x80 + 1]);
    assert_eq!(bins[0x407f], [1, 0]);
}
