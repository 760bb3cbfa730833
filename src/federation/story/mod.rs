//! What a simulation came to, as a report: the answer first, then the numbers behind it.

mod answer;
mod plots;
mod tables;
mod words;

use super::results::{FederationOutcome, Null, Outcome};
use super::summary::RunSummary;
use crate::Result;
use crate::autoencoder::small::Space;
use crate::codec::Decoder;
use crate::model::OptimizerKind;
use crate::report::{KeyFigure, Report, format};
use crate::run::Run;
use words::{scores_of, short_scores};

/// The tables that are printed at the end of a run.
pub const PRINTED: [&str; 2] = [tables::RESULTS, tables::NULLS];

/// The report of a simulation.
pub fn simulation_report(run: &Run<'_>, outcome: &Outcome) -> Result<Report> {
    let subject = subject(outcome);
    let mut facts = facts(outcome);
    facts.extend(run.facts(Some(outcome.spec.seed)));
    Ok(Report {
        title: title(outcome, subject),
        answer: answer::answer(outcome, subject),
        notes: notes(outcome),
        figures: figures(outcome, subject),
        plots: plots::plots(outcome, subject),
        tables: vec![
            tables::results(outcome),
            tables::nulls(outcome),
            tables::bytes(outcome),
            tables::rounds(outcome),
        ],
        configuration: outcome.spec.to_toml()?,
        facts,
        reproduce: run.place.command.to_string(),
    })
}

/// The federation that the report is about; the others are what it is compared with: the first one that learned, or
/// the first that compresses.
fn subject(outcome: &Outcome) -> &FederationOutcome {
    let learned =
        outcome.federations.iter().find(|federation| federation.learned.decoder != Decoder::Nothing);
    let compressed = || outcome.federations.iter().find(|federation| !federation.is_raw);
    learned.or_else(compressed).unwrap_or_else(|| outcome.raw())
}

fn title(outcome: &Outcome, subject: &FederationOutcome) -> String {
    let count = outcome.spec.collaborators;
    let who = if count == 1 { "1 collaborator".into() } else { format!("{count} collaborators") };
    let summary = RunSummary::of(outcome, subject);
    let sent = format::bytes(summary.message_bytes);
    if subject.is_raw {
        return format!("{who}, {sent} an update");
    }
    let accuracy = short_scores(summary.final_accuracy, summary.final_grayscale_accuracy);
    let title = format!("{who}, {sent} an update instead of {}: {accuracy}", raw_update(outcome));
    match outcome.null() {
        None => title,
        Some(null @ Null::MeanOfSnapshots(_)) => {
            format!("{title}, and {} by the mean of the snapshots alone", scores_of(null.tested()))
        }
        Some(null @ Null::AfterUncompressed(_)) => {
            format!("{title}, and {} before the first compressed round", scores_of(null.tested()))
        }
    }
}

fn figures(outcome: &Outcome, subject: &FederationOutcome) -> Vec<KeyFigure> {
    let summary = RunSummary::of(outcome, subject);
    let label = match summary.final_grayscale_accuracy {
        None => "Accuracy".to_string(),
        Some(_) => "Accuracy, colour / grayscale".into(),
    };
    let others = outcome.federations.iter().filter(|other| other.label != subject.label).map(|other| {
        let other_summary = RunSummary::of(outcome, other);
        let scores = short_scores(other_summary.final_accuracy, other_summary.final_grayscale_accuracy);
        format!("{}: {scores}", other.label)
    });
    let score = short_scores(summary.final_accuracy, summary.final_grayscale_accuracy);
    let mut figures = vec![KeyFigure::new(label, score, others.collect::<Vec<_>>().join(", "))];
    if let Some(null) = outcome.null() {
        let (label, note) = match null {
            Null::MeanOfSnapshots(_) => ("Mean of the snapshots", "the null: accuracy with no rounds at all"),
            Null::AfterUncompressed(_) => {
                ("After the uncompressed rounds", "the null: accuracy with no compressed round")
            }
        };
        figures.push(KeyFigure::new(label, scores_of(null.tested()), note));
    }
    if !subject.is_raw {
        figures.push(KeyFigure::new(
            "Per message",
            format::ratio(summary.ratio_per_message),
            format!("{} instead of {}", format::bytes(summary.message_bytes), raw_update(outcome)),
        ));
        figures.push(KeyFigure::new(
            "Savings ratio, decoders counted",
            format!("{:.3}", summary.savings_ratio),
            format!("both directions: {:.3}", summary.savings_ratio_both),
        ));
    }
    figures
}

fn raw_update(outcome: &Outcome) -> String {
    format::bytes(RunSummary::of(outcome, outcome.raw()).message_bytes)
}

fn notes(outcome: &Outcome) -> Vec<String> {
    let mut notes = vec![
        "Every byte is the length of a message as it would cross the wire: headers, codes, decoders with their means \
         and scales, the global model and who joins with how many images. What the transport adds is not counted."
            .to_string(),
        "The savings ratio compares what collaborators send. The aggregator's messages are not compressed; the table \
         counts them too."
            .into(),
    ];
    if !outcome.spec.grayscale.is_empty() {
        notes.push(
            "Grayscale images have their luma in all three channels. Every collaborator's own model is tested on images \
             like its own, the global model on both kinds."
                .into(),
        );
    }
    if outcome.federations.iter().any(|federation| !federation.learned.curves.is_empty()) {
        notes.push(
            "Relative L2 error is taken after the mean of the snapshots is subtracted: an autoencoder that has learned \
             nothing but that mean scores 1."
                .into(),
        );
    }
    if let (true, raw @ 1..) = (!outcome.snapshots.is_empty(), outcome.spec.raw_rounds()) {
        notes.push(format!(
            "The first {raw} rounds of all federations are the same: those that compress log weights inside them, send \
             them as they are, and their bytes are counted."
        ));
    }
    notes
}

fn facts(outcome: &Outcome) -> Vec<(String, String)> {
    let count = |value: usize| format::count(value as u64);
    let each = |values: &[usize]| match values {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => count(*first),
        values => {
            let bound = |value: Option<&usize>| count(value.copied().unwrap_or(0));
            format!("{} to {}", bound(values.iter().min()), bound(values.iter().max()))
        }
    };
    let fact = |name: &str, value: String| (name.to_string(), value);
    let mut facts = vec![
        fact(
            "Model",
            format!("{}, {} parameters", outcome.classifier.name, count(outcome.classifier.parameters())),
        ),
        fact("Images of each collaborator", each(&outcome.samples)),
        fact("Test images", count(outcome.tests)),
        fact("Strategy", outcome.spec.strategy.name()),
    ];
    if !outcome.snapshots.is_empty() {
        facts.push(fact("Snapshots of each collaborator", each(&outcome.snapshots)));
    }
    let is_trained = outcome.federations.iter().any(|federation| !federation.learned.curves.is_empty());
    let settings = outcome.spec.autoencoder.as_ref().filter(|_| is_trained);
    let shape = settings.and_then(|settings| settings.shape(outcome.classifier.parameters()).ok());
    if let (Some(settings), Some(shape)) = (settings, shape) {
        let how = match (settings.space, settings.optimizer.kind) {
            (Space::Wide, _) => "trained on the weights themselves",
            (Space::Small, OptimizerKind::Sgd) => "trained by sgd in the span of the snapshots",
            (Space::Small, _) => "trained by span-adam in the span of the snapshots",
        };
        let value = format!("{}, {} parameters, {how}", shape.name, count(shape.parameters()));
        facts.push(fact("Autoencoder", value));
    }
    facts
}
