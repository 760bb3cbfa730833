//! Figures 10 and 11: the savings ratio by its formula, and what real messages add to it.

use super::printed::{Printed, printed_table};
use super::{Header, Kind, Run};
use crate::autoencoder::{DecoderState, Standard};
use crate::codec::{Message, MessageKind};
use crate::data::DataDir;
use crate::federation::{Decoders, Savings, exact_decoder, logarithmic_counts, rounded_up};
use crate::report::{KeyFigure, Plot, Report, Series, Style, Table, format};
use crate::run::Identity;
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

/// Bytes of real messages.
struct Weighed {
    raw: u64,
    code: u64,
    decoder: u64,
}

impl SavingsExperiment {
    fn savings(&self, decoder_parameters: u64, rounds: u64, collaborators: u64) -> Savings {
        Savings {
            parameters: self.parameters,
            latent: self.latent,
            decoder_parameters,
            rounds,
            collaborators,
            decoders: self.decoders,
        }
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

    fn plot(&self, decoder_parameters: u64) -> Plot {
        let values = logarithmic_counts(self.last);
        let (x, title, curve_name) = match self.along {
            Along::Collaborators => {
                ("Collaborators", "Savings ratio over collaborators, one decoder", "rounds")
            }
            Along::Rounds => ("Rounds", "Savings ratio over rounds, a decoder for each", "collaborators"),
        };
        let mut plot = Plot::new("savings", title, x, "Raw bytes over compressed bytes");
        for &fixed in &self.curves {
            let at = |value: u64| match self.along {
                Along::Collaborators => self.savings(decoder_parameters, fixed, value),
                Along::Rounds => self.savings(decoder_parameters, value, fixed),
            };
            let points = values.iter().map(|&v| (v as f64, at(v).uplink_ratio())).collect();
            plot.series.push(Series::new(
                format!("{} {curve_name}", format::count(fixed)),
                Style::Solid,
                points,
            ));
        }
        let level = |name: String, height: f64| {
            Series::new(name, Style::Dashed, vec![(1.0, height), (self.last as f64, height)])
        };
        plot.series.push(level("break-even".into(), 1.0));
        if self.along == Along::Collaborators {
            plot.series.push(level(format!("{}x", format::number(self.target_ratio, 4)), self.target_ratio));
        }
        plot.caption =
            "What collaborators send, by formula, with the paper's decoder: half of the autoencoder.".into();
        (plot.x_log, plot.y_log) = (true, true);
        plot
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
            return Err(Error::setting(
                "target_ratio",
                "it is no ratio",
                "use a number above 0, such as 120",
            ));
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
        self.savings(self.exact()?, 1, 1).check(str::to_string)
    }

    fn needs_device(&self) -> bool {
        false
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let half = self.half();
        let exact = self.exact()?;
        let mut report = Report {
            plots: vec![self.plot(half)],
            reproduce: run.place.command.to_string(),
            ..Report::default()
        };
        match self.along {
            Along::Collaborators => self.tell_single(&mut report, half, exact),
            Along::Rounds => self.tell_many(&mut report, half, exact),
        }
        if self.weigh_messages {
            run.observer.begin("weighing messages", "messages", 3);
            let weighed = self.weigh()?;
            run.observer.end();
            report.tables.push(self.weighed_table(&weighed, exact));
        }
        report.notes.push(
            "SR = P*R*C / (Z*R*C + D*N), in floats that collaborators send. The aggregator's global models are not \
             compressed; counted both ways the ratio stays below 2."
                .into(),
        );
        report.facts = run.facts(None);
        Ok(report)
    }
}

impl SavingsExperiment {
    /// Figure 10: no single number of rounds gives both of its claims.
    fn tell_single(&self, report: &mut Report, half: u64, exact: u64) {
        let rounds_even = self.savings(half, 1, self.printed_break_even).break_even_rounds();
        let rounds_target = self.savings(half, 1, self.target_collaborators).rounds_for(self.target_ratio);
        let whole_rounds = |rounds: Option<f64>| rounds.map_or(1, |rounds| rounds.round().max(1.0) as u64);
        let (few, many) = (whole_rounds(rounds_even), whole_rounds(rounds_target));
        let ratio_with_few = self.savings(half, few, self.target_collaborators).uplink_ratio();
        let even_with_many = self.savings(half, many, 1).break_even_collaborators();
        let target = format!("{}x", format::number(self.target_ratio, 4));
        let exactly = |rounds: Option<f64>| rounds.map_or("no".into(), |rounds| format::number(rounds, 3));
        let count = format::count;
        report.title = format!(
            "One decoder for all: break-even at {} collaborators takes {} rounds, {target} at {} takes {}",
            self.printed_break_even,
            exactly(rounds_even),
            count(self.target_collaborators),
            exactly(rounds_target)
        );
        report.answer = vec![
            format!(
                "The paper reads two figures off this plot: {target} fewer bytes beyond {} collaborators, and break-even \
                 at {}. No single number of rounds gives both. {} collaborators break even after {} rounds; {target} with {} \
                 takes {} rounds.",
                count(self.target_collaborators),
                self.printed_break_even,
                self.printed_break_even,
                exactly(rounds_even),
                count(self.target_collaborators),
                exactly(rounds_target),
            ),
            format!(
                "With {} rounds, {} collaborators save {}; with {} rounds, {} break even.",
                count(few),
                count(self.target_collaborators),
                format::ratio(ratio_with_few),
                count(many),
                rounded_up(even_with_many, "collaborators"),
            ),
        ];
        report.figures = vec![
            KeyFigure::new(
                format!("Break-even at {} collaborators", self.printed_break_even),
                exactly(rounds_even),
                "rounds; the paper does not say how many rounds it took",
            ),
            KeyFigure::new(
                format!("{target} at {} collaborators", count(self.target_collaborators)),
                exactly(rounds_target),
                "",
            ),
            KeyFigure::new(
                "No more than",
                format::ratio(self.parameters as f64 / self.latent as f64),
                "what codes alone save",
            ),
        ];
        report.figures[1].explanation = match (rounds_even, rounds_target) {
            (Some(even), Some(target)) => {
                format!("rounds; {} times as many", format::number(target / even, 2))
            }
            _ => String::new(),
        };
        let exact_even = self.savings(exact, 1, self.printed_break_even).break_even_rounds();
        report.tables.push(printed_table(vec![
            Printed {
                what: "Break-even",
                paper: format!("{} collaborators", self.printed_break_even),
                ours: format!("{} collaborators with {} rounds", self.printed_break_even, exactly(rounds_even)),
                why: format!(
                    "The same formula. The paper leaves the rounds open; with the exact decoder it is {} rounds.",
                    exactly(exact_even)
                ),
            },
            Printed {
                what: "Large federations",
                paper: format!("{target} beyond {} collaborators", count(self.target_collaborators)),
                ours: format!("{target} with {} rounds", exactly(rounds_target)),
                why: format!(
                    "The same formula with another number of rounds: {} give {} there.",
                    count(few),
                    format::ratio(ratio_with_few)
                ),
            },
        ]));
        let mut table = Table::new(
            "rounds",
            "What each number of rounds gives",
            &["Rounds", "Break-even at", "Ratio at the paper's number of collaborators"],
        );
        for &rounds in &self.curves {
            table.push([
                count(rounds),
                rounded_up(self.savings(half, rounds, 1).break_even_collaborators(), "collaborators"),
                format::ratio(self.savings(half, rounds, self.target_collaborators).uplink_ratio()),
            ]);
        }
        table.caption =
            "One decoder for all: the encoders that the other collaborators need are not counted, as in \
                         the paper."
                .into();
        report.tables.push(table);
    }

