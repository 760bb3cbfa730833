//! Figures 4 and 6: an autoencoder in training.

use super::compare::{Comparison, Measure};
use super::words::{ERROR, MEAN, Printed, decimals, floats, printed_table, with_level};
use crate::autoencoder::CurvePoint;
use crate::autoencoder::pca::PcaError;
use crate::report::{KeyFigure, Plot, Report, Series, Style, format};
use serde::{Deserialize, Serialize};

/// The paper's "accuracy" of an autoencoder: how often the largest weight is where it was, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgmaxMatch {
    /// On the snapshots that it was trained on.
    pub train: f64,
    /// On those that it was not.
    pub validation: f64,
}

/// What an autoencoder came to.
pub struct AutoencoderResult<'a> {
    /// P
    pub inputs: usize,
    /// Z
    pub latent: usize,
    /// Its training.
    pub curve: &'a [CurvePoint],
    /// Principal components at as many floats, or as many as there are.
    pub pca: PcaError,
    /// What the mean of the snapshots scores by the paper's measure.
    pub mean: ArgmaxMatch,
    /// What the paper printed.
    pub printed: ArgmaxMatch,
}

/// How the error of an autoencoder on held-out snapshots stands to that of the mean, and to those of others.
pub fn errors<const N: usize>(name: String, error: f64, others: [(String, f64); N]) -> Comparison {
    let measure = Measure::Error;
    Comparison {
        measure,
        subject: measure.entry(name, error),
        null: measure.entry(format!("the {MEAN}"), 1.0),
        others: others.map(|(name, error)| measure.entry(name, error)).into(),
        on: "on held-out snapshots",
    }
}

/// The key figure of that error.
pub fn error_figure(error: f64, pca: f64) -> KeyFigure {
    let beside = format!("the mean alone: 1; PCA: {}", format::number(pca, 3));
    KeyFigure::new("Relative error, held out", format::number(error, 3), beside)
}

/// The report of a training.
pub fn autoencoder_report(result: &AutoencoderResult<'_>) -> Report {
    let AutoencoderResult { curve, pca, mean, printed, .. } = result;
    let last = curve.last().copied().unwrap_or_default();
    let error = last.validation_relative_l2.unwrap_or(f64::NAN);
    let pca_error = pca.validation_relative_l2.unwrap_or(f64::NAN);
    let pca_name = format!("PCA with {}", floats(pca.floats));
    let comparison = errors("the autoencoder".into(), error, [(pca_name, pca_error)]);
    let argmax = |what, ours, paper, mean| Printed {
        what,
        paper: decimals(paper, 2),
        ours: decimals(ours, 2),
        why: format!("The mean alone gets {}.", decimals(mean, 2)),
    };
    let held_out = last.validation_argmax_match.unwrap_or(f64::NAN);
    Report {
        title: format!(
            "{} weights in {}: {}",
            format::count(result.inputs as u64),
            floats(result.latent),
            comparison.headline()
        ),
        answer: vec![comparison.sentences()],
        figures: vec![error_figure(error, pca_error)],
        plots: training_plots(curve, pca),
        tables: vec![printed_table([
            argmax("Argmax \"accuracy\", training", last.argmax_match.unwrap_or(f64::NAN), printed.train, mean.train),
            argmax("Argmax \"accuracy\", validation", held_out, printed.validation, mean.validation),
        ])],
        notes: vec![
            "Argmax \"accuracy\" is the part of the snapshots whose largest weight is where it was. One weight decides \
             it, so that the mean alone can score high: the error is what counts. The paper defines neither its \
             \"accuracy\" nor its snapshots."
                .into(),
            ERROR.into(),
        ],
        ..Report::default()
    }
}

/// The curves of a training, and what principal components lose on held-out snapshots.
fn training_plots(curve: &[CurvePoint], pca: &PcaError) -> Vec<Plot> {
    let name = format!("PCA, {}, held out", floats(pca.floats));
    let loss = Plot::new("loss", "Loss", "Epoch", "Mean squared error, standardised weights");
    let loss = both(loss, curve, |point| Some(point.loss), |point| point.validation_loss);
    let argmax = Plot::new("argmax", "The paper's \"accuracy\"", "Epoch", "Part of the snapshots (0 to 1)");
    let argmax = both(argmax, curve, |point| point.argmax_match, |point| point.validation_argmax_match);
    vec![
        with_level(error_plot(curve), name, pca.validation_relative_l2.unwrap_or(f64::NAN)),
        Plot { y_log: true, ..with_level(loss, "the mean alone, about", 1.0) },
        Plot { y_range: Some((0.0, 1.0)), ..argmax },
    ]
}

/// The error over the epochs, beside that of the mean.
pub fn error_plot(curve: &[CurvePoint]) -> Plot {
    let plot = Plot::new("error", "Centred relative L2 error", "Epoch", "Relative L2 error (the mean: 1)");
    let plot = both(plot, curve, |point| Some(point.relative_l2), |point| point.validation_relative_l2);
    with_level(plot, "the mean alone", 1.0)
}

type Value = fn(&CurvePoint) -> Option<f64>;

fn both(plot: Plot, curve: &[CurvePoint], train: Value, held_out: Value) -> Plot {
    let series = |name, value: Value| {
        let points = curve.iter().filter_map(|point| Some((point.epoch as f64, value(point)?)));
        Series::new(name, Style::Solid, points.collect())
    };
    plot.with(series("training", train)).with(series("held out", held_out))
}
