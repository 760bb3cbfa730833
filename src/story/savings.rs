//! What the formula of the savings comes to, in plots and in words.

use super::words::{counted, with_level};
use crate::report::{Plot, Report, Series, Style, Table, format};
use crate::savings::{Counting, Decoders, Savings};
use crate::settings;

/// Points of a curve.
const POINTS: usize = 160;

/// The paper's formula, for the notes of a report.
pub(super) const PAPERS_FORMULA: &str = "By formula, in floats: SR = P*R*C / (Z*R*C + D*N). Headers, means and scales are left out. \
                                  Global models are not compressed: counted both ways the ratio stays below 2.";

/// What is counted where messages are.
const MESSAGES: &str = "By formula, in the bytes of messages: an update is 4P + 3, a code 4Z + 3, and a decoder ships \
                        the means and the scale of the weights along. Headers of three bytes are those of the first \
                        128 collaborators and 127 rounds; joining is left out. Global models are not compressed: \
                        counted both ways, with the initial model of each pre-pass, the ratio stays below 2.";

/// One of the two ratios of a federation.
pub(super) type Ratio = fn(&Savings) -> f64;

/// What runs along x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// R
    Rounds,
    /// C
    Collaborators,
}

impl Over {
    fn set(self, savings: &Savings, value: u64) -> Savings {
        match self {
            Self::Rounds => Savings { rounds: value, ..*savings },
            Self::Collaborators => Savings { collaborators: value, ..*savings },
        }
    }

    /// A plot of ratios from 1 to `last`, with a curve for each federation. Where they break even is dashed.
    pub(super) fn plot(self, last: u64, curves: Vec<(String, Savings, Ratio)>) -> Plot {
        let (id, along) = match self {
            Self::Rounds => ("savings-over-rounds", "Rounds"),
            Self::Collaborators => ("savings-over-collaborators", "Collaborators"),
        };
        let title = format!("Savings ratio over {}", along.to_lowercase());
        let mut plot = Plot::new(id, title, along, "Raw bytes over compressed bytes");
        for (name, savings, ratio) in curves {
            let points = logarithmic_counts(last).into_iter();
            let points = points.map(|value| (value as f64, ratio(&self.set(&savings, value))));
            plot.series.push(Series::new(name, Style::Solid, points.collect()));
        }
        (plot.x_log, plot.y_log) = (true, true);
        with_level(plot, "break-even", 1.0)
    }
}

/// Whole numbers from 1 to `last`, each about as much larger than the one before.
fn logarithmic_counts(last: u64) -> Vec<u64> {
    let value = |place| ((last.max(2) as f64).ln() * place as f64 / POINTS as f64).exp().round() as u64;
    let mut values: Vec<u64> = (0..=POINTS).map(value).collect();
    values.dedup();
    values
}

/// The ratio of one federation over its rounds or its collaborators, beyond where it breaks even.
pub fn savings_plot(savings: &Savings, over: Over, target: Option<f64>) -> Plot {
    let (own, even, fixed) = match over {
        Over::Rounds => {
            (savings.rounds, savings.break_even_rounds(), counted(savings.collaborators, "collaborator"))
        }
        Over::Collaborators => {
            (savings.collaborators, savings.break_even_collaborators(), counted(savings.rounds, "round"))
        }
    };
    let aim = target.filter(|_| over == Over::Rounds).and_then(|target| savings.rounds_for(target));
    let furthest = [even, aim].into_iter().flatten().fold(own as f64, f64::max);
    // Up to the next power of ten, and no further than f64 counts exactly.
    let last = 10f64.powi((furthest * 2.0).log10().ceil().clamp(1.0, 15.0) as i32) as u64;
    let plot = over.plot(
        last,
        vec![
            ("uplink".into(), *savings, Savings::uplink_ratio),
            ("both directions".into(), *savings, Savings::both_ways_ratio),
        ],
    );
    let plot =
        plot.with_caption(format!("With {fixed}. Below 1 the decoders cost more than the codes save."));
    match target {
        Some(target) => with_level(plot, format!("target {}", format::ratio(target)), target),
        None => plot,
    }
}

/// "322 rounds", or that there is no such number.
pub(super) fn rounded_up(value: Option<f64>, noun: &str) -> String {
    match value {
        Some(value) if value <= 1.0 => counted(1u64, noun),
        Some(value) if value < 1e15 => counted(value.ceil() as u64, noun),
        // Beyond this f64 does not count single ones.
        Some(value) => format!("{} {noun}s", format::number(value, 3)),
        None => format!("no number of {noun}s"),
    }
}

