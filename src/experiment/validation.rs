//! Figures 5 and 7: what the classifier makes of reconstructed weights, snapshot by snapshot.

use super::classifier::{ClassifierStage, Trained};
use super::compressor::{AutoencoderStage, Compressor, show_errors};
use super::printed::{Printed, printed_table};
use super::verdict::{beats_the_mean, compared, floats, headline};
use super::{Header, Kind, Run, autoencoder, facts};
use crate::Result;
use crate::codec::autoencoder::{Costs, argmax};
use crate::data::DataDir;
use crate::report::{KeyFigure, Plot, Report, Series, Style, Table, format};
use crate::training::{Evaluator, SnapshotEvery, Snapshots, Tally};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

/// Its spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationExperiment {
    /// What it is.
    pub about: Header,
    /// Seed of everything.
    pub seed: u32,
    /// Where the weights come from.
    pub classifier: ClassifierStage,
    /// What learns them.
    pub autoencoder: AutoencoderStage,
    /// How many times smaller the paper calls its codes.
    pub printed_ratio: f64,
}

/// Something that stands for every snapshot, and what came of it.
struct Candidate<'a> {
    name: String,
    /// Floats sent for each snapshot.
    floats: usize,
    style: Style,
    /// Weights in the snapshots' places.
    rows: Vec<Cow<'a, [f32]>>,
    tallies: Vec<Tally>,
    /// Centred relative L2 error of the held-out and of the training snapshots.
    held_out_error: f64,
    train_error: f64,
    /// How often the largest weight is where it was.
    argmax_match: f64,
}

impl<'a> Candidate<'a> {
    fn new(name: impl Into<String>, floats: usize, style: Style, rows: Vec<Cow<'a, [f32]>>) -> Self {
        let name = name.into();
        let (nothing, none) = (f64::NAN, Vec::new());
        Self {
            name,
            floats,
            style,
            rows,
            tallies: none,
            held_out_error: nothing,
            train_error: nothing,
            argmax_match: nothing,
        }
    }

    /// Mean distance between its accuracy and that of the original, in points.
    fn accuracy_gap(&self, original: &Self) -> f64 {
        let gaps = self.tallies.iter().zip(&original.tallies).map(|(a, b)| (a.accuracy - b.accuracy).abs());
        100.0 * gaps.sum::<f64>() / self.tallies.len().max(1) as f64
    }
}

impl Kind for ValidationExperiment {
    fn check(&self, data_dir: &DataDir) -> Result<()> {
        let classifier = self.classifier.check(data_dir)?;
        self.autoencoder.check(classifier.parameters()).map(drop)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let trained = self.classifier.run(run, self.seed)?;
        let compressor = self.autoencoder.run(run, &trained.snapshots, self.seed)?;
        let mut candidates = self.candidates(run, &trained, &compressor)?;
        run.observer.begin("evaluation", "models", candidates.len() as u64);
        let means = &compressor.standard.means;
        let mut known = HashMap::new();
        for candidate in &mut candidates {
            candidate.tallies = evaluated(&trained.evaluator, &candidate.rows, &mut known)?;
            self.measure(candidate, &trained.snapshots.rows(), means);
            run.observer.advance(1);
        }
        run.observer.end();
        for candidate in &candidates {
            for (place, tally) in candidate.tallies.iter().enumerate() {
                run.log(&serde_json::json!({
                    "stage": "evaluation",
                    "weights": candidate.name,
                    "snapshot": place,
                    "step": trained.snapshots.steps[place],
                    "held_out": self.autoencoder.is_held_out(place),
                    "test_loss": tally.loss,
                    "test_accuracy": tally.accuracy,
                }))?;
            }
        }
        Ok(self.tell(run, &trained, &compressor, &candidates))
    }
}

