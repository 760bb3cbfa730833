//! What stages draw by chance on both sides: from counters, so that nothing of it is sent.

use crate::codec::Round;
use crate::ops::random::pcg4d;

/// Random numbers by their place: the same for all who have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draws([u32; 2]);

impl Draws {
    /// Those of a federation for one use, in all of its rounds.
    pub fn of_run(round: &Round<'_>, purpose: u32) -> Self {
        Self::new(round.seed, [purpose, 0, 0])
    }

    /// Those of a round for one use, the same for all collaborators.
    pub fn of_round(round: &Round<'_>, purpose: u32) -> Self {
        Self::new(round.seed, [purpose, round.number, 0])
    }

    /// Those of a collaborator's update of a round for one use.
    pub fn of_update(round: &Round<'_>, who: u32, purpose: u32) -> Self {
        // No collaborator has the draws that are for all.
        Self::new(round.seed, [purpose, round.number, who.wrapping_add(1)])
    }

    fn new(seed: u64, [purpose, round, who]: [u32; 3]) -> Self {
        let [a, b, c, d] = pcg4d([seed as u32, (seed >> 32) as u32, purpose, round]);
        let [x, y, ..] = pcg4d([a ^ who, b, c, d]);
        Self([x, y])
    }

    /// The key, for kernels that draw the same.
    pub fn key(self) -> [u32; 2] {
        self.0
    }

    /// Four words of 32 random bits at a place of a line of them.
    pub fn words(self, line: u32, place: usize) -> [u32; 4] {
        pcg4d([place as u32, line, self.0[0], self.0[1]])
    }
}

/// One or minus one, by the first bit of a word.
pub(super) fn sign(word: u32) -> f32 {
    if word >> 31 == 1 { -1.0 } else { 1.0 }
}
