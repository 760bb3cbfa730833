//! The mean of clipped updates with Gaussian noise.

use super::vectors::on_host;
use crate::Error;
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options, expect_length};
use crate::data::{derive_seed, normal};
use crate::federation::privacy::PrivateNoise;
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// As specs name it.
pub const PRIVATE_MEAN: CombineKind = CombineKind {
    name: "private-mean",
    about: PartAbout {
        summary: "the mean of clipped changes with Gaussian noise, and what it tells of a collaborator as (epsilon, delta)",
        source: "McMahan et al. 2018, DP-FedAvg (arXiv 1710.06963)",
        options: &[
            OptionAbout::new("clip", "1", "the length that changes are cut to"),
            OptionAbout::new("noise", "1", "standard deviation of the noise, in clips"),
            OptionAbout::new("delta", "1e-5 or less", "the delta that epsilon is stated for"),
            OptionAbout::new(
                "adaptive",
                "false",
                "whether the clip follows a quantile of the lengths (arXiv 1905.03871)",
            ),
        ],
        good_for: "global models that tell little of any one collaborator",
        ..PartAbout::NOTHING
    },
    make,
};

/// The stream of a federation's seed that noise is drawn from.
const NOISE: u64 = 0x6e6f_6973;

/// The name of the norm that updates are clipped to next.
const CLIP: &str = "clip";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateOptions {
    #[serde(default = "usual_clip")]
    clip: f32,
    #[serde(default = "usual_noise")]
    noise: f64,
    #[serde(default)]
    delta: Option<f64>,
    #[serde(default)]
    adaptive: Option<toml::Value>,
}

fn usual_clip() -> f32 {
    1.0
}

fn usual_noise() -> f64 {
    1.0
}

/// How the norm that updates are clipped to follows them (Andrew et al. 2021, 1905.03871).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adaptive {
    /// The part of the updates that should be within it.
    pub quantile: f64,
    /// The rate at which its logarithm moves.
    pub rate: f64,
    /// Standard deviation of the noise on how many updates are within it; a 20th of how many are asked where that is not
    /// said, and no less than the noise on the sum.
    pub bits: Option<f64>,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { quantile: 0.5, rate: 0.2, bits: None }
    }
}

fn make(options: &Options) -> Result<Box<dyn Combine>> {
    let PrivateOptions { clip, noise, delta, adaptive } = options.parse()?;
    if !(clip > 0.0 && clip.is_finite()) {
        return Err(options.refuse(format!("a clip of {clip}"), "use a norm above 0, such as 1"));
    }
    if !(noise >= 0.0 && noise.is_finite()) {
        return Err(options.refuse(format!("a noise of {noise}"), "use 0 or more, such as 1"));
    }
    if let Some(delta) = delta.filter(|delta| !(*delta > 0.0 && *delta < 1.0)) {
        return Err(options.refuse(format!("a delta of {delta}"), "use one between 0 and 1, such as 1e-5"));
    }
    let adaptive = match adaptive {
        None | Some(toml::Value::Boolean(false)) => None,
        Some(toml::Value::Boolean(true)) => Some(Adaptive::default()),
        Some(toml::Value::Table(table)) => {
            let own = Options { place: format!("{}.adaptive", options.place), table };
            Some(own.parse::<Adaptive>()?.checked(&own, noise)?)
        }
        Some(other) => {
            let problem = format!("adaptive is {other}");
            return Err(options.refuse(problem, "use true, false, or a table with quantile and rate"));
        }
    };
    Ok(Box::new(PrivateMean { delta, ..PrivateMean::new(clip, noise, adaptive) }))
}

impl Adaptive {
    fn checked(self, options: &Options, noise: f64) -> Result<Self> {
        if !(self.quantile > 0.0 && self.quantile < 1.0) {
            let problem = format!("a quantile of {}", self.quantile);
            return Err(options.refuse(problem, "use one between 0 and 1, such as 0.5"));
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(options.refuse(format!("a rate of {}", self.rate), "use one above 0, such as 0.2"));
        }
        match self.bits {
            Some(bits) if !(bits.is_finite() && bits >= 0.0 && (noise == 0.0 || 2.0 * bits > noise)) => {
                let problem = format!("bits of {bits} tell more than a noise of {noise} allows");
                Err(options.refuse(problem, format!("use more than {}, or leave it out", noise / 2.0)))
            }
            _ => Ok(self),
        }
    }

    /// Standard deviation of the noise on the count.
    fn bits(&self, noise: f64, asked: f64) -> f64 {
        let usual = if noise == 0.0 { 0.0 } else { noise.max(asked / 20.0) };
        self.bits.unwrap_or(usual)
    }
}

