//! The numbers behind the answer.

use super::clock;
use super::null::{alone, nulls};
use crate::codec::MessageKind;
use crate::federation::{Direction, FederationOutcome, Outcome, RunSummary, Transfer};
use crate::report::{Table, format};

/// The tables that are printed at the end of a run.
pub const PRINTED: [&str; 3] = ["results", "nulls", clock::ID];

/// All tables.
pub fn tables(outcome: &Outcome) -> Vec<Table> {
    let time = clock::tables(outcome);
    let all = [results(outcome), nulls_table(outcome)].into_iter().chain(time);
    all.chain([bytes(outcome), rounds(outcome)]).collect()
}

/// A column for each federation.
fn by_codec(id: &str, title: &str, first: &str, outcome: &Outcome) -> Table {
    let codecs = outcome.federations.iter().map(|federation| federation.label.as_str());
    Table::new(id, title, &std::iter::once(first).chain(codecs).collect::<Vec<_>>())
}

/// What each federation came to, and what it cost.
fn results(outcome: &Outcome) -> Table {
    let mut table = by_codec(PRINTED[0], "What the federations came to", "", outcome);
    let all: Vec<_> = outcome.federations.iter().map(|one| RunSummary::of(outcome, one)).collect();
    let mut row = |label: &str, cell: fn(&RunSummary) -> String| {
        table.push(std::iter::once(label.to_string()).chain(all.iter().map(cell)));
    };
    row("accuracy", |run| format::percent(run.final_accuracy));
    if outcome.initial.gray.is_some() {
        row("accuracy, grayscale", |run| run.final_grayscale_accuracy.map_or("-".into(), format::percent));
    }
    row("test loss", |run| format!("{:.4}", run.final_loss));
    row("bytes per update", |run| format::count(run.message_bytes));
    row("ratio per message", |run| format::ratio(run.ratio_per_message));
    row("bytes shipped once, each", |run| format::count(run.setup_bytes));
    if all.iter().any(|run| run.shared_setup_bytes > 0) {
        row("bytes sent back once, each", |run| format::count(run.shared_setup_bytes));
    }
    row("bytes of a global model", |run| format::count(run.model_bytes));
    row("bytes from collaborators", |run| format::count(run.uplink_bytes));
    row("savings ratio, setup counted", |run| format!("{:.3}", run.savings_ratio));
    row("savings ratio, both directions", |run| format!("{:.3}", run.savings_ratio_both));
    // What ships nothing saves from the first update on.
    row("break-even, rounds", |run| match run.break_even_rounds {
        Some(rounds) if run.setup_bytes > 0 => format::number(rounds, 4),
        _ => "-".into(),
    });
    if outcome.spec.asynchrony.is_none() {
        row("local epochs, tuning included", |run| format::count(run.local_epochs));
    }
    if all.iter().any(|run| run.simulated_seconds.is_some()) {
        row("simulated time", |run| run.simulated_seconds.map_or("-".into(), clock::shown));
    }
    table
}

/// What a global model comes to with no compressed rounds.
fn nulls_table(outcome: &Outcome) -> Table {
    let mut columns = vec!["", "accuracy", "test loss"];
    if outcome.initial.gray.is_some() {
        columns.extend(["accuracy, grayscale", "test loss, grayscale"]);
    }
    let mut table = Table::new(PRINTED[1], "What has to be beaten, with no compressed rounds", &columns);
    for null in nulls(outcome).into_iter().chain(alone(outcome)) {
        let tallies = std::iter::once(null.tested.plain).chain(null.tested.gray);
        let cells = tallies.flat_map(|tally| [format::percent(tally.accuracy), format!("{:.4}", tally.loss)]);
        table.push(std::iter::once(null.name).chain(cells));
    }
    table
}

/// Every kind of message that was sent.
fn bytes(outcome: &Outcome) -> Table {
    let mut table = by_codec("bytes", "Bytes on the wire", "Messages", outcome);
    type Which = fn(&Transfer) -> bool;
    let rows: [(&str, Which); 7] = [
        ("Updates", |sent| sent.kind == MessageKind::Update),
        ("Setup, once", |sent| sent.kind == MessageKind::Setup),
        ("Joining", |sent| sent.kind == MessageKind::Join),
        ("Control values, both directions", |sent| sent.kind == MessageKind::Control),
        ("All from the collaborators", |sent| sent.direction == Direction::Up),
        ("All to the collaborators", |sent| sent.direction == Direction::Down),
        ("Both directions", |_| true),
    ];
    for (label, which) in rows {
        let sums = outcome.federations.iter().map(|federation| federation.ledger.bytes(which));
        let sums: Vec<u64> = sums.collect();
        if sums.iter().any(|&sum| sum > 0) {
            table.push(std::iter::once(label.to_string()).chain(sums.into_iter().map(format::count)));
        }
    }
    table.caption = "In bytes, over all rounds and collaborators.".into();
    table
}

/// Round by round.
fn rounds(outcome: &Outcome) -> Table {
    let mut columns = vec!["Round".to_string()];
    for FederationOutcome { label, .. } in &outcome.federations {
        columns.push(format!("{label}: accuracy"));
        columns.extend(outcome.initial.gray.map(|_| format!("{label}: grayscale")));
        columns.push(format!("{label}: loss"));
    }
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("rounds", "Round by round", &columns);
    for place in 0..outcome.spec.rounds as usize {
        let mut cells = vec![(place + 1).to_string()];
        let tested =
            outcome.federations.iter().map(|one| one.rounds.get(place).and_then(|round| round.tested));
        let tested: Vec<_> = tested.collect();
        if tested.iter().all(Option::is_none) {
            continue;
        }
        for tested in tested {
            let cell = |value: Option<f64>, shown: fn(f64) -> String| value.map_or("-".into(), shown);
            cells.push(cell(tested.map(|t| t.test_accuracy), format::percent));
            if outcome.initial.gray.is_some() {
                cells.push(cell(tested.and_then(|t| t.grayscale_test_accuracy), format::percent));
            }
            cells.push(cell(tested.map(|t| t.test_loss), |loss| format!("{loss:.4}")));
        }
        table.push(cells);
    }
    table
}
