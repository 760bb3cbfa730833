//! Curves: the saw-tooth of each collaborator, the global model, the bytes, the autoencoders' training.

use super::super::ledger::Direction;
use super::super::results::{FederationOutcome, LocalEpoch, Outcome, RoundResult, Tested};
use super::super::spec::LocalTests;
use super::words::name_of;
use crate::autoencoder::CurvePoint;
use crate::report::{Plot, Series, Style, slug};

/// Clients that get curves of their own.
const SHOWN: usize = 8;

/// All plots, those that say most about `subject` first.
pub fn plots(outcome: &Outcome, subject: &FederationOutcome) -> Vec<Plot> {
    let sawtooths = |federation: &FederationOutcome| match outcome.spec.local_tests {
        LocalTests::Epoch => vec![loss_of_each(outcome, federation), accuracy_of_each(outcome, federation)],
        LocalTests::Round => Vec::new(),
    };
    let mut plots = sawtooths(subject);
    if outcome.spec.local_tests == LocalTests::Epoch {
        plots.extend(training_of_each(outcome, subject));
    }
    plots.extend(global(outcome));
    plots.extend((!subject.is_raw).then(|| bytes(outcome)));
    let others = outcome.federations.iter().filter(|other| other.label != subject.label);
    plots.extend(others.flat_map(sawtooths));
    let trained = outcome.federations.iter().filter(|federation| !federation.learned.curves.is_empty());
    plots.extend(trained.flat_map(|federation| training(outcome, federation)));
    plots
}

/// What one collaborator has after each epoch, and what every average makes of it: two points where rounds
/// end.
fn sawtooth(
    federation: &FederationOutcome,
    collaborator: usize,
    local: impl Fn(&LocalEpoch) -> Option<f64>,
    global: impl Fn(&RoundResult) -> f64,
) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    for round in &federation.rounds {
        let own = round.local_epochs.iter().filter(|epoch| epoch.collaborator as usize == collaborator);
        let own: Vec<_> = own.filter_map(|epoch| Some((epoch.epoch as f64, local(epoch)?))).collect();
        let end = own.last().map(|(epoch, _)| (*epoch, global(round)));
        points.extend(own.into_iter().chain(end));
    }
    points
}

/// A curve for each collaborator.
fn each(
    outcome: &Outcome,
    [id, title, y_label]: [&str; 3],
    federation: &FederationOutcome,
    points: impl Fn(usize, bool) -> Vec<(f64, f64)>,
) -> Plot {
    let id = format!("{id}-{}", slug(&federation.label));
    let title = format!("{title}, {}", federation.label);
    let mut plot = Plot::new(id, title, "Local epoch, over all rounds", y_label);
    for collaborator in 0..outcome.spec.collaborators.min(SHOWN) {
        let points = points(collaborator, outcome.spec.grayscale.contains(&collaborator));
        plot.series.push(Series::new(name_of(outcome, collaborator), Style::Solid, points));
    }
    plot
}

fn loss_of_each(outcome: &Outcome, federation: &FederationOutcome) -> Plot {
    let words = ["local-loss", "Loss of each collaborator", "Test loss"];
    let plot = each(outcome, words, federation, |collaborator, grayscale| {
        let global = |round: &RoundResult| round.like(grayscale).0;
        sawtooth(federation, collaborator, |epoch| epoch.test_loss, global)
    });
    plot.with_caption(caption(outcome))
}

fn accuracy_of_each(outcome: &Outcome, federation: &FederationOutcome) -> Plot {
    let words = ["local-accuracy", "Accuracy of each collaborator", "Test accuracy (%)"];
    let plot = each(outcome, words, federation, |collaborator, grayscale| {
        let global = |round: &RoundResult| 100.0 * round.like(grayscale).1;
        let local = |epoch: &LocalEpoch| Some(100.0 * epoch.test_accuracy?);
        sawtooth(federation, collaborator, local, global)
    });
    plot.with_caption(caption(outcome))
}

/// What collaborators see on their own training images, while they train on them.
fn training_of_each(outcome: &Outcome, federation: &FederationOutcome) -> Vec<Plot> {
    let curve = |words, value: fn(&LocalEpoch) -> f64| {
        let plot = each(outcome, words, federation, |collaborator, _| {
            let epochs = federation.rounds.iter().flat_map(|round| &round.local_epochs);
            let own = epochs.filter(|epoch| epoch.collaborator as usize == collaborator);
            own.map(|epoch| (epoch.epoch as f64, value(epoch))).collect()
        });
        plot.with_caption("On its own training images, averaged over each epoch while it trains on them.")
    };
    vec![
        curve(["train-loss", "Training loss of each collaborator", "Training loss"], |e| e.train_loss),
        curve(["train-accuracy", "Training accuracy of each collaborator", "Training accuracy (%)"], |e| {
            100.0 * e.train_accuracy
        }),
    ]
}

