//! Curves: the saw-tooth of each collaborator, the global model, the bytes, the autoencoders' training.

use super::null::{Null, nulls};
use crate::autoencoder::CurvePoint;
use crate::federation::{Direction, FederationOutcome, LocalEpoch, LocalTests, Outcome, RoundResult, Tested};
use crate::report::{Plot, Series, Style, slug};
use crate::story::words::with_level;

/// Collaborators that get curves of their own.
const SHOWN: usize = 8;

/// All plots, those that say most about `subject` first.
pub fn plots(outcome: &Outcome, subject: &FederationOutcome) -> Vec<Plot> {
    let is_looked_at = outcome.spec.local_tests == LocalTests::Epoch;
    let sawtooths = |federation: &FederationOutcome| {
        TESTED
            .iter()
            .filter(|_| is_looked_at)
            .map(|shown| shown.plot(outcome, federation))
            .collect::<Vec<_>>()
    };
    let mut plots = sawtooths(subject);
    if is_looked_at {
        plots.extend(TRAINED.map(|shown| shown.plot(outcome, subject)));
    }
    plots.extend(global(outcome));
    plots.extend((!subject.is_raw).then(|| bytes(outcome)));
    let others = outcome.federations.iter().filter(|other| other.label != subject.label);
    plots.extend(others.flat_map(sawtooths));
    let trained: Vec<_> = outcome.federations.iter().filter(|one| !one.learned.curves.is_empty()).collect();
    plots.extend(trained.iter().flat_map(|one| training(outcome, one, trained.len() > 1)));
    plots
}

