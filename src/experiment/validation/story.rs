//! The report of what a classifier makes of reconstructed weights.

use super::{Candidate, ValidationExperiment};
use crate::codec::Costs;
use crate::experiment::classifier::Trained;
use crate::experiment::compressor::Compressor;
use crate::experiment::printed::{Printed, printed_table};
use crate::experiment::verdict::{beats_the_mean, compared, floats, headline};
use crate::experiment::{Run, autoencoder};
use crate::report::{KeyFigure, Plot, Report, Series, Table, format};
use crate::training::{SnapshotEvery, Snapshots, Tally};
use std::cmp::Ordering;

impl ValidationExperiment {
    pub(super) fn tell(
        &self,
        run: &Run<'_>,
        trained: &Trained,
        compressor: &Compressor,
        all: &[Candidate<'_>],
    ) -> Report {
        let find = |name: &str| all.iter().find(|candidate| candidate.name == name).unwrap_or(&all[0]);
        let (original, coded, mean) = (find("original"), find("autoencoder"), find("mean of the snapshots"));
        let spec = &compressor.file.spec;
        let costs = Costs::new(spec, &compressor.curve.last().copied().unwrap_or_default());
        let ratio = costs.ratio;
        let count = |n: usize| format::count(n as u64);
        let mut facts = run.facts(Some(self.seed));
        facts.splice(
            0..0,
            [
                ("Classifier".into(), format!("{}, {} parameters", trained.spec.name, count(spec.inputs()))),
                ("Autoencoder".into(), format!("{}, {} parameters", spec.name, count(spec.parameters()))),
                ("Images".into(), trained.images.to_string()),
                (
                    "Snapshots".into(),
                    format!(
                        "{}, every {}th held out",
                        count(trained.snapshots.len()),
                        self.autoencoder.hold_out
                    ),
                ),
            ],
        );
        let mut plots = curves(&trained.snapshots, self.classifier.snapshot_every, all);
        plots.extend(
            autoencoder::plots(&compressor.curve, None)
                .into_iter()
                .take(1)
                .map(|plot| Plot { title: "The autoencoder in training".into(), ..plot }),
        );
        Report {
            title: format!(
                "Weights sent as {}, {} smaller: {}",
                floats(spec.latent()),
                format::ratio(ratio),
                headline(coded.held_out_error, find("PCA").held_out_error)
            ),
            answer: answer([original, coded, find("PCA"), mean, find("nearest other snapshot")]),
            figures: figures([original, coded, find("PCA"), mean], &costs),
            plots,
            tables: vec![self.printed(original, coded, mean, ratio), self.table(original, all)],
            notes: notes(),
            configuration: String::new(),
            facts,
            reproduce: run.place.command.to_string(),
        }
    }

    fn printed(
        &self,
        original: &Candidate<'_>,
        coded: &Candidate<'_>,
        mean: &Candidate<'_>,
        ratio: f64,
    ) -> Table {
        printed_table(vec![
            Printed {
                what: "Accuracy with reconstructed weights",
                paper: "the curves overlap".into(),
                ours: format!("{:.1} points apart on average", coded.accuracy_gap(original)),
                why: format!(
                    "Overlap is no evidence by itself: the mean of the snapshots, which is the same for every one of \
                     them, is {:.1} points apart.",
                    mean.accuracy_gap(original)
                ),
            },
            Printed {
                what: "Size of a code",
                paper: format!("about {} times smaller", format::number(self.printed_ratio, 4)),
                ours: format!("{} times smaller", format::number(ratio, 4)),
                why: "Weights over floats of the code. The decoder, sent once, is not in it: see fedfunnel savings.".into(),
            },
            Printed {
                what: "Centred relative L2 error, held out",
                paper: "not given".into(),
                ours: format::number(coded.held_out_error, 3),
                why: "1 is what the mean alone leaves.".into(),
            },
        ])
    }

    fn table(&self, original: &Candidate<'_>, all: &[Candidate<'_>]) -> Table {
        let columns = [
            "Weights",
            "Floats sent",
            "Error, held out",
            "Error, training",
            "Argmax",
            "Accuracy, last",
            "From the original's",
            "The same, held out",
        ];
        let mut table = Table::new("candidates", "What stands for the snapshots", &columns);
        for candidate in all {
            table.push([
                candidate.name.clone(),
                format::count(candidate.floats as u64),
                format!("{:.3}", candidate.held_out_error),
                format!("{:.3}", candidate.train_error),
                format!("{:.2}", candidate.argmax_match),
                candidate.tallies.last().map_or("n/a".into(), |tally| format::percent(tally.accuracy)),
                format!("{:.2}", candidate.accuracy_gap(original)),
                format!(
                    "{:.2}",
                    candidate.accuracy_gap_where(original, |place| self.autoencoder.is_held_out(place))
                ),
            ]);
        }
        table.caption = "Errors are centred relative L2, 1 for the mean of the training snapshots. Argmax is the part of the \
                         snapshots whose largest weight is where it was. The last columns are in \
                         points of accuracy, averaged over all snapshots and over those that are held out."
            .into();
        table
    }
}

