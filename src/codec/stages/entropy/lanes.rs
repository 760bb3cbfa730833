//! How many lanes bytes are best taken as, told from how often each byte comes in each lane.
//!
//! A [model](super::model) that learns from byte to byte writes, of a lane with n bytes of which byte b comes n_b times,
//!
//! ```text
//! sum over j < n of log2(256 + 16 j)  -  sum over b and j < n_b of log2(1 + 16 j)
//! ```
//!
//! bits, in whatever order they come. It writes a little more, since it counts its shares anew only now and then, but with
//! any number of lanes. Coding the bytes in all eight ways took four fifths of the time of a message.

use super::model::{BYTES, STEP};
use std::array;
use std::sync::LazyLock;

/// Lanes at most.
pub(super) const LANES: usize = 8;
/// Bytes that numbers of lanes are tried on.
const TRIED: usize = 1 << 14;

/// How often each byte comes in a lane.
type Counts = [u32; BYTES];

/// Sums of logarithms, in units of 2^-16: integers, so that all platforms choose alike.
struct Sums {
    /// Over the bytes that came before, of what the model had counted of all.
    all: Vec<u64>,
    /// Of what it had counted of the byte itself.
    own: Vec<u64>,
}

static SUMS: LazyLock<Sums> = LazyLock::new(|| {
    let of = |first: u32| {
        let sums = (0..=TRIED as u32).scan(0, |sum, count| {
            let before = *sum;
            *sum += log2(first + STEP * count);
            Some(before)
        });
        sums.collect()
    };
    Sums { all: of(BYTES as u32), own: of(1) }
});

/// The binary logarithm of a positive number, in units of 2^-16, by squaring.
fn log2(number: u32) -> u64 {
    let whole = number.ilog2();
    // From 1 to 2, in units of 2^-31.
    let mut rest = u64::from(number) << (31 - whole);
    (0..16).fold(u64::from(whole), |log, _| {
        rest = (rest * rest) >> 31;
        let bit = rest >> 32;
        rest >>= bit;
        log << 1 | bit
    })
}

/// The number of lanes, 1 to 8, as which these bytes are shortest by the first of them; of equals the fewest.
pub(super) fn best(bytes: &[u8]) -> usize {
    let tried = &bytes[..bytes.len().min(TRIED)];
    let (five, six, seven, eight) =
        (count::<5>(tried), count::<6>(tried), count::<7>(tried), count::<8>(tried));
    let (three, four) = (joined::<6, 3>(&six), joined::<8, 4>(&eight));
    let two = joined::<4, 2>(&four);
    let one = joined::<2, 1>(&two);
    let all: [&[Counts]; LANES] = [&one, &two, &three, &four, &five, &six, &seven, &eight];
    (1..).zip(all).min_by_key(|(_, counts)| bits(counts)).map_or(1, |(lanes, _)| lanes)
}

/// Bytes counted in so many lanes.
fn count<const LANES: usize>(bytes: &[u8]) -> [Counts; LANES] {
    let mut counts = [[0; BYTES]; LANES];
    let (groups, rest) = bytes.as_chunks::<LANES>();
    for group in groups.iter().map(<[u8; LANES]>::as_slice).chain([rest]) {
        group.iter().zip(&mut counts).for_each(|(&byte, counts)| counts[usize::from(byte)] += 1);
    }
    counts
}

/// The counts in fewer lanes, of which the number of lanes is a multiple.
fn joined<const MANY: usize, const FEW: usize>(many: &[Counts; MANY]) -> [Counts; FEW] {
    let of = |lane: usize, byte: usize| many.iter().skip(lane).step_by(FEW).map(|counts| counts[byte]).sum();
    array::from_fn(|lane| array::from_fn(|byte| of(lane, byte)))
}

/// What bytes that came so often are coded as, in units of 2^-16 bits.
fn bits(lanes: &[Counts]) -> u64 {
    let sums = &*SUMS;
    let of = |counts: &Counts| {
        let own: u64 = counts.iter().map(|&count| sums.own[count as usize]).sum();
        let all = counts.iter().sum::<u32>();
        sums.all[all as usize] - own
    };
    lanes.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_floating_point() {
        for number in [1u32, 2, 3, 17, 255, 256, 257, 1_000_003, u32::MAX] {
            let due = f64::from(number).log2();
            let got = log2(number) as f64 / 65_536.0;
            assert!(got <= due + 1e-5 && got > due - 1e-4, "{number}: {got} {due}");
        }
    }

    #[test]
    fn fewer_lanes_are_counted_from_more_as_from_the_bytes() {
        let bytes: Vec<u8> = (0..1_003u32).map(|place| (place * place % 251) as u8).collect();
        assert_eq!(joined::<8, 4>(&count(&bytes)), count::<4>(&bytes));
        assert_eq!(joined::<6, 3>(&count(&bytes)), count::<3>(&bytes));
        assert_eq!(joined::<2, 1>(&count(&bytes)), count::<1>(&bytes));
    }
}
