//! The report of a comparison.

use super::plots::plots;
use super::results::{ComparisonResult, Variant, best};
use super::table::variants_table;
use crate::report::{KeyFigure, Report, Table, format};
use crate::story::compare::{Comparison, Measure, Standing};
use crate::story::printed::{Printed, printed_table};
use crate::story::words::{ERROR, MEAN, decimals, floats};

/// The report of a comparison.
pub fn comparison_report(result: &ComparisonResult<'_>) -> Report {
    let comparison = comparison(result);
    Report {
        title: title(result, &comparison),
        answer: answer(result, &comparison),
        figures: figures(result),
        plots: plots(result),
        tables: vec![variants_table(result), printed(result)],
        notes: vec![
            format!("{ERROR} There are no more principal components than directions in which those snapshots differ."),
            "A decoder's message has its parameters, the means and the scale in f32; break-even is by those bytes, \
             with one decoder for each collaborator."
                .into(),
        ],
        facts: result.setup.facts(),
        ..Report::default()
    }
}

/// A family with the floats of one of its codes.
fn with_size(variant: &Variant) -> String {
    format!("{}, {}", variant.family, floats(variant.costs.latent))
}

/// The best autoencoder beside the mean and the best principal components.
fn comparison(result: &ComparisonResult<'_>) -> Comparison {
    let measure = Measure::Error;
    let best = best(result.variants.iter());
    let name = best.map_or(String::new(), |best| format!(" ({})", with_size(best)));
    let pca = result.best_pca();
    Comparison {
        measure,
        subject: measure.entry(format!("the best autoencoder{name}"), best.map_or(f64::NAN, Variant::error)),
        null: measure.entry(MEAN, 1.0),
        others: pca
            .map(|pca| measure.entry(format!("PCA with {}", floats(pca.error.floats)), pca.error()))
            .into_iter()
            .collect(),
        on: "on held-out snapshots",
    }
}

fn title(result: &ComparisonResult<'_>, comparison: &Comparison) -> String {
    let Comparison { subject, others, .. } = comparison;
    let beside = others.first().map_or(String::new(), |pca| comparison.beside(pca));
    let count = result.variants.len();
    format!("{count} autoencoders on the same snapshots: the best loses {}, {beside}", subject.shown)
}

fn answer(result: &ComparisonResult<'_>, comparison: &Comparison) -> Vec<String> {
    let mut paragraphs = vec![comparison.sentences()];
    paragraphs.extend(sizes(result));
    paragraphs
}

/// From which size on more floats give nothing, where a family has several.
fn sizes(result: &ComparisonResult<'_>) -> Option<String> {
    let families = result.families().into_iter().filter(|family| result.family(family).count() > 1);
    let enough: Vec<String> = families
        .filter_map(|family| {
            let least = best(result.family(family))?.error();
            let alike = result.family(family).filter(|v| !is_worse(v.error(), least));
            let fewest = alike.map(|variant| variant.costs.latent).min()?;
            Some(format!("{} with {family}", floats(fewest)))
        })
        .collect();
    let losing = result.variants.iter().filter(|variant| {
        let beside = result.pca.iter().take(variant.costs.latent).next_back();
        beside.is_some_and(|pca| is_worse(variant.error(), pca.error()))
    });
    (!enough.is_empty()).then(|| {
        format!(
            "Beyond {} the error falls by no more than {}. PCA with as many floats, or all there are, loses less \
             than the autoencoder in {} of {} cases.",
            enough.join(", and "),
            Measure::Error.doubt(0.0, 0.0),
            losing.count(),
            result.variants.len()
        )
    })
}

fn is_worse(error: f64, other: f64) -> bool {
    matches!(Measure::Error.standing(error, other), Standing::Worse(_))
}

fn figures(result: &ComparisonResult<'_>) -> Vec<KeyFigure> {
    let bests = result.bests().into_iter().take(3);
    let figure = |family: &str, error, size, what: &str, bytes| {
        let explanation = format!("held out, {}; {what} {}", floats(size), format::bytes(bytes));
        KeyFigure::new(format!("Error, {family}"), decimals(error, 3), explanation)
    };
    let of_variant = |variant: &Variant| {
        let costs = &variant.costs;
        figure(&variant.family, variant.error(), costs.latent, "decoder", costs.decoder_message_bytes)
    };
    let mut figures: Vec<_> = bests.map(of_variant).collect();
    let pca = result.best_pca();
    figures.extend(pca.map(|pca| figure("PCA", pca.error(), pca.error.floats, "axes", pca.message_bytes)));
    figures
}

fn printed(result: &ComparisonResult<'_>) -> Table {
    let bests = result.bests().into_iter();
    let ours: Vec<_> =
        bests.map(|variant| format!("{}: {}", with_size(variant), decimals(variant.error(), 3))).collect();
    printed_table(vec![Printed {
        what: "Error and size by architecture",
        paper: result.printed.into(),
        ours: ours.join("; "),
        why: "The paper prints no error to hold these against.".into(),
    }])
}
