//! What the stages before it have written, in as few bits as its bytes are surprising: an adaptive [range coder](crate::coding::range),
//! for which nothing is shipped.
//!
//! Bytes that mean alike are counted together: a message is taken as some lanes, one for each place in a group of so many
//! bytes, since the bytes of an f32 have little in common, and neither have those of values of three bits. How many lanes
//! there are, from 1 to 8, is [told](lanes) from the first bytes of a message.
//!
//! A message is the number of lanes as a byte, the number of bytes before coding and after it in LEB128, and the coded
//! bytes. Where these would be more, the number of lanes is 0, and the number of bytes and the bytes themselves follow.

mod lanes;
mod model;

use crate::Result;
use crate::bytes::{Reader, Writer};
use crate::codec::refusals::malformed;
use crate::codec::{About, ByteCoder, Make, NoOptions, StageKind};
use crate::coding::range::{Decoder, Encoder};
use lanes::LANES;
use model::Model;

pub(super) const KIND: StageKind = StageKind::new(
    "entropy",
    Make::Bytes(|_, options| {
        options.parse::<NoOptions>()?;
        Ok(Box::new(Entropy))
    }),
)
.about(About {
    summary: "last: the bytes that all stages have written, by an adaptive range coder",
    source: "Martin 1979, range encoding",
    good_for: "whatever stages leave uneven bytes; nothing is lost and nothing shipped",
    example: "delta+quantize(bits=4)+entropy",
    ..About::NOTHING
});

struct Entropy;

/// Codes bytes as so many lanes.
fn code(bytes: &[u8], lanes: usize) -> Vec<u8> {
    let (mut encoder, mut models) = (Encoder::default(), vec![Model::new(); lanes]);
    for group in bytes.chunks(lanes) {
        for (byte, model) in group.iter().zip(&mut models) {
            encoder.put(model.share(*byte));
            model.count(*byte);
        }
    }
    encoder.finish()
}

impl ByteCoder for Entropy {
    fn label(&self) -> String {
        "entropy".into()
    }

    fn encode(&self, bytes: &[u8], side: &mut Writer) {
        let lanes = lanes::best(bytes);
        let coded = code(bytes, lanes);
        let is_shorter = coded.len() < bytes.len();
        side.byte(if is_shorter { lanes as u8 } else { 0 });
        side.number(bytes.len() as u64);
        if is_shorter {
            side.number(coded.len() as u64);
        }
        side.bytes(if is_shorter { &coded } else { bytes });
    }

    fn decode(&self, side: &mut Reader<'_>, most: usize) -> Result<Vec<u8>> {
        let lanes = usize::from(side.byte()?);
        let count = side.number()? as usize;
        if lanes > LANES || count > most {
            let problem = format!("an update has {count} bytes in {lanes} lanes, where {most} are possible");
            return Err(malformed(problem));
        }
        if lanes == 0 {
            return Ok(side.bytes(count)?.to_vec());
        }
        let length = side.number()? as usize;
        let mut decoder = Decoder::new(side.bytes(length)?);
        let mut models = vec![Model::new(); lanes];
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            if decoder.is_beyond() {
                return Err(malformed("an update's coded bytes end too early"));
            }
            let group = (count - bytes.len()).min(lanes);
            for model in &mut models[..group] {
                let byte = model.at(decoder.place());
                decoder.pass(model.share(byte));
                model.count(byte);
                bytes.push(byte);
            }
        }
        if !decoder.is_done() || decoder.is_beyond() {
            return Err(malformed("an update's coded bytes are not as many as are due"));
        }
        Ok(bytes)
    }
}
