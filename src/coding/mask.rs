//! Masks, a bit for each place, as a range coder writes them: bits of which much alike is expected are counted together,
//! and each costs what it surprises by.
//!
//! Where both sides expect the same probability of each bit, places are sorted by it: into classes that are narrower the
//! nearer it is to 0 or to 1, a quarter of an octave each. In a class the share of ones is counted as bits come, from the
//! middle of the class on, so that probabilities that say nothing cost no more than none at all.

use super::range::{Decoder, Encoder, SHARE_BITS, Share};

/// Below this a probability is in the class of what hardly ever comes: 2^-14.
const RARE: f32 = 1.0 / 16_384.0;
/// Bits of an f32 below those that say its class: all but the exponent and two of the mantissa.
const CLASS_SHIFT: u32 = 21;
/// Classes of probabilities up to a half; as many are above it.
const CLASSES: usize = 1 + ((0.5f32.to_bits() >> CLASS_SHIFT) - (RARE.to_bits() >> CLASS_SHIFT)) as usize + 1;
/// All shares together.
const ALL: u64 = 1 << SHARE_BITS;
/// Bits that count as much as what is expected.
const EXPECTED: u64 = 2;

/// The class of a probability, and of what is no number the one of a half.
fn class(probability: f32) -> usize {
    let above = probability > 0.5;
    let rarer = if above { 1.0 - probability } else { probability };
    if rarer.is_nan() {
        return CLASSES - 1;
    }
    if rarer < RARE {
        return if above { CLASSES } else { 0 };
    }
    let place = 1 + ((rarer.to_bits() >> CLASS_SHIFT) - (RARE.to_bits() >> CLASS_SHIFT)) as usize;
    if above { CLASSES + place } else { place }
}

/// How often ones come in a class, in units of which a bit is [`ALL`].
#[derive(Clone, Copy, Debug)]
struct Counted {
    ones: u64,
    all: u64,
}

impl Counted {
    /// Before any bit came, where so much of [`ALL`] is expected of ones.
    fn expecting(ones: u64) -> Self {
        Self { ones: EXPECTED * ones, all: EXPECTED * ALL }
    }

    /// That of a class by its number.
    fn of_class(class: usize) -> Self {
        let (place, above) = (class % CLASSES, class >= CLASSES);
        let middle = match place {
            0 => RARE / 2.0,
            _ => {
                let low = (place as u32 - 1 + (RARE.to_bits() >> CLASS_SHIFT)) << CLASS_SHIFT;
                f32::from_bits(low | 1 << (CLASS_SHIFT - 1)).min(0.5)
            }
        };
        let rarer = (middle * ALL as f32) as u64;
        Self::expecting(if above { ALL - rarer } else { rarer })
    }

    /// The share of a one; that of a zero is what is left, and neither is empty.
    fn ones(&self) -> u32 {
        ((self.ones << SHARE_BITS) / self.all).clamp(1, ALL - 1) as u32
    }

    fn share(&self, bit: bool) -> Share {
        let ones = self.ones();
        if bit { Share { start: 0, width: ones } } else { Share { start: ones, width: ALL as u32 - ones } }
    }

    fn count(&mut self, bit: bool) {
        self.ones += ALL * u64::from(bit);
        self.all += ALL;
    }
}

/// The counts of all bits: of each class, or of one where nothing is expected.
struct Model<'a> {
    expected: Option<&'a [f32]>,
    counted: Vec<Counted>,
}

impl<'a> Model<'a> {
    fn new(expected: Option<&'a [f32]>) -> Self {
        let counted = match expected {
            Some(_) => (0..2 * CLASSES).map(Counted::of_class).collect(),
            None => vec![Counted::expecting(ALL / 2)],
        };
        Self { expected, counted }
    }

    fn of(&mut self, place: usize) -> &mut Counted {
        let class = self.expected.map_or(0, |expected| class(expected[place]));
        &mut self.counted[class]
    }
}

/// These bits as bytes. `expected` is how probable a one is at each place, as both sides have it, where they do.
pub(crate) fn encode(bits: &[bool], expected: Option<&[f32]>) -> Vec<u8> {
    let (mut encoder, mut model) = (Encoder::default(), Model::new(expected));
    for (place, &bit) in bits.iter().enumerate() {
        let counted = model.of(place);
        encoder.put(counted.share(bit));
        counted.count(bit);
    }
    encoder.finish()
}

