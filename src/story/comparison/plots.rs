//! The plots of a comparison.

use super::results::{Accuracies, ComparisonResult, PcaSize, Variant};
use crate::report::{Plot, Series, Style};
use crate::story::words::with_level;

/// More curves than these are no picture of how each was trained.
const MOST_CURVES: usize = 6;

/// Error, accuracy and cost over the floats of a code, and the trainings where there are few.
pub fn plots(result: &ComparisonResult<'_>) -> Vec<Plot> {
    let (floats, error) = ("Floats of a code", "Centred relative L2 error, held out");
    let errors = curves(
        result,
        Plot::new("error", "What is lost of held-out snapshots", floats, error),
        |variant| (variant.costs.latent as f64, variant.error()),
        |pca| Some((pca.error.floats as f64, pca.error())),
    );
    let percent = |measured: &Accuracies| 100.0 * measured.mean();
    let title = "What the classifier makes of what comes back";
    let accuracies = curves(
        result,
        Plot::new("accuracy", title, floats, "Test accuracy with held-out weights (%)"),
        |variant| (variant.costs.latent as f64, percent(&variant.measured)),
        |pca| Some((pca.error.floats as f64, percent(pca.measured.as_ref()?))),
    );
    let accuracies = with_level(accuracies, "weights as they are", percent(&result.original));
    let costs = curves(
        result,
        Plot::new("cost", "What the decoder costs for it", "Bytes of the decoder's message", error),
        |variant| (variant.costs.decoder_message_bytes as f64, variant.error()),
        |pca| Some((pca.message_bytes as f64, pca.error())),
    );
    let mut plots = vec![
        with_level(errors, "the mean alone", 1.0)
            .with_caption("PCA ends where the training snapshots differ in no further direction."),
        with_level(accuracies, "the mean alone", percent(&result.mean))
            .with_caption("Near the weights as they are is good; high is not: averaged weights generalise."),
        costs.with_caption("Sent once by every collaborator."),
    ];
    if result.variants.len() <= MOST_CURVES {
        let mut plot = Plot::new("training", "The autoencoders in training", "Epoch", error);
        for variant in &result.variants {
            let value = |error: Option<f64>| error.unwrap_or(f64::NAN);
            let points = variant.curve.iter().map(|p| (p.epoch as f64, value(p.validation_relative_l2)));
            plot.series.push(Series::new(variant.name(), Style::Solid, points.collect()));
        }
        plots.push(plot);
    }
    plots
}

/// A curve for each family and one for principal components, over what is made of each size.
fn curves(
    result: &ComparisonResult<'_>,
    mut plot: Plot,
    of_variant: impl Fn(&Variant) -> (f64, f64),
    of_pca: impl Fn(&PcaSize) -> Option<(f64, f64)>,
) -> Plot {
    for family in result.families() {
        let mut points: Vec<_> = result.family(family).map(&of_variant).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        plot.series.push(Series::new(family, Style::Solid, points));
    }
    plot.x_log = true;
    plot.with(Series::new("PCA", Style::Solid, result.pca.iter().filter_map(of_pca).collect()))
}
