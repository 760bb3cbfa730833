//! Zeros and ones, a bit each or less: what masks over frozen weights send (Isik et al. 2022, arXiv 2209.15328).
//!
//! A message is a byte, [`AS_THEY_ARE`] with a bit for each value behind it, or [`CODED`] with the number of bytes in
//! LEB128 and the bytes of a range coder, whichever is shorter. Where there are as many values as the global model has,
//! the coder expects of each value what the global model is there, a probability as masks have it; elsewhere, and
//! where that says nothing, it counts how many ones there are. Values that are neither arrive as the nearer of both.

use crate::Result;
use crate::bits::{BitReader, BitWriter};
use crate::bytes::Writer;
use crate::codec::refusals::{malformed, not_finite};
use crate::codec::{About, Incoming, Kept, Make, NoOptions, Outgoing, Round, Stage, StageKind, Values};
use crate::coding::mask;

pub(super) const KIND: StageKind = StageKind::new(
    "mask",
    Make::Plain(|_, options| options.parse::<NoOptions>().map(|_| Box::new(Mask) as Box<dyn Stage>)),
)
.about(About {
    summary: "zeros and ones in at most a bit each, by a range coder that expects what the global model is",
    source: "Isik et al. 2022, FedPM (arXiv 2209.15328)",
    good_for: "masks over frozen weights, which fedpm sends",
    example: "fedpm",
    ..About::NOTHING
})
.for_systems();

struct Mask;

/// The first byte of bits that are written as they are.
const AS_THEY_ARE: u8 = 0;
/// The first byte of coded bits.
const CODED: u8 = 1;

/// What both sides expect of so many values.
fn expected<'a>(round: &Round<'a>, count: usize) -> Option<&'a [f32]> {
    (round.global.len() == count).then_some(round.global)
}

impl Stage for Mask {
    fn label(&self) -> String {
        "mask".into()
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let all = batch.iter_mut().map(|outgoing| &mut outgoing.values).collect();
        let all = Values::take_all(round.gpu, all)?;
        for (outgoing, values) in batch.iter_mut().zip(all) {
            if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
                return Err(not_finite("mask", outgoing.who, value));
            }
            let bits: Vec<_> = values.iter().map(|&value| value >= 0.5).collect();
            let mut coded = Writer::default();
            let bytes = mask::encode(&bits, expected(round, bits.len()));
            coded.byte(CODED);
            coded.number(bytes.len() as u64);
            coded.bytes(&bytes);
            if coded.len() <= bits.len().div_ceil(8) {
                outgoing.side.bytes(coded.as_bytes());
            } else {
                let mut plain = BitWriter::default();
                bits.into_iter().for_each(|bit| plain.bit(bit));
                outgoing.side.byte(AS_THEY_ARE);
                outgoing.side.bytes(&plain.into_bytes());
            }
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let due = incoming.due;
            let bits = match incoming.side.byte()? {
                AS_THEY_ARE => {
                    let mut bits = BitReader::new(&mut incoming.side);
                    let all = (0..due).map(|_| bits.bit()).collect::<Result<Vec<_>>>()?;
                    bits.finish()?;
                    all
                }
                CODED => {
                    let length = incoming.side.number()? as usize;
                    let bytes = incoming.side.bytes(length)?;
                    let bits = mask::decode(bytes, due, expected(round, due));
                    bits.ok_or_else(|| malformed("a mask's coded bytes are not as many as are due"))?
                }
                kind => {
                    return Err(malformed(format!("a mask is neither plain nor coded: its kind is {kind}")));
                }
            };
            let values = bits.into_iter().map(|bit| if bit { 1.0 } else { 0.0 }).collect();
            incoming.values = Values::Host(values);
        }
        Ok(())
    }
}
