//! The plots of a comparison.

use super::results::{Accuracies, ComparisonResult, Variant};
use crate::report::{Plot, Series, Style};
use crate::story::words::floats;

/// More curves than these are no picture of how each was trained.
const MOST_CURVES: usize = 6;

/// Error, accuracy and cost over the floats of a code, and the trainings where there are few.
pub fn plots(result: &ComparisonResult<'_>) -> Vec<Plot> {
    let mut plots = vec![error_plot(result), accuracy_plot(result), cost_plot(result)];
    plots.extend((result.variants.len() <= MOST_CURVES).then(|| training_plot(result)));
    plots
}

fn error_plot(result: &ComparisonResult<'_>) -> Plot {
    let plot = Plot::new(
        "error",
        "What is lost of held-out snapshots",
        "Floats of a code",
        "Centred relative L2 error (the mean: 1)",
    );
    let pca = result.pca.iter().map(|pca| (pca.error.floats as f64, pca.error())).collect();
    let plot = curves(result, plot, |variant| (variant.costs.latent as f64, variant.error()))
        .with(Series::new("PCA", Style::Solid, pca))
        .with(level(result, "the mean alone", 1.0))
        .with_caption("PCA ends where the training snapshots differ in no further direction.");
    Plot { x_log: true, ..plot }
}

fn accuracy_plot(result: &ComparisonResult<'_>) -> Plot {
    let plot = Plot::new(
        "accuracy",
        "What the classifier makes of what comes back",
        "Floats of a code",
        "Test accuracy with held-out weights (%)",
    );
    let percent = |measured: &Accuracies| 100.0 * measured.mean();
    let pca = result.pca.iter();
    let pca =
        pca.filter_map(|pca| Some((pca.error.floats as f64, percent(pca.measured.as_ref()?)))).collect();
    let plot = curves(result, plot, |variant| (variant.costs.latent as f64, percent(&variant.measured)))
        .with(Series::new("PCA", Style::Solid, pca))
        .with(level(result, "weights as they are", percent(&result.original)))
        .with(level(result, "the mean alone", percent(&result.mean)))
        .with_caption("Near the weights as they are is good; high is not: averaged weights generalise.");
    Plot { x_log: true, ..plot }
}

fn cost_plot(result: &ComparisonResult<'_>) -> Plot {
    let plot = Plot::new(
        "cost",
        "What the decoder costs for it",
        "Bytes of the decoder's message",
        "Centred relative L2 error, held out",
    );
    let pca = result.pca.iter().map(|pca| (pca.message_bytes as f64, pca.error())).collect();
    let plot = curves(result, plot, |variant| (variant.costs.decoder_message_bytes as f64, variant.error()))
        .with(Series::new("PCA", Style::Solid, pca))
        .with_caption("Sent once by every collaborator.");
    Plot { x_log: true, ..plot }
}

fn training_plot(result: &ComparisonResult<'_>) -> Plot {
    let mut plot =
        Plot::new("training", "The autoencoders in training", "Epoch", "Centred relative L2 error, held out");
    for variant in &result.variants {
        let name = match result.family(&variant.family).count() {
            1 => variant.family.clone(),
            _ => format!("{}, {}", variant.family, floats(variant.costs.latent)),
        };
        let errors = variant.curve.iter();
        let points = errors.map(|p| (p.epoch as f64, p.validation_relative_l2.unwrap_or(f64::NAN))).collect();
        plot.series.push(Series::new(name, Style::Solid, points));
    }
    plot
}

/// A curve for each family, over what `point` makes of each size.
fn curves(result: &ComparisonResult<'_>, mut plot: Plot, point: impl Fn(&Variant) -> (f64, f64)) -> Plot {
    for family in result.families() {
        let mut points: Vec<_> = result.family(family).map(&point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        plot.series.push(Series::new(family, Style::Solid, points));
    }
    plot
}

/// A dashed line from the fewest floats to the most.
fn level(result: &ComparisonResult<'_>, name: &str, height: f64) -> Series {
    let sizes = result.variants.iter().map(|variant| variant.costs.latent);
    let sizes: Vec<_> = sizes.chain(result.pca.iter().map(|pca| pca.error.floats)).collect();
    let most = sizes.iter().copied().max().unwrap_or(1).max(1);
    let fewest = sizes.into_iter().min().unwrap_or(most);
    Series::new(name, Style::Dashed, vec![(fewest as f64, height), (most as f64, height)])
}
