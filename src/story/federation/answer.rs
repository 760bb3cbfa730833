//! The answer in plain words: is it better than nothing, than what is plainer, than what is larger.

use super::null::{Null, final_scores, scores};
use crate::codec::Decoder;
use crate::federation::{FederationOutcome, Outcome, RunSummary};
use crate::report::format;
use crate::story::compare::{Comparison, Entry, Measure};
use crate::story::words::counted;

/// A paragraph about the null, one about the other federations, one about bytes.
pub fn answer(outcome: &Outcome, subject: &FederationOutcome, null: &Null) -> Vec<String> {
    let comparison = comparison(outcome, subject, null);
    let mut paragraphs = vec![comparison.against_null()];
    if !comparison.others.is_empty() {
        let bytes = format::count(RunSummary::of(outcome, subject).message_bytes);
        let (beside, doubt) = (comparison.beside_others(), comparison.doubt());
        paragraphs.push(format!("With {bytes} bytes an update it is {beside}. {doubt}"));
    }
    paragraphs.extend((!subject.is_raw).then(|| bytes(outcome, subject)));
    paragraphs
}

/// The accuracy of the subject beside that of the others, each with the bytes that it took.
fn comparison(outcome: &Outcome, subject: &FederationOutcome, null: &Null) -> Comparison {
    let named = |one: &FederationOutcome| if one.is_raw { "raw updates".into() } else { one.label.clone() };
    let entry = |one: &FederationOutcome| {
        let tested = final_scores(outcome, one);
        Entry { name: named(one), value: tested.accuracy(), shown: scores(&tested) }
    };
    let with_bytes = |other: &FederationOutcome| {
        let bytes = format::count(RunSummary::of(outcome, other).message_bytes);
        let entry = entry(other);
        Entry { shown: format!("{}, {bytes} bytes an update", entry.shown), ..entry }
    };
    Comparison {
        measure: Measure::Accuracy { tests: outcome.tests },
        subject: Entry { name: format!("the federation with {}", named(subject)), ..entry(subject) },
        null: Entry {
            name: format!("the {}", null.name),
            value: null.tested.accuracy(),
            shown: scores(&null.tested),
        },
        others: outcome.federations.iter().filter(|one| one.label != subject.label).map(with_bytes).collect(),
        on: match outcome.initial.gray {
            None => "on the test images",
            Some(_) => "on colour / grayscale test images",
        },
    }
}

fn bytes(outcome: &Outcome, subject: &FederationOutcome) -> String {
    let [own, raw] = [subject, outcome.raw()].map(|federation| RunSummary::of(outcome, federation));
    let setup = match subject.learned.decoder {
        Decoder::Dense => "its decoder",
        Decoder::Factored => "the factors of its decoder",
        Decoder::Axes => "its principal axes",
        Decoder::Nothing => "its setup",
    };
    let mut paragraph = format!(
        "An update is {} bytes long, a raw one {}: {}.",
        format::count(own.message_bytes),
        format::count(raw.message_bytes),
        format::ratio(own.ratio_per_message),
    );
    if own.setup_bytes > 0 {
        let bytes = format::count(own.setup_bytes);
        paragraph += &format!(" Each collaborator ships {setup} once, {bytes} bytes.");
    }
    paragraph += &format!(
        " In all the collaborators sent {} instead of {}, a savings ratio of {:.3}: compression {} bytes here.",
        format::bytes(own.uplink_bytes),
        format::bytes(raw.uplink_bytes),
        own.savings_ratio,
        if own.savings_ratio >= 1.0 { "saves" } else { "does not save" },
    );
    match own.break_even_rounds {
        _ if own.setup_bytes == 0 => {}
        Some(rounds) => {
            paragraph += &format!(" It breaks even after {}.", counted(rounds.ceil() as u64, "round"));
        }
        None => paragraph += " It never breaks even.",
    }
    paragraph
}
