//! Figures 10 and 11: the savings ratio by its formula, and what real messages add to it.

use super::printed::{Printed, printed_table};
use super::savings::{logarithmic_counts, rounded_up};
use crate::report::{KeyFigure, Plot, Report, Series, Style, Table, format};
use crate::savings::Savings;

/// Bytes of real messages.
pub struct Weighed {
    /// An update as it is.
    pub raw: u64,
    /// A coded update.
    pub code: u64,
    /// A decoder.
    pub decoder: u64,
}

/// What a figure shows.
pub struct SavingsFigure<'a> {
    /// The models, with the paper's D: half of the autoencoder.
    pub paper: Savings,
    /// D as it is.
    pub exact_decoder: u64,
    /// A curve for each of these.
    pub curves: &'a [u64],
    /// Where x ends.
    pub last: u64,
    /// The ratio that is asked for ...
    pub target_ratio: f64,
    /// ... and the collaborators that are to have it.
    pub target_collaborators: u64,
    /// Where the paper breaks even: collaborators in figure 10, rounds in figure 11.
    pub printed_break_even: u64,
    /// What messages were found to weigh, where they were made.
    pub weighed: Option<Weighed>,
}

impl SavingsFigure<'_> {
    fn paper(&self, rounds: u64, collaborators: u64) -> Savings {
        Savings { rounds, collaborators, ..self.paper }
    }

    fn exact(&self, collaborators: u64) -> Savings {
        Savings { decoder_parameters: self.exact_decoder, ..self.paper(1, collaborators) }
    }

    /// A curve for each of `curves`, of which `at` makes a federation at each place of x.
    fn plot(&self, mut plot: Plot, noun: &str, at: impl Fn(u64, u64) -> Savings) -> Plot {
        let values = logarithmic_counts(self.last);
        for &fixed in self.curves {
            let points =
                values.iter().map(|&value| (value as f64, at(fixed, value).uplink_ratio())).collect();
            plot.series.push(Series::new(format!("{} {noun}", format::count(fixed)), Style::Solid, points));
        }
        plot.series.push(self.level("break-even".into(), 1.0));
        plot.caption =
            "What collaborators send, by formula, with the paper's decoder: half of the autoencoder.".into();
        (plot.x_log, plot.y_log) = (true, true);
        plot
    }

    fn level(&self, name: String, height: f64) -> Series {
        Series::new(name, Style::Dashed, vec![(1.0, height), (self.last as f64, height)])
    }

    /// The bytes that the codec's own messages have, and what the formula says.
    fn weighed_table(&self, weighed: &Weighed) -> Table {
        let columns = ["Message", "Floats by formula", "Bytes by formula", "Bytes of the message"];
        let mut table = Table::new("messages", "Real messages on a scale", &columns);
        for (name, floats, bytes) in [
            ("A raw update", self.paper.parameters, weighed.raw),
            ("A code", self.paper.latent, weighed.code),
            ("A decoder", self.exact_decoder, weighed.decoder),
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
            "A header is three bytes; a decoder takes {} means and a scale along. By these bytes a decoder for \
             each breaks even after {} rounds.",
            format::count(self.paper.parameters),
            format::number(even, 4)
        );
        table
    }

    /// The report about `tables`, with what both figures have.
    fn report(&self, title: String, plot: Plot, mut tables: Vec<Table>) -> Report {
        tables.extend(self.weighed.as_ref().map(|weighed| self.weighed_table(weighed)));
        Report {
            title,
            plots: vec![plot],
            tables,
            notes: vec![
                "SR = P*R*C / (Z*R*C + D*N), in floats that collaborators send. Global models are \
                 not compressed; counted both ways the ratio stays below 2."
                    .into(),
            ],
            ..Report::default()
        }
    }
}

