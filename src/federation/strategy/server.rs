//! What the global model becomes.

use super::Server;
use crate::codec::Kept;

/// What the updates were combined to (FedAvg, McMahan et al. 2017).
#[derive(Debug, Default)]
pub struct Replace(Kept);

impl Server for Replace {
    fn step(&mut self, global: &mut [f32], combined: &[f32]) {
        global.copy_from_slice(combined);
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}

/// A step of momentum along what the round changed (FedAvgM, Hsu et al. 2019): with `d = global - combined`,
/// `v = momentum * v + d` and `global -= rate * v`.
#[derive(Debug)]
pub struct Momentum {
    /// Part of the velocity that stays.
    pub momentum: f32,
    /// Rate of the step.
    pub rate: f32,
    kept: Kept,
}

/// The name of the velocity.
const VELOCITY: &str = "velocity";

impl Momentum {
    /// At rest.
    pub fn new(momentum: f32, rate: f32) -> Self {
        Self { momentum, rate, kept: Kept::default() }
    }
}

impl Server for Momentum {
    fn step(&mut self, global: &mut [f32], combined: &[f32]) {
        let mut velocity = self.kept.get(VELOCITY).map_or_else(|| vec![0.0; global.len()], <[f32]>::to_vec);
        for ((global, combined), velocity) in global.iter_mut().zip(combined).zip(&mut velocity) {
            *velocity = self.momentum * *velocity + (*global - combined);
            *global -= self.rate * *velocity;
        }
        self.kept.put(VELOCITY, velocity);
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momentum_is_as_counted_by_hand() {
        let mut server = Momentum::new(0.5, 0.25);
        let mut global = [1.0, -2.0];
        // d = (-1, -2), v = d, and a quarter of it is taken off.
        server.step(&mut global, &[2.0, 0.0]);
        assert_eq!(global, [1.25, -1.5]);
        // d = (1.25, 0.5), v = (-0.5, -1) + d = (0.75, -0.5).
        server.step(&mut global, &[0.0, -2.0]);
        assert_eq!(global, [1.0625, -1.375]);
        assert_eq!(server.kept().get(VELOCITY), Some(&[0.75f32, -0.5][..]));
        // Without momentum and at rate one it is FedAvg.
        let (mut plain, mut replaced) = ([1.0, -2.0], [1.0, -2.0]);
        Momentum::new(0.0, 1.0).step(&mut plain, &[0.5, 4.0]);
        Replace::default().step(&mut replaced, &[0.5, 4.0]);
        assert_eq!(plain, replaced);
    }
}
