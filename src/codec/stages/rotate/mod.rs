//! A random rotation, so that rounding takes as much of each value as of any other (DRIVE, Vargaftik et al. 2021, arXiv
//! 2105.08339; EDEN, Vargaftik et al. 2022, arXiv 2108.08842).
//!
//! Values are rotated in blocks of 16,384 by `R = H D` on the device: D are random signs, drawn anew for each
//! collaborator and round, and H is the normalised Hadamard matrix. What comes of it is close to normally distributed
//! with one variance for all of a block, whatever the values were. [`crate::ops::hadamard`] has blocks of other lengths.
//!
//! `rotate` leaves the rotated values, for `sign` or `quantize`. `drive` sends one bit for each of them, and for each
//! block a scale:
//!
//! ```text
//! v' = R^-1 S sign(R v)
//! S  = |v|^2 / |R v|_1      unbiased: an error of pi / 2 - 1 = 0.571 of |v|^2
//! S  = |R v|_1 / n          otherwise: the least error, of 1 - 2 / pi = 0.363 of |v|^2, and a v' that is as much too short
//! ```
//!
//! The errors of what is unbiased average out over collaborators, and the least error is what `feedback` needs.

mod drive;
mod lines;

use crate::Result;
use crate::codec::{About, Given, Incoming, Make, NoOptions, Outgoing, Round, Stage, StageKind};
use crate::ops::hadamard::Way;

pub(super) use drive::KIND as DRIVE;

pub(super) const KIND: StageKind = StageKind::new(
    "rotate",
    Make::Plain(|_, options| options.parse::<NoOptions>().map(|_| Box::new(Rotate) as Box<dyn Stage>)),
)
.about(About {
    summary: "a random rotation of blocks, after which all values of a block are of one size",
    source: "Suresh et al. 2017 (arXiv 1611.00429)",
    good_for: "standing before stages that round, such as quantize",
    example: "delta+rotate+quantize(bits=2)",
    ..About::NOTHING
});

/// Leaves the rotated values.
struct Rotate;

impl Stage for Rotate {
    fn label(&self) -> String {
        "rotate".into()
    }

    /// Sums of weights, others in each round.
    fn gives(&self, _: Given) -> Given {
        Given::Rest
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let batch = batch.iter_mut().map(|outgoing| (outgoing.who, &mut outgoing.values));
        lines::rotate(round, Way::There, batch.collect())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let batch = batch.iter_mut().map(|incoming| (incoming.who, &mut incoming.values));
        lines::rotate(round, Way::Back, batch.collect())
    }
}
