//! What compression saves and what it costs, by formula: nothing is trained for it.
//!
//! With P parameters, Z latent floats, D parameters of a decoder, R rounds, C collaborators and N
//! decoders shipped, collaborators send `P*R*C` floats as they are, and `Z*R*C + D*N` compressed. Their
//! ratio is the savings ratio of Chandar et al. (arXiv 2108.05670):
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
//! Both ways, the aggregator's global models are added, `P*R*C` floats in either case. (The pre-pass
//! starts from the first of them.)

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

/// A federation as far as its bytes depend on it.
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
}

/// D of the autoencoder `[P, Z, P]`: a matrix and a bias for each output.
pub fn exact_decoder(parameters: u64, latent: u64) -> Option<u64> {
    parameters.checked_mul(latent)?.checked_add(parameters)
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
        match fields.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Error::setting(field(name), "0 leaves nothing to send", "use 1 or more")),
            None => Ok(()),
        }
    }

    /// N
    pub fn shipped(&self) -> u64 {
        match self.decoders {
            Decoders::Shared => 1,
            Decoders::Each => self.collaborators,
            Decoders::Count(count) => count,
        }
    }

    /// Floats from the collaborators without compression: `P*R*C`. (Products of three large numbers leave
    /// every integer type; f64 has the range, and sixteen digits.)
    pub fn raw_floats(&self) -> f64 {
        self.parameters as f64 * self.updates()
    }

    /// Floats from the collaborators with compression: `Z*R*C + D*N`.
    pub fn compressed_floats(&self) -> f64 {
        self.latent as f64 * self.updates() + self.decoder_floats()
    }

    /// Savings ratio of what collaborators send. Below 1 the decoders cost more than the codes save.
    pub fn uplink_ratio(&self) -> f64 {
        self.raw_floats() / self.compressed_floats()
    }

    /// Savings ratio of what collaborators and the aggregator send; it stays below 2, since global models
    /// are not compressed.
    pub fn both_ways_ratio(&self) -> f64 {
        2.0 * self.raw_floats() / (self.compressed_floats() + self.raw_floats())
    }

    /// Rounds at which the uplink ratio is `target`: `target*D*N / (C*(P - target*Z))`, to be rounded up.
    /// None where no number of rounds gets there, since codes alone take more than `P/target`.
    pub fn rounds_for(&self, target: f64) -> Option<f64> {
        let gained = self.parameters as f64 - target * self.latent as f64;
        (gained > 0.0).then(|| target * self.decoder_floats() / (self.collaborators as f64 * gained))
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
        let gained = self.parameters as f64 - self.latent as f64;
        (gained > 0.0).then(|| self.decoder_floats() / (rounds * gained))
    }

    fn updates(&self) -> f64 {
        self.rounds as f64 * self.collaborators as f64
    }

    fn decoder_floats(&self) -> f64 {
        self.decoder_parameters as f64 * self.shipped() as f64
    }
}
