//! Figures 10 and 11: the savings ratio by its formula, and what real messages add to it.

use super::{Header, Kind, Run, signed};
use crate::autoencoder::{DecoderState, Standard};
use crate::codec::{Message, MessageKind};
use crate::data::DataDir;
use crate::report::{Report, format};
use crate::run::Identity;
use crate::savings::{Counting, Decoders, Savings, exact_decoder};
use crate::story::savings_figures::{SavingsFigure, Weighed, many_decoders_report, single_decoder_report};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What runs along x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Along {
    /// Figure 10: a curve for each number of rounds.
    Collaborators,
    /// Figure 11: a curve for each number of collaborators.
    Rounds,
}

/// Its spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavingsExperiment {
    /// What it is.
    pub about: Header,
    /// What runs along x.
    pub along: Along,
    /// P
    pub parameters: u64,
    /// Z
    pub latent: u64,
    /// Parameters of the whole autoencoder, of which the paper takes half as D.
    pub autoencoder_parameters: u64,
    /// N
    pub decoders: Decoders,
    /// A curve for each of these: rounds along collaborators, collaborators along rounds.
    pub curves: Vec<u64>,
    /// Where x ends.
    pub last: u64,
    /// The ratio that is asked for, and the collaborators that are to have it.
    pub target_ratio: f64,
    /// See `target_ratio`.
    pub target_collaborators: u64,
    /// Where the paper breaks even: collaborators along collaborators, rounds along rounds.
    pub printed_break_even: u64,
    /// Whether real messages are made and weighed.
    pub weigh_messages: bool,
}

impl SavingsExperiment {
    /// A round of one collaborator.
    fn savings(&self, decoder_parameters: u64) -> Savings {
        let &Self { parameters, latent, decoders, .. } = self;
        let (rounds, collaborators, counting) = (1, 1, Counting::Paper);
        Savings { parameters, latent, decoder_parameters, rounds, collaborators, decoders, counting }
    }

    /// D as the paper has it.
    fn half(&self) -> u64 {
        self.autoencoder_parameters / 2
    }

    fn exact(&self) -> Result<u64> {
        exact_decoder(self.parameters, self.latent).ok_or_else(|| {
            Error::setting("latent", "a decoder of Z*P + P parameters cannot be counted", "use less")
        })
    }

    /// Makes a message of each kind as the codec makes it. The decoder of the CIFAR-10 pair is 709 MB.
    fn weigh(&self) -> Result<Weighed> {
        let (parameters, latent) = (self.parameters as usize, self.latent as usize);
        let message = |kind, payload| {
            let message = Message { kind, round: 40, collaborator: 1, payload };
            message.to_bytes(false).len() as u64
        };
        let floats = |count: usize| crate::bytes::floats_to_bytes(&vec![0.0; count]);
        let decoder = DecoderState {
            parameters: vec![0.0; self.exact()? as usize],
            standard: Standard { means: vec![0.0; parameters], scale: 1.0 },
        };
        Ok(Weighed {
            raw: message(MessageKind::Update, floats(parameters)),
            code: message(MessageKind::Update, floats(latent)),
            decoder: message(MessageKind::Setup, decoder.to_bytes()),
        })
    }
}

impl Kind for SavingsExperiment {
    fn identify(&self, own: Identity, _: &DataDir) -> Result<Identity> {
        Ok(own)
    }

    fn check(&self, _: &DataDir) -> Result<()> {
        if self.curves.is_empty() || self.curves.contains(&0) {
            return Err(Error::setting("curves", "a curve needs a number above 0", "write curves = [8, 42]"));
        }
        if !(self.target_ratio.is_finite() && self.target_ratio > 0.0) {
            let mend = "use a number above 0, such as 120";
            return Err(Error::setting("target_ratio", "it is no ratio", mend));
        }
        for (field, value) in [
            ("last", self.last),
            ("target_collaborators", self.target_collaborators),
            ("printed_break_even", self.printed_break_even),
            ("autoencoder_parameters", self.half()),
        ] {
            if value == 0 {
                return Err(Error::setting(field, "it is too small", "use 1 or more"));
            }
        }
        // A whole message is made in memory; a slip of the pen should not take all of it.
        if self.weigh_messages && self.exact()? > 1 << 30 {
            let problem =
                format!("a decoder of {} parameters is not made to be weighed", format::count(self.exact()?));
            return Err(Error::setting("weigh_messages", problem, "use false"));
        }
        self.savings(self.exact()?).check(str::to_string)
    }

    fn needs_device(&self) -> bool {
        false
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let mut weighed = None;
        if self.weigh_messages {
            run.observer.begin("weighing messages", "messages", 3);
            weighed = Some(self.weigh()?);
            run.observer.end();
        }
        let figure = SavingsFigure {
            paper: self.savings(self.half()),
            exact_decoder: self.exact()?,
            curves: &self.curves,
            last: self.last,
            target_ratio: self.target_ratio,
            target_collaborators: self.target_collaborators,
            printed_break_even: self.printed_break_even,
            weighed,
        };
        let report = match self.along {
            Along::Collaborators => single_decoder_report(&figure),
            Along::Rounds => many_decoders_report(&figure),
        };
        Ok(signed(report, run, None))
    }
}
