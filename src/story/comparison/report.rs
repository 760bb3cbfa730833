//! The report of a comparison.

use super::plots::plots;
use super::results::{ComparisonResult, best};
use super::table::variants_table;
use crate::report::Report;
use crate::story::autoencoder::errors;
use crate::story::compare::{Measure, Standing};
use crate::story::words::{ERROR, Printed, decimals, floats, printed_table};

/// The report of a comparison: the best autoencoder beside the mean and the best principal components.
pub fn comparison_report(result: &ComparisonResult<'_>) -> Report {
    let bests = result.bests();
    let (best, pca) = (bests.first(), result.best_pca());
    let name = best.map_or(String::new(), |best| format!(" ({})", best.name()));
    let pca_name = pca.map_or("PCA".into(), |pca| format!("PCA with {}", floats(pca.error.floats)));
    let [error, pca_error] =
        [best.map(|best| best.error()), pca.map(|pca| pca.error())].map(|error| error.unwrap_or(f64::NAN));
    let comparison = errors(format!("the best autoencoder{name}"), error, [(pca_name, pca_error)]);
    let ours = bests.iter().map(|best| format!("{}: {}", best.name(), decimals(best.error(), 3)));
    let printed = Printed {
        what: "Error and size by architecture",
        paper: result.printed.into(),
        ours: ours.collect::<Vec<_>>().join("; "),
        why: "The paper prints no error to hold these against.".into(),
    };
    Report {
        title: format!(
            "{} autoencoders on the same snapshots: {}",
            result.variants.len(),
            comparison.headline()
        ),
        answer: std::iter::once(comparison.sentences()).chain(sizes(result)).collect(),
        plots: plots(result),
        tables: vec![variants_table(result), printed_table([printed])],
        notes: vec![ERROR.into()],
        ..Report::default()
    }
}

/// From which size on more floats give nothing, where a family has several.
fn sizes(result: &ComparisonResult<'_>) -> Option<String> {
    let families = result.families().into_iter().filter(|family| result.family(family).count() > 1);
    let enough: Vec<String> = families
        .filter_map(|family| {
            let least = best(result.family(family))?.error();
            let alike = result.family(family).filter(|variant| !is_worse(variant.error(), least));
            Some(format!("{} with {family}", floats(alike.map(|variant| variant.costs.latent).min()?)))
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
