//! One bit for each rotated value: `drive`, which [`super`] describes.
//!
//! A message is, for each block, its scale as f32, and then a bit for each value, a one for a negative one.

use super::lines;
use crate::bits::{BitReader, BitWriter};
use crate::codec::{About, Incoming, Kept, Make, OptionAbout, Outgoing, Round, Stage, StageKind, Values};
use crate::ops::hadamard::{BLOCK, Way};
use crate::{Error, Result};
use serde::Deserialize;

pub const KIND: StageKind = StageKind::new(
    "drive",
    Make::Plain(|_, options| {
        let Given { unbiased } = options.parse()?;
        Ok(Box::new(Drive { unbiased }))
    }),
)
.about(About {
    summary: "one bit for each rotated value, and a scale for each block",
    source: "Vargaftik et al. 2021, DRIVE (arXiv 2105.08339)",
    options: &[OptionAbout::new(
        "unbiased",
        "true",
        "the scale that is right in the mean; false behind feedback",
    )],
    good_for: "32 times fewer bytes without feedback; behind delta",
    example: "delta+drive",
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default = "yes")]
    unbiased: bool,
}

fn yes() -> bool {
    true
}

/// Leaves nothing; writes scales and bits.
struct Drive {
    unbiased: bool,
}

impl Drive {
    /// The scale of a block of rotated values.
    fn scale(&self, rotated: &[f32]) -> f32 {
        let (mut squares, mut magnitudes) = (0f64, 0f64);
        for value in rotated.iter().map(|&value| f64::from(value)) {
            squares += value * value;
            magnitudes += value.abs();
        }
        if magnitudes == 0.0 {
            0.0
        } else if self.unbiased {
            // A rotation keeps the sum of squares.
            (squares / magnitudes) as f32
        } else {
            (magnitudes / rotated.len() as f64) as f32
        }
    }
}

impl Stage for Drive {
    fn label(&self) -> String {
        if self.unbiased { "drive".into() } else { "drive(biased)".into() }
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let values = batch.iter_mut().map(|outgoing| (outgoing.who, &mut outgoing.values));
        lines::rotate(round, Way::There, values.collect())?;
        let rotated = batch.iter_mut().map(|outgoing| &mut outgoing.values).collect();
        let rotated = Values::take_all(round.gpu, rotated)?;
        for (outgoing, rotated) in batch.iter_mut().zip(rotated) {
            let scales: Vec<_> = rotated.chunks(BLOCK).map(|block| self.scale(block)).collect();
            if let Some(scale) = scales.iter().find(|scale| !scale.is_finite()) {
                let problem = format!("collaborator {} has values of the scale {scale}", outgoing.who);
                return Err(Error::diverged("codecs: drive", problem, "use a smaller optimizer.lr"));
            }
            outgoing.side.floats(&scales);
            let mut bits = BitWriter::default();
            rotated.iter().for_each(|value| bits.bit(*value < 0.0));
            outgoing.side.bytes(&bits.into_bytes());
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch.iter_mut() {
            let scales = incoming.side.floats(incoming.due.div_ceil(BLOCK))?;
            if let Some(scale) = scales.iter().find(|scale| !(**scale >= 0.0 && scale.is_finite())) {
                let problem = format!("an update has values of the scale {scale}");
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            let mut bits = BitReader::new(&mut incoming.side);
            let mut values = Vec::with_capacity(incoming.due);
            for place in 0..incoming.due {
                let scale = scales[place / BLOCK];
                values.push(if bits.bit()? { -scale } else { scale });
            }
            bits.finish()?;
            incoming.values = Values::Host(values);
        }
        let values = batch.iter_mut().map(|incoming| (incoming.who, &mut incoming.values));
        lines::rotate(round, Way::Back, values.collect())
    }
}
