//! Figures 4 and 6: an autoencoder in training.

use super::classifier::ClassifierStage;
use super::compressor::{AutoencoderStage, show_errors};
use super::printed::{Printed, printed_table};
use super::verdict::{beats_the_mean, compared, floats, headline};
use super::{Header, Kind, Run};
use crate::Result;
use crate::autoencoder::pca::PcaError;
use crate::autoencoder::{CurvePoint, argmax};
use crate::data::DataDir;
use crate::report::{KeyFigure, Plot, Report, Series, Style, format};
use crate::run::Identity;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Its spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderExperiment {
    /// What it is.
    pub about: Header,
    /// Seed of everything.
    pub seed: u32,
    /// Where the weights come from.
    pub classifier: ClassifierStage,
    /// What learns them.
    pub autoencoder: AutoencoderStage,
    /// What the paper printed.
    pub printed: PrintedAccuracy,
}

/// The paper's "accuracy" of an autoencoder: how often the largest weight is where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintedAccuracy {
    /// On the snapshots that it was trained on.
    pub train: f64,
    /// On those that it was not.
    pub validation: f64,
}

impl Kind for AutoencoderExperiment {
    fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity> {
        self.autoencoder.identify(self.classifier.identify(own, data_dir)?)
    }

    fn check(&self, data_dir: &DataDir) -> Result<()> {
        self.autoencoder.check(self.classifier.check_settings()?.parameters())?;
        self.classifier.check(data_dir).map(drop)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let trained = self
            .classifier
            .run(run, self.seed, |gpu, logged| self.autoencoder.check_room(gpu, logged, self.seed))?;
        let snapshots = &trained.snapshots;
        let compressor = self.autoencoder.run(run, snapshots, self.seed)?;
        let restored = compressor.restore(run, &snapshots.rows())?;
        show_errors(run, snapshots, &restored);
        let axes = self.autoencoder.axes(snapshots)?;
        let pca = axes.error(compressor.file.spec.latent().min(axes.rank()));
        let mean_place = argmax(compressor.standard.means.iter().copied());
        let mean_match = |held_out: bool| {
            let rows = snapshots.rows().into_iter().enumerate();
            let part: Vec<_> = rows.filter(|(p, _)| self.autoencoder.is_held_out(*p) == held_out).collect();
            let hits = part.iter().filter(|(_, row)| argmax(row.iter().copied()) == mean_place).count();
            hits as f64 / part.len().max(1) as f64
        };
        // A run has at least one look, and held-out snapshots.
        let last = compressor.curve.last().copied().unwrap_or_default();
        let outcome = Outcome {
            last,
            latent: compressor.file.spec.latent(),
            pca,
            mean_train: mean_match(false),
            mean_validation: mean_match(true),
            held_out_error: last.validation_relative_l2.unwrap_or(f64::NAN),
            held_out_match: last.validation_argmax_match.unwrap_or(f64::NAN),
        };
        let spec = &compressor.file.spec;
        let mut facts = run.facts(Some(self.seed));
        let count = |n: usize| format::count(n as u64);
        facts.splice(
            0..0,
            [
                (
                    "Classifier".into(),
                    format!("{}, {} parameters", trained.spec.name, count(snapshots.width())),
                ),
                ("Autoencoder".into(), format!("{}, {} parameters", spec.name, count(spec.parameters()))),
                ("Images".into(), trained.images.to_string()),
                (
                    "Snapshots".into(),
                    format!("{}, every {}th held out", count(snapshots.len()), self.autoencoder.hold_out),
                ),
            ],
        );
        Ok(Report {
            title: format!(
                "{} weights in {}: {}",
                count(spec.inputs()),
                floats(spec.latent()),
                headline(outcome.held_out_error, outcome.pca_error())
            ),
            answer: outcome.answer(),
            figures: outcome.figures(),
            plots: plots(&compressor.curve, Some(&outcome.pca)),
            tables: vec![printed_table(outcome.printed(&self.printed))],
            notes: vec![
                "Argmax \"accuracy\" is the paper's: the part of the snapshots whose largest weight is where it was. One \
                 weight out of all decides it, and the mean of the snapshots has its largest weight there too."
                    .into(),
                "Relative L2 error is taken after the mean of the training snapshots is subtracted: 1 means that nothing \
                 but that mean was learned."
                    .into(),
            ],
            configuration: String::new(),
            facts,
            reproduce: run.place.command.to_string(),
        })
    }
}

/// What it came to.
struct Outcome {
    last: CurvePoint,
    /// Z
    latent: usize,
    /// Principal components at as many floats, or as many as there are.
    pca: PcaError,
    mean_train: f64,
    mean_validation: f64,
    held_out_error: f64,
    held_out_match: f64,
}

impl Outcome {
    fn pca_error(&self) -> f64 {
        self.pca.validation_relative_l2.unwrap_or(f64::NAN)
    }

