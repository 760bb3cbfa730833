//! The orders in which collaborators see their samples.

use fedfunnel::data::epoch_order;
use proptest::prelude::*;

proptest! {
    #[test]
    fn every_order_is_a_permutation(len in 0usize..500, seed: u64, epoch: u64, shuffle: bool) {
        let mut order = epoch_order(len, seed, epoch, shuffle);
        prop_assert_eq!(&order, &epoch_order(len, seed, epoch, shuffle));
        if shuffle {
            order.sort_unstable();
        }
        prop_assert_eq!(order, (0..len as u32).collect::<Vec<_>>());
    }
}

#[test]
fn seeds_and_epochs_give_orders_of_their_own() {
    let mut orders = std::collections::HashSet::new();
    for seed in 0..20 {
        for epoch in 0..20 {
            assert!(orders.insert(epoch_order(50, seed, epoch, true)), "seed {seed}, epoch {epoch}");
        }
    }
}

#[test]
fn every_place_is_equally_likely() {
    // 6,000 shuffles of 3: each of the 6 orders about 1,000 times (standard deviation 29).
    let mut counts = std::collections::BTreeMap::new();
    for epoch in 0..6000 {
        *counts.entry(epoch_order(3, 7, epoch, true)).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
}

#[test]
fn the_order_does_not_change_between_releases() {
    assert_eq!(epoch_order(8, 42, 0, true), GOLDEN_0);
    assert_eq!(epoch_order(8, 42, 1, true), GOLDEN_1);
}

const GOLDEN_0: [u32; 8] = [1, 6, 2, 5, 0, 4, 7, 3];
const GOLDEN_1: [u32; 8] = [2, 5, 3, 1, 0, 6, 4, 7];