/// Figure 10: one decoder for all. No single number of rounds gives both of the paper's claims.
pub fn single_decoder_report(figure: &SavingsFigure<'_>) -> Report {
    let (even_at, many) = (figure.printed_break_even, figure.target_collaborators);
    let rounds_even = figure.paper(1, even_at).break_even_rounds();
    let rounds_target = figure.paper(1, many).rounds_for(figure.target_ratio);
    let (few_rounds, many_rounds) = (whole(rounds_even), whole(rounds_target));
    let target = format!("{}x", format::number(figure.target_ratio, 4));
    let rounds = |rounds: Option<f64>| rounds.map_or("no".into(), |rounds| format::number(rounds, 3));
    let count = format::count;
    let title = format!(
        "One decoder for all: break-even at {even_at} collaborators takes {} rounds, {target} at {} takes {}",
        rounds(rounds_even),
        count(many),
        rounds(rounds_target)
    );
    let plot = Plot::new("savings", "Savings ratio over collaborators, one decoder", "Collaborators", RATIO);
    let mut plot = figure.plot(plot, "rounds", |fixed, value| figure.paper(fixed, value));
    plot.series.push(figure.level(target.clone(), figure.target_ratio));
    let tables = vec![
        printed_table(vec![
            Printed {
                what: "Break-even",
                paper: format!("{even_at} collaborators"),
                ours: format!("{even_at} collaborators with {} rounds", rounds(rounds_even)),
                why: format!(
                    "The same formula; with the exact decoder {} rounds.",
                    rounds(figure.exact(even_at).break_even_rounds())
                ),
            },
            Printed {
                what: "Large federations",
                paper: format!("{target} beyond {} collaborators", count(many)),
                ours: format!("{target} with {} rounds", rounds(rounds_target)),
                why: "The same formula, another number of rounds.".into(),
            },
        ]),
        single_decoder_table(figure),
    ];
    Report {
        answer: vec![format!(
            "No single number of rounds gives both of the paper's figures. Break-even at {even_at} collaborators \
             takes {} rounds, and {} rounds give {} at {}; {target} there takes {} rounds, and with {} rounds {} \
             break even.",
            rounds(rounds_even),
            count(few_rounds),
            format::ratio(figure.paper(few_rounds, many).uplink_ratio()),
            count(many),
            rounds(rounds_target),
            count(many_rounds),
            rounded_up(figure.paper(many_rounds, 1).break_even_collaborators(), "collaborator"),
        )],
        figures: vec![
            KeyFigure::new(format!("Break-even at {even_at} collaborators"), rounds(rounds_even), "rounds"),
            KeyFigure::new(format!("{target} at {}", count(many)), rounds(rounds_target), "rounds"),
        ],
        ..figure.report(title, plot, tables)
    }
}

const RATIO: &str = "Raw bytes over compressed bytes";

fn whole(rounds: Option<f64>) -> u64 {
    rounds.map_or(1, |rounds| rounds.round().max(1.0) as u64)
}

fn single_decoder_table(figure: &SavingsFigure<'_>) -> Table {
    let columns = ["Rounds", "Break-even at", "Ratio at the paper's number of collaborators"];
    let mut table = Table::new("rounds", "What each number of rounds gives", &columns);
    for &rounds in figure.curves {
        table.push([
            format::count(rounds),
            rounded_up(figure.paper(rounds, 1).break_even_collaborators(), "collaborator"),
            format::ratio(figure.paper(rounds, figure.target_collaborators).uplink_ratio()),
        ]);
    }
    table.caption = "The encoders that the other collaborators need are not counted, as in the paper.".into();
    table
}

/// Figure 11: with a decoder for each, rounds alone decide.
pub fn many_decoders_report(figure: &SavingsFigure<'_>) -> Report {
    let number = |value: Option<f64>| value.map_or("never".into(), |value| format::number(value, 4));
    let by_half = figure.paper(1, 2).break_even_rounds();
    let by_exact = figure.exact(2).break_even_rounds();
    let own = figure.paper(40, 2).uplink_ratio();
    let title =
        format!("A decoder for each collaborator pays for itself after {}", rounded_up(by_half, "round"));
    let plot = Plot::new("savings", "Savings ratio over rounds, a decoder for each", "Rounds", RATIO);
    let plot = figure.plot(plot, "collaborators", |fixed, value| figure.paper(value, fixed));
    let mut table =
        Table::new("rounds", "Savings over rounds", &["Rounds", "Savings ratio", "Both directions"]);
    for rounds in [10, 40, 100, 320, 321, 1_000, 10_000] {
        let savings = figure.paper(rounds, 2);
        table.push([
            format::count(rounds),
            format::number(savings.uplink_ratio(), 4),
            format::number(savings.both_ways_ratio(), 4),
        ]);
    }
    let printed = printed_table(vec![Printed {
        what: "Break-even",
        paper: format!("{} rounds", figure.printed_break_even),
        ours: format!("{} rounds", number(by_half)),
        why: format!(
            "The same formula, rounded down in the paper; with the exact decoder {} rounds.",
            number(by_exact)
        ),
    }]);
    Report {
        answer: vec![format!(
            "A decoder for each collaborator pays for itself after {}, however many there are. The paper's own \
             run, 2 collaborators and 40 rounds, has a savings ratio of {}: its decoders cost {} times what the \
             weights as they are would have cost.",
            rounded_up(by_half, "round"),
            format::number(own, 3),
            format::number(1.0 / own, 2),
        )],
        figures: vec![
            KeyFigure::new("Break-even", number(by_half), "rounds, with D as in the paper"),
            KeyFigure::new(
                "The paper's 40 rounds",
                format::number(own, 3),
                "savings ratio; below 1 costs more",
            ),
        ],
        ..figure.report(title, plot, vec![printed, table])
    }
}
