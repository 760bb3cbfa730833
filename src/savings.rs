//! What compression saves and what it costs, by formula: nothing is trained for it.
//!
//! With P parameters, Z latent floats, D parameters of a decoder, R rounds, C collaborators and N decoders shipped,
//! the savings ratio of Chandar et al. (arXiv 2108.05670) counts floats:
//!
//! ```text
//! SR = P*R*C / (Z*R*C + D*N)
//! ```
//!
//! One decoder for each collaborator (N = C) breaks even at `R = D/(P-Z)` rounds, whatever C is: 320.7
//! for the CIFAR-10 pair where D is half of the autoencoder, as the paper takes it, and 321.2 with the
//! exact decoder, which has more biases than the encoder. The paper's own run of two collaborators and 40
//! rounds comes out at 0.125: its decoders cost eight times what it sent uncompressed.
//!
//! A federation ships more than D: P means and a scale make weights of a decoder's outputs, and every message has a
//! header of H bytes. Its ledger comes to
//!
//! ```text
//! SR = (4P+H)*R*C / ((4Z+H)*R*C + (4*(D+P+1)+H)*N)
//! ```
//!
//! and the CIFAR-10 pair breaks even at 322.2 rounds. [`Counting`] says which of the two is meant.
//!
//! Both ways, the aggregator's global models are added, as many as there are updates. In a ledger, each collaborator
//! that learns a decoder is sent the initial model once more, to log weights from; the paper's pre-pass starts from
//! the first round's.

use crate::codec::{ShippedDecoder, message_bytes};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How many decoders the aggregator is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Decoders {
    /// One for all. As in the paper, the encoders that the other collaborators need are not counted.
    Shared,
    /// One for each collaborator.
    #[default]
    Each,
    /// So many.
    Count(u64),
}

/// As a spec has it: a word or a number.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Count(u64),
    Word(String),
}

impl TryFrom<Written> for Decoders {
    type Error = String;

    fn try_from(written: Written) -> std::result::Result<Self, String> {
        match written {
            Written::Count(count) => count.to_string().parse(),
            Written::Word(word) => word.parse(),
        }
    }
}

impl From<Decoders> for Written {
    fn from(decoders: Decoders) -> Self {
        match decoders {
            Decoders::Count(count) => Self::Count(count),
            word => Self::Word(word.to_string()),
        }
    }
}

impl std::str::FromStr for Decoders {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "shared" => Ok(Self::Shared),
            "each" => Ok(Self::Each),
            number => match number.parse() {
                Ok(0) => Err("0 decoders decode nothing; use shared, each or a number".into()),
                Ok(count) => Ok(Self::Count(count)),
                Err(_) => Err(format!("{text:?} is neither shared nor each nor a number of decoders")),
            },
        }
    }
}

impl std::fmt::Display for Decoders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shared => f.write_str("shared"),
            Self::Each => f.write_str("each"),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// The paper's floats: a decoder's parameters alone, and no headers.
    Paper,
    /// The bytes of messages as a ledger has them, with the means and the scale of each decoder. Headers are those of
    /// the first 128 collaborators and 127 rounds, three bytes; joining is left out.
    #[default]
    Messages,
    /// The same of autoencoders that are trained in the small space: decoders are shipped in factors where those are
    /// fewer bytes.
    SmallSpace {
        /// Snapshots that each is trained on.
        snapshots: u32,
    },
}

/// A federation as far as its bytes depend on it.
///
/// ```
/// use fedfunnel::savings::{Counting, Decoders, Savings, exact_decoder};
///
/// // The paper's own federation on CIFAR-10.
/// let paper = Savings {
///     parameters: 550_570,
///     latent: 320,
///     decoder_parameters: exact_decoder(550_570, 320).expect("a number"),
///     rounds: 40,
///     collaborators: 2,
///     decoders: Decoders::Each,
///     counting: Counting::Messages,
/// };
/// assert_eq!(format!("{:.3}", paper.uplink_ratio()), "0.124");
/// assert_eq!(format!("{:.1}", paper.break_even_rounds().expect("it pays")), "322.2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Savings {
    /// P
    pub parameters: u64,
    /// Z
    pub latent: u64,
    /// D
    pub decoder_parameters: u64,
    /// R
    pub rounds: u64,
    /// C
    pub collaborators: u64,
    /// N
    pub decoders: Decoders,
    /// What is counted of it.
    pub counting: Counting,
}

/// D of the autoencoder `[P, Z, P]`: a matrix and a bias for each output.
pub fn exact_decoder(parameters: u64, latent: u64) -> Option<u64> {
    parameters.checked_mul(latent)?.checked_add(parameters)
}

/// D as the paper has it: half of the autoencoder `[P, Z, P]`.
pub fn half_autoencoder(parameters: u64, latent: u64) -> Option<u64> {
    let [parameters, latent] = [parameters, latent].map(u128::from);
    (parameters * latent + (parameters + latent) / 2).try_into().ok()
}

impl Savings {
    /// Refuses what no federation has. `field` says how the user writes a field: `--rounds`, `rounds`.
    pub fn check(&self, field: impl Fn(&str) -> String) -> Result<()> {
        let fields = [
            ("parameters", self.parameters),
            ("latent", self.latent),
            ("decoder_parameters", self.decoder_parameters),
            ("rounds", self.rounds),
            ("collaborators", self.collaborators),
        ];
        if let Some((name, _)) = fields.iter().find(|(_, value)| *value == 0) {
            return Err(Error::setting(field(name), "0 leaves nothing to send", "use 1 or more"));
        }
        if let Counting::SmallSpace { snapshots: 0 | 1 } = self.counting {
            let problem = "one snapshot differs from no other, and a decoder has no factors";
            return Err(Error::setting(field("snapshots"), problem, "use 2 or more"));
        }
        if self.decoder_message_bytes() == u64::MAX {
            let problem = "the bytes of a decoder of this model cannot be counted";
            return Err(Error::setting(field("parameters"), problem, "use smaller numbers"));
        }
        Ok(())
    }