impl ValidationExperiment {
    /// The snapshots themselves, what stands for them, and the nulls, in the order of the legend.
    fn candidates<'a>(
        &self,
        run: &mut Run<'_>,
        trained: &'a Trained<'_>,
        compressor: &'a Compressor,
    ) -> Result<Vec<Candidate<'a>>> {
        let rows = trained.snapshots.rows();
        let latent = compressor.file.spec.latent();
        let restored = compressor.restore(run, &rows)?;
        show_errors(run, &trained.snapshots, &restored);
        let borrowed = |rows: &[&'a [f32]]| rows.iter().map(|row| Cow::Borrowed(*row)).collect::<Vec<_>>();
        let repeated = |row: &'a [f32]| vec![Cow::Borrowed(row); rows.len()];
        let width = trained.snapshots.width();
        let mut candidates = vec![
            Candidate::new("original", width, Style::Solid, borrowed(&rows)),
            Candidate::new(
                "autoencoder",
                latent,
                Style::Solid,
                restored.into_iter().map(Cow::Owned).collect(),
            ),
        ];
        candidates.extend([
            self.principal_components(run, trained, latent)?,
            Candidate::new("mean of the snapshots", 0, Style::Dashed, repeated(&compressor.standard.means)),
            Candidate::new("nearest other snapshot", 1, Style::Dashed, borrowed(&self.nearest(&rows))),
            Candidate::new("initial model", 0, Style::Dashed, repeated(&trained.initial)),
        ]);
        Ok(candidates)
    }

    /// The snapshots from their projections on the principal axes of those that are not held out, at the
    /// autoencoder's number of floats, or as many as they have axes.
    fn principal_components<'a>(
        &self,
        run: &Run<'_>,
        trained: &Trained<'_>,
        floats: usize,
    ) -> Result<Candidate<'a>> {
        let pca = self.autoencoder.axes(run, &trained.snapshots)?;
        let floats = floats.min(pca.rank());
        let restored = pca.state(floats)?.restore(run.gpu()?, &trained.snapshots.rows())?;
        let rows = restored.into_iter().map(Cow::Owned).collect();
        Ok(Candidate::new("PCA", floats, Style::Solid, rows))
    }

    /// For each snapshot the nearest of the others that the autoencoder was trained on: what an index
    /// into the training snapshots can do.
    fn nearest<'a>(&self, rows: &[&'a [f32]]) -> Vec<&'a [f32]> {
        let distance = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
        };
        let nearest = |place: usize| {
            (0..rows.len())
                .filter(|other| *other != place && !self.autoencoder.is_held_out(*other))
                .map(|other| (distance(rows[place], rows[other]), other))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .map_or(place, |(_, other)| other)
        };
        (0..rows.len()).map(|place| rows[nearest(place)]).collect()
    }

    fn measure(&self, candidate: &mut Candidate<'_>, originals: &[&[f32]], means: &[f32]) {
        let mut sums = [[0.0; 2]; 2];
        let mut hits = 0;
        for (place, (row, original)) in candidate.rows.iter().zip(originals).enumerate() {
            let [error, spread] = &mut sums[usize::from(self.autoencoder.is_held_out(place))];
            for ((&got, &weight), &mean) in row.iter().zip(*original).zip(means) {
                *error += (f64::from(got) - f64::from(weight)).powi(2);
                *spread += (f64::from(weight) - f64::from(mean)).powi(2);
            }
            hits += usize::from(argmax(row.iter().copied()) == argmax(original.iter().copied()));
        }
        let relative = |[error, spread]: [f64; 2]| if spread > 0.0 { (error / spread).sqrt() } else { 0.0 };
        (candidate.train_error, candidate.held_out_error) = (relative(sums[0]), relative(sums[1]));
        candidate.argmax_match = hits as f64 / originals.len().max(1) as f64;
    }

    fn tell(
        &self,
        run: &Run<'_>,
        trained: &Trained<'_>,
        compressor: &Compressor,
        all: &[Candidate<'_>],
    ) -> Report {
        let find = |name: &str| all.iter().find(|candidate| candidate.name == name).unwrap_or(&all[0]);
        let (original, coded, mean) = (find("original"), find("autoencoder"), find("mean of the snapshots"));
        let spec = &compressor.file.spec;
        let costs = Costs::new(spec, &compressor.curve.last().copied().unwrap_or_default());
        let ratio = costs.ratio;
        let count = |n: usize| format::count(n as u64);
        let mut facts = facts(run, Some(self.seed));
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
            tables: vec![self.printed(original, coded, mean, ratio), table(original, all)],
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
}

/// Evaluates rows, each that is the same one in memory once.
fn evaluated(
    evaluator: &Evaluator<'_>,
    rows: &[Cow<'_, [f32]>],
    known: &mut HashMap<*const f32, Tally>,
) -> Result<Vec<Tally>> {
    let mut new: Vec<&[f32]> = Vec::new();
    for row in rows {
        if !known.contains_key(&row.as_ptr()) && !new.iter().any(|other| other.as_ptr() == row.as_ptr()) {
            new.push(row);
        }
    }
    let tallies = evaluator.evaluate(&new)?;
    known.extend(new.iter().map(|row| row.as_ptr()).zip(tallies));
    Ok(rows.iter().map(|row| known[&row.as_ptr()]).collect())
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

fn table(original: &Candidate<'_>, all: &[Candidate<'_>]) -> Table {
    let columns = [
        "Weights",
        "Floats sent",
        "Error, held out",
        "Error, training",
        "Argmax",
        "Accuracy, last",
        "From the original's",
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
        ]);
    }
    table.caption = "Errors are centred relative L2, 1 for the mean of the training snapshots. Argmax is the part of the \
                     snapshots whose largest weight is where it was. The last column is in points of accuracy, averaged \
                     over the snapshots."
        .into();
    table
}
