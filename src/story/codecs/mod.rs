//! Codecs: the stages that there are, and what several codecs came to in the same simulation.

mod anatomy;
mod answer;
mod plots;
mod results;
mod stages;
mod systems;
mod tables;

pub use anatomy::anatomy_table;
pub use plots::PARETO;
pub(super) use plots::{OverBytes, pareto};
pub(super) use results::front;
pub use results::{
    AfterRound, Asked, CodecRow, CodecRun, CodecsResult, DivergedRow, RoundRow, SeedResult, Spread,
};
pub use stages::{stage_page, stages_table};
pub use systems::{system_page, systems_table};
pub use tables::{RESULTS, results_csv};

use crate::report::{KeyFigure, Report, format};

/// The report of codecs side by side.
pub fn codecs_report(result: &CodecsResult) -> Report {
    let rows = result.rows();
    let Some(subject) = answer::subject(result, &rows) else { return Report::default() };
    let raw = rows.iter().find(|row| row.is_raw);
    let beside = raw.map_or(String::new(), |raw| format!("raw: {}", answer::scores(raw)));
    let bytes = format!("{} a message", format::bytes_exact(subject.message_bytes));
    let figures = vec![
        KeyFigure::new("Best in these bytes", answer::scores(subject), beside),
        KeyFigure::new("Per message", format::ratio(subject.ratio), bytes),
        KeyFigure::new("In all", format::bytes(subject.total_bytes), "both directions, setup included"),
    ];
    let first = result.seeds.first();
    let fact = |name: &str, value: String| (name.to_string(), value);
    let facts = vec![
        fact("Seeds", result.seeds.iter().map(|seed| seed.seed.to_string()).collect::<Vec<_>>().join(", ")),
        fact("Collaborators", format::count(result.collaborators as u64)),
        fact("Rounds", format::count(u64::from(result.rounds))),
        fact("Parameters", format::count(first.map_or(0, |seed| seed.parameters) as u64)),
        fact("Test images", format::count(first.map_or(0, |seed| seed.tests) as u64)),
    ];
    Report {
        title: answer::title(result, &rows, subject),
        answer: answer::answer(result, &rows, subject),
        notes: notes(result, &rows),
        figures,
        plots: plots::plots(&rows),
        tables: std::iter::once(tables::results_table(&rows)).chain(tables::found_table(&rows)).collect(),
        facts,
        ..Report::default()
    }
}

fn notes(result: &CodecsResult, rows: &[CodecRow]) -> Vec<String> {
    let mut notes = vec![
        "Every byte is that of a message as it would cross the wire, header and setup included; what the transport \
         adds is not counted. Totals are of all collaborators and rounds."
            .to_string(),
        "All codecs of a seed see the same images in the same order, and all that send weights start from the same.".into(),
    ];
    if rows.iter().any(|row| row.found.is_some()) {
        notes.push(
            "Options that were left open have the largest value with which messages of a first round are within the \
             budget, which is measured before any is sent; those of learned codes end where snapshots have no further axes."
                .into(),
        );
    }
    if rows.iter().any(|row| row.sends_weights && !row.is_raw) {
        notes.push(
            "Raw updates stand beside codecs that tune with as many local epochs as those have.".into(),
        );
    }
    if result.lacks_equal_work {
        notes.push(
            "Codecs that tune train for longer than raw updates here: the rounds of a federated pre-pass are those of \
             all, so that raw updates with as many epochs cannot stand beside them."
                .into(),
        );
    }
    notes
}
