//! The report of a comparison.

use super::measure::{Measured, Plain, References};
use super::{ComparisonExperiment, Outcome};
use crate::experiment::Run;
use crate::experiment::classifier::Trained;
use crate::experiment::printed::{Printed, printed_table};
use crate::experiment::verdict::{beats_the_mean, compared, floats};
use crate::report::{KeyFigure, Plot, Report, Series, Style, Table, format};
use std::cmp::Ordering;

/// More curves than these are no picture of how each was trained.
const MOST_CURVES: usize = 6;

/// All that is told of.
struct Story<'a> {
    outcomes: &'a [Outcome],
    plain: &'a Plain,
    references: &'a References,
}

/// The report.
pub(super) fn tell(
    spec: &ComparisonExperiment,
    run: &Run<'_>,
    trained: &Trained,
    outcomes: &[Outcome],
    plain: &Plain,
    references: &References,
) -> Report {
    let story = Story { outcomes, plain, references };
    let count = |n: usize| format::count(n as u64);
    let mut facts = run.facts(Some(spec.seed));
    let hold_out = spec.autoencoder.hold_out;
    facts.splice(
        0..0,
        [
            (
                "Classifier".into(),
                format!("{}, {} parameters", trained.spec.name, count(trained.snapshots.width())),
            ),
            ("Images".into(), trained.images.to_string()),
            ("Snapshots".into(), format!("{}, every {hold_out}th held out", count(trained.snapshots.len()))),
        ],
    );
    let mut plots = vec![story.error_plot(), story.accuracy_plot(), story.cost_plot()];
    plots.extend(story.training_plot());
    Report {
        title: story.title(),
        answer: story.answer(),
        figures: story.figures(),
        plots,
        tables: vec![story.table(), story.printed(&spec.about.paper)],
        notes: vec![
            "Relative L2 error is taken after the mean of the training snapshots is subtracted: 1 means that nothing \
             but that mean was learned. PCA takes its axes from the same training snapshots, and there are no more \
             of them than those snapshots differ in: further floats would carry nothing."
                .into(),
            "A decoder's message has its parameters, the means and the scale in f32; it has paid for itself when codes \
             have saved as many bytes as it took, where every collaborator ships one."
                .into(),
        ],
        configuration: String::new(),
        facts,
        reproduce: run.place.command.to_string(),
    }
}

/// The error that counts.
fn error(outcome: &Outcome) -> f64 {
    outcome.costs.validation_relative_l2.unwrap_or(f64::NAN)
}

fn best<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> Option<&'o Outcome> {
    outcomes.min_by(|a, b| error(a).total_cmp(&error(b)))
}

fn three(value: f64) -> String {
    format!("{value:.3}")
}

/// A family with the floats of one of its codes.
fn with_size(outcome: &Outcome) -> String {
    format!("{}, {}", outcome.family, floats(outcome.costs.latent))
}