fn answer([original, coded, pca, mean, nearest]: [&Candidate<'_>; 5]) -> Vec<String> {
    let error = format::number(coded.held_out_error, 3);
    let (gap, mean_gap) = (coded.accuracy_gap(original), mean.accuracy_gap(original));
    let in_weights = beats_the_mean(coded.held_out_error);
    let in_accuracy = gap < mean_gap - 0.05;
    let verdict = match (in_weights, in_accuracy) {
        (true, true) => format!(
            "The autoencoder beat the mean of the snapshots. Of what distinguishes a held-out snapshot from that mean it \
             loses {error} (relative L2 error; the mean itself: 1), and the classifier's accuracy with reconstructed \
             weights is {gap:.1} points from the original's; with the mean it is {mean_gap:.1} points away."
        ),
        (true, false) => format!(
            "The autoencoder beat the mean of the snapshots in its weights (relative L2 error {error} on held-out \
             snapshots; the mean itself: 1), but not in what the classifier makes of them: accuracy is {gap:.1} points \
             from the original's, and with the mean, which carries nothing, {mean_gap:.1} points."
        ),
        (false, true) => format!(
            "The autoencoder did not beat the mean of the snapshots in its weights (relative L2 error {error} on \
             held-out snapshots; the mean itself: 1), though accuracy with its weights is nearer to the original's: \
             {gap:.1} points away, with the mean {mean_gap:.1}."
        ),
        (false, false) => format!(
            "The autoencoder did not beat the mean of the snapshots: its relative L2 error on held-out snapshots is \
             {error} (the mean itself: 1), and accuracy with its weights is {gap:.1} points from the original's; with \
             the mean it is {mean_gap:.1} points."
        ),
    };
    let mean_accuracy =
        |c: &Candidate<'_>| c.tallies.iter().map(|t| t.accuracy).sum::<f64>() / c.tallies.len().max(1) as f64;
    let compared_accuracy = format!(
        "Averaged over all snapshots the classifier gets {} of the test images right with the original weights, {} with \
         what comes out of the autoencoder, and {} with the mean of the snapshots.",
        format::percent(mean_accuracy(original)),
        format::percent(mean_accuracy(coded)),
        format::percent(mean_accuracy(mean)),
    );
    let plain = format!(
        "Principal components of the same snapshots, with {}, lose {} on held-out snapshots and are {:.1} points away: \
         {} the autoencoder. The index of the nearest other snapshot, a single number, loses {} and is {:.1} points away.",
        floats(pca.floats),
        format::number(pca.held_out_error, 3),
        pca.accuracy_gap(original),
        match compared(pca.held_out_error, coded.held_out_error) {
            Ordering::Less => "better than",
            Ordering::Equal => "as good as",
            Ordering::Greater => "worse than",
        },
        format::number(nearest.held_out_error, 3),
        nearest.accuracy_gap(original)
    );
    vec![verdict, plain, compared_accuracy]
}

fn figures([original, coded, pca, mean]: [&Candidate<'_>; 4], costs: &Costs) -> Vec<KeyFigure> {
    vec![
        KeyFigure::new(
            "Relative error, held out",
            format::number(coded.held_out_error, 3),
            format!("the mean alone: 1; PCA: {}", format::number(pca.held_out_error, 3)),
        ),
        KeyFigure::new(
            "Accuracy from the original's",
            format!("{:.1}", coded.accuracy_gap(original)),
            format!(
                "the mean of the snapshots: {:.1}; PCA: {:.1}",
                mean.accuracy_gap(original),
                pca.accuracy_gap(original)
            ),
        )
        .with_unit("points"),
        KeyFigure::new(
            "Until the decoder has paid for itself",
            format!("{:.1}", costs.break_even_rounds()),
            format!("{}, sent once by each collaborator", format::bytes(costs.decoder_message_bytes)),
        )
        .with_unit("rounds"),
        KeyFigure::new(
            "Argmax \"accuracy\"",
            format!("{:.2}", coded.argmax_match),
            format!("the mean of the snapshots: {:.2}", mean.argmax_match),
        ),
    ]
}

fn notes() -> Vec<String> {
    vec![
        "Averaged weights generalise, so that the mean of the snapshots can classify better than the snapshots it \
         stands for. Curves that overlap prove nothing by themselves; the error of the weights does."
            .into(),
        "The nearest other snapshot is the nearest of those that the autoencoder was trained on, the snapshot itself \
         excluded; a number of it is all that is sent."
            .into(),
        "Relative L2 error is taken after the mean of the training snapshots is subtracted.".into(),
    ]
}

fn curves(snapshots: &Snapshots, every: SnapshotEvery, all: &[Candidate<'_>]) -> Vec<Plot> {
    let (taken_at, x) = match every {
        SnapshotEvery::Epoch => (&snapshots.epochs, "Epoch of the classifier"),
        SnapshotEvery::Steps(_) => (&snapshots.steps, "Step of the classifier"),
    };
    let points = |candidate: &Candidate<'_>, value: fn(&Tally) -> f64| {
        let places = taken_at.iter().map(|place| *place as f64);
        places.zip(candidate.tallies.iter().map(value)).collect::<Vec<_>>()
    };
    let draw = |mut plot: Plot, value: fn(&Tally) -> f64| {
        for candidate in all {
            plot.series.push(Series::new(&candidate.name, candidate.style, points(candidate, value)));
        }
        plot
    };
    let accuracy = Plot::new("accuracy", "Accuracy with the weights that arrive", x, "Test accuracy (%)");
    let loss = Plot::new("loss", "Loss with the weights that arrive", x, "Test loss (cross-entropy)");
    let mut loss = draw(loss, |tally| tally.loss);
    loss.y_log = true;
    vec![
        draw(accuracy, |tally| tally.accuracy * 100.0).with_caption(
            "Dashed: the nulls. The initial model is what the aggregator has if nothing arrives at all.",
        ),
        loss.with_caption("On the test images."),
    ]
}
