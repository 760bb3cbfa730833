//! Collaborators that do not want the federation to learn.

use crate::data::{derive_seed, shuffle_in_place};
use crate::{Error, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The stream of the seed that attackers are drawn from.
const STREAM: u64 = 0x6174_746b;

/// An attack, and who joins in it: `{ kind = "sign-flip", part = 0.2 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// What they do.
    pub kind: AttackKind,
    /// Part of the collaborators, drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<f64>,
    /// The collaborators, from 0, in place of a part of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collaborators: Option<Vec<u32>>,
    /// How strong it is: the factor of `sign-flip` (1) and `scaled` (10), how many times longer than its own change the
    /// `noise` is (3), and how many standard deviations `little` goes (what keeps it among the others by default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
}

/// What attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttackKind {
    /// Sends its change of the model the other way.
    SignFlip,
    /// Sends noise in place of its change.
    Noise,
    /// Trains on labels in the opposite order: the last class in place of the first.
    LabelFlip,
    /// Sends many times its change.
    Scaled,
    /// All attackers send the others' mean, less a few of their standard deviations (Baruch et al. 2019, "A Little Is
    /// Enough").
    Little,
    /// Sends values that are no numbers.
    Nan,
}

impl AttackKind {
    /// How strong it is where nothing is said; `None` where it has no strength.
    pub fn usual_strength(self) -> Option<f64> {
        match self {
            Self::SignFlip => Some(1.0),
            Self::Noise => Some(3.0),
            Self::Scaled => Some(10.0),
            Self::Little | Self::LabelFlip | Self::Nan => None,
        }
    }

    fn takes_strength(self) -> bool {
        self == Self::Little || self.usual_strength().is_some()
    }
}

impl Attack {
    /// Refuses attackers that there are not, and strengths that are none.
    pub fn check(&self, collaborators: usize) -> Result<()> {
        match (self.part, &self.collaborators) {
            (Some(part), None) if part > 0.0 && part <= 1.0 => {}
            (Some(part), None) => {
                let problem = format!("{part} of the collaborators attack");
                return Err(Error::setting(
                    "attack.part",
                    problem,
                    "set it above 0 and up to 1, such as 0.2",
                ));
            }
            (None, Some(ids)) => {
                if let Some(who) = ids.iter().find(|who| **who as usize >= collaborators) {
                    let problem = format!("there is no collaborator {who}");
                    let mend = format!("use 0 to {}", collaborators.saturating_sub(1));
                    return Err(Error::setting("attack.collaborators", problem, mend));
                }
            }
            _ => {
                let problem = "one of part and collaborators says who attacks";
                return Err(Error::setting("attack", problem, "set part, such as 0.2, or collaborators"));
            }
        }
        match self.strength {
            Some(_) if !self.kind.takes_strength() => Err(Error::setting(
                "attack.strength",
                "labels that are flipped and values that are no numbers have none",
                "leave it out",
            )),
            Some(strength) if !(strength > 0.0 && strength.is_finite()) => {
                let problem = format!("a strength of {strength}");
                Err(Error::setting("attack.strength", problem, "set it above 0"))
            }
            _ => Ok(()),
        }
    }

    /// Who attacks.
    pub fn attackers(&self, seed: u64, collaborators: usize) -> BTreeSet<u32> {
        match (&self.collaborators, self.part) {
            (Some(ids), _) => ids.iter().copied().collect(),
            (None, part) => {
                let mut ids: Vec<u32> = (0..collaborators as u32).collect();
                shuffle_in_place(&mut ids, &mut ChaCha8Rng::seed_from_u64(derive_seed(seed, STREAM)));
                ids.truncate((part.unwrap_or(0.0) * collaborators as f64).ceil() as usize);
                ids.into_iter().collect()
            }
        }
    }
}