    fn answer(&self) -> Vec<String> {
        let (error, trained) =
            (format::number(self.held_out_error, 3), format::number(self.last.relative_l2, 3));
        let latent = floats(self.latent);
        let verdict = if beats_the_mean(self.held_out_error) {
            format!(
                "The autoencoder beat the mean of the snapshots: of what distinguishes a held-out snapshot from that \
             mean, {error} is lost in its {latent} (relative L2 error, 1 for the mean itself), and {trained} of a \
             snapshot that it was trained on."
            )
        } else {
            format!(
                "The autoencoder did not beat the mean of the snapshots: its relative L2 error on held-out snapshots is \
             {error}, and the mean alone has 1."
            )
        };
        let plain = format!(
            "Principal components of the same snapshots lose {} on held-out ones with {}: {} the autoencoder.",
            format::number(self.pca_error(), 3),
            floats(self.pca.floats),
            match compared(self.pca_error(), self.held_out_error) {
                Ordering::Less => "less than",
                Ordering::Equal => "as much as",
                Ordering::Greater => "more than",
            }
        );
        let flatter = format!(
            "{}: argmax \"accuracy\" is {} on training and {} on held-out snapshots, and the mean alone, which \
             carries nothing, scores {} and {}.",
            // Within a fifth, the null has most of the score.
            match self.held_out_match - self.mean_validation {
                gap if gap < 0.2 => "The paper's measure hardly tells the two apart",
                _ => "The paper's measure agrees here, which it need not",
            },
            share(self.last.argmax_match),
            share(self.held_out_match),
            share(self.mean_train),
            share(self.mean_validation)
        );
        vec![verdict, plain, flatter]
    }

    fn figures(&self) -> Vec<KeyFigure> {
        let number = |value| format::number(value, 3);
        vec![
            KeyFigure::new(
                "Relative error, held out",
                number(self.held_out_error),
                format!("the mean alone: 1; PCA: {}", number(self.pca_error())),
            ),
            KeyFigure::new("Relative error, training", number(self.last.relative_l2), "1 is the mean alone"),
            KeyFigure::new(
                "Argmax \"accuracy\", held out",
                share(self.held_out_match),
                format!("the mean alone: {}", share(self.mean_validation)),
            ),
            KeyFigure::new(
                "Argmax \"accuracy\", training",
                share(self.last.argmax_match),
                format!("the mean alone: {}", share(self.mean_train)),
            ),
        ]
    }

    fn printed(&self, printed: &PrintedAccuracy) -> Vec<Printed> {
        let why = |ours: f64, paper: f64, mean: f64| {
            let compared = match ours - paper {
                d if d > 0.02 => "Ours is higher",
                d if d < -0.02 => "Ours is lower",
                _ => "They agree",
            };
            format!(
                "{compared}. The paper does not say how its snapshots were taken, nor what is counted right; here it is \
                 the place of the largest weight, and the mean alone gets {}.",
                share(mean)
            )
        };
        vec![
            Printed {
                what: "Argmax \"accuracy\", training",
                paper: share(printed.train),
                ours: share(self.last.argmax_match),
                why: why(self.last.argmax_match, printed.train, self.mean_train),
            },
            Printed {
                what: "Argmax \"accuracy\", validation",
                paper: share(printed.validation),
                ours: share(self.held_out_match),
                why: why(self.held_out_match, printed.validation, self.mean_validation),
            },
            Printed {
                what: "Centred relative L2 error, validation",
                paper: "not given".into(),
                ours: format::number(self.held_out_error, 3),
                why: "This is what counts: an \"accuracy\" near 1 and an error near 1 can come together."
                    .into(),
            },
        ]
    }
}

/// As the paper writes it: 0.94.
fn share(value: f64) -> String {
    format!("{value:.2}")
}

/// The three curves of a training, and what principal components lose on held-out snapshots.
pub(super) fn plots(curve: &[CurvePoint], pca: Option<&PcaError>) -> Vec<Plot> {
    let points = |value: fn(&CurvePoint) -> Option<f64>| {
        curve.iter().filter_map(|p| Some((p.epoch as f64, value(p)?))).collect::<Vec<_>>()
    };
    let both =
        |plot: Plot, train: fn(&CurvePoint) -> Option<f64>, held_out: fn(&CurvePoint) -> Option<f64>| {
            plot.with(Series::new("training", Style::Solid, points(train))).with(Series::new(
                "held out",
                Style::Solid,
                points(held_out),
            ))
        };
    let ends = (curve.first().map_or(0.0, |p| p.epoch as f64), curve.last().map_or(1.0, |p| p.epoch as f64));
    let mean = || Series::new("the mean alone", Style::Dashed, vec![(ends.0, 1.0), (ends.1, 1.0)]);
    let error = Plot::new("error", "Centred relative L2 error", "Epoch", "Relative L2 error (the mean: 1)");
    let loss = Plot::new("loss", "Loss", "Epoch", "Mean squared error, standardised weights");
    let accuracy = Plot::new("argmax", "The paper's \"accuracy\"", "Epoch", "Part of the snapshots (0 to 1)");
    let mut error = both(error, |p| Some(p.relative_l2), |p| p.validation_relative_l2).with(mean());
    if let Some(pca) = pca {
        let height = pca.validation_relative_l2.unwrap_or(f64::NAN);
        let name = format!("PCA, {}, held out", floats(pca.floats));
        error = error.with(Series::new(name, Style::Dashed, vec![(ends.0, height), (ends.1, height)]));
    }
    let mut loss = both(loss, |p| Some(p.loss), |p| p.validation_loss).with(mean());
    loss.y_log = true;
    let accuracy = both(accuracy, |p| Some(p.argmax_match), |p| p.validation_argmax_match);
    vec![
        error.with_caption("What the code loses of the difference between a snapshot and the mean of all."),
        loss.with_caption("Of standardised weights; 1 is about what the mean alone leaves."),
        Plot { y_range: Some((0.0, 1.0)), ..accuracy }
            .with_caption("The part of the snapshots whose largest weight is where it was."),
    ]
}
