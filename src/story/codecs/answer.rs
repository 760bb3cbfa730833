//! Which codec is best in so many bytes, and how it stands to the others.

use super::results::{CodecRow, CodecsResult, DivergedRow, Spread};
use crate::report::format;
use crate::story::compare::{Comparison, Entry, Measure};
use crate::story::words::counted;

/// Codecs that the subject is held against in words; the table has all of them.
const NAMED: usize = 5;

/// "93.1 %", or "93.1 ± 0.3 %" where there are several seeds.
pub fn spread(value: &Spread) -> String {
    value.deviation.map_or_else(
        || format::percent(value.mean),
        |deviation| format!("{:.1} ± {:.1} %", 100.0 * value.mean, 100.0 * deviation),
    )
}

/// The accuracy of a codec, with that on images without colours where a collaborator sees such.
pub fn scores(row: &CodecRow) -> String {
    match &row.grayscale_accuracy {
        None => spread(&row.accuracy),
        Some(gray) => format!("{} / {}", spread(&row.accuracy).trim_end_matches(" %"), spread(gray)),
    }
}

/// The codec that the report is about: the most accurate one of those that keep to the budget, or of all that do not
/// send weights.
pub fn subject<'r>(result: &CodecsResult, rows: &'r [CodecRow]) -> Option<&'r CodecRow> {
    // The last messages may be a little longer than those of the first round, with which options are found.
    let keeps = |row: &CodecRow| result.budget.is_none_or(|most| row.message_bytes <= most + most / 50);
    let fits = |row: &&CodecRow| !row.sends_weights && keeps(row);
    let best = |rows: &mut dyn Iterator<Item = &'r CodecRow>| {
        rows.max_by(|a, b| a.over_all.mean.total_cmp(&b.over_all.mean))
    };
    let compressed = || best(&mut rows.iter().filter(|row| !row.sends_weights));
    best(&mut rows.iter().filter(fits)).or_else(compressed).or(rows.first())
}

/// The headline.
pub fn title(result: &CodecsResult, rows: &[CodecRow], subject: &CodecRow) -> String {
    let raw = rows.iter().find(|row| row.is_raw && row.label != subject.label);
    let raw = raw.map_or(String::new(), |raw| format!(", raw updates of {} to {}", size(raw), scores(raw)));
    let within = match result.budget {
        Some(most) => format!("In {} a message ", format::bytes_exact(most)),
        None => format!("Of {} ", counted(rows.len() as u64, "codec")),
    };
    format!("{within}{} comes to {}{raw}", subject.label, scores(subject))
}

fn size(row: &CodecRow) -> String {
    format::bytes(row.message_bytes)
}

/// A paragraph about what has to be beaten, one about the other codecs, one about all bytes.
pub fn answer(result: &CodecsResult, rows: &[CodecRow], subject: &CodecRow) -> Vec<String> {
    let entry = |row: &CodecRow| {
        let name = if row.is_raw { "raw updates".into() } else { row.label.clone() };
        let shown = format!("{}, {} a message", scores(row), format::bytes_exact(row.message_bytes));
        Entry { name, value: row.over_all.mean, shown }
    };
    let (null, null_value) = result.null();
    let mut others: Vec<_> = rows.iter().filter(|row| row.label != subject.label).collect();
    others.sort_by(|a, b| b.over_all.mean.total_cmp(&a.over_all.mean));
    let comparison = Comparison {
        measure: Measure::Accuracy { tests: result.seeds.first().map_or(0, |seed| seed.tests) },
        subject: Entry {
            name: format!("the codec {}", subject.label),
            shown: scores(subject),
            ..entry(subject)
        },
        null: Entry { name: format!("the {null}"), value: null_value, shown: format::percent(null_value) },
        others: others.iter().take(NAMED).copied().map(entry).collect(),
        on: "on the test images",
    };
    let mut paragraphs = vec![comparison.against_null()];
    if !comparison.others.is_empty() {
        let beside = comparison.beside_others();
        let spread = match result.seeds.len() {
            0 | 1 => "One seed says nothing of how much another would differ.".to_string(),
            seeds => format!("Each is the mean of {seeds} seeds with its standard deviation over them."),
        };
        let left = match others.len().saturating_sub(NAMED) {
            0 => String::new(),
            1 => " The other one came to less.".into(),
            left => format!(" The other {left} came to less."),
        };
        paragraphs.push(format!("It is {beside}.{left} {} {spread}", comparison.doubt()));
    }
    paragraphs.push(front(rows));
    paragraphs.extend(result.budget.and_then(|most| over_budget(rows, most)));
    paragraphs.extend(result.diverged().into_iter().map(|row| {
        let DivergedRow { label, seed, rounds, problem, .. } = row;
        let ended = counted(rounds, "round");
        format!("{label} diverged, and is in no table: with seed {seed} after {ended} ({problem}).")
    }));
    paragraphs
}

/// Those that no other beats both in bytes and in accuracy.
fn front(rows: &[CodecRow]) -> String {
    let mut front: Vec<_> = rows.iter().filter(|row| row.is_on_front).collect();
    front.sort_by_key(|row| row.total_bytes);
    let all = front
        .iter()
        .map(|row| format!("{} ({}, {})", row.label, format::bytes(row.total_bytes), scores(row)));
    format!(
        "With everything counted that crossed the wire in either direction, setup included, these are not beaten in \
         bytes and accuracy at once: {}.",
        all.collect::<Vec<_>>().join("; ")
    )
}

/// The messages that came to more than they should.
fn over_budget(rows: &[CodecRow], most: u64) -> Option<String> {
    let over = rows.iter().filter(|row| !row.sends_weights && row.message_bytes > most);
    let over: Vec<_> =
        over.map(|row| format!("{} ({})", row.label, format::bytes_exact(row.message_bytes))).collect();
    (!over.is_empty()).then(|| {
        format!(
            "The last messages of {} are longer than the budget of {}: no option of theirs was left open, or these updates \
             take more bytes than those of the first round, with which it was found.",
            over.join(", "),
            format::bytes_exact(most)
        )
    })
}
