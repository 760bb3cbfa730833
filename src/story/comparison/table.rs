//! The table of a comparison.

use super::results::{Accuracies, ComparisonResult};
use crate::report::{Table, format};
use crate::story::words::{MEAN, decimals};

const COLUMNS: [&str; 11] = [
    "Autoencoder",
    "Floats",
    "Ratio",
    "Parameters",
    "Decoder message",
    "Break-even rounds",
    "Error, held out",
    "Error, training",
    "Argmax, held out",
    "Accuracy",
    "From the original's",
];

/// What each autoencoder costs and gives, beside principal components and the mean.
pub fn variants_table(result: &ComparisonResult<'_>) -> Table {
    let mut table = Table::new("variants", "What each costs and gives", &COLUMNS);
    let count = |count: usize| format::count(count as u64);
    let mut row = |cells: [String; 9], measured: &Accuracies| {
        let distance = measured.points_from(&result.original);
        table.push(cells.into_iter().chain([format::percent(measured.mean()), decimals(distance, 2)]));
    };
    for variant in &result.variants {
        let costs = &variant.costs;
        let argmax = variant.curve.last().and_then(|point| point.validation_argmax_match);
        let cells = [
            variant.family.clone(),
            count(costs.latent),
            format::ratio(costs.ratio),
            count(costs.parameters),
            format::bytes(costs.decoder_message_bytes),
            decimals(costs.break_even_rounds(), 1),
            decimals(variant.error(), 3),
            decimals(costs.relative_l2, 3),
            decimals(argmax.unwrap_or(f64::NAN), 2),
        ];
        row(cells, &variant.measured);
    }
    let inputs = result.variants.first().map_or(0, |variant| variant.costs.inputs);
    for pca in &result.pca {
        let Some(measured) = &pca.measured else { continue };
        let floats = pca.error.floats;
        let cells = [
            "PCA".into(),
            count(floats),
            format::ratio(inputs as f64 / floats as f64),
            count(floats * inputs),
            format::bytes(pca.message_bytes),
            decimals(pca.message_bytes as f64 / (4 * (inputs - floats)) as f64, 1),
            decimals(pca.error(), 3),
            decimals(pca.error.relative_l2, 3),
            "-".into(),
        ];
        row(cells, measured);
    }
    row([MEAN, "0", "-", "-", "-", "-", "1.000", "1.000", "-"].map(String::from), &result.mean);
    table.caption = format!(
        "Errors are centred relative L2. Argmax is the part of the held-out snapshots whose largest weight is where it \
         was. Accuracy is averaged over them, {} for the originals; its distance from the original's is in points. \
         Break-even is by bytes of messages, with one decoder for each collaborator.",
        format::percent(result.original.mean())
    );
    table
}
