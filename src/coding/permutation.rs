//! Permutations in the factorial number system, in less than a bit in 128 more than `log2(n!)`.
//!
//! Place by place, the digit of a rank is how many smaller ones are still left (Lehmer 1960): of n ranks the first digit
//! is below n, the next one below n - 1, and the last one is 0. As many digits as 128 bits have room for are one number,
//! in as many bits as the largest such number has. How long all of it is follows from n alone, and whatever is read
//! back, where each number is in its bounds, is a permutation.

use crate::{Error, Result};
use std::ops::Range;

/// Digits that are one number.
struct Group {
    places: Range<usize>,
    /// How many numbers they can be.
    numbers: u128,
}

impl Group {
    fn bits(&self) -> u32 {
        u128::BITS - (self.numbers - 1).leading_zeros()
    }
}

/// The digits of so many ranks in groups, in order.
fn groups(count: usize) -> impl Iterator<Item = Group> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let (start, mut numbers) = (first, 1u128);
        while first < count {
            let Some(more) = numbers.checked_mul((count - first) as u128) else { break };
            numbers = more;
            first += 1;
        }
        (start < first).then_some(Group { places: start..first, numbers })
    })
}

/// The ranks that are still left, counted in a tree of partial sums (Fenwick 1994).
struct Left(Vec<u32>);

impl Left {
    /// All ranks below `count`.
    fn all(count: usize) -> Self {
        Self((0..=count).map(|node| (node & node.wrapping_neg()) as u32).collect())
    }

    /// Takes a rank out, and gives how many smaller ones are left.
    fn take(&mut self, rank: usize) -> u32 {
        let (mut node, mut smaller) = (rank, 0);
        while node > 0 {
            smaller += self.0[node];
            node &= node - 1;
        }
        self.remove(rank);
        smaller
    }

    /// Takes out the rank than which so many smaller ones are left.
    fn take_nth(&mut self, mut smaller: u32) -> usize {
        let (mut rank, mut step) = (0, self.0.len().next_power_of_two());
        while step > 0 {
            if let Some(&sum) = self.0.get(rank + step)
                && sum <= smaller
            {
                rank += step;
                smaller -= sum;
            }
            step /= 2;
        }
        self.remove(rank);
        rank
    }

    fn remove(&mut self, rank: usize) {
        let mut node = rank + 1;
        while node < self.0.len() {
            self.0[node] -= 1;
            node += node & node.wrapping_neg();
        }
    }
}

/// Writes ranks that are a permutation of `0..ranks.len()`: gives `put` numbers, and how many of their lowest bits count.
pub(crate) fn encode(ranks: &[u32], mut put: impl FnMut(u64, u32)) {
    let mut left = Left::all(ranks.len());
    for group in groups(ranks.len()) {
        let digit = |number: u128, place: usize| {
            number * (ranks.len() - place) as u128 + u128::from(left.take(ranks[place] as usize))
        };
        let number = group.places.clone().fold(0, digit);
        let low = group.bits().min(u64::BITS);
        put(number as u64, low);
        put((number >> u64::BITS) as u64, group.bits() - low);
    }
}

/// Reads so many ranks back, from numbers of as many bits as `take` is asked for; refuses those that no permutation has.
pub(crate) fn decode(count: usize, mut take: impl FnMut(u32) -> Result<u64>) -> Result<Vec<u32>> {
    let mut left = Left::all(count);
    let mut ranks = Vec::with_capacity(count);
    for group in groups(count) {
        let low = group.bits().min(u64::BITS);
        let mut number = u128::from(take(low)?);
        number |= u128::from(take(group.bits() - low)?) << u64::BITS;
        if number >= group.numbers {
            let problem = "an update's ranks are no permutation";
            return Err(Error::message(problem, "use the same model and codec on both sides"));
        }
        let mut digits = Vec::with_capacity(group.places.len());
        for place in group.places.rev() {
            let base = (count - place) as u128;
            digits.push((number % base) as u32);
            number /= base;
        }
        ranks.extend(digits.into_iter().rev().map(|digit| left.take_nth(digit) as u32));
    }
    Ok(ranks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::{BitReader, BitWriter};
    use crate::bytes::Reader;
    use crate::ops::random;

    fn written(ranks: &[u32]) -> Vec<u8> {
        let mut bits = BitWriter::default();
        encode(ranks, |number, count| bits.bits(number, count));
        bits.into_bytes()
    }

    fn read(bytes: &[u8], count: usize) -> Result<Vec<u32>> {
        let mut reader = Reader::new(bytes, "ranks");
        let mut bits = BitReader::new(&mut reader);
        decode(count, |count| bits.bits(count))
    }

    fn shuffled(count: u32) -> Vec<u32> {
        let mut ranks: Vec<_> = (0..count).collect();
        ranks.sort_by_key(|&rank| random::bits(rank, 1, 2, 3));
        ranks
    }

    #[test]
    fn the_digits_are_how_many_smaller_ranks_are_left() {
        // Of (2, 0, 3, 1): two are below 2; none below 0; of 1 and 3 one is below 3; and the last is 0.
        // ((2 * 3 + 0) * 2 + 1) * 1 + 0 = 13 of 4! = 24 numbers, in five bits.
        assert_eq!(written(&[2, 0, 3, 1]), [13]);
        assert_eq!(written(&[0]), [0u8; 0]);
        assert_eq!(read(&[13], 4).unwrap(), [2, 0, 3, 1]);
        assert!(read(&[], 0).unwrap().is_empty());
    }

    #[test]
    fn permutations_come_back_at_the_logarithm_of_their_number() {
        for count in [1, 2, 3, 7, 34, 35, 100, 4_097, 15_680] {
            for ranks in [shuffled(count), (0..count).collect(), (0..count).rev().collect()] {
                let bytes = written(&ranks);
                assert_eq!(read(&bytes, ranks.len()).unwrap(), ranks);
                let due: f64 = (1..=count).map(|number| f64::from(number).log2()).sum();
                let bits = 8.0 * bytes.len() as f64;
                assert!(bits < 1.01 * due + 16.0, "{count}: {bits} of {due}");
            }
        }
    }

    #[test]
    fn numbers_that_no_permutation_has_are_refused() {
        let error = read(&[24], 4).unwrap_err().to_string();
        assert!(error.contains("no permutation"), "{error}");
        assert!(read(&[23], 4).is_ok());
        assert!(read(&written(&shuffled(100))[..30], 100).is_err());
    }
}
