//! What the global model becomes.

use super::Server;
use crate::Result;
use crate::codec::{Kept, expect_length};

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

    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        match self.kept.get(VELOCITY) {
            Some(velocity) => expect_length(VELOCITY, velocity.len(), parameters),
            None => Ok(()),
        }
    }
}