/// So many bits of the bytes that [`encode`] wrote of them; none where these are not as many as bits need.
pub(crate) fn decode(bytes: &[u8], count: usize, expected: Option<&[f32]>) -> Option<Vec<bool>> {
    let (mut decoder, mut model) = (Decoder::new(bytes), Model::new(expected));
    let mut bits = Vec::with_capacity(count);
    for place in 0..count {
        if decoder.is_beyond() {
            return None;
        }
        let counted = model.of(place);
        let bit = decoder.place() < counted.ones();
        decoder.pass(counted.share(bit));
        counted.count(bit);
        bits.push(bit);
    }
    (decoder.is_done() && !decoder.is_beyond()).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::random;

    /// Bits that are ones with these probabilities.
    fn drawn(probabilities: &[f32], seed: u32) -> Vec<bool> {
        let uniform = |place: u32| (random::bits(place, 0, 0, seed) >> 8) as f32 / 16_777_216.0;
        (0..).zip(probabilities).map(|(place, &probability)| uniform(place) < probability).collect()
    }

    fn entropy(probabilities: &[f32]) -> f64 {
        let bit =
            |p: f64| if p > 0.0 && p < 1.0 { -p * p.log2() - (1.0 - p) * (1.0 - p).log2() } else { 0.0 };
        probabilities.iter().map(|&p| bit(p.into())).sum()
    }

    #[test]
    fn bits_come_back_at_about_their_entropy() {
        for (count, levels) in [(20_000, 11), (50_000, 101), (1_000, 3)] {
            let level = |place: u32| random::bits(place, 1, 0, 9) % levels;
            let probabilities: Vec<f32> =
                (0..count).map(|place| level(place) as f32 / (levels - 1) as f32).collect();
            let bits = drawn(&probabilities, levels);
            let bytes = encode(&bits, Some(&probabilities));
            assert_eq!(decode(&bytes, bits.len(), Some(&probabilities)).unwrap(), bits);
            let (written, due) = (8.0 * bytes.len() as f64, entropy(&probabilities));
            assert!(written < 1.03 * due + 160.0, "{count} bits of {levels} levels: {written} of {due}");
            // Without what is expected they cost what the share of ones says.
            let alone = encode(&bits, None);
            assert_eq!(decode(&alone, bits.len(), None).unwrap(), bits);
            assert!(alone.len() > bytes.len());
        }
    }

    #[test]
    fn probabilities_that_say_nothing_cost_little() {
        let bits = drawn(&vec![0.1; 20_000], 3);
        let expected: Vec<f32> =
            (0..20_000).map(|place| (random::bits(place, 5, 0, 1) % 97) as f32 / 96.0).collect();
        let (by_them, alone) = (encode(&bits, Some(&expected)), encode(&bits, None));
        assert!(by_them.len() as f64 <= 1.08 * alone.len() as f64, "{} {}", by_them.len(), alone.len());
    }

    #[test]
    fn what_is_no_probability_has_a_class_too() {
        let strange = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 2.0, 0.0, 1.0, 0.5, 1e-30, -0.0];
        let bits: Vec<_> = (0..strange.len()).map(|place| place % 3 == 0).collect();
        let bytes = encode(&bits, Some(&strange));
        assert_eq!(decode(&bytes, bits.len(), Some(&strange)).unwrap(), bits);
        assert!(strange.iter().all(|&value| class(value) < 2 * CLASSES));
        assert!(encode(&[], None).is_empty());
        assert_eq!(decode(&[], 0, None), Some(Vec::new()));
    }

    #[test]
    fn classes_are_in_order_and_symmetric() {
        let all: Vec<_> = (0..=1_000u32).map(|place| place as f32 / 1_000.0).collect();
        let below: Vec<_> = all.iter().take(501).map(|&p| class(p)).collect();
        assert!(below.is_sorted());
        for (low, high) in [(0.25, 0.75), (0.0, 1.0), (0.125, 0.875)] {
            assert_eq!(class(low) + CLASSES, class(high), "{low}");
        }
    }

    #[test]
    fn bytes_too_few_or_too_many_are_refused() {
        let bits = drawn(&vec![0.5; 400], 8);
        let bytes = encode(&bits, None);
        assert!(decode(&bytes[..bytes.len() / 2], 400, None).is_none());
        assert!(decode(&[&bytes[..], &[0; 20]].concat(), 400, None).is_none());
    }
}