/// What comes of it, one sentence each.
pub fn savings_answer(savings: &Savings, target: Option<f64>) -> Vec<String> {
    let ratio = savings.uplink_ratio();
    let times = |factor: f64| format!("{} times", format::number(factor, 4));
    let bytes = if ratio >= 1.0 {
        format!("{} fewer bytes", times(ratio))
    } else {
        format!("{} as many bytes, since the decoders cost more than the codes save", times(1.0 / ratio))
    };
    let mut answer = vec![format!(
        "Over {}, with {} and {}, compression sends {bytes}: a savings ratio of {} ({} in both directions together).",
        counted(savings.rounds, "round"),
        counted(savings.collaborators, "collaborator"),
        counted(savings.shipped(), "decoder"),
        format::number(ratio, 4),
        format::number(savings.both_ways_ratio(), 4),
    )];
    answer.push(match savings.break_even_rounds() {
        None => "A code that is no smaller than the weights never breaks even.".into(),
        Some(rounds) if savings.decoders == Decoders::Each => {
            format!(
                "They break even after {} ({}), however many collaborators there are.",
                rounded_up(Some(rounds), "round"),
                format::number(rounds, 4)
            )
        }
        Some(rounds) => format!(
            "They break even after {} ({}); in {} it takes {}.",
            rounded_up(Some(rounds), "round"),
            format::number(rounds, 4),
            counted(savings.rounds, "round"),
            rounded_up(savings.break_even_collaborators(), "collaborator")
        ),
    });
    answer.extend(target.map(|target| match savings.rounds_for(target) {
        None => format!(
            "{} cannot be reached: codes alone are {} smaller.",
            format::ratio(target),
            format::ratio(savings.ratio_per_message())
        ),
        rounds => format!("{} takes {}.", format::ratio(target), rounded_up(rounds, "round")),
    }));
    answer.push(made_of(savings));
    answer
}

/// What is counted of a decoder, and in which form it is shipped.
fn made_of(savings: &Savings) -> String {
    let decoder = savings.decoder();
    let parts: Vec<_> =
        decoder.parts.iter().map(|part| format!("{} {}", format::count(part.floats), part.name)).collect();
    let parts = match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    };
    let floats = format::count(decoder.floats());
    if savings.counting == Counting::Paper {
        return format!(
            "A decoder is counted as the paper counts it, {parts}: {floats} floats, {} bytes, without the means, \
             the scale and the headers that are shipped too.",
            format::count(savings.decoder_message_bytes())
        );
    }
    let mut sentence = format!(
        "A decoder ships {parts}: {floats} floats or {} bytes, {} with {} bytes of headers.",
        format::count(decoder.floats().saturating_mul(4)),
        format::count(savings.decoder_message_bytes()),
        decoder.lead_bytes + savings.header_bytes()
    );
    if let Some(factors) = savings.factors().filter(|factors| *factors != decoder) {
        sentence += &format!(
            " Its factors would take {}, and are not shipped.",
            format::count(factors.payload_bytes().saturating_add(savings.header_bytes()))
        );
    }
    sentence
}

/// The parts of a decoder and its message.
fn decoder_table(savings: &Savings) -> Table {
    let mut table = Table::new("decoder", "A decoder as it is counted", &["Part", "Floats", "Bytes"]);
    let decoder = savings.decoder();
    for part in &decoder.parts {
        let counts = [part.floats, part.floats.saturating_mul(4)].map(format::count);
        table.push(std::iter::once(part.name.to_string()).chain(counts));
    }
    let header = decoder.lead_bytes + savings.header_bytes();
    table.push(["headers".into(), "0".into(), format::count(header)]);
    let all = [decoder.floats(), savings.decoder_message_bytes()].map(format::count);
    table.push(std::iter::once("all".to_string()).chain(all));
    table
}

/// A page about one federation. `command` is the command line that repeats it.
pub fn savings_report(savings: &Savings, target: Option<f64>, command: &str) -> crate::Result<Report> {
    let mut table = Table::new("bytes", "Bytes on the wire", &["Sent", "Raw", "Compressed"]);
    let raw = savings.raw_bytes();
    for (label, raw, compressed) in [
        ("Updates", raw, savings.code_bytes()),
        ("Decoders, once", 0.0, savings.decoder_bytes()),
        ("All from the collaborators", raw, savings.compressed_bytes()),
        ("Global models to the collaborators", raw, raw + savings.prepass_bytes()),
    ] {
        table.push([label.to_string(), format::number(raw, 6), format::number(compressed, 6)]);
    }
    let formula = if savings.counting == Counting::Paper { PAPERS_FORMULA } else { MESSAGES };
    Ok(Report {
        title: "What compressed updates save".into(),
        answer: savings_answer(savings, target),
        plots: [Over::Rounds, Over::Collaborators].map(|over| savings_plot(savings, over, target)).into(),
        tables: vec![table, decoder_table(savings)],
        notes: vec![formula.into(), "fedfunnel simulate counts bytes on real messages.".into()],
        configuration: settings::to_toml(savings)?,
        facts: vec![
            ("fedfunnel".into(), env!("CARGO_PKG_VERSION").into()),
            ("Method".into(), "Chandar et al., arXiv 2108.05670".into()),
        ],
        reproduce: command.into(),
        ..Report::default()
    })
}
