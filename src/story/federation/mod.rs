//! What a simulation came to, as a report: the answer first, then the numbers behind it.

mod answer;
mod clock;
mod null;
mod plots;
mod tables;
mod weights;
mod wire;

pub use tables::PRINTED;

use super::privacy::{guarantee_sentence, short};
use super::words::{ERROR, counted};
use crate::Result;
use crate::codec::Decoder;
use crate::federation::{FederationOutcome, Outcome, RunSummary};
use crate::report::{KeyFigure, Report, format};
use crate::run::Run;
use null::{Null, final_scores, scores};

/// The report of a simulation.
pub fn simulation_report(run: &Run<'_>, outcome: &Outcome) -> Result<Report> {
    federation_report(run, outcome, subject(outcome))
}

/// The same about one of its federations; the others are what it is compared with.
pub fn federation_report(run: &Run<'_>, outcome: &Outcome, subject: &FederationOutcome) -> Result<Report> {
    let null = Null::best(outcome);
    let mut facts = facts(outcome);
    facts.extend(run.facts(Some(outcome.spec.seed)));
    Ok(Report {
        title: title(outcome, subject, &null),
        answer: answer::answer(outcome, subject, &null),
        notes: notes(outcome),
        figures: figures(outcome, subject, &null),
        plots: plots::plots(outcome, subject),
        pictures: weights::pictures(outcome, subject),
        tables: tables::tables(outcome),
        configuration: outcome.spec.to_toml()?,
        facts,
        reproduce: run.place.command.to_string(),
    })
}

/// The federation that the report is about; the others are what it is compared with: the first one that tunes its codes,
/// or the first that learned, or the first that compresses.
fn subject(outcome: &Outcome) -> &FederationOutcome {
    let tuned = outcome.federations.iter().find(|one| one.tuning_epochs > 0);
    let learned = outcome.federations.iter().find(|one| one.learned.decoder != Decoder::Nothing);
    let compressed = || outcome.federations.iter().find(|one| !one.is_raw);
    tuned.or(learned).or_else(compressed).unwrap_or_else(|| outcome.raw())
}

fn title(outcome: &Outcome, subject: &FederationOutcome, null: &Null) -> String {
    let update = |federation| format::bytes(RunSummary::of(outcome, federation).message_bytes);
    let raw = if subject.is_raw { "".into() } else { format!(" instead of {}", update(outcome.raw())) };
    format!(
        "{}, {} an update{raw}: {}, and {} by the {}",
        counted(outcome.spec.collaborators as u64, "collaborator"),
        update(subject),
        scores(&final_scores(outcome, subject)),
        scores(&null.tested),
        null.name
    )
}

fn figures(outcome: &Outcome, subject: &FederationOutcome, null: &Null) -> Vec<KeyFigure> {
    let gray = outcome.initial.gray.map_or("", |_| ", colour / grayscale");
    let accuracy = |federation| scores(&final_scores(outcome, federation));
    let beside = format!("raw: {}; {}: {}", accuracy(outcome.raw()), null.name, scores(&null.tested));
    let mut figures = vec![KeyFigure::new(format!("Accuracy{gray}"), accuracy(subject), beside)];
    if !subject.is_raw {
        let summary = RunSummary::of(outcome, subject);
        let (ratio, savings) = (format::ratio(summary.ratio_per_message), summary.savings_ratio);
        let both = format!("setup counted; both directions: {:.3}", summary.savings_ratio_both);
        let of_bytes = "bytes of a raw update over those of one of these";
        figures.push(KeyFigure::new("Per message", ratio, of_bytes));
        figures.push(KeyFigure::new("Savings ratio", format!("{savings:.3}"), both));
    }
    if let Some(privacy) = &outcome.privacy {
        let delta =
            format!("at a delta of {}; the notes say between which federations", short(privacy.delta));
        figures.push(KeyFigure::new("Privacy: epsilon", short(privacy.epsilon), delta));
    }
    figures
}

fn notes(outcome: &Outcome) -> Vec<String> {
    let mut notes = vec![
        "Every byte is that of a message as it would cross the wire, header and setup included; what the transport \
         adds is not counted. The savings ratio is of what collaborators send: global models are not compressed."
            .to_string(),
    ];
    if !outcome.spec.grayscale.is_empty() {
        notes.push(
            "Grayscale images have their luma in all three channels. Every collaborator's own model is tested on images \
             like its own, the global model on both kinds."
                .into(),
        );
    }
    notes.extend(is_trained(outcome).then(|| ERROR.into()));
    if outcome.spec.asynchrony.is_some() {
        notes.push(
            "Nobody waits for all here: a round is a step of the global model, and its bytes are those of the messages \
             that were sent to collaborators or arrived from them since the step before. Updates that are under way at \
             the end have not arrived, and are not counted."
                .into(),
        );
    }
    notes.extend(outcome.privacy.as_ref().map(guarantee_sentence));
    if let (true, raw @ 1..) = (!outcome.snapshots.is_empty(), outcome.spec.raw_rounds()) {
        notes.push(format!(
            "The first {} of all federations are the same: those that compress log weights inside them, and send them \
             as they are.",
            counted(u64::from(raw), "round")
        ));
    }
    notes
}

/// Whether an autoencoder was trained.
fn is_trained(outcome: &Outcome) -> bool {
    outcome.federations.iter().any(|federation| !federation.learned.curves.is_empty())
}

fn facts(outcome: &Outcome) -> Vec<(String, String)> {
    let count = |value: usize| format::count(value as u64);
    let each = |values: &[usize]| {
        let bound = |value: Option<&usize>| count(value.copied().unwrap_or(0));
        let (least, most) = (bound(values.iter().min()), bound(values.iter().max()));
        if least == most { most } else { format!("{least} to {most}") }
    };
    let model = |name: &str, parameters| format!("{name}, {} parameters", count(parameters));
    let fact = |name: &str, value: String| (name.to_string(), value);
    let mut facts = vec![
        fact("Model", model(&outcome.classifier.name, outcome.classifier.parameters())),
        fact("Images of each collaborator", each(&outcome.samples)),
        fact("Test images", count(outcome.tests)),
        fact("Strategy", outcome.spec.strategy.name()),
    ];
    if let Some(asynchrony) = &outcome.spec.asynchrony {
        facts.push(fact("Asynchrony", asynchrony.kind.name().into()));
    }
    if !outcome.snapshots.is_empty() {
        facts.push(fact("Snapshots of each collaborator", each(&outcome.snapshots)));
    }
    let settings = outcome.spec.autoencoder.as_ref().filter(|_| is_trained(outcome));
    let shape = settings.and_then(|settings| settings.shape(outcome.classifier.parameters()).ok());
    facts.extend(shape.map(|shape| fact("Autoencoder", model(&shape.name, shape.parameters()))));
    facts
}
