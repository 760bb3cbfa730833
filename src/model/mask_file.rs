//! A model that is a seed and a mask: a frozen network of which some weights are kept, in under a bit each.
//!
//! A file is, in order: [`MAGIC`], the version, the model's name as its length in LEB128 and its bytes, the first eight
//! bytes of a digest of the names and shapes of its tensors, the seed in LEB128, the number of weights that a mask is
//! over in LEB128, a bit for each of them by a range coder, and the CRC-32C of all of that. Weights that are frozen at
//! zero, as biases are, have none. The coder expects of each place what the number says that a mask of probabilities is
//! held against there ([`FrozenNetwork::expected`]): where a probability is undecided, the number alone decides, and the
//! bit costs little.

use super::{ClassifierSpec, FrozenNetwork, Layout};
use crate::bytes::{Reader, Writer};
use crate::coding::mask;
use crate::{Error, Result, digest, files};
use std::path::Path;

/// The ending of such files' names.
pub const MASK_ENDING: &str = "mask";

const MAGIC: &[u8] = b"fedfunnel mask";
const VERSION: u8 = 1;
/// Bytes of a digest that are kept.
const DIGEST: usize = 8;

/// A model that is a seed and a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskFile {
    /// The name of the classifier.
    pub model: String,
    /// The seed of its weights.
    pub seed: u32,
    layout: [u8; DIGEST],
    /// Weights that a mask is over.
    weights: u32,
    coded: Vec<u8>,
}

/// What tells layouts apart.
fn digest_of(layout: &Layout) -> [u8; DIGEST] {
    let text = layout.tensors().iter().map(|tensor| format!("{} {:?}\n", tensor.name, tensor.shape));
    let whole = digest::of_bytes(text.collect::<String>().as_bytes());
    std::array::from_fn(|place| whole[place])
}

/// What is expected of the places that a mask is over.
fn expected(network: &FrozenNetwork) -> Vec<f32> {
    let all = network.weights().iter().zip(network.expected());
    all.filter(|(weight, _)| **weight != 0.0).map(|(_, expected)| expected).collect()
}

impl MaskFile {
    /// Of weights `[P]` that are those of the frozen network of a seed, or zero; none where they are something else.
    pub fn of(spec: &ClassifierSpec, seed: u32, model: &[f32]) -> Option<Self> {
        let layout = spec.layout();
        let network = FrozenNetwork::new(&layout, seed);
        let mask = network.mask_of(model)?;
        let own = network.weights().iter().zip(mask).filter(|(weight, _)| **weight != 0.0);
        let bits: Vec<_> = own.map(|(_, kept)| kept).collect();
        let expected = expected(&network);
        Some(Self {
            model: spec.name.clone(),
            seed,
            layout: digest_of(&layout),
            weights: bits.len() as u32,
            coded: mask::encode(&bits, Some(&expected)),
        })
    }

    /// The weights `[P]` of this classifier, in `state_dict` order. `path` is the file that it is from, for errors.
    pub fn weights(&self, spec: &ClassifierSpec, path: &Path) -> Result<Vec<f32>> {
        let layout = spec.layout();
        if digest_of(&layout) != self.layout {
            let problem = format!(
                "it is a mask over {}, whose tensors are others than those of {}",
                self.model, spec.name
            );
            return Err(Error::file(path, problem, "name the model that it is of"));
        }
        let network = FrozenNetwork::new(&layout, self.seed);
        let expected = expected(&network);
        let is_whole = expected.len() == self.weights as usize;
        let bits = is_whole.then(|| mask::decode(&self.coded, expected.len(), Some(&expected))).flatten();
        let Some(bits) = bits else { return Err(damaged(path)) };
        let mut bits = bits.into_iter();
        let mask = network.weights().iter().map(|weight| *weight != 0.0 && bits.next() == Some(true));
        Ok(network.masked(&mask.collect::<Vec<_>>()))
    }

    /// Whether bytes begin as those of such a file do.
    pub fn is_begun_by(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// How many weights the mask is over.
    pub fn masked_weights(&self) -> u32 {
        self.weights
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(MAGIC);
        writer.byte(VERSION);
        writer.number(self.model.len() as u64);
        writer.bytes(self.model.as_bytes());
        writer.bytes(&self.layout);
        writer.number(self.seed);
        writer.number(self.weights);
        writer.bytes(&self.coded);
        let mut bytes = writer.into_bytes();
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the bytes of a file.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let Some(versioned) = bytes.strip_prefix(MAGIC) else {
            let problem = "it is no mask that fedfunnel wrote";
            return Err(Error::file(path, problem, "name a .mask file of fedfunnel export"));
        };
        if let Some(version) = versioned.first().filter(|version| **version != VERSION) {
            let problem =
                format!("it is a mask of version {version}, and this program knows version {VERSION}");
            return Err(Error::file(path, problem, "use the version of fedfunnel that wrote it"));
        }
        let Some((content, sum)) = bytes.split_last_chunk() else { return Err(damaged(path)) };
        if crc32c::crc32c(content).to_le_bytes() != *sum {
            return Err(damaged(path));
        }
        // What is before the version has been looked at.
        let mut reader = Reader::new(content.get(MAGIC.len() + 1..).unwrap_or_default(), "a mask");
        Self::read_content(&mut reader).map_err(|_| damaged(path))
    }

    fn read_content(reader: &mut Reader<'_>) -> Result<Self> {
        let length = reader.number()? as usize;
        let model = String::from_utf8_lossy(reader.bytes(length)?).into_owned();
        let mut layout = [0; DIGEST];
        layout.copy_from_slice(reader.bytes(DIGEST)?);
        let (seed, weights) = (reader.number()?, reader.number()?);
        let coded = reader.bytes(reader.len())?.to_vec();
        Ok(Self { model, seed, layout, weights, coded })
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_bytes(&std::fs::read(path).map_err(Error::io("read", path))?, path)
    }

    /// Writes it.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_atomic(path, &self.to_bytes())
    }
}

