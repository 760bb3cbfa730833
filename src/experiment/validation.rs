//! Figures 5 and 7: what the classifier makes of reconstructed weights, snapshot by snapshot.

use super::classifier::{ClassifierStage, Trained};
use super::compressor::{self, Compressor, show_errors};
use super::{Header, Kind, Run, signed};
use crate::autoencoder::{AutoencoderSettings, argmax};
use crate::codec::Costs;
use crate::data::DataDir;
use crate::report::Report;
use crate::run::Identity;
use crate::story::validation::{Candidate, ValidationResult, validation_report};
use crate::training::{Evaluator, SnapshotEvery, Tally};
use crate::{Error, Result};
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
    pub autoencoder: AutoencoderSettings,
    /// How many times smaller the paper calls its codes.
    pub printed_ratio: f64,
}

/// Weights that stand for the snapshots, before they are measured.
struct StandIn<'a> {
    name: &'static str,
    /// Floats sent for each snapshot.
    floats: usize,
    /// Weights in the snapshots' places.
    rows: Vec<Cow<'a, [f32]>>,
}

impl Kind for ValidationExperiment {
    fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity> {
        self.classifier.identify(own, data_dir)?.with_model(&self.autoencoder.model)
    }

    fn check(&self, data_dir: &DataDir) -> Result<()> {
        compressor::check(&self.autoencoder, self.classifier.check_settings()?.parameters())?;
        self.classifier.check(data_dir).map(drop)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let trained = self
            .classifier
            .run(run, self.seed, |gpu, logged| compressor::check_room(&self.autoencoder, gpu, logged))?;
        let compressor = compressor::train(&self.autoencoder, run, &trained.snapshots, self.seed)?;
        let stand_ins = self.stand_ins(run, &trained, &compressor)?;
        run.observer.begin("evaluation", "models", stand_ins.len() as u64);
        let (rows, means) = (trained.snapshots.rows(), &compressor.standard.means);
        let mut known = HashMap::new();
        let mut candidates = Vec::with_capacity(stand_ins.len());
        for stand_in in &stand_ins {
            let tallies = evaluated(&trained.evaluator, &stand_in.rows, &mut known)?;
            candidates.push(self.measured(stand_in, tallies, &rows, means));
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
        let candidates = <[Candidate; 6]>::try_from(candidates);
        let candidates = candidates.map_err(|_| Error::fault("a candidate was not measured"))?;
        let (places, places_label) = match self.classifier.snapshot_every {
            SnapshotEvery::Epoch => (&trained.snapshots.epochs, "Epoch of the classifier"),
            SnapshotEvery::Steps(_) => (&trained.snapshots.steps, "Step of the classifier"),
        };
        let report = validation_report(&ValidationResult {
            costs: Costs::new(&compressor.file.spec, &compressor.curve.last().copied().unwrap_or_default()),
            curve: &compressor.curve,
            places,
            places_label,
            held_out: (0..rows.len()).map(|place| self.autoencoder.is_held_out(place)).collect(),
            candidates,
            printed_ratio: self.printed_ratio,
        });
        let facts = trained.facts(Some(compressor.model()), self.autoencoder.hold_out);
        Ok(signed(Report { facts, ..report }, run, Some(self.seed)))
    }
}

impl ValidationExperiment {
    /// The snapshots themselves, what stands for them, and the nulls, in the order of the legend.
    fn stand_ins<'a>(
        &self,
        run: &mut Run<'_>,
        trained: &'a Trained,
        compressor: &'a Compressor,
    ) -> Result<[StandIn<'a>; 6]> {
        let rows = trained.snapshots.rows();
        let latent = compressor.file.spec.latent();
        let restored = compressor.restore(run, &rows)?;
        show_errors(run, &trained.snapshots, &restored);
        let borrowed = |rows: &[&'a [f32]]| rows.iter().map(|row| Cow::Borrowed(*row)).collect::<Vec<_>>();
        let repeated = |row: &'a [f32]| vec![Cow::Borrowed(row); rows.len()];
        let stand_in = |name, floats, rows| StandIn { name, floats, rows };
        let owned = |rows: Vec<Vec<f32>>| rows.into_iter().map(Cow::Owned).collect();
        let pca = compressor::axes(&self.autoencoder, &trained.snapshots)?;
        // At the autoencoder's number of floats, or as many as there are axes.
        let axes = latent.min(pca.rank());
        let projected = pca.state(axes)?.restore(run.gpu()?, &rows)?;
        Ok([
            stand_in("original", trained.snapshots.width(), borrowed(&rows)),
            stand_in("autoencoder", latent, owned(restored)),
            stand_in("PCA", axes, owned(projected)),
            stand_in("mean of the snapshots", 0, repeated(&compressor.standard.means)),
            stand_in("nearest other snapshot", 1, borrowed(&self.nearest(&rows))),
            stand_in("initial model", 0, repeated(&trained.initial)),
        ])
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

    /// Its errors beside the snapshots, whose training part has these means, and its tests.
    fn measured(
        &self,
        stand_in: &StandIn<'_>,
        tallies: Vec<Tally>,
        originals: &[&[f32]],
        means: &[f32],
    ) -> Candidate {
        // Of what was trained on and of what is held out: squares of what is lost, and of what lies between the
        // snapshots and their mean.
        let mut sums = [(0.0, 0.0); 2];
        let mut hits = 0;
        for (place, (row, original)) in stand_in.rows.iter().zip(originals).enumerate() {
            let (error, spread) = &mut sums[usize::from(self.autoencoder.is_held_out(place))];
            for ((&got, &weight), &mean) in row.iter().zip(*original).zip(means) {
                *error += (f64::from(got) - f64::from(weight)).powi(2);
                *spread += (f64::from(weight) - f64::from(mean)).powi(2);
            }
            hits += usize::from(argmax(row.iter().copied()) == argmax(original.iter().copied()));
        }
        let relative = |(error, spread): (f64, f64)| if spread > 0.0 { (error / spread).sqrt() } else { 0.0 };
        let [train_error, held_out_error] = sums.map(relative);
        Candidate {
            name: stand_in.name.into(),
            floats: stand_in.floats,
            tallies,
            held_out_error,
            train_error,
            argmax_match: hits as f64 / originals.len().max(1) as f64,
        }
    }
}

/// Evaluates rows; those that are one place in memory are evaluated once.
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
