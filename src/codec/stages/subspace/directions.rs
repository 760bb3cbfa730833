//! The directions of a round for updates of one length, and both ways along them on the host.

use crate::codec::stages::seeded::{Draws, sign};
use crate::ops::subspace::{Directions as Drawn, RUNS, SIGNS};
use std::cell::OnceCell;

/// Directions of updates of one length. Which value belongs to which is found when the host needs it.
pub struct Directions {
    draws: Draws,
    values: usize,
    /// `sqrt(b_j)` for each direction.
    roots: Vec<f64>,
    /// For each value twice its direction, and one more for the other sign.
    packed: OnceCell<Vec<u32>>,
}

impl Directions {
    /// Of `values` values in at most `floats` directions, which are fewer than 2^31.
    pub fn new(draws: Draws, values: usize, floats: usize) -> Self {
        let floats = floats.min(values);
        // Whole runs have a value of each direction.
        let whole = values.checked_div(floats).unwrap_or(0);
        let mut counts = vec![whole as u32; floats];
        if floats > 0 {
            let start = start(draws, whole, floats);
            (0..values - whole * floats).for_each(|place| counts[(start + place) % floats] += 1);
        }
        let roots = counts.into_iter().map(|count| f64::from(count).sqrt()).collect();
        Self { draws, values, roots, packed: OnceCell::new() }
    }

    /// Of how many values.
    pub fn values(&self) -> usize {
        self.values
    }

    /// How many there are.
    pub fn floats(&self) -> usize {
        self.roots.len()
    }

    /// The same for kernels.
    pub fn drawn(&self) -> Drawn {
        Drawn { key: self.draws.key(), floats: self.floats() }
    }

    /// The coordinates of values.
    pub fn coordinates(&self, values: &[f32]) -> Vec<f32> {
        let mut sums = vec![0f64; self.floats()];
        for ((direction, sign), value) in self.each().zip(values) {
            sums[direction] += f64::from(sign * value);
        }
        self.coordinates_of(sums)
    }

    /// The coordinates of values with these sums along the directions.
    pub fn coordinates_of(&self, sums: impl IntoIterator<Item = f64>) -> Vec<f32> {
        sums.into_iter().zip(&self.roots).map(|(sum, root)| (sum / root) as f32).collect()
    }

    /// The values that coordinates stand for.
    pub fn spread(&self, coordinates: &[f32], unbiased: bool) -> Vec<f32> {
        let shares = self.shares(coordinates, unbiased);
        // Turned instead of multiplied: what is no number keeps its bits, as on devices.
        let turned = |sign: f32, share: f32| if sign < 0.0 { -share } else { share };
        self.each().map(|(direction, sign)| turned(sign, shares[direction])).collect()
    }

    /// What each value of a direction is, but for its sign.
    pub fn shares(&self, coordinates: &[f32], unbiased: bool) -> Vec<f32> {
        let each = coordinates.iter().zip(&self.roots).map(|(coordinate, root)| {
            let coordinate = f64::from(*coordinate);
            (if unbiased { coordinate * root } else { coordinate / root }) as f32
        });
        each.collect()
    }

    /// The direction and the sign of each value.
    fn each(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        let packed = self.packed.get_or_init(|| self.pack());
        packed.iter().map(|packed| ((packed >> 1) as usize, sign(packed << 31)))
    }

    fn pack(&self) -> Vec<u32> {
        let (values, floats) = (self.values, self.floats());
        let mut packed = Vec::with_capacity(values);
        for (run, first) in (0..values).step_by(floats.max(1)).enumerate() {
            let mut direction = start(self.draws, run, floats);
            for place in first..values.min(first + floats) {
                packed.push((direction as u32) << 1 | self.draws.words(SIGNS, place)[0] >> 31);
                direction = (direction + 1) % floats;
            }
        }
        packed
    }
}

/// The direction that the first value of a run belongs to.
fn start(draws: Draws, run: usize, floats: usize) -> usize {
    draws.words(RUNS, run)[0] as usize % floats
}