fn damaged(path: &Path) -> Error {
    Error::file(path, "its mask is damaged", "export it again, or copy it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;

    fn spec(name: &str) -> ClassifierSpec {
        ModelSpec::load(name).unwrap().classifier().unwrap()
    }

    /// A mask of which a third is kept.
    fn model(spec: &ClassifierSpec, seed: u32) -> Vec<f32> {
        let network = FrozenNetwork::new(&spec.layout(), seed);
        network.masked(&network.drawn(&vec![1.0 / 3.0; spec.parameters()]))
    }

    #[test]
    fn a_model_comes_back_from_less_than_a_bit_a_parameter() {
        let (spec, path) = (spec("mnist-mlp"), Path::new("one.mask"));
        let weights = model(&spec, 7);
        let file = MaskFile::of(&spec, 7, &weights).unwrap();
        let bytes = file.to_bytes();
        assert!(8 * bytes.len() < spec.parameters(), "{} bytes", bytes.len());
        let read = MaskFile::from_bytes(&bytes, path).unwrap();
        assert_eq!((&read, read.seed, read.model.as_str()), (&file, 7, "mnist-mlp"));
        assert_eq!(read.weights(&spec, path).unwrap(), weights);
        // Another seed's network is not this one, and trained weights are no mask.
        assert_eq!(MaskFile::of(&spec, 8, &weights), None);
        let mut other = weights;
        other[3] = 0.01;
        assert_eq!(MaskFile::of(&spec, 7, &other), None);
    }

    /// What no training has decided is decided by numbers that both sides draw.
    #[test]
    fn undecided_probabilities_cost_next_to_nothing() {
        let spec = spec("mnist-mlp");
        let network = FrozenNetwork::new(&spec.layout(), 7);
        let bytes = |probabilities: &[f32]| {
            let model = network.masked(&network.drawn(probabilities));
            MaskFile::of(&spec, 7, &model).unwrap().to_bytes().len()
        };
        let undecided = bytes(&vec![0.5; spec.parameters()]);
        let spread: Vec<_> = (0..spec.parameters()).map(|place| (place % 101) as f32 / 100.0).collect();
        let spread = bytes(&spread);
        assert!(undecided < 300, "{undecided} bytes");
        assert!(spread > 1_000 && 8 * spread < 4 * spec.parameters() / 5, "{spread} bytes");
    }

    #[test]
    fn another_model_is_refused_by_name() {
        let path = Path::new("one.mask");
        let file = MaskFile::of(&spec("mnist-mlp"), 7, &model(&spec("mnist-mlp"), 7)).unwrap();
        let error = file.weights(&spec("cifar10-vgg3"), path).unwrap_err().to_string();
        assert!(error.contains("one.mask") && error.contains("mask over mnist-mlp"), "{error}");
    }

    /// Whatever is changed, cut off or added is refused in words.
    #[test]
    fn any_byte_that_is_damaged_is_found() {
        let (spec, path) = (spec("mnist-mlp"), Path::new("one.mask"));
        let bytes = MaskFile::of(&spec, 7, &model(&spec, 7)).unwrap().to_bytes();
        for place in (0..bytes.len()).step_by(37).chain(0..50) {
            let mut other = bytes.clone();
            other[place] ^= 0x21;
            let error = MaskFile::from_bytes(&other, path).unwrap_err().to_string();
            assert!(error.contains("one.mask"), "{place}: {error}");
            assert!(MaskFile::from_bytes(&bytes[..place], path).is_err(), "the first {place} bytes");
        }
        assert!(MaskFile::from_bytes(&[&bytes[..], &[0]].concat(), path).is_err());
    }

    /// Bytes with a right sum that say something else than they have.
    #[test]
    fn a_hostile_mask_takes_no_memory() {
        let (spec, path) = (spec("mnist-mlp"), Path::new("one.mask"));
        let file = MaskFile::of(&spec, 7, &model(&spec, 7)).unwrap();
        for hostile in [
            MaskFile { weights: u32::MAX, ..file.clone() },
            MaskFile { coded: Vec::new(), ..file.clone() },
            MaskFile { coded: vec![255; 5_000], ..file },
        ] {
            let read = MaskFile::from_bytes(&hostile.to_bytes(), path).unwrap();
            // A short one may be a mask too; what it is not is a panic.
            if let Err(error) = read.weights(&spec, path) {
                assert!(error.to_string().contains("damaged"), "{error}");
            }
        }
    }
}
