//! Figures 8 and 9: what the paper printed of collaborators with different images, beside ours.

use super::printed::{Printed, printed_table};
use super::words::counted;
use crate::report::{Table, format};
use serde::{Deserialize, Serialize};

/// The paper's federation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintedFederation {
    /// Rounds.
    pub rounds: u32,
    /// Epochs that each collaborator trains in a round.
    pub local_epochs: u64,
    /// How many times smaller it calls an update.
    pub ratio: f64,
    /// Its savings ratio by its own formula, its decoders counted.
    pub savings_ratio: f64,
}

/// The training losses of one collaborator.
pub struct LocalLosses {
    /// Of its first local epoch.
    pub first: f64,
    /// Of its last one.
    pub last: f64,
}

/// How often a loss rises at an average.
#[derive(Default)]
pub struct Teeth {
    /// Averages at which it rises.
    pub rises: usize,
    /// Averages that were looked at.
    pub averages: usize,
}

impl Teeth {
    /// Looks at one more average.
    pub fn count(&mut self, is_rise: bool) {
        self.rises += usize::from(is_rise);
        self.averages += 1;
    }
}

/// What the federation with the autoencoder came to.
pub struct ImbalanceResult<'a> {
    /// Of each collaborator.
    pub losses: Vec<LocalLosses>,
    /// Of the training loss: the epoch after an average beside the one before it.
    pub training_teeth: Teeth,
    /// Of the test loss.
    pub test_teeth: Teeth,
    /// How many times smaller a message is.
    pub ratio_per_message: f64,
    /// The decoders counted.
    pub savings_ratio: f64,
    /// Of one decoder's message.
    pub decoder_bytes: u64,
    /// Rounds.
    pub rounds: u32,
    /// Epochs that each collaborator trains in a round.
    pub local_epochs: u64,
    /// What the paper printed.
    pub printed: &'a PrintedFederation,
}

/// The table of the paper's figures beside ours.
pub fn imbalance_table(result: &ImbalanceResult<'_>) -> Table {
    let printed = result.printed;
    let losses = result.losses.iter().map(|LocalLosses { first, last }| {
        format!("{} to {}", format::number(*first, 3), format::number(*last, 3))
    });
    let schedule = |rounds: u32, epochs: u64| {
        format!("{} of {}", counted(u64::from(rounds), "round"), counted(epochs, "local epoch"))
    };
    let teeth = |teeth: &Teeth| format!("{} of {}", teeth.rises, teeth.averages);
    let is_whole = (printed.rounds, printed.local_epochs) == (result.rounds, result.local_epochs);
    printed_table(vec![
        Printed {
            what: "Both collaborators train",
            paper: "yes".into(),
            ours: format!("training loss {}", losses.collect::<Vec<_>>().join(", and ")),
            why: "First local epoch to last. It proves nothing about what crosses the wire: see the null.".into(),
        },
        Printed {
            what: "The saw-tooth",
            paper: "a jump at each aggregation".into(),
            ours: format!(
                "training loss rises at {} averages, test loss at {}",
                teeth(&result.training_teeth),
                teeth(&result.test_teeth)
            ),
            why: "An average can be better on new images than each of its models, so that test loss may fall there.".into(),
        },
        Printed {
            what: "Size of an update",
            paper: format!("{} times smaller", format::number(printed.ratio, 4)),
            ours: format!("{} times smaller", format::number(result.ratio_per_message, 4)),
            why: "In bytes of whole messages.".into(),
        },
        Printed {
            what: "Savings ratio, decoders counted",
            paper: format!("{} by its formula", format::number(printed.savings_ratio, 3)),
            ours: format::number(result.savings_ratio, 3),
            why: format!(
                "The paper's figures leave decoders out; here each is {} bytes.",
                format::count(result.decoder_bytes)
            ),
        },
        Printed {
            what: "Schedule",
            paper: schedule(printed.rounds, printed.local_epochs),
            ours: schedule(result.rounds, result.local_epochs),
            why: if is_whole { "The same." } else { "--scale paper is the whole." }.into(),
        },
    ])
}