    /// N
    pub fn shipped(&self) -> u64 {
        match self.decoders {
            Decoders::Shared => 1,
            Decoders::Each => self.collaborators,
            Decoders::Count(count) => count,
        }
    }

    /// A decoder as it is shipped and counted.
    pub fn decoder(&self) -> ShippedDecoder {
        let Self { parameters, latent, decoder_parameters, .. } = *self;
        let dense = || ShippedDecoder::dense(parameters, latent, decoder_parameters);
        match self.counting {
            Counting::Paper => ShippedDecoder::parameters_alone(parameters, latent, decoder_parameters),
            Counting::Messages => dense(),
            Counting::SmallSpace { .. } => {
                self.factors().filter(|f| f.payload_bytes() < dense().payload_bytes()).unwrap_or_else(dense)
            }
        }
    }

    /// A decoder in its factors, shipped or not, where it is trained in the small space.
    pub fn factors(&self) -> Option<ShippedDecoder> {
        match self.counting {
            Counting::SmallSpace { snapshots } => {
                Some(ShippedDecoder::factored(self.parameters, self.latent, snapshots))
            }
            Counting::Paper | Counting::Messages => None,
        }
    }

    /// Bytes of a message's header.
    pub fn header_bytes(&self) -> u64 {
        if self.counting == Counting::Paper { 0 } else { message_bytes(0) }
    }

    /// Bytes of the message that ships a decoder. Stops at the largest number.
    pub fn decoder_message_bytes(&self) -> u64 {
        self.decoder().payload_bytes().saturating_add(self.header_bytes())
    }

    /// Bytes of an update of so many floats. Stops at the largest number.
    pub fn message_bytes(&self, floats: u64) -> u64 {
        floats.saturating_mul(4).saturating_add(self.header_bytes())
    }

    /// Bytes from the collaborators without compression. (Products of three large numbers leave every integer type;
    /// f64 has the range, and sixteen digits.)
    pub fn raw_bytes(&self) -> f64 {
        self.message(self.parameters) * self.updates()
    }

    /// Bytes of all codes.
    pub fn code_bytes(&self) -> f64 {
        self.message(self.latent) * self.updates()
    }

    /// Bytes of all decoders.
    pub fn decoder_bytes(&self) -> f64 {
        let decoder = self.decoder();
        let floats: f64 = decoder.parts.iter().map(|part| part.floats as f64).sum();
        (4.0 * floats + (decoder.lead_bytes + self.header_bytes()) as f64) * self.shipped() as f64
    }

    /// Bytes from the collaborators with compression.
    pub fn compressed_bytes(&self) -> f64 {
        self.code_bytes() + self.decoder_bytes()
    }

    /// Bytes of the initial models from which those who learn a decoder log weights.
    pub fn prepass_bytes(&self) -> f64 {
        match self.counting {
            Counting::Paper => 0.0,
            Counting::Messages | Counting::SmallSpace { .. } => {
                self.message(self.parameters) * self.shipped() as f64
            }
        }
    }

    /// Bytes of an update without compression over those of a code: more than this no number of rounds saves.
    pub fn ratio_per_message(&self) -> f64 {
        self.message(self.parameters) / self.message(self.latent)
    }

    /// Savings ratio of what collaborators send. Below 1 the decoders cost more than the codes save.
    pub fn uplink_ratio(&self) -> f64 {
        self.raw_bytes() / self.compressed_bytes()
    }

    /// Savings ratio of what collaborators and the aggregator send; it stays below 2, since global models
    /// are not compressed.
    pub fn both_ways_ratio(&self) -> f64 {
        2.0 * self.raw_bytes() / (self.compressed_bytes() + self.raw_bytes() + self.prepass_bytes())
    }

    /// Rounds at which the uplink ratio is `target`, to be rounded up; in the paper's count
    /// `target*D*N / (C*(P - target*Z))`. None where no number of rounds gets there, since codes alone take more than
    /// a part of `target`.
    pub fn rounds_for(&self, target: f64) -> Option<f64> {
        let gained = self.message(self.parameters) - target * self.message(self.latent);
        (gained > 0.0).then(|| target * self.decoder_bytes() / (self.collaborators as f64 * gained))
    }

    /// Rounds at which the uplink is as small as without compression.
    pub fn break_even_rounds(&self) -> Option<f64> {
        self.rounds_for(1.0)
    }

    /// Collaborators with which so many rounds break even, to be rounded up. With a decoder for each,
    /// either any number of them does (1) or none does.
    pub fn break_even_collaborators(&self) -> Option<f64> {
        let rounds = self.rounds as f64;
        if self.decoders == Decoders::Each {
            return (self.break_even_rounds()? <= rounds).then_some(1.0);
        }
        let gained = self.message(self.parameters) - self.message(self.latent);
        (gained > 0.0).then(|| self.decoder_bytes() / (rounds * gained))
    }

    fn updates(&self) -> f64 {
        self.rounds as f64 * self.collaborators as f64
    }

    /// [`message_bytes`](Self::message_bytes) of any size.
    fn message(&self, floats: u64) -> f64 {
        4.0 * floats as f64 + self.header_bytes() as f64
    }
}