/// The mean of what updates change, each clipped to a norm, with Gaussian noise (DP-FedAvg, McMahan et al. 2018,
/// 1710.06963): `global + (sum_i d_i min(1, clip / |d_i|) + noise clip N(0, 1)) / asked`. All count alike, whatever
/// their numbers of images, and the denominator is how many were asked, which an update that is missing does not change.
/// An update that holds values which are no numbers counts as no change.
///
/// With [`Adaptive`], how many updates are within the norm is released too, with noise of its own, and the norm of the
/// next round follows from that. The noise on the sum is then larger, so that both together tell as much as a sum with
/// `noise` alone: `(noise^-2 - (2 bits)^-2)^(-1/2)` (Theorem 1 there).
///
/// Noise is drawn from a stream of the federation's seed and the round's number, so that a run can be repeated to the
/// bit. Whoever knows the seed can take it off again.
#[derive(Clone, Debug)]
pub struct PrivateMean {
    /// The norm that updates are clipped to, at first.
    pub clip: f32,
    /// Standard deviation of the noise on the sum, over the norm.
    pub noise: f64,
    /// How the norm follows the updates, where it does.
    pub adaptive: Option<Adaptive>,
    /// For which delta an epsilon is stated.
    pub delta: Option<f64>,
    kept: Kept,
}

impl PrivateMean {
    /// Before the first round.
    pub fn new(clip: f32, noise: f64, adaptive: Option<Adaptive>) -> Self {
        Self { clip, noise, adaptive, delta: None, kept: Kept::default() }
    }

    /// The norm that updates of the next round are clipped to.
    pub fn next_clip(&self) -> f32 {
        self.kept.get(CLIP).and_then(|clip| clip.first()).copied().unwrap_or(self.clip)
    }

    /// Noise on the sum, over the norm, that leaves room for noise of `bits` on the count.
    fn noise_on_sum(&self, bits: Option<f64>) -> f64 {
        match bits {
            Some(bits) if self.noise > 0.0 => (self.noise.powi(-2) - (2.0 * bits).powi(-2)).powf(-0.5),
            _ => self.noise,
        }
    }
}

impl Combine for PrivateMean {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let clip = f64::from(self.next_clip());
        let asked = round.asked.max(1) as f64;
        let (mut sum, mut within) = (vec![0f64; round.global.len()], 0);
        for values in on_host(round.gpu, arrived)? {
            let change = || values.iter().zip(round.global).map(|(&w, &g)| f64::from(w) - f64::from(g));
            let norm = change().map(|change| change * change).sum::<f64>().sqrt();
            within += usize::from(norm <= clip);
            if norm.is_finite() {
                let part = (clip / norm).min(1.0);
                sum.iter_mut().zip(change()).for_each(|(sum, change)| *sum += part * change);
            }
        }
        let mut normals = normals(round.seed, round.number);
        let mut normal = || normals.next().unwrap_or_default();
        let bits = self.adaptive.map(|adaptive| adaptive.bits(self.noise, asked));
        if let (Some(adaptive), Some(bits)) = (self.adaptive, bits) {
            // Each says half more or half less, so that one that is missing says nothing.
            let count = within as f64 - 0.5 * arrived.len() as f64 + bits * normal();
            let part = count / asked + 0.5;
            let next = clip * (-adaptive.rate * (part - adaptive.quantile)).exp();
            self.kept.put(CLIP, vec![next.clamp(1e-30, 1e30) as f32]);
        }
        let deviation = self.noise_on_sum(bits) * clip;
        let moved = |(&global, sum): (&f32, f64)| {
            let noise = if deviation > 0.0 { deviation * normal() } else { 0.0 };
            (f64::from(global) + (sum + noise) / asked) as f32
        };
        Ok(round.global.iter().zip(sum).map(moved).collect())
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn check_kept(&mut self, _: usize) -> Result<()> {
        let Some(clip) = self.kept.get(CLIP) else { return Ok(()) };
        expect_length(CLIP, clip.len(), 1)?;
        if clip[0] > 0.0 && clip[0].is_finite() {
            return Ok(());
        }
        Err(Error::setting(CLIP, format!("{} is no norm", clip[0]), "it is above 0"))
    }

    fn noise(&self) -> Option<PrivateNoise> {
        (self.noise > 0.0).then_some(PrivateNoise { noise: self.noise, delta: self.delta })
    }
}

/// Standard normal numbers of a round.
fn normals(seed: u64, round: u32) -> impl Iterator<Item = f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(derive_seed(seed, NOISE), u64::from(round)));
    std::iter::from_fn(move || Some(normal(&mut rng)))
}