    /// Figure 11: with a decoder for each, rounds alone decide.
    fn tell_many(&self, report: &mut Report, half: u64, exact: u64) {
        let number = |value: Option<f64>| value.map_or("never".into(), |value| format::number(value, 4));
        let by_half = self.savings(half, 1, 2).break_even_rounds();
        let by_exact = self.savings(exact, 1, 2).break_even_rounds();
        let own = self.savings(half, 40, 2).uplink_ratio();
        report.title = format!(
            "A decoder for each collaborator pays for itself after {}",
            rounded_up(by_half, "rounds")
        );
        report.answer = vec![
            format!(
                "A decoder for each collaborator pays for itself after {}, however many collaborators there are: each \
                 has its own decoder to pay for, and the curves of all federations are one.",
                rounded_up(by_half, "rounds"),
            ),
            format!(
                "The paper's own experiment, 2 collaborators and 40 rounds, has a savings ratio of {}: its decoders cost \
                 {} times what sending the weights as they are would have cost.",
                format::number(own, 3),
                format::number(1.0 / own, 2),
            ),
        ];
        report.figures = vec![
            KeyFigure::new(
                "Break-even, D as in the paper",
                number(by_half),
                "rounds; half of the autoencoder",
            ),
            KeyFigure::new(
                "Break-even, exact decoder",
                number(by_exact),
                "rounds; the decoder has more biases",
            ),
            KeyFigure::new(
                "The paper's 40 rounds",
                format::number(own, 3),
                "savings ratio; below 1 costs more",
            ),
        ];
        report.tables.push(printed_table(vec![Printed {
            what: "Break-even",
            paper: format!("{} rounds", self.printed_break_even),
            ours: format!("{} rounds", number(by_half)),
            why: format!(
                "The same formula, D/(P-Z), rounded down in the paper. The exact decoder has {} parameters, not {}, and \
                 takes {} rounds.",
                format::count(exact),
                format::count(half),
                number(by_exact)
            ),
        }]));
        let mut table =
            Table::new("rounds", "Savings over rounds", &["Rounds", "Savings ratio", "Both directions"]);
        for rounds in [10, 40, 100, 320, 321, 1_000, 10_000] {
            let savings = self.savings(half, rounds, 2);
            table.push([
                format::count(rounds),
                format::number(savings.uplink_ratio(), 4),
                format::number(savings.both_ways_ratio(), 4),
            ]);
        }
        report.tables.push(table);
    }

    /// The bytes that the codec's own messages have, and what the formula says.
    fn weighed_table(&self, weighed: &Weighed, exact: u64) -> Table {
        let columns = ["Message", "Floats by formula", "Bytes by formula", "Bytes of the message"];
        let mut table = Table::new("messages", "Real messages on a scale", &columns);
        for (name, floats, bytes) in [
            ("A raw update", self.parameters, weighed.raw),
            ("A code", self.latent, weighed.code),
            ("A decoder", exact, weighed.decoder),
        ] {
            table.push([
                name.to_string(),
                format::count(floats),
                format::count(floats.saturating_mul(4)),
                format::count(bytes),
            ]);
        }
        let even = weighed.decoder as f64 / (weighed.raw.saturating_sub(weighed.code)).max(1) as f64;
        table.caption = format!(
            "Made by the codec itself. A header is three bytes; with a decoder travel {} means and a scale, without \
             which it decodes nothing. By these bytes a decoder for each breaks even after {} rounds.",
            format::count(self.parameters),
            format::number(even, 4)
        );
        table
    }
}
