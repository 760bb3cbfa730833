//! The signs of the largest values and one magnitude for all of them (Sattler et al. 2019, arXiv 1903.02891,
//! algorithm 1): the others are taken as zeros.
//!
//! ```text
//! m  = mean of |v| over the k largest |v|
//! v' = +m or -m at their places, 0 elsewhere
//! ```
//!
//! A message is `m` as f32, and then in bits, for each of the k places in order:
//!
//! - its distance `d` from the place behind the one before, in a Golomb code: `d / 2^b` ones and a zero, and the `b` lowest
//!   bits of `d`, the lowest first. Both sides know `b` from k and n;
//! - its sign, a one for a negative value.

use super::topk::largest;
use crate::bits::{BitReader, BitWriter};
use crate::bytes::Reader;
use crate::codec::{
    About, FreeOption, FreeRange, Incoming, Kept, Make, OptionAbout, Options, Outgoing, Round, Stage,
    StageKind, Values,
};
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new(
    "ternary",
    Make::Plain(|context, options| Ok(Box::new(Ternary(Share::new(options, context.parameters())?)))),
)
.about(About {
    summary: "the signs of the largest values, one magnitude for all of them, and their places in a Golomb code",
    source: "Sattler et al. 2019, sparse ternary compression (arXiv 1903.02891)",
    options: &[
        OptionAbout::new("part", "", "how many are sent, as a part of all values; or count"),
        OptionAbout::new("count", "", "how many are sent; or part"),
    ],
    good_for: "the most values in the fewest bytes, about one byte each; behind delta and feedback",
    example: "delta+feedback+ternary(part=0.01)",
})
.free(FreeOption { name: "count", range: FreeRange::Values, instead: &["part"] });

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    part: Option<f64>,
    count: Option<usize>,
}

/// How many values are sent.
enum Share {
    /// This part of them, and at least one.
    Part(f64),
    /// So many.
    Count(usize),
}

impl Share {
    /// As the options say, of at most `of` values.
    fn new(options: &Options, of: usize) -> Result<Self> {
        let Given { part, count } = options.parse()?;
        let (problem, mend) = match (part, count) {
            (Some(part), None) if part > 0.0 && part <= 1.0 => return Ok(Self::Part(part)),
            (None, Some(count)) if (1..=of).contains(&count) => return Ok(Self::Count(count)),
            (Some(part), None) => (
                format!("a part of {part} of the values"),
                "set part above 0 and up to 1, such as 0.01".into(),
            ),
            (None, Some(count)) => (
                format!("a count of {count} of {of} values"),
                format!("set count to 1 or more and up to {of}"),
            ),
            (None, None) => (
                "nothing says how many values are sent".into(),
                "set part, such as 0.01, or count, such as 90".into(),
            ),
            (Some(_), Some(_)) => {
                ("part and count both say how many values are sent".into(), "leave one of them out".into())
            }
        };
        Err(options.refuse(problem, mend))
    }
}

/// Leaves nothing; writes the magnitude, and the places and signs in bits.
struct Ternary(Share);

impl Ternary {
    /// How many values are sent of `of`. Errors where there are fewer than that.
    fn count(&self, of: usize) -> std::result::Result<usize, String> {
        match self.0 {
            Share::Part(part) => Ok(((of as f64 * part).ceil() as usize).max(1).min(of)),
            Share::Count(count) if count <= of => Ok(count),
            Share::Count(count) => Err(format!("{count} of {of} values are to be sent")),
        }
    }
}

impl Stage for Ternary {
    fn label(&self) -> String {
        match self.0 {
            // A part of 1.0 is told from a count of 1 by its point.
            Share::Part(part) => format!("ternary({part:?})"),
            Share::Count(count) => format!("ternary({count})"),
        }
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        const FIELD: &str = "codecs: ternary";
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            let count = self.count(values.len());
            let count =
                count.map_err(|problem| Error::setting(FIELD, problem, "set a smaller count, or part"))?;
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                let problem = format!("collaborator {} has a value of {value} to send", outgoing.who);
                return Err(Error::setting(FIELD, problem, "use a smaller optimizer.lr"));
            }
            let places = largest(&values, count);
            let sum: f64 = places.iter().map(|&place| f64::from(values[place].abs())).sum();
            outgoing.side.floats(&[(sum / count.max(1) as f64) as f32]);
            outgoing.side.bytes(&write(&places, &values));
        }
        Ok(())
    }

    fn decode(&self, _: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let count = self.count(incoming.due).map_err(malformed)?;
            let magnitude = incoming.side.floats(1)?[0];
            if !(magnitude >= 0.0 && magnitude.is_finite()) {
                return Err(malformed(format!("an update has values of the magnitude {magnitude}")));
            }
            incoming.values = Values::Host(read(count, incoming.due, magnitude, &mut incoming.side)?);
        }
        Ok(())
    }
}

/// The bits of places, which are in order, and of the signs of their values.
fn write(places: &[usize], values: &[f32]) -> Vec<u8> {
    let rest = rest_bits(places.len(), values.len());
    let (mut bits, mut next) = (BitWriter::default(), 0);
    for &place in places {
        let distance = (place - next) as u64;
        (0..distance >> rest).for_each(|_| bits.bit(true));
        bits.bit(false);
        bits.bits(distance, rest);
        // Zeros among the largest have no sign, and count as positive.
        bits.bit(values[place] < 0.0);
        next = place + 1;
    }
    bits.into_bytes()
}

/// `of` values of which `count` have the magnitude, at places and with signs as the bits say.
fn read(count: usize, of: usize, magnitude: f32, side: &mut Reader<'_>) -> Result<Vec<f32>> {
    let rest = rest_bits(count, of);
    let (mut bits, mut left) = (BitReader::new(side), of as u64);
    let mut values = vec![0.0; of];
    for _ in 0..count {
        let beyond = || malformed(format!("an update has a place beyond its {of} values"));
        let mut quotient = 0;
        while bits.bit()? {
            quotient += 1;
            // Refused at once, not at the end of as many ones as somebody sends.
            if quotient > left >> rest {
                return Err(beyond());
            }
        }
        let distance = (quotient << rest) + bits.bits(rest)?;
        left = left.checked_sub(distance + 1).ok_or_else(beyond)?;
        values[of - 1 - left as usize] = if bits.bit()? { -magnitude } else { magnitude };
    }
    bits.finish()?;
    Ok(values)
}

/// The bits of a distance's rest that make the shortest messages for `count` of `of` places taken by chance.
///
/// With `q = 1 - count / of` these are `1 + floor(log2(log(phi - 1) / log(q)))`, and none where that is negative: the
/// least `b` with `q^(2^b) < phi - 1`. Products round alike on all machines, which logarithms need not.
fn rest_bits(count: usize, of: usize) -> u32 {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let mut power = 1.0 - count as f64 / of as f64;
    let mut bits = 0;
    // A share so small that it rounds to none would never get there.
    while power >= golden && bits < 32 {
        power *= power;
        bits += 1;
    }
    bits
}

fn malformed(problem: String) -> Error {
    Error::message(problem, "use the same model and codec on both sides")
}
