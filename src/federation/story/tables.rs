//! The numbers behind the answer.

use super::super::ledger::Direction;
use super::super::results::{FederationOutcome, Outcome, Tested};
use super::super::summary::RunSummary;
use crate::codec::MessageKind;
use crate::report::{Table, format};

/// The table of results.
pub const RESULTS: &str = "results";
/// The table of what has to be beaten.
pub const NULLS: &str = "nulls";

/// A column for each federation.
fn by_codec(id: &str, title: &str, first: &str, outcome: &Outcome) -> Table {
    let codecs = outcome.federations.iter().map(|federation| federation.label.as_str());
    Table::new(id, title, &std::iter::once(first).chain(codecs).collect::<Vec<_>>())
}

/// What each federation came to, and what it cost.
pub fn results(outcome: &Outcome) -> Table {
    let mut table = by_codec(RESULTS, "What the federations came to", "", outcome);
    let all: Vec<_> = outcome.federations.iter().map(|f| RunSummary::of(outcome, f)).collect();
    let mut row = |label: &str, cell: &dyn Fn(&RunSummary) -> String| {
        table.push(std::iter::once(label.to_string()).chain(all.iter().map(cell)));
    };
    row("accuracy", &|run| format::percent(run.final_accuracy));
    if !outcome.spec.grayscale.is_empty() {
        row("accuracy, grayscale", &|run| run.final_grayscale_accuracy.map_or("-".into(), format::percent));
    }
    row("test loss", &|run| format!("{:.4}", run.final_loss));
    row("bytes per update", &|run| format::count(run.message_bytes));
    row("ratio per message", &|run| format::ratio(run.ratio_per_message));
    row("bytes shipped once, each", &|run| format::count(run.setup_bytes));
    row("bytes from collaborators", &|run| format::count(run.uplink_bytes));
    row("savings ratio, decoders counted", &|run| format!("{:.3}", run.savings_ratio));
    row("savings ratio, both directions", &|run| format!("{:.3}", run.savings_ratio_both));
    row("break-even, rounds", &|run| {
        run.break_even_rounds.map_or("-".into(), |rounds| format::number(rounds, 4))
    });
    table
}

/// What a global model comes to with no compressed rounds.
pub fn nulls(outcome: &Outcome) -> Table {
    let gray = outcome.initial.gray.is_some();
    let columns = if !gray {
        vec!["", "accuracy", "test loss"]
    } else {
        vec!["", "accuracy", "accuracy, grayscale", "test loss", "test loss, grayscale"]
    };
    let mut table = Table::new(NULLS, "What has to be beaten, with no compressed rounds", &columns);
    let mut row = |label: &str, tested: &Tested| {
        let gray = tested.gray;
        let mut cells = vec![label.to_string(), format::percent(tested.plain.accuracy)];
        cells.extend(gray.map(|gray| format::percent(gray.accuracy)));
        cells.push(format!("{:.4}", tested.plain.loss));
        cells.extend(gray.map(|gray| format!("{:.4}", gray.loss)));
        table.push(cells);
    };
    if let Some(mean) = &outcome.mean_of_snapshots {
        row("mean of the snapshots", mean);
    }
    if let Some(after) = &outcome.after_uncompressed {
        row("global model after the uncompressed rounds", after);
    }
    row("initial global model", &outcome.initial);
    table
}

/// Every kind of message.
pub fn bytes(outcome: &Outcome) -> Table {
    let mut table = by_codec("bytes", "Bytes on the wire", "Messages", outcome);
    let mut row = |label: &str, bytes: &dyn Fn(&FederationOutcome) -> u64| {
        let cells = outcome.federations.iter().map(|federation| format::count(bytes(federation)));
        table.push(std::iter::once(label.to_string()).chain(cells));
    };
    let kind = |federation: &FederationOutcome, kind| federation.ledger.bytes(|t| t.kind == kind);
    let way = |federation: &FederationOutcome, way| federation.ledger.bytes(|t| t.direction == way);
    row("Updates", &|federation| kind(federation, MessageKind::Update));
    row("Decoders, once", &|federation| kind(federation, MessageKind::Setup));
    row("Joining", &|federation| kind(federation, MessageKind::Join));
    if outcome.federations.iter().any(|federation| kind(federation, MessageKind::Control) > 0) {
        row("Control values, both directions", &|federation| kind(federation, MessageKind::Control));
    }
    row("All from the collaborators", &|federation| way(federation, Direction::Up));
    row("All to the collaborators", &|federation| way(federation, Direction::Down));
    row("Both directions", &|federation| way(federation, Direction::Up) + way(federation, Direction::Down));
    table.caption = "In bytes, over all rounds and collaborators.".into();
    table
}

/// Round by round.
pub fn rounds(outcome: &Outcome) -> Table {
    let gray = outcome.initial.gray.is_some();
    let mut columns = vec!["Round".to_string()];
    for federation in &outcome.federations {
        let name = &federation.label;
        columns.push(format!("{name}: accuracy"));
        columns.extend(gray.then(|| format!("{name}: grayscale")));
        columns.push(format!("{name}: loss"));
        columns.push(format!("{name}: bytes up"));
    }
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("rounds", "Round by round", &columns);
    for place in 0..outcome.spec.rounds as usize {
        let mut cells = vec![(place + 1).to_string()];
        for round in outcome.federations.iter().filter_map(|federation| federation.rounds.get(place)) {
            cells.push(format::percent(round.test_accuracy));
            cells.extend(round.grayscale_test_accuracy.map(format::percent));
            cells.push(format!("{:.4}", round.test_loss));
            cells.push(format::count(round.bytes_up));
        }
        table.push(cells);
    }
    table
}