fn caption(outcome: &Outcome) -> String {
    let own = if outcome.spec.grayscale.is_empty() { "" } else { ", tested on images like its own" };
    let epochs = match outcome.spec.local_epochs {
        1 => "every local epoch".to_string(),
        epochs => format!("every {epochs} local epochs"),
    };
    format!(
        "One point after each local epoch{own}. After {epochs} the aggregator's average takes the place of the \
         collaborator's own weights: the line goes straight up or down there."
    )
}

/// The global model of each federation, on each kind of test images.
fn global(outcome: &Outcome) -> Vec<Plot> {
    let (first, last) = (1.0, f64::from(outcome.spec.rounds));
    // What has to be beaten, and how it does on one kind of images.
    let nulls = [
        ("mean of the snapshots", outcome.mean_of_snapshots),
        ("after the uncompressed rounds", outcome.after_uncompressed),
    ];
    type Of<T> = fn(&T) -> Option<f64>;
    let draw = |id: &str, title: &str, value: Of<RoundResult>, null: Of<Tested>| {
        let mut plot = Plot::new(id, title, "Round", "Test accuracy (%)");
        for federation in &outcome.federations {
            let points = federation.rounds.iter();
            let points = points.filter_map(|r| Some((f64::from(r.round), 100.0 * value(r)?))).collect();
            plot.series.push(Series::new(&federation.label, Style::Solid, points));
        }
        for (name, tested) in nulls {
            if let Some(accuracy) = tested.as_ref().and_then(null) {
                let points = vec![(first, 100.0 * accuracy), (last, 100.0 * accuracy)];
                plot.series.push(Series::new(name, Style::Dashed, points));
            }
        }
        plot.with_caption(
            "All federations start from the same weights and see the same images in the same order.",
        )
    };
    let (value, plain) =
        (|r: &RoundResult| Some(r.test_accuracy), |tested: &Tested| Some(tested.plain.accuracy));
    if outcome.initial.gray.is_none() {
        vec![draw("accuracy", "Accuracy of the global model", value, plain)]
    } else {
        vec![
            draw("accuracy", "Accuracy of the global model on colour images", value, plain),
            draw(
                "accuracy-grayscale",
                "Accuracy of the global model on grayscale images",
                |r| r.grayscale_test_accuracy,
                |tested| tested.gray.map(|gray| gray.accuracy),
            ),
        ]
    }
}

/// What collaborators have sent so far; round 0 is all that comes before the first.
fn bytes(outcome: &Outcome) -> Plot {
    let mut plot = Plot::new("bytes", "Sent by the collaborators so far", "Round", "Megabytes");
    for federation in &outcome.federations {
        let mut sum = 0;
        let points = (0..=outcome.spec.rounds).map(|round| {
            sum += federation.ledger.bytes(|t| t.direction == Direction::Up && t.round == round);
            (f64::from(round), sum as f64 / 1e6)
        });
        plot.series.push(Series::new(&federation.label, Style::Solid, points.collect()));
    }
    plot.with_caption(
        "Decoders included. Where a line crosses that of the raw updates, compression has paid.",
    )
}

/// How the autoencoders were trained.
fn training(outcome: &Outcome, federation: &FederationOutcome) -> Vec<Plot> {
    let mut error = Plot::new(
        "autoencoder-error",
        "Autoencoders: centred relative L2 error",
        "Epoch",
        "Relative L2 error",
    );
    let mut loss =
        Plot::new("autoencoder-loss", "Autoencoders: training loss", "Epoch", "Mean squared error");
    loss.y_log = true;
    let curves = &federation.learned.curves;
    for (collaborator, curve) in curves.iter().enumerate().take(SHOWN) {
        let points = |value: fn(&CurvePoint) -> f64| {
            curve.iter().map(|p| (p.epoch as f64, value(p))).collect::<Vec<_>>()
        };
        let name = name_of(outcome, collaborator);
        error.series.push(Series::new(&name, Style::Solid, points(|p| p.relative_l2)));
        loss.series.push(Series::new(&name, Style::Solid, points(|p| p.loss)));
    }
    let end = |place: fn(&[CurvePoint]) -> Option<&CurvePoint>, or: f64| {
        curves.first().and_then(|curve| place(curve)).map_or(or, |p| p.epoch as f64)
    };
    let ends = [(end(<[CurvePoint]>::first, 0.0), 1.0), (end(<[CurvePoint]>::last, 1.0), 1.0)];
    error.series.push(Series::new("the mean alone", Style::Dashed, ends.to_vec()));
    error.caption =
        "How much of what distinguishes the snapshots from their mean is lost in the code.".into();
    loss.caption = "On the standardised snapshots; 1 is what their mean alone leaves.".into();
    vec![error, loss]
}
