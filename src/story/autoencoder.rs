//! Figures 4 and 6: an autoencoder in training.

use super::compare::{Comparison, Entry, Measure};
use super::printed::{Printed, printed_table};
use super::setup::Setup;
use super::words::{ERROR, MEAN, decimals, floats};
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
    /// What it started from.
    pub setup: Setup,
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

/// How the error of an autoencoder on held-out snapshots stands to that of the mean, and to other errors.
pub fn errors(autoencoder: f64, others: Vec<Entry>) -> Comparison {
    let measure = Measure::Error;
    Comparison {
        measure,
        subject: measure.entry("the autoencoder", autoencoder),
        null: measure.entry(MEAN, 1.0),
        others,
        on: "on held-out snapshots",
    }
}

/// The report of a training.
pub fn autoencoder_report(result: &AutoencoderResult<'_>) -> Report {
    let last = result.curve.last().copied().unwrap_or_default();
    let error = last.validation_relative_l2.unwrap_or(f64::NAN);
    let pca = result.pca.validation_relative_l2.unwrap_or(f64::NAN);
    let comparison =
        errors(error, vec![Measure::Error.entry(format!("PCA with {}", floats(result.pca.floats)), pca)]);
    let ours = ArgmaxMatch {
        train: last.argmax_match.unwrap_or(f64::NAN),
        validation: last.validation_argmax_match.unwrap_or(f64::NAN),
    };
    Report {
        title: format!(
            "{} weights in {}: {}",
            format::count(result.inputs as u64),
            floats(result.latent),
            errors(error, vec![Measure::Error.entry("PCA", pca)]).headline()
        ),
        answer: vec![comparison.sentences()],
        figures: vec![
            KeyFigure::new(
                "Relative error, held out",
                format::number(error, 3),
                format!("the mean alone: 1; PCA: {}", format::number(pca, 3)),
            ),
            KeyFigure::new("Relative error, training", format::number(last.relative_l2, 3), "the mean alone: 1"),
            KeyFigure::new(
                "Argmax \"accuracy\", held out",
                share(ours.validation),
                format!("the mean alone: {}", share(result.mean.validation)),
            ),
        ],
        plots: training_plots(result.curve, Some(&result.pca)),
        tables: vec![printed_table(vec![
            printed("Argmax \"accuracy\", training", ours.train, result.printed.train, result.mean.train),
            printed(
                "Argmax \"accuracy\", validation",
                ours.validation,
                result.printed.validation,
                result.mean.validation,
            ),
        ])],
        notes: vec![
            "Argmax \"accuracy\" is the part of the snapshots whose largest weight is where it was. One weight \
             decides it, so that the mean alone can score high: the error is what counts. The paper defines \
             neither its \"accuracy\" nor its snapshots."
                .into(),
            ERROR.into(),
        ],
        facts: result.setup.facts(),
        ..Report::default()
    }
}

/// As the paper writes it: 0.94.
fn share(value: f64) -> String {
    decimals(value, 2)
}

fn printed(what: &'static str, ours: f64, paper: f64, mean: f64) -> Printed {
    let compared = match ours - paper {
        by if by > 0.02 => "Ours is higher",
        by if by < -0.02 => "Ours is lower",
        _ => "They agree",
    };
    let why = format!("{compared}; the mean alone gets {}.", share(mean));
    Printed { what, paper: share(paper), ours: share(ours), why }
}

/// The curves of a training, and what principal components lose on held-out snapshots.
pub fn training_plots(curve: &[CurvePoint], pca: Option<&PcaError>) -> Vec<Plot> {
    let mut error = error_plot(curve);
    if let Some(pca) = pca {
        let height = pca.validation_relative_l2.unwrap_or(f64::NAN);
        error.series.push(level(curve, format!("PCA, {}, held out", floats(pca.floats)), height));
    }
    let loss = Plot::new("loss", "Loss", "Epoch", "Mean squared error, standardised weights");
    let loss = both(loss, curve, |p| Some(p.loss), |p| p.validation_loss).with(mean(curve));
    let argmax = Plot::new("argmax", "The paper's \"accuracy\"", "Epoch", "Part of the snapshots (0 to 1)");
    let argmax = both(argmax, curve, |p| p.argmax_match, |p| p.validation_argmax_match);
    vec![
        error,
        Plot { y_log: true, ..loss }.with_caption("1 is about what the mean alone leaves."),
        Plot { y_range: Some((0.0, 1.0)), ..argmax }
            .with_caption("The part of the snapshots whose largest weight is where it was."),
    ]
}

/// The error over the epochs, beside that of the mean.
pub fn error_plot(curve: &[CurvePoint]) -> Plot {
    let plot = Plot::new("error", "Centred relative L2 error", "Epoch", "Relative L2 error (the mean: 1)");
    both(plot, curve, |p| Some(p.relative_l2), |p| p.validation_relative_l2)
        .with(mean(curve))
        .with_caption("What the code loses of the difference between a snapshot and the mean of all.")
}

type Value = fn(&CurvePoint) -> Option<f64>;

fn both(plot: Plot, curve: &[CurvePoint], train: Value, held_out: Value) -> Plot {
    let points = |value: Value| curve.iter().filter_map(|p| Some((p.epoch as f64, value(p)?))).collect();
    plot.with(Series::new("training", Style::Solid, points(train))).with(Series::new(
        "held out",
        Style::Solid,
        points(held_out),
    ))
}

fn mean(curve: &[CurvePoint]) -> Series {
    level(curve, "the mean alone", 1.0)
}

fn level(curve: &[CurvePoint], name: impl Into<String>, height: f64) -> Series {
    let first = curve.first().map_or(0.0, |point| point.epoch as f64);
    let last = curve.last().map_or(1.0, |point| point.epoch as f64);
    Series::new(name, Style::Dashed, vec![(first, height), (last, height)])
}
