//! Curves: the saw-tooth of each collaborator, the global model, the bytes, the autoencoders' training.

use super::null::{Null, final_scores, nulls};
use super::{clock, wire};
use crate::autoencoder::CurvePoint;
use crate::federation::{Direction, FederationOutcome, GlobalTest, LocalEpoch, LocalTests, Outcome, Tested};
use crate::report::{Plot, Series, Style, slug};
use crate::story::codecs::{OverBytes, front, pareto};
use crate::story::populations::Population;
use crate::story::words::{ACCURACY, with_level};

/// Collaborators that get curves of their own.
const SHOWN: usize = 8;

/// Federations from which on an overview comes first.
const MANY: usize = 3;

/// All plots: an overview of many federations, then those that say most about `subject` first.
pub fn plots(outcome: &Outcome, subject: &FederationOutcome) -> Vec<Plot> {
    let is_looked_at = outcome.spec.local_tests() == LocalTests::Epoch;
    let mut plots: Vec<_> = overview(outcome).into_iter().collect();
    if is_looked_at {
        plots.extend(tested(outcome, subject));
        plots.extend(trained(outcome, subject));
    }
    plots.extend(global(outcome));
    plots.extend(clock::plots(outcome));
    plots.extend((!subject.is_raw).then(|| bytes(outcome)));
    plots.extend(wire::plots(outcome));
    let others = outcome.federations.iter().filter(|other| is_looked_at && other.label != subject.label);
    plots.extend(others.flat_map(|other| tested(outcome, other)));
    // Codecs that begin with the same learned stage have learned it once.
    let mut learned: Vec<&FederationOutcome> = Vec::new();
    for one in outcome.federations.iter().filter(|one| !one.learned.curves.is_empty()) {
        if learned.iter().all(|other| other.learned_label != one.learned_label) {
            learned.push(one);
        }
    }
    plots.extend(learned.iter().flat_map(|one| training(outcome, one, learned.len() > 1)));
    plots.push(Population { counts: &outcome.label_counts, groups: &[] }.bars());
    plots
}

/// What each federation that came to its end came to over all of its bytes; none of few.
fn overview(outcome: &Outcome) -> Option<Plot> {
    let all: Vec<_> = outcome.federations.iter().filter(|one| one.diverged.is_none()).collect();
    if all.len() < MANY {
        return None;
    }
    let came_to =
        |one: &&FederationOutcome| (one.ledger.bytes(|_| true), final_scores(outcome, one).accuracy());
    let values: Vec<_> = all.iter().map(came_to).collect();
    let points = all.iter().zip(&values).zip(front(&values));
    let points = points.map(|((one, &(bytes, accuracy)), is_on_front)| OverBytes {
        label: &one.label,
        bytes,
        accuracy,
        deviation: None,
        is_on_front,
    });
    Some(pareto(&points.collect::<Vec<_>>()))
}

/// The saw-tooth: each collaborator's tests over its local epochs, and what the average makes of them.
fn tested(outcome: &Outcome, federation: &FederationOutcome) -> [Plot; 2] {
    let caption = "On test images like its own. The line goes straight up or down where the aggregator's average takes \
                   the place of the collaborator's own weights.";
    let draw = |id, what, local, average| {
        collaborators(outcome, federation, id, what, local, Some(average)).with_caption(caption)
    };
    [
        draw("local-loss", ["Test loss", ""], |epoch| epoch.test_loss, |(loss, _)| loss),
        draw(
            "local-accuracy",
            ["Test accuracy", " (%)"],
            |epoch| Some(100.0 * epoch.test_accuracy?),
            |(_, accuracy)| 100.0 * accuracy,
        ),
    ]
}

/// How each collaborator trains.
fn trained(outcome: &Outcome, federation: &FederationOutcome) -> [Plot; 2] {
    let draw = |id, what, local| {
        collaborators(outcome, federation, id, what, local, None)
            .with_caption("On its own training images, averaged over each epoch while it trains on them.")
    };
    [
        draw("train-loss", ["Training loss", ""], |epoch| Some(epoch.train_loss)),
        draw("train-accuracy", ["Training accuracy", " (%)"], |epoch| Some(100.0 * epoch.train_accuracy)),
    ]
}

/// A curve for each collaborator over the local epochs of all rounds. `what` is its name as a title begins, and its
/// unit; `average` makes a second point, where a round ends, of the average's loss and accuracy.
fn collaborators(
    outcome: &Outcome,
    federation: &FederationOutcome,
    id: &str,
    [what, unit]: [&str; 2],
    local: fn(&LocalEpoch) -> Option<f64>,
    average: Option<fn((f64, f64)) -> f64>,
) -> Plot {
    let label = &federation.label;
    let title = format!("{what} of each collaborator, {label}");
    let id = format!("{id}-{}", slug(label));
    let mut plot = Plot::new(id, title, "Local epoch, over all rounds", format!("{what}{unit}"));
    for who in 0..outcome.spec.collaborators.min(SHOWN) {
        let is_gray = outcome.spec.grayscale.contains(&who);
        let points = federation.rounds.iter().flat_map(|round| {
            let own = round.local_epochs.iter().filter(|epoch| epoch.collaborator as usize == who);
            let mut own: Vec<_> = own.filter_map(|epoch| Some((epoch.epoch as f64, local(epoch)?))).collect();
            let end = own.last().zip(average).zip(round.tested);
            let end = end.map(|((&(epoch, _), average), tested)| (epoch, average(tested.like(is_gray))));
            own.extend(end);
            own
        });
        plot.series.push(Series::new(name_of(outcome, who), Style::Solid, points.collect()));
    }
    plot
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
    let draw = |id: &str, kind: &str, value: Of<GlobalTest>, null: Of<Tested>| {
        let title = format!("Accuracy of the global model{kind}");
        let mut plot = Plot::new(id, title, "Round", ACCURACY);
        for federation in &outcome.federations {
            let points = federation.tests();
            let points = points
                .filter_map(|(round, tested)| Some((f64::from(round), 100.0 * value(tested)?)))
                .collect();
            plot.series.push(Series::new(&federation.label, Style::Solid, points));
        }
        // The initial model lies far below all others.
        for Null { name, tested } in nulls(outcome).iter().skip(1) {
            plot = with_level(plot, name.clone(), 100.0 * null(tested).unwrap_or(f64::NAN));
        }
        plot.with_caption(
            "All federations see the same images in the same order, and all that send weights start from the same.",
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
        let up = federation.ledger.bytes_by_round(federation.rounds.len(), |t| t.direction == Direction::Up);
        let points = up.into_iter().enumerate().map(|(round, bytes)| {
            sum += bytes;
            (round as f64, sum as f64)
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
