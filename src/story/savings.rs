//! What the formula of the savings comes to, in plots and in words.

use super::words::counted;
use crate::report::{KeyFigure, Plot, Report, Series, Style, Table, format};
use crate::savings::{Decoders, Savings};
use crate::settings;

/// Points of a curve.
const POINTS: usize = 160;

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

    fn value(self, savings: &Savings) -> u64 {
        match self {
            Self::Rounds => savings.rounds,
            Self::Collaborators => savings.collaborators,
        }
    }
}

/// Whole numbers from 1 to `last`, each about as much larger than the one before.
pub fn logarithmic_counts(last: u64) -> Vec<u64> {
    let mut values: Vec<u64> = (0..=POINTS)
        .map(|place| ((last.max(2) as f64).ln() * place as f64 / POINTS as f64).exp().round() as u64)
        .collect();
    values.dedup();
    values
}

/// The ratio of one federation over its rounds or its collaborators, beyond where it breaks even.
pub fn savings_plot(savings: &Savings, over: Over, target: Option<f64>) -> Plot {
    let marks = [
        Some(over.value(savings) as f64),
        match over {
            Over::Rounds => savings.break_even_rounds(),
            Over::Collaborators => savings.break_even_collaborators(),
        },
        target.filter(|_| over == Over::Rounds).and_then(|target| savings.rounds_for(target)),
    ];
    let furthest = marks.into_iter().flatten().fold(1.0, f64::max);
    // Up to the next power of ten, and no further than f64 counts exactly.
    let last = 10f64.powi((furthest * 2.0).log10().ceil().clamp(1.0, 15.0) as i32) as u64;
    let values = logarithmic_counts(last);
    let curve = |ratio: fn(&Savings) -> f64| {
        values.iter().map(|&value| (value as f64, ratio(&over.set(savings, value)))).collect::<Vec<_>>()
    };
    let level = |height: f64| vec![(1.0, height), (last as f64, height)];
    let (id, title, label, fixed) = match over {
        Over::Rounds => (
            "savings-over-rounds",
            "Savings ratio over rounds",
            "Rounds",
            counted(savings.collaborators, "collaborator"),
        ),
        Over::Collaborators => (
            "savings-over-collaborators",
            "Savings ratio over collaborators",
            "Collaborators",
            counted(savings.rounds, "round"),
        ),
    };
    let mut plot = Plot::new(id, title, label, "Raw bytes over compressed bytes")
        .with(Series::new("uplink", Style::Solid, curve(Savings::uplink_ratio)))
        .with(Series::new("both directions", Style::Solid, curve(Savings::both_ways_ratio)))
        .with(Series::new("no compression", Style::Dashed, level(1.0)))
        .with_caption(format!("With {fixed}. Below 1 the decoders cost more than the codes save."));
    if let Some(target) = target {
        let name = format!("target {}", format::ratio(target));
        plot.series.push(Series::new(name, Style::Dashed, level(target)));
    }
    (plot.x_log, plot.y_log) = (true, true);
    plot
}

/// "322 rounds", or that there is no such number.
pub fn rounded_up(value: Option<f64>, noun: &str) -> String {
    match value {
        Some(value) if value <= 1.0 => counted(1, noun),
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
        Some(rounds) => format!(
            "They break even after {}; {}.",
            rounded_up(Some(rounds), "round"),
            break_even_collaborators(savings)
        ),
    });
    answer.extend(target.map(|target| match savings.rounds_for(target) {
        Some(rounds) => {
            format!("{} takes {}.", format::ratio(target), rounded_up(Some(rounds), "round"))
        }
        None => format!(
            "{} cannot be reached: codes alone are {} smaller.",
            format::ratio(target),
            format::ratio(savings.parameters as f64 / savings.latent as f64)
        ),
    }));
    answer
}

fn break_even_collaborators(savings: &Savings) -> String {
    if savings.decoders == Decoders::Each {
        return "with a decoder for each, the number of collaborators does not matter".into();
    }
    format!(
        "in {} it takes {}",
        counted(savings.rounds, "round"),
        rounded_up(savings.break_even_collaborators(), "collaborator")
    )
}

/// A page about one federation. `command` is the command line that repeats it.
pub fn savings_report(savings: &Savings, target: Option<f64>, command: &str) -> crate::Result<Report> {
    let figure = |label: &str, value: String, explanation: &str| KeyFigure::new(label, value, explanation);
    Ok(Report {
        title: "What compressed updates save".into(),
        answer: savings_answer(savings, target),
        figures: vec![
            figure("Savings ratio, uplink", format::number(savings.uplink_ratio(), 4), "above 1 saves"),
            figure(
                "Both directions",
                format::number(savings.both_ways_ratio(), 4),
                "global models are not compressed",
            ),
            figure(
                "Break-even",
                savings.break_even_rounds().map_or("never".into(), |rounds| format::number(rounds, 4)),
                "rounds, with these collaborators",
            ),
        ],
        plots: vec![
            savings_plot(savings, Over::Rounds, target),
            savings_plot(savings, Over::Collaborators, target),
        ],
        tables: vec![floats_table(savings)],
        notes: vec![
            "By formula, in floats: SR = P*R*C / (Z*R*C + D*N). Headers, means and scales are left out; \
             fedfunnel simulate counts them on real messages."
                .into(),
        ],
        configuration: settings::to_toml(savings)?,
        facts: vec![
            ("fedfunnel".into(), env!("CARGO_PKG_VERSION").into()),
            ("Method".into(), "Chandar et al., arXiv 2108.05670".into()),
        ],
        reproduce: command.into(),
    })
}

fn floats_table(savings: &Savings) -> Table {
    let floats = |value: f64| format::number(value, 6);
    let mut table = Table::new("floats", "Floats on the wire", &["Sent", "Raw", "Compressed"]);
    let updates = savings.rounds as f64 * savings.collaborators as f64;
    let decoders = savings.decoder_parameters as f64 * savings.shipped() as f64;
    for (label, raw, compressed) in [
        ("Updates", savings.raw_floats(), savings.latent as f64 * updates),
        ("Decoders, once", 0.0, decoders),
        ("All from the collaborators", savings.raw_floats(), savings.compressed_floats()),
        ("Global models to the collaborators", savings.raw_floats(), savings.raw_floats()),
    ] {
        table.push([label.to_string(), floats(raw), floats(compressed)]);
    }
    table
}
