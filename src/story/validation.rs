//! Figures 5 and 7: what a classifier makes of reconstructed weights.

use super::autoencoder::{error_figure, error_plot, errors};
use super::words::{ACCURACY, Printed, decimals, floats, printed_table};
use crate::autoencoder::CurvePoint;
use crate::codec::Costs;
use crate::report::{Column, KeyFigure, Plot, Report, Series, Style, Table, format};
use crate::training::Tally;

/// What stands for the snapshots, and what came of it.
pub struct Candidate {
    /// What it is called.
    pub name: String,
    /// Floats sent for each snapshot.
    pub floats: usize,
    /// Tests of the classifier with it, snapshot by snapshot.
    pub tallies: Vec<Tally>,
    /// Centred relative L2 error of the held-out snapshots.
    pub held_out_error: f64,
    /// The same of those that were trained on.
    pub train_error: f64,
    /// How often the largest weight is where it was, 0 to 1.
    pub argmax_match: f64,
}

/// What stands for the snapshots: themselves, what comes back of codes, and what carries nothing.
pub struct ValidationResult<'a> {
    /// What the autoencoder costs.
    pub costs: Costs,
    /// Its training.
    pub curve: &'a [CurvePoint],
    /// Where the snapshots were taken, in epochs or steps.
    pub places: &'a [u64],
    /// Which of the two.
    pub places_label: &'static str,
    /// Which of them are held out.
    pub held_out: Vec<bool>,
    /// In the order of the legend: the snapshots themselves, what comes back of the autoencoder's codes and of
    /// principal components, the mean of the training snapshots, the nearest other one, and the initial model.
    pub candidates: [Candidate; 6],
    /// How many times smaller the paper calls its codes.
    pub printed_ratio: f64,
}

impl Candidate {
    /// Mean test accuracy over all snapshots, 0 to 1.
    fn accuracy(&self) -> f64 {
        let sum: f64 = self.tallies.iter().map(|tally| tally.accuracy).sum();
        sum / self.tallies.len().max(1) as f64
    }
}

/// The report of a validation.
pub fn validation_report(result: &ValidationResult<'_>) -> Report {
    let costs = &result.costs;
    let [original, autoencoder, pca, mean, nearest, _] = &result.candidates;
    let others = [
        (format!("PCA with {}", floats(pca.floats)), pca.held_out_error),
        (format!("the {}", nearest.name), nearest.held_out_error),
    ];
    let comparison = errors("the autoencoder".into(), autoencoder.held_out_error, others);
    let [own_gap, pca_gap, mean_gap] = [autoencoder, pca, mean].map(|one| result.gap(one, |_| true));
    Report {
        title: format!(
            "Weights sent as {}, {} smaller: {}",
            floats(costs.latent),
            format::ratio(costs.ratio),
            comparison.headline()
        ),
        answer: vec![
            comparison.sentences(),
            format!(
                "With what comes back of the autoencoder the classifier's accuracy is {own_gap:.1} points from the \
                 original's, with PCA {pca_gap:.1}, and with the mean, which carries nothing, {mean_gap:.1}."
            ),
        ],
        figures: vec![
            error_figure(autoencoder.held_out_error, pca.held_out_error),
            KeyFigure::new(
                "Until the decoder has paid for itself",
                format!("{:.1}", costs.break_even_rounds()),
                format!("{}, sent once by each collaborator", format::bytes(costs.decoder_message_bytes)),
            )
            .with_unit("rounds"),
        ],
        plots: result.plots(),
        tables: vec![
            printed_table([
                Printed {
                    what: "Accuracy with reconstructed weights",
                    paper: "the curves overlap".into(),
                    ours: format!("{own_gap:.1} points apart on average"),
                    why: format!("Overlap proves little: the mean is {mean_gap:.1} points apart."),
                },
                Printed {
                    what: "Size of a code",
                    paper: format!("about {} times smaller", format::number(result.printed_ratio, 4)),
                    ours: format!("{} times smaller", format::number(costs.ratio, 4)),
                    why: "Without the decoder, which is sent once.".into(),
                },
            ]),
            result.table(),
        ],
        notes: vec![format!(
            "Averaged weights generalise, so that the mean can classify better than the snapshots it stands for: \
             averaged over all, it gets {} of the test images right, the originals {}.",
            format::percent(mean.accuracy()),
            format::percent(original.accuracy())
        )],
        ..Report::default()
    }
}

impl ValidationResult<'_> {
    /// Mean distance between a candidate's accuracy and the original's over some of the snapshots, in points.
    fn gap(&self, candidate: &Candidate, is_wanted: impl Fn(usize) -> bool) -> f64 {
        let pairs = candidate.tallies.iter().zip(&self.candidates[0].tallies).enumerate();
        let gaps = pairs.filter(|(place, _)| is_wanted(*place)).map(|(_, (a, b))| a.accuracy - b.accuracy);
        let (sum, count) = gaps.fold((0.0, 0), |(sum, count), gap| (sum + gap.abs(), count + 1));
        100.0 * sum / f64::from(count.max(1))
    }

    fn table(&self) -> Table {
        let columns: [Column<'_, Candidate>; 8] = [
            ("Weights", &|one| one.name.clone()),
            ("Floats sent", &|one| format::count(one.floats as u64)),
            ("Error, held out", &|one| decimals(one.held_out_error, 3)),
            ("Error, training", &|one| decimals(one.train_error, 3)),
            ("Argmax", &|one| decimals(one.argmax_match, 2)),
            ("Accuracy, last", &|one| {
                one.tallies.last().map_or("n/a".into(), |tally| format::percent(tally.accuracy))
            }),
            ("From the original's", &|one| decimals(self.gap(one, |_| true), 2)),
            ("The same, held out", &|one| decimals(self.gap(one, |place| self.held_out[place]), 2)),
        ];
        let title = "What stands for the snapshots";
        let mut table = Table::of("candidates", title, &self.candidates, &columns);
        table.caption = "Errors are centred relative L2: 1 is the mean of the training snapshots. Argmax is the part of \
                         the snapshots whose largest weight is where it was. The last two columns are in points of \
                         accuracy. The nearest other snapshot is one of those trained on."
            .into();
        table
    }

    fn plots(&self) -> Vec<Plot> {
        let draw = |id, what, y_label, value: fn(&Tally) -> f64| {
            let title = format!("{what} with the weights that arrive");
            let mut plot = Plot::new(id, title, self.places_label, y_label);
            for (order, Candidate { name, tallies, .. }) in self.candidates.iter().enumerate() {
                let style = if order < 3 { Style::Solid } else { Style::Dashed };
                let places = self.places.iter().map(|place| *place as f64);
                plot.series.push(Series::new(name, style, places.zip(tallies.iter().map(value)).collect()));
            }
            plot
        };
        let accuracy = draw("accuracy", "Accuracy", ACCURACY, |tally| tally.accuracy * 100.0);
        let loss = draw("loss", "Loss", "Test loss (cross-entropy)", |tally| tally.loss);
        vec![
            accuracy.with_caption("Dashed: what carries nothing."),
            Plot { y_log: true, ..loss },
            Plot { title: "The autoencoder in training".into(), ..error_plot(self.curve) },
        ]
    }
}
