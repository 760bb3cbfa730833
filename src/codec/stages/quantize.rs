//! A few bits a value, and a scale for each block: QSGD (Alistarh et al. 2017, arXiv 1610.02132), which FedPAQ
//! (Reisizadeh et al. 2020, arXiv 1909.13014) sends differences from the global model with.
//!
//! ```text
//! m  = max |v|
//! s  = 2^(bits - 1) - 1
//! v' = m q(s v / m) / s          q(x) = floor(x), or floor(x) + 1 with the chance x - floor(x)
//! ```
//!
//! so that `v'` is right in the mean, and `E |v' - v|^2 <= min(n / s^2, sqrt(n) / s) |v|^2`, which is the paper's bound
//! for the norm of a block in place of its largest magnitude; that one is never larger, so that the bound holds. One bit
//! has no level between `-m` and `m`, and is `m` with the chance `(1 + v / m) / 2`.
//!
//! With `stochastic = false` values go to the nearest level, which is wrong by less and wrong in the mean; one bit has
//! the mean magnitude for `m` then, which is nearest.
//!
//! Chance is drawn from counters: the value's place, the collaborator, the round and the federation's seed. A round that
//! is gone on with draws the same.
//!
//! A message is the scales `m` of the blocks as f32, and then the levels in bits, counted from the lowest. Blocks are
//! tensors by default: see [`Blocks`].

use super::blocks::{Blocks, Per, label, largest, mean};
use super::written::{Form, Written};
use crate::Result;
use crate::bits::{BitReader, BitWriter};
use crate::bytes::{Reader, Writer};
use crate::codec::refusals::malformed;
use crate::codec::{About, FreeOption, FreeRange, Make, OptionAbout, Round, StageKind};
use crate::ops::random::pcg4d;
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new(
    Quantize::NAME,
    Make::Plain(|context, options| {
        let Given { bits, stochastic, per } = options.parse()?;
        if !(1..=8).contains(&bits) {
            return Err(options.refuse(format!("{bits} bits a value"), "set bits to 1 to 8"));
        }
        let blocks = Blocks::new(per, context.layout);
        Ok(Box::new(Written(Quantize { bits, stochastic, blocks, levels: levels(bits) })))
    }),
)
.about(About {
    summary: "a few bits a value, and a scale for each block; right in the mean",
    source: "Alistarh et al. 2017, QSGD (arXiv 1610.02132); behind delta FedPAQ (arXiv 1909.13014)",
    options: &[
        OptionAbout::new("bits", "", "1 to 8 bits a value"),
        OptionAbout::new(
            "stochastic",
            "true",
            "rounded up or down by chance, so that the mean over draws is right",
        ),
        OptionAbout::new("per", "tensor", "a scale for each tensor, each row, or so many values"),
    ],
    good_for: "4 to 32 times fewer bytes with little tuning; behind delta",
    example: "delta+quantize(bits=4)",
})
.free(FreeOption { name: "bits", range: FreeRange::Between(1, 8), instead: &[] });

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    bits: u32,
    #[serde(default = "usual")]
    stochastic: bool,
    #[serde(default)]
    per: Per,
}

fn usual() -> bool {
    true
}

struct Quantize {
    bits: u32,
    stochastic: bool,
    blocks: Blocks,
    /// What a scale is multiplied with.
    levels: Vec<f32>,
}

/// The levels of so many bits, from -1 to 1.
fn levels(bits: u32) -> Vec<f32> {
    let steps = (1i32 << (bits - 1)) - 1;
    match steps {
        0 => vec![-1.0, 1.0],
        _ => (-steps..=steps).map(|level| level as f32 / steps as f32).collect(),
    }
}

/// Numbers from 0 to 1 that are compared with a value's distance to the level below it.
struct Thresholds {
    counters: [u32; 4],
    drawn: [u32; 4],
    place: u32,
}

impl Thresholds {
    fn new(round: &Round<'_>, who: u32) -> Self {
        // What else is drawn from the seed takes no part in this.
        const OWN: u32 = 0x7153_4744;
        let seed = (round.seed ^ round.seed >> 32) as u32 ^ OWN;
        Self { counters: [0, who, round.number, seed], drawn: [0; 4], place: 0 }
    }

    /// The next one, of 24 random bits.
    fn next(&mut self) -> f32 {
        let word = self.place as usize % self.drawn.len();
        if word == 0 {
            self.counters[0] = self.place / self.drawn.len() as u32;
            self.drawn = pcg4d(self.counters);
        }
        self.place = self.place.wrapping_add(1);
        (self.drawn[word] >> 8) as f32 / 16_777_216.0
    }
}

impl Form for Quantize {
    const NAME: &'static str = "quantize";

    fn label(&self) -> String {
        let stochastic = (!self.stochastic).then(|| "stochastic=false".into());
        label(Self::NAME, self.bits, self.blocks.option().into_iter().chain(stochastic))
    }

    fn write(&self, round: &Round<'_>, who: u32, values: &[f32], side: &mut Writer) -> Result<()> {
        let mut bits = BitWriter::default();
        let mut thresholds = self.stochastic.then(|| Thresholds::new(round, who));
        let highest = self.levels.len() as i32 - 1;
        let half = highest as f32 / 2.0;
        // Levels are counted from the middle one, so that small values lose nothing; of two from the lower one.
        let (middle, shift) = if highest == 1 { (0, half) } else { (highest / 2, 0.0) };
        for block in self.blocks.of(values) {
            let is_sign = highest == 1 && !self.stochastic;
            let scale = if is_sign { mean(block) } else { largest(block) };
            side.floats(&[scale]);
            for value in block {
                let threshold = thresholds.as_mut().map_or(0.5, Thresholds::next);
                let place = if scale > 0.0 { value / scale * half + shift } else { shift };
                let below = place as i32 - i32::from(place < (place as i32) as f32);
                let level = middle + below + i32::from(threshold < place - below as f32);
                bits.bits(level.clamp(0, highest) as u64, self.bits);
            }
        }
        side.bytes(&bits.into_bytes());
        Ok(())
    }

    fn read(&self, due: usize, side: &mut Reader<'_>) -> Result<Vec<f32>> {
        let scales = self.blocks.scales(due, side)?;
        let mut bits = BitReader::new(side);
        let mut values = Vec::with_capacity(due);
        for (length, scale) in self.blocks.lengths(due).zip(scales) {
            for _ in 0..length {
                let level = bits.bits(self.bits)? as usize;
                let level = self.levels.get(level).ok_or_else(|| {
                    malformed(format!("an update has level {level} of {}", self.levels.len()))
                })?;
                values.push(level * scale);
            }
        }
        bits.finish()?;
        Ok(values)
    }
}
