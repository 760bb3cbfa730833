//! Figures 5 and 7: what the classifier makes of reconstructed weights, snapshot by snapshot.

mod story;

use super::classifier::{ClassifierStage, Trained};
use super::compressor::{AutoencoderStage, Compressor, show_errors};
use super::{Header, Kind, Run};
use crate::Result;
use crate::autoencoder::argmax;
use crate::data::DataDir;
use crate::report::{Report, Style};
use crate::run::Identity;
use crate::training::{Evaluator, Tally};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
        self.accuracy_gap_where(original, |_| true)
    }

    /// The same over some of the snapshots.
    fn accuracy_gap_where(&self, original: &Self, is_wanted: impl Fn(usize) -> bool) -> f64 {
        let pairs = self.tallies.iter().zip(&original.tallies).enumerate();
        let gaps =
            pairs.filter(|(place, _)| is_wanted(*place)).map(|(_, (a, b))| (a.accuracy - b.accuracy).abs());
        let (sum, count) = gaps.fold((0.0, 0), |(sum, count), gap| (sum + gap, count + 1));
        100.0 * sum / f64::from(count.max(1))
    }
}

impl Kind for ValidationExperiment {
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
        trained: &'a Trained,
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
        trained: &Trained,
        floats: usize,
    ) -> Result<Candidate<'a>> {
        let pca = self.autoencoder.axes(&trained.snapshots)?;
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
}

/// Evaluates rows, each that is the same one in memory once.
fn evaluated(
    evaluator: &Evaluator,
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
