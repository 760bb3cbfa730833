//! A codec as bytes: what it is, and what both of its sides keep.

use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::PipelineSpec;
use fedfunnel::model::{ClassifierSpec, Layout};
use fedfunnel::{Error, Result};
use serde::{Deserialize, Serialize};

/// What the bytes begin with.
const MAGIC: &[u8] = b"fedfunnel codec 1\n";

/// What weights a codec is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightsKind {
    /// One vector of so many values.
    Flat(usize),
    /// A model's tensors by name and shape, in order.
    Tensors(Vec<(String, Vec<usize>)>),
    /// Those of a classifier.
    Classifier(ClassifierSpec),
}

impl WeightsKind {
    pub fn layout(&self) -> Layout {
        match self {
            Self::Flat(parameters) => Layout::flat(*parameters),
            Self::Tensors(tensors) => Layout::new(tensors.iter().cloned()),
            Self::Classifier(spec) => spec.layout(),
        }
    }
}

/// What a codec is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CodecNotes {
    /// Its stages.
    pub codec: PipelineSpec,
    /// What it is for.
    pub weights: WeightsKind,
    /// The table `autoencoder`.
    pub autoencoder: AutoencoderSettings,
    /// Seed of stages that draw numbers.
    pub seed: u32,
    /// Whose updates it encodes.
    pub collaborator: u32,
    /// Whether messages end with a checksum.
    pub checksum: bool,
}

impl CodecNotes {
    /// The bytes of a codec of which the collaborators' side and the aggregator's keep this.
    pub fn to_bytes(&self, sides: [&[u8]; 2]) -> Result<Vec<u8>> {
        let notes = serde_json::to_vec(self)
            .map_err(|e| Error::fault(format!("a codec could not be written: {e}")))?;
        let mut bytes = MAGIC.to_vec();
        for part in [&notes, sides[0], sides[1]] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        Ok(bytes)
    }

    /// What [`to_bytes`](Self::to_bytes) wrote: the codec, and what its sides keep.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Self, [Vec<u8>; 2])> {
        let damaged = |problem: &str| {
            Error::message(
                format!("the bytes of a codec {problem}"),
                "pass what to_bytes gave, of the same version of fedfunnel",
            )
        };
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("begin with something else"))?;
        let mut part = || {
            let (length, behind) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (part, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some(part)
        };
        let (notes, sent, received) = match (part(), part(), part()) {
            (Some(notes), Some(sent), Some(received)) => (notes, sent, received),
            _ => return Err(damaged("end too early")),
        };
        if !rest.is_empty() {
            return Err(damaged("go on behind their end"));
        }
        let notes = serde_json::from_slice(notes).map_err(|_| damaged("have no notes that can be read"))?;
        Ok((notes, [sent.to_vec(), received.to_vec()]))
    }
}