/// A curve for each collaborator over the local epochs of all rounds.
struct Shown {
    id: &'static str,
    /// Its name as a title begins, and its unit.
    what: [&'static str; 2],
    /// What it is after an epoch.
    local: fn(&LocalEpoch) -> Option<f64>,
    /// What the average makes of it, of its loss and its accuracy: a second point where a round ends.
    average: Option<fn((f64, f64)) -> f64>,
}

const TESTED: [Shown; 2] = [
    Shown {
        id: "local-loss",
        what: ["Test loss", ""],
        local: |epoch| epoch.test_loss,
        average: Some(|(loss, _)| loss),
    },
    Shown {
        id: "local-accuracy",
        what: ["Test accuracy", " (%)"],
        local: |epoch| Some(100.0 * epoch.test_accuracy?),
        average: Some(|(_, accuracy)| 100.0 * accuracy),
    },
];

const TRAINED: [Shown; 2] = [
    Shown {
        id: "train-loss",
        what: ["Training loss", ""],
        local: |epoch| Some(epoch.train_loss),
        average: None,
    },
    Shown {
        id: "train-accuracy",
        what: ["Training accuracy", " (%)"],
        local: |epoch| Some(100.0 * epoch.train_accuracy),
        average: None,
    },
];

impl Shown {
    fn plot(&self, outcome: &Outcome, federation: &FederationOutcome) -> Plot {
        let (label, [what, unit]) = (&federation.label, self.what);
        let (id, title) =
            (format!("{}-{}", self.id, slug(label)), format!("{what} of each collaborator, {label}"));
        let mut plot = Plot::new(id, title, "Local epoch, over all rounds", format!("{what}{unit}"));
        plot.caption = match self.average {
            None => "On its own training images, averaged over each epoch while it trains on them.",
            Some(_) => {
                "On test images like its own. The line goes straight up or down where the aggregator's average takes \
                 the place of the collaborator's own weights."
            }
        }
        .into();
        for who in 0..outcome.spec.collaborators.min(SHOWN) {
            let is_gray = outcome.spec.grayscale.contains(&who);
            let points = federation.rounds.iter().flat_map(|round| {
                let own = round.local_epochs.iter().filter(|epoch| epoch.collaborator as usize == who);
                let own = own.filter_map(|epoch| Some((epoch.epoch as f64, (self.local)(epoch)?)));
                let mut own: Vec<_> = own.collect();
                let end = own.last().zip(self.average);
                let end = end.map(|(&(epoch, _), average)| (epoch, average(round.like(is_gray))));
                own.extend(end);
                own
            });
            plot.series.push(Series::new(name_of(outcome, who), Style::Solid, points.collect()));
        }
        plot
    }
}

/// A collaborator in a legend.
fn name_of(outcome: &Outcome, who: usize) -> String {
    let colours = match (outcome.spec.grayscale.is_empty(), outcome.spec.grayscale.contains(&who)) {
        (true, _) => "",
        (false, true) => ", grayscale",
        (false, false) => ", colour",
    };
    format!("collaborator {who}{colours}")
}

/// The global model of each federation, on each kind of test images.
fn global(outcome: &Outcome) -> Vec<Plot> {
    type Of<T> = fn(&T) -> Option<f64>;
    let draw = |id: &str, kind: &str, value: Of<RoundResult>, null: Of<Tested>| {
        let title = format!("Accuracy of the global model{kind}");
        let mut plot = Plot::new(id, title, "Round", "Test accuracy (%)");
        for federation in &outcome.federations {
            let points = federation.rounds.iter();
            let points = points.filter_map(|r| Some((f64::from(r.round), 100.0 * value(r)?))).collect();
            plot.series.push(Series::new(&federation.label, Style::Solid, points));
        }
        // The initial model lies far below all others.
        for Null { name, tested } in nulls(outcome).iter().skip(1) {
            plot = with_level(plot, *name, 100.0 * null(tested).unwrap_or(f64::NAN));
        }
        plot.with_caption(
            "All federations start from the same weights and see the same images in the same order.",
        )
    };
    let plain = |id, kind| draw(id, kind, |r| Some(r.test_accuracy), |tested| Some(tested.plain.accuracy));
    if outcome.initial.gray.is_none() {
        return vec![plain("accuracy", "")];
    }
    vec![
        plain("accuracy", " on colour images"),
        draw(
            "accuracy-grayscale",
            " on grayscale images",
            |r| r.grayscale_test_accuracy,
            |tested| tested.gray.map(|gray| gray.accuracy),
        ),
    ]
}

/// What collaborators have sent so far; round 0 is all that comes before the first.
fn bytes(outcome: &Outcome) -> Plot {
    let mut plot = Plot::new("bytes", "Sent by the collaborators so far", "Round", "Bytes");
    // Codecs lie orders of magnitude apart.
    plot.y_log = true;
    for federation in &outcome.federations {
        let mut sum = 0;
        let points = (0..=outcome.spec.rounds).map(|round| {
            sum += federation.ledger.bytes(|t| t.direction == Direction::Up && t.round == round);
            (f64::from(round), sum as f64)
        });
        plot.series.push(Series::new(&federation.label, Style::Solid, points.collect()));
    }
    plot.with_caption("Setup included. Where a line crosses that of the raw updates, compression has paid.")
}

/// How the autoencoders of a federation were trained, with its label where it is one of several.
fn training(outcome: &Outcome, federation: &FederationOutcome, is_one_of_several: bool) -> [Plot; 2] {
    let (mut id, mut title) = (String::new(), String::new());
    if is_one_of_several {
        (id, title) = (format!("-{}", slug(&federation.label)), format!(", {}", federation.label));
    }
    let curves = &federation.learned.curves;
    let draw = |kind: &str, name: &str, y_label: &str, value: fn(&CurvePoint) -> f64| {
        let (id, title) = (format!("autoencoder-{kind}{id}"), format!("Autoencoders: {name}{title}"));
        let mut plot = Plot::new(id, title, "Epoch", y_label);
        for (who, curve) in curves.iter().enumerate().take(SHOWN) {
            let points = curve.iter().map(|point| (point.epoch as f64, value(point))).collect();
            plot.series.push(Series::new(name_of(outcome, who), Style::Solid, points));
        }
        plot
    };
    let error = draw("error", "centred relative L2 error", "Relative L2 error", |point| point.relative_l2);
    let loss = draw("loss", "training loss", "Mean squared error", |point| point.loss)
        .with_caption("On the standardised snapshots; 1 is what their mean alone leaves.");
    [with_level(error, "the mean alone", 1.0), Plot { y_log: true, ..loss }]
}
