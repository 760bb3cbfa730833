//! What a round takes by the collaborators' clock.

use super::ledger::{Direction, Transfer};
use super::spec::Speed;
use std::collections::BTreeMap;

/// Seconds that each of these collaborators takes for its messages of a round and for its steps, by id.
pub(super) fn seconds(
    speeds: &[Speed],
    transfers: &[Transfer],
    steps: impl Fn(u32) -> u64,
) -> BTreeMap<u32, f64> {
    let mut bytes: BTreeMap<u32, [u64; 2]> = BTreeMap::new();
    for transfer in transfers {
        let place = usize::from(transfer.direction == Direction::Up);
        bytes.entry(transfer.collaborator).or_default()[place] += transfer.bytes;
    }
    let of = |(who, [down, up]): (u32, [u64; 2])| (who, speeds[who as usize].seconds(down, steps(who), up));
    bytes.into_iter().map(of).collect()
}
