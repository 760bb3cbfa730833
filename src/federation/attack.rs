//! What attackers send in place of what they have trained.

use super::clients::Trained;
use super::spec::{Attack, AttackKind};
use crate::data::{derive_seed, normal};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// The stream of the seed that noise is drawn from.
const STREAM: u64 = 0x6e6f_6973;

/// Attackers of a federation.
#[derive(Clone, Debug)]
pub struct Attackers {
    attack: Attack,
    who: BTreeSet<u32>,
    seed: u64,
}

impl Attackers {
    /// Those of a federation of so many.
    pub fn new(attack: &Attack, seed: u64, collaborators: usize) -> Self {
        Self { attack: attack.clone(), who: attack.attackers(seed, collaborators), seed }
    }

    /// Puts what attackers send in the place of what they have trained in this round; `start` is what an update is that
    /// changes nothing: the weights that all began with.
    pub fn poison(&self, round: u32, start: &[f32], trained: &mut [Trained]) {
        let strength = self.attack.strength.or(self.attack.kind.usual_strength());
        if self.attack.kind == AttackKind::Little {
            self.little(strength, trained);
            return;
        }
        let strength = strength.unwrap_or(1.0);
        for Trained { who, weights, .. } in trained.iter_mut().filter(|one| self.who.contains(&one.who)) {
            match self.attack.kind {
                AttackKind::SignFlip => scale(weights, start, -strength),
                AttackKind::Scaled => scale(weights, start, strength),
                AttackKind::Noise => self.noise(round, *who, strength, start, weights),
                AttackKind::Nan => weights.fill(f32::NAN),
                // Its labels have been flipped before it trained.
                AttackKind::LabelFlip | AttackKind::Little => {}
            }
        }
    }

    /// Noise that is `strength` times as long as the change would be.
    fn noise(&self, round: u32, who: u32, strength: f64, start: &[f32], weights: &mut [f32]) {
        let squares = weights.iter().zip(start).map(|(w, s)| f64::from(w - s).powi(2));
        let deviation = strength * (squares.sum::<f64>() / weights.len().max(1) as f64).sqrt();
        let seed = derive_seed(derive_seed(self.seed, STREAM), u64::from(round) << 32 | u64::from(who));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for (weight, start) in weights.iter_mut().zip(start) {
            *weight = (f64::from(*start) + deviation * normal(&mut rng)) as f32;
        }
    }

    /// The honest updates' mean less `z` of their standard deviations, in each coordinate.
    fn little(&self, z: Option<f64>, trained: &mut [Trained]) {
        let honest: Vec<&[f32]> =
            trained.iter().filter(|one| !self.who.contains(&one.who)).map(|one| &*one.weights).collect();
        let attackers = trained.len() - honest.len();
        if honest.is_empty() || attackers == 0 {
            return;
        }
        let z = z.unwrap_or_else(|| largest_hidden(trained.len(), attackers));
        let count = honest.len() as f64;
        // What a system sends may be of several lengths: behind its end an update says nothing.
        let value = |sent: &&[f32], at: usize| f64::from(sent.get(at).copied().unwrap_or(0.0));
        let longest = honest.iter().map(|sent| sent.len()).max().unwrap_or(0);
        let sent = (0..longest).map(|at| {
            let mean = honest.iter().map(|sent| value(sent, at)).sum::<f64>() / count;
            let squares = honest.iter().map(|sent| (value(sent, at) - mean).powi(2));
            (mean - z * (squares.sum::<f64>() / count).sqrt()) as f32
        });
        let sent: Vec<f32> = sent.collect();
        for one in trained.iter_mut().filter(|one| self.who.contains(&one.who)) {
            one.weights.clone_from(&sent);
        }
    }
}

/// `start + factor * (weights - start)`
fn scale(weights: &mut [f32], start: &[f32], factor: f64) {
    for (weight, start) in weights.iter_mut().zip(start) {
        let start = f64::from(*start);
        *weight = (start + factor * (f64::from(*weight) - start)) as f32;
    }
}

/// How many standard deviations attackers go and still lie nearer to the mean than the honest ones whose support they
/// need for a majority (Baruch et al. 2019, algorithm 3): the z with `P(Z < z) = (n - m - s) / (n - m)` for
/// `s = floor(n / 2 + 1) - m`.
fn largest_hidden(all: usize, attackers: usize) -> f64 {
    let honest = (all - attackers) as f64;
    let needed = (all / 2 + 1).saturating_sub(attackers) as f64;
    let due = ((honest - needed) / honest).clamp(0.5, 0.999);
    let below = |z: f64| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (0.0, 4.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if below(middle) < due { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Snapshots;

    fn trained(weights: &[[f32; 2]]) -> Vec<Trained> {
        let one = |(who, weights): (u32, &[f32; 2])| Trained {
            who,
            weights: weights.to_vec(),
            epochs: Vec::new(),
            steps: 1,
            snapshots: Snapshots::new("m"),
        };
        (0..).zip(weights).map(one).collect()
    }

    fn sent(kind: AttackKind, strength: Option<f64>, weights: &[[f32; 2]]) -> Vec<Vec<f32>> {
        let attack = Attack { kind, part: None, collaborators: Some(vec![1]), strength };
        let mut trained = trained(weights);
        Attackers::new(&attack, 3, weights.len()).poison(1, &[1.0, 1.0], &mut trained);
        trained.into_iter().map(|one| one.weights).collect()
    }

    #[test]
    fn attackers_send_what_their_attack_says_and_others_what_they_have() {
        let weights = [[2.0, 3.0], [2.0, 0.0], [4.0, 1.0]];
        let of = |kind, strength| {
            let sent = sent(kind, strength, &weights);
            assert_eq!((&sent[0][..], &sent[2][..]), (&weights[0][..], &weights[2][..]));
            sent[1].clone()
        };
        // From (1, 1): the change is (1, -1).
        assert_eq!(of(AttackKind::SignFlip, None), [0.0, 2.0]);
        assert_eq!(of(AttackKind::SignFlip, Some(2.0)), [-1.0, 3.0]);
        assert_eq!(of(AttackKind::Scaled, None), [11.0, -9.0]);
        assert_eq!(of(AttackKind::LabelFlip, None), [2.0, 0.0]);
        assert!(of(AttackKind::Nan, None).iter().all(|value| value.is_nan()));
        // The others' means are (3, 2), and their deviations (1, 1).
        assert_eq!(of(AttackKind::Little, Some(1.5)), [1.5, 0.5]);
        assert_ne!(of(AttackKind::Noise, None), [2.0, 0.0]);
    }

    #[test]
    fn a_little_is_made_of_updates_of_several_lengths() {
        let attack = Attack {
            kind: AttackKind::Little,
            part: None,
            collaborators: Some(vec![1]),
            strength: Some(1.5),
        };
        let mut trained = trained(&[[2.0, 3.0], [2.0, 0.0], [4.0, 1.0]]);
        trained[0].weights.truncate(1);
        Attackers::new(&attack, 3, 3).poison(1, &[0.0; 2], &mut trained);
        // The others' means are (3, 1/2), and their deviations (1, 1/2).
        assert_eq!(trained[1].weights, [1.5, -0.25]);
    }

    #[test]
    fn a_little_is_what_the_paper_counts() {
        // 50 workers and 24 attackers need 2 of 26: P(Z < z) = 24 / 26.
        assert!((largest_hidden(50, 24) - 1.426).abs() < 0.001, "{}", largest_hidden(50, 24));
    }
}
