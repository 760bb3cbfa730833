//! Accuracy over the time of the collaborators' clock and over bytes, and where compression pays.

use crate::federation::{FederationOutcome, Outcome, RunSummary, Timeline};
use crate::report::{Plot, Series, Style, Table, format};
use crate::story::words::ACCURACY;
use std::time::Duration;

/// Speeds of lines that synchronous rounds are counted over again, in millions of bits a second.
const MBITS: [f64; 3] = [1.0, 10.0, 100.0];

/// How far below the accuracy that raw updates end with a federation may be and still count as as good.
const TOLERANCE: f64 = 0.01;

/// What is counted as time and what is not.
pub const COUNTED: &str = "Simulated time is that of the table clock: local steps and messages, those of a pre-pass and \
                           of set-ups included. What autoencoders and principal axes take to be learned, and the \
                           aggregator's own work, is not counted.";

/// A unit in which the longest of these federations has a number that can be read.
fn unit(longest: f64) -> (&'static str, f64) {
    match longest {
        seconds if seconds < 180.0 => ("seconds", 1.0),
        seconds if seconds < 3.0 * 3_600.0 => ("minutes", 60.0),
        seconds if seconds < 3.0 * 86_400.0 => ("hours", 3_600.0),
        _ => ("days", 86_400.0),
    }
}

/// Accuracy over time and over bytes; nothing where collaborators have no clock.
pub fn plots(outcome: &Outcome) -> Vec<Plot> {
    let timed = |one| Some((one, Timeline::of(outcome, one)?));
    let all: Vec<(&FederationOutcome, Timeline)> = outcome.federations.iter().filter_map(timed).collect();
    if all.is_empty() {
        return Vec::new();
    }
    let (name, seconds) = unit(all.iter().map(|(_, line)| line.end()).fold(0.0, f64::max));
    let mut time =
        Plot::new("accuracy-time", "Accuracy over simulated time", format!("Simulated {name}"), ACCURACY);
    let mut bytes =
        Plot::new("accuracy-bytes", "Accuracy over bytes", "Megabytes, both directions", ACCURACY);
    bytes.x_log = true;
    for (federation, line) in &all {
        let tests = || federation.tests().map(|(round, tested)| (round, 100.0 * tested.accuracy()));
        let at = |round: u32| line.ends.get(round as usize - 1).map_or(f64::NAN, |end| end / seconds);
        let points = tests().map(|(round, accuracy)| (at(round), accuracy)).collect();
        time.series.push(Series::new(&federation.label, Style::Solid, points));
        let mut sent = vec![0u64; federation.rounds.len() + 1];
        for transfer in &federation.ledger.transfers {
            if let Some(sum) = sent.get_mut(transfer.round as usize) {
                *sum += transfer.bytes;
            }
        }
        let so_far = |round: u32| sent[..=round as usize].iter().sum::<u64>() as f64 / 1e6;
        let points = tests().map(|(round, accuracy)| (so_far(round), accuracy)).collect();
        bytes.series.push(Series::new(&federation.label, Style::Solid, points));
    }
    let time = time.with_caption(COUNTED);
    let bytes = bytes.with_caption("All messages so far, setup and global models included.");
    vec![time, bytes]
}

/// How long each federation takes to be as good as raw updates are in the end and, where some never are, as what all come
/// to; nothing where collaborators have no clock.
pub fn tables(outcome: &Outcome) -> Vec<Table> {
    let raw = outcome.raw();
    let Some((_, last)) = raw.tests().next_back().filter(|_| Timeline::of(outcome, raw).is_some()) else {
        return Vec::new();
    };
    let best = last.accuracy();
    let until = format!(
        "Until a round ends whose global model has at most a percentage point less than raw updates end with ({})",
        format::percent(best)
    );
    let mut tables = vec![table(outcome, ID, best - TOLERANCE, &until)];
    let best_of =
        |one: &FederationOutcome| one.tests().map(|(_, tested)| tested.accuracy()).fold(0.0, f64::max);
    let common = outcome.federations.iter().map(best_of).fold(f64::INFINITY, f64::min);
    // What the initial model comes to is no aim.
    if common < best - TOLERANCE && common > outcome.initial.accuracy() + TOLERANCE {
        let until = "Until a round ends whose global model is as good as the best of the federation that comes to least";
        tables.push(table(outcome, COMMON, common, until));
    }
    tables
}

/// How long each federation takes to this accuracy.
fn table(outcome: &Outcome, id: &str, due: f64, until: &str) -> Table {
    let raw = outcome.raw();
    let can_be_counted_again = Timeline::over(outcome, raw, 1.0).is_some();
    // Speeds of lines; as they were, where there is none.
    let again = MBITS.into_iter().filter(|_| can_be_counted_again).map(Some);
    let lines: Vec<Option<f64>> = std::iter::once(None).chain(again).collect();
    let reaches = |one: &FederationOutcome, mbit: Option<f64>| {
        let line = match mbit {
            None => Timeline::of(outcome, one),
            Some(mbit) => Timeline::over(outcome, one, mbit),
        };
        line?.reaches(one, due)
    };
    let title = format!("When compression pays: simulated time to {}", format::percent(due));
    let names = lines.iter().map(|mbit| mbit.map_or("as it was".into(), |mbit| format!("at {mbit} Mbit/s")));
    let names: Vec<String> =
        std::iter::once(String::new()).chain(names).chain(["bytes per update".into()]).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut table = Table::new(id, title, &names);
    for federation in &outcome.federations {
        let cells = lines.iter().map(|&mbit| match (reaches(federation, mbit), reaches(raw, mbit)) {
            (None, _) => "never".to_string(),
            (Some(own), Some(raw)) if !federation.is_raw && own > 0.0 => {
                format!("{} ({})", shown(own), format::ratio(raw / own))
            }
            (Some(own), _) => shown(own),
        });
        let bytes = format::count(RunSummary::of(outcome, federation).message_bytes);
        table.push(std::iter::once(federation.label.clone()).chain(cells).chain([bytes]));
    }
    let over_again = if can_be_counted_again {
        " The other columns are the same rounds over lines whose median is that speed both ways, each as much faster or \
          slower as it is."
    } else {
        " With lines of another speed the rounds would be others, so that they are not counted over again."
    };
    table.caption =
        format!("{until}; in brackets, how many times as fast as raw updates.{over_again} {COUNTED}");
    table
}

/// The names of the tables.
pub const ID: &str = "time";
const COMMON: &str = "time-common";

/// A time that may be of any length.
pub fn shown(seconds: f64) -> String {
    format::duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