impl Story<'_> {
    /// The families in their order.
    fn families(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.outcomes.iter().map(|outcome| outcome.family.as_str()).collect();
        names.dedup();
        names
    }

    fn of(&self, family: &str) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |outcome| outcome.family == family)
    }

    /// The best of each family, the best of all first. Every family has one.
    fn bests(&self) -> Vec<&Outcome> {
        let mut bests: Vec<_> =
            self.families().into_iter().filter_map(|family| best(self.of(family))).collect();
        bests.sort_by(|a, b| error(a).total_cmp(&error(b)));
        bests
    }

    /// The number of floats at which principal components lose least.
    fn best_pca(&self) -> (usize, f64) {
        let errors =
            self.plain.errors.iter().map(|e| (e.floats, e.validation_relative_l2.unwrap_or(f64::NAN)));
        errors.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, f64::NAN))
    }

    fn points(&self, measured: &Measured) -> f64 {
        measured.points_from(&self.references.original)
    }

    fn title(&self) -> String {
        let (_, pca) = self.best_pca();
        let Some(first) = self.bests().into_iter().next() else { return String::new() };
        let (ours, plain, which) = (three(error(first)), three(pca), with_size(first));
        match compared(pca, error(first)) {
            Ordering::Less => format!(
                "PCA beats every autoencoder: it loses {plain} of held-out weights, the best of them {ours} ({which})"
            ),
            Ordering::Equal => {
                format!(
                    "The best autoencoder ({which}) loses as much of held-out weights as PCA: {ours} and {plain}"
                )
            }
            Ordering::Greater => {
                format!(
                    "The best autoencoder ({which}) loses less of held-out weights than PCA: {ours} and {plain}"
                )
            }
        }
    }

    fn answer(&self) -> Vec<String> {
        let bests = self.bests();
        let Some(first) = bests.first() else { return Vec::new() };
        let (pca_floats, pca) = self.best_pca();
        let verdict = format!(
            "Of what distinguishes a held-out snapshot from the mean of the others, the best autoencoder ({}) loses {} \
             (relative L2 error; the mean itself: 1{}). Plain principal components of the same snapshots lose {} with {}.",
            with_size(first),
            three(error(first)),
            if beats_the_mean(error(first)) { "" } else { ", so it learned nothing else" },
            three(pca),
            floats(pca_floats)
        );
        let others: Vec<String> = bests[1..]
            .iter()
            .map(|other| {
                let no_better =
                    if beats_the_mean(error(other)) { "" } else { ", which is no better than the mean" };
                let size = floats(other.costs.latent);
                format!("{} ({size}) loses {}{no_better}", other.family, three(error(other)))
            })
            .collect();
        let costs: Vec<String> = bests
            .iter()
            .map(|outcome| {
                format!(
                    "{} for {} (paid for after {:.1} rounds)",
                    format::bytes(outcome.costs.decoder_message_bytes),
                    outcome.family,
                    outcome.costs.break_even_rounds()
                )
            })
            .collect();
        let others =
            if others.is_empty() { String::new() } else { format!("Of the others, {}. ", others.join("; ")) };
        let mut paragraphs =
            vec![verdict, format!("{others}A decoder, sent once, takes {}.", costs.join(", "))];
        paragraphs.extend(self.sizes());
        let accuracies: Vec<String> = bests
            .iter()
            .map(|outcome| format!("{:.1} for {}", self.points(&outcome.trained.measured), outcome.family))
            .collect();
        paragraphs.push(format!(
            "With held-out weights as they are the classifier gets {} of the test images right. With what comes back of \
             them its accuracy is off by these points on average: {}, and {:.1} for the mean of the snapshots, which \
             carries nothing.",
            format::percent(self.references.original.accuracy()),
            accuracies.join(", "),
            self.points(&self.references.mean)
        ));
        paragraphs
    }

    /// From which size on more floats give nothing, where there are sizes.
    fn sizes(&self) -> Option<String> {
        let sentences: Vec<String> = self
            .families()
            .into_iter()
            .filter(|family| self.of(family).count() > 1)
            .filter_map(|family| {
                let least = error(best(self.of(family))?);
                let enough = self.of(family).filter(|o| compared(error(o), least) != Ordering::Greater);
                let enough = enough.map(|o| o.costs.latent).min()?;
                Some(format!("from {} on with {family}", floats(enough)))
            })
            .collect();
        (!sentences.is_empty()).then(|| {
            let (worse, sizes) = self.outcomes.iter().fold((0, 0), |(worse, sizes), outcome| {
                let beside = self.plain.errors.iter().take(outcome.costs.latent).next_back();
                let beside = beside.and_then(|e| e.validation_relative_l2).unwrap_or(f64::NAN);
                (worse + usize::from(compared(beside, error(outcome)) == Ordering::Less), sizes + 1)
            });
            format!(
                "More floats stop helping: the error is within 0.01 of the best {}. PCA with as many floats, or \
                 all there are, loses less than the autoencoder in {worse} of {sizes} cases.",
                sentences.join(", ")
            )
        })
    }

    fn figures(&self) -> Vec<KeyFigure> {
        let (pca_floats, pca) = self.best_pca();
        let mut figures: Vec<KeyFigure> = self
            .bests()
            .into_iter()
            .take(3)
            .map(|outcome| {
                let what = format!(
                    "held out, {}; decoder {}",
                    floats(outcome.costs.latent),
                    format::bytes(outcome.costs.decoder_message_bytes)
                );
                KeyFigure::new(format!("Error, {}", outcome.family), three(error(outcome)), what)
            })
            .collect();
        let bytes = pca_floats.checked_sub(1).and_then(|place| self.plain.bytes.get(place));
        let what =
            format!("held out, {}; axes {}", floats(pca_floats), format::bytes(bytes.copied().unwrap_or(0)));
        figures.push(KeyFigure::new("Error, PCA", three(pca), what));
        figures
    }

    /// Where the sizes begin and end.
    fn ends(&self) -> (f64, f64) {
        let floats =
            self.outcomes.iter().map(|o| o.costs.latent).chain(self.plain.errors.iter().map(|e| e.floats));
        let ends = floats.fold((usize::MAX, 1), |(low, high), f| (low.min(f), high.max(f)));
        (ends.0.min(ends.1) as f64, ends.1 as f64)
    }

    fn level(&self, name: &str, height: f64) -> Series {
        let (low, high) = self.ends();
        Series::new(name, Style::Dashed, vec![(low, height), (high, height)])
    }

    /// A curve for each family, over what `point` makes of each size.
    fn curves(&self, mut plot: Plot, point: impl Fn(&Outcome) -> (f64, f64)) -> Plot {
        for family in self.families() {
            let mut points: Vec<_> = self.of(family).map(&point).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            plot.series.push(Series::new(family, Style::Solid, points));
        }
        plot
    }

    fn error_plot(&self) -> Plot {
        let plot = Plot::new(
            "error",
            "What is lost of held-out snapshots",
            "Floats of a code",
            "Centred relative L2 error (the mean: 1)",
        );
        let pca = self.plain.errors.iter();
        let pca = pca.map(|e| (e.floats as f64, e.validation_relative_l2.unwrap_or(f64::NAN))).collect();
        let plot = self
            .curves(plot, |outcome| (outcome.costs.latent as f64, error(outcome)))
            .with(Series::new("PCA", Style::Solid, pca))
            .with(self.level("the mean alone", 1.0))
            .with_caption(
                "Lower is better. PCA ends where the training snapshots differ in no further direction.",
            );
        Plot { x_log: true, ..plot }
    }

    fn accuracy_plot(&self) -> Plot {
        let plot = Plot::new(
            "accuracy",
            "What the classifier makes of what comes back",
            "Floats of a code",
            "Test accuracy with held-out weights (%)",
        );
        let percent = |measured: &Measured| 100.0 * measured.accuracy();
        let pca = self.plain.measured.iter().map(|(e, m)| (e.floats as f64, percent(m))).collect();
        let plot = self
            .curves(plot, |outcome| (outcome.costs.latent as f64, percent(&outcome.trained.measured)))
            .with(Series::new("PCA", Style::Solid, pca))
            .with(self.level("weights as they are", percent(&self.references.original)))
            .with(self.level("the mean alone", percent(&self.references.mean)))
            .with_caption(
                "Averaged over the held-out snapshots. The mean can score higher than the weights it stands for, since \
                 averaged weights generalise: near is good, high is not.",
            );
        Plot { x_log: true, ..plot }
    }

    fn cost_plot(&self) -> Plot {
        let plot = Plot::new(
            "cost",
            "What the decoder costs for it",
            "Bytes of the decoder's message",
            "Centred relative L2 error, held out",
        );
        let pca = self.plain.bytes.iter().zip(&self.plain.errors);
        let pca = pca.map(|(&b, e)| (b as f64, e.validation_relative_l2.unwrap_or(f64::NAN))).collect();
        let plot = self
            .curves(plot, |outcome| (outcome.costs.decoder_message_bytes as f64, error(outcome)))
            .with(Series::new("PCA", Style::Solid, pca))
            .with_caption("Sent once by every collaborator. Further left and lower is better.");
        Plot { x_log: true, ..plot }
    }

    fn training_plot(&self) -> Option<Plot> {
        if self.outcomes.len() > MOST_CURVES {
            return None;
        }
        let mut plot = Plot::new(
            "training",
            "The autoencoders in training",
            "Epoch",
            "Centred relative L2 error, held out",
        );
        for outcome in self.outcomes {
            let curve = outcome.trained.curve.iter();
            let points =
                curve.map(|p| (p.epoch as f64, p.validation_relative_l2.unwrap_or(f64::NAN))).collect();
            plot.series.push(Series::new(self.named(outcome), Style::Solid, points));
        }
        Some(plot)
    }

    /// The family, and its size where that has several.
    fn named(&self, outcome: &Outcome) -> String {
        match self.of(&outcome.family).count() {
            1 => outcome.family.clone(),
            _ => with_size(outcome),
        }
    }

    fn table(&self) -> Table {
        let columns = [
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
        let mut table = Table::new("variants", "What each costs and gives", &columns);
        for outcome in self.outcomes {
            let (costs, measured) = (&outcome.costs, &outcome.trained.measured);
            let argmax = outcome.trained.curve.last().and_then(|point| point.validation_argmax_match);
            table.push([
                outcome.family.clone(),
                format::count(costs.latent as u64),
                format::ratio(costs.ratio),
                format::count(costs.parameters as u64),
                format::bytes(costs.decoder_message_bytes),
                format!("{:.1}", costs.break_even_rounds()),
                format!("{:.3}", error(outcome)),
                format!("{:.3}", costs.relative_l2),
                argmax.map_or("n/a".into(), |share| format!("{share:.2}")),
                format::percent(measured.accuracy()),
                format!("{:.2}", self.points(measured)),
            ]);
        }
        for (pca, measured) in &self.plain.measured {
            let inputs = self.outcomes.first().map_or(0, |outcome| outcome.costs.inputs);
            let bytes = self.plain.bytes.get(pca.floats - 1).copied().unwrap_or(0);
            table.push([
                "PCA".into(),
                format::count(pca.floats as u64),
                format::ratio(inputs as f64 / pca.floats as f64),
                format::count((pca.floats * inputs) as u64),
                format::bytes(bytes),
                format!("{:.1}", bytes as f64 / (4 * (inputs - pca.floats)) as f64),
                pca.validation_relative_l2.map_or("n/a".into(), |error| format!("{error:.3}")),
                format!("{:.3}", pca.relative_l2),
                "-".into(),
                format::percent(measured.accuracy()),
                format!("{:.2}", self.points(measured)),
            ]);
        }
        let mean = &self.references.mean;
        table.push([
            "mean of the snapshots".into(),
            "0".into(),
            "-".into(),
            "-".into(),
            "-".into(),
            "-".into(),
            "1.000".into(),
            "1.000".into(),
            "-".into(),
            format::percent(mean.accuracy()),
            format!("{:.2}", self.points(mean)),
        ]);
        table.caption = "Errors are centred relative L2. Argmax is the part of the held-out snapshots whose largest weight \
                         is where it was. Accuracy is averaged over the held-out snapshots, and so is its distance from \
                         that of the original weights, in points."
            .into();
        table
    }

    fn printed(&self, paper: &str) -> Table {
        let bests = self.bests();
        let ours = bests.iter().map(|outcome| format!("{}: {}", with_size(outcome), three(error(outcome))));
        printed_table(vec![Printed {
            what: "Error and size by architecture",
            paper: paper.into(),
            ours: ours.collect::<Vec<_>>().join("; "),
            why: "There is no printed figure to hold these against: the error is the centred one, held out, which the \
                  paper does not give."
                .into(),
        }])
    }
}
