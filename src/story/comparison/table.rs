//! The table of a comparison.

use super::results::{Accuracies, ComparisonResult, PcaSize, Variant};
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
    let accuracy = |measured: &Accuracies| {
        [format::percent(measured.mean()), decimals(measured.points_from(&result.original), 2)]
    };
    for variant in &result.variants {
        table.push(variant_cells(variant).into_iter().chain(accuracy(&variant.measured)));
    }
    let inputs = result.variants.first().map_or(0, |variant| variant.costs.inputs);
    for pca in &result.pca {
        let measured = pca.measured.iter();
        measured
            .for_each(|measured| table.push(pca_cells(pca, inputs).into_iter().chain(accuracy(measured))));
    }
    let nothing = [MEAN.trim_start_matches("the "), "0", "-", "-", "-", "-", "1.000", "1.000", "-"];
    table.push(nothing.map(String::from).into_iter().chain(accuracy(&result.mean)));
    table.caption = format!(
        "Errors are centred relative L2. Argmax is the part of the held-out snapshots whose largest weight is \
         where it was. Accuracy is averaged over them, {} for the originals; its distance from the original's is \
         in points.",
        format::percent(result.original.mean())
    );
    table
}

fn variant_cells(variant: &Variant) -> [String; 9] {
    let costs = &variant.costs;
    let argmax = variant.curve.last().and_then(|point| point.validation_argmax_match);
    [
        variant.family.clone(),
        format::count(costs.latent as u64),
        format::ratio(costs.ratio),
        format::count(costs.parameters as u64),
        format::bytes(costs.decoder_message_bytes),
        decimals(costs.break_even_rounds(), 1),
        decimals(variant.error(), 3),
        decimals(costs.relative_l2, 3),
        decimals(argmax.unwrap_or(f64::NAN), 2),
    ]
}

/// Beside a model of so many weights.
fn pca_cells(pca: &PcaSize, inputs: usize) -> [String; 9] {
    let floats = pca.error.floats;
    [
        "PCA".into(),
        format::count(floats as u64),
        format::ratio(inputs as f64 / floats as f64),
        format::count((floats * inputs) as u64),
        format::bytes(pca.message_bytes),
        decimals(pca.message_bytes as f64 / (4 * (inputs - floats)) as f64, 1),
        decimals(pca.error(), 3),
        decimals(pca.error.relative_l2, 3),
        "-".into(),
    ]
}
