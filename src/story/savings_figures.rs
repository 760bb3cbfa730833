//! Figures 10 and 11: the savings ratio by its formula, and what real messages add to it.

use super::savings::{Over, PAPERS_FORMULA, Ratio, rounded_up};
use super::words::{Printed, printed_table, with_level};
use crate::report::{Plot, Report, Table, format};
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

    /// Rounds to break even with so many collaborators and the exact decoder.
    fn exact_rounds(&self, collaborators: u64) -> Option<f64> {
        let exact = Savings { decoder_parameters: self.exact_decoder, ..self.paper(1, collaborators) };
        exact.break_even_rounds()
    }

    /// A curve for each of `curves`, at which `fixed` gives the federation.
    fn plot(&self, over: Over, noun: &str, fixed: impl Fn(u64) -> Savings) -> Plot {
        let curve = |&count: &u64| {
            let ratio: Ratio = Savings::uplink_ratio;
            (format!("{} {noun}", format::count(count)), fixed(count), ratio)
        };
        let plot = over.plot(self.last, self.curves.iter().map(curve).collect());
        Plot { id: "savings".into(), ..plot }
            .with_caption("With the paper's decoder: half of the autoencoder.")
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
            let counts = [floats, floats.saturating_mul(4), bytes].map(format::count);
            table.push(std::iter::once(name.to_string()).chain(counts));
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

    fn report(&self, title: String, answer: String, plot: Plot, mut tables: Vec<Table>) -> Report {
        tables.extend(self.weighed.as_ref().map(|weighed| self.weighed_table(weighed)));
        let (answer, plots, notes) = (vec![answer], vec![plot], vec![PAPERS_FORMULA.into()]);
        Report { title, answer, plots, tables, notes, ..Report::default() }
    }
}

/// Figure 10: one decoder for all. No single number of rounds gives both of the paper's claims.
pub fn single_decoder_report(figure: &SavingsFigure<'_>) -> Report {
    let (even_at, many) = (figure.printed_break_even, figure.target_collaborators);
    let rounds_even = figure.paper(1, even_at).break_even_rounds();
    let rounds_target = figure.paper(1, many).rounds_for(figure.target_ratio);
    let written = |rounds: Option<f64>| rounds.map_or("no".into(), |rounds| format::number(rounds, 3));
    let (even, reached, exact) =
        (written(rounds_even), written(rounds_target), written(figure.exact_rounds(even_at)));
    let whole = |rounds: Option<f64>| rounds.map_or(1, |rounds| rounds.round().max(1.0) as u64);
    let (few_rounds, many_rounds) = (whole(rounds_even), whole(rounds_target));
    let ratio_at = |rounds| format::ratio(figure.paper(rounds, many).uplink_ratio());
    let breaks_even_at =
        |rounds| rounded_up(figure.paper(rounds, 1).break_even_collaborators(), "collaborator");
    let (count, target) = (format::count, format!("{}x", format::number(figure.target_ratio, 4)));
    let columns = ["Rounds", "Break-even at", "Ratio at the paper's number of collaborators"];
    let mut table = Table::new("rounds", "What each number of rounds gives", &columns);
    for &rounds in figure.curves {
        table.push([count(rounds), breaks_even_at(rounds), ratio_at(rounds)]);
    }
    table.caption = "The encoders that the other collaborators need are not counted, as in the paper.".into();
    let printed = printed_table([
        Printed {
            what: "Break-even",
            paper: format!("{even_at} collaborators"),
            ours: format!("{even_at} collaborators with {even} rounds"),
            why: format!("The same formula; with the exact decoder {exact} rounds."),
        },
        Printed {
            what: "Large federations",
            paper: format!("{target} beyond {} collaborators", count(many)),
            ours: format!("{target} with {reached} rounds"),
            why: "The same formula, another number of rounds.".into(),
        },
    ]);
    let title = format!(
        "One decoder for all: break-even at {even_at} collaborators takes {even} rounds, {target} at {} takes {reached}",
        count(many)
    );
    let answer = format!(
        "No single number of rounds gives both of the paper's figures. Break-even at {even_at} collaborators takes \
         {even} rounds, and {} rounds give {} at {}; {target} there takes {reached} rounds, and with {} rounds {} \
         break even.",
        count(few_rounds),
        ratio_at(few_rounds),
        count(many),
        count(many_rounds),
        breaks_even_at(many_rounds),
    );
    let plot = figure.plot(Over::Collaborators, "rounds", |rounds| figure.paper(rounds, 1));
    figure.report(title, answer, with_level(plot, target, figure.target_ratio), vec![printed, table])
}

/// Figure 11: with a decoder for each, rounds alone decide.
pub fn many_decoders_report(figure: &SavingsFigure<'_>) -> Report {
    let number = |value: Option<f64>| value.map_or("never".into(), |value| format::number(value, 4));
    let by_half = figure.paper(1, 2).break_even_rounds();
    let (even, own) = (rounded_up(by_half, "round"), figure.paper(40, 2).uplink_ratio());
    let printed = printed_table([Printed {
        what: "Break-even",
        paper: format!("{} rounds", figure.printed_break_even),
        ours: format!("{} rounds", number(by_half)),
        why: format!(
            "The same formula, rounded down in the paper; with the exact decoder {} rounds.",
            number(figure.exact_rounds(2))
        ),
    }]);
    let title = format!("A decoder for each collaborator pays for itself after {even}");
    let answer = format!(
        "A decoder for each collaborator pays for itself after {even}, however many there are. The paper's own run, 2 \
         collaborators and 40 rounds, has a savings ratio of {}: its decoders cost {} times what the weights as they \
         are would have cost.",
        format::number(own, 3),
        format::number(1.0 / own, 2),
    );
    let plot = figure.plot(Over::Rounds, "collaborators", |collaborators| figure.paper(1, collaborators));
    figure.report(title, answer, plot, vec![printed])
}
