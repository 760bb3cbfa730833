//! Which snapshots are held out.

use fedfunnel::training::HoldOut;

#[test]
fn every_nth_is_held_out() {
    assert_eq!(HoldOut(3).split(0..8), (vec![0, 1, 3, 4, 6, 7], vec![2, 5]));
    assert_eq!(HoldOut(1).split(0..2), (vec![], vec![0, 1]));
    assert_eq!(HoldOut(0).split(0..2), (vec![0, 1], vec![]));
}
