//! Figures 8 and 9: what the paper printed of collaborators with different images, beside ours.

use super::words::{Printed, counted, printed_table};
use crate::federation::{FederationOutcome, Outcome, RoundResult, RunSummary};
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

/// The table of the paper's figures beside those of the federation `coded`.
pub fn imbalance_table(outcome: &Outcome, coded: &FederationOutcome, printed: &PrintedFederation) -> Table {
    let (spec, summary) = (&outcome.spec, RunSummary::of(outcome, coded));
    let (mut losses, mut training, mut test) = (Vec::new(), Vec::new(), Vec::new());
    for who in 0..spec.collaborators {
        let is_gray = spec.grayscale.contains(&who);
        let turn = |round: &RoundResult| {
            let mut own = round.local_epochs.iter().filter(|epoch| epoch.collaborator as usize == who);
            let first = *own.next()?;
            Some((first, *own.next_back().unwrap_or(&first), round.tested?.like(is_gray).0))
        };
        let turns: Vec<_> = coded.rounds.iter().filter_map(turn).collect();
        // The epoch after an average beside the one before it, and the average beside what went into it.
        training.extend(turns.windows(2).map(|pair| pair[1].0.train_loss > pair[0].1.train_loss));
        test.extend(turns.iter().filter_map(|(_, last, average)| Some(*average > last.test_loss?)));
        losses.extend(turns.first().zip(turns.last()).map(|(first, last)| {
            let [first, last] = [first.0, last.1].map(|epoch| format::number(epoch.train_loss, 3));
            format!("{first} to {last}")
        }));
    }
    let rises = |all: &[bool]| format!("{} of {}", all.iter().filter(|rises| **rises).count(), all.len());
    let (training, test) = (rises(&training), rises(&test));
    let times = |ratio: f64| format!("{} times smaller", format::number(ratio, 4));
    let schedule = |rounds: u32, epochs: u64| {
        format!("{} of {}", counted(u64::from(rounds), "round"), counted(epochs, "local epoch"))
    };
    let is_whole = (printed.rounds, printed.local_epochs) == (spec.rounds, spec.local_epochs);
    printed_table([
        Printed {
            what: "Both collaborators train",
            paper: "yes".into(),
            ours: format!("training loss {}", losses.join(", and ")),
            why: "First local epoch to last. It proves nothing about what crosses the wire: see the null."
                .into(),
        },
        Printed {
            what: "The saw-tooth",
            paper: "a jump at each aggregation".into(),
            ours: format!("training loss rises at {training} averages, test loss at {test}"),
            why: "An average can be better on new images than each of its models.".into(),
        },
        Printed {
            what: "Size of an update",
            paper: times(printed.ratio),
            ours: times(summary.ratio_per_message),
            why: "In bytes of whole messages.".into(),
        },
        Printed {
            what: "Savings ratio, decoders counted",
            paper: format!("{} by its formula", format::number(printed.savings_ratio, 3)),
            ours: format::number(summary.savings_ratio, 3),
            why: format!(
                "The paper's figures leave decoders out; here each is {} bytes.",
                format::count(summary.setup_bytes)
            ),
        },
        Printed {
            what: "Schedule",
            paper: schedule(printed.rounds, printed.local_epochs),
            ours: schedule(spec.rounds, spec.local_epochs),
            why: if is_whole { "The same." } else { "--scale paper is the whole." }.into(),
        },
    ])
}
