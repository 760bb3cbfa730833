//! What a simulation came to, as a report: the answer first, then the numbers behind it.

use super::ledger::Direction;
use super::rounds::RoundResult;
use super::simulation::Outcome;
use super::summary::Summary;
use crate::Result;
use crate::codec::autoencoder::CurvePoint;
use crate::report::{KeyFigure, Plot, Report, Series, Style, Table, format};

/// The report of a simulation. `command` is the command line that repeats it.
pub fn tell(outcome: &Outcome, summary: &Summary, command: &str) -> Result<Report> {
    let spec = &outcome.spec;
    Ok(Report {
        title: format!(
            "{} collaborators, {} floats instead of {}",
            spec.collaborators,
            summary.latent,
            format::count(summary.parameters as u64)
        ),
        answer: answer(outcome, summary),
        notes: notes(outcome),
        figures: figures(summary),
        plots: plots(outcome),
        tables: vec![bytes_table(outcome, summary), rounds_table(outcome)],
        configuration: spec.to_toml()?,
        facts: facts(outcome, summary),
        reproduce: command.to_string(),
    })
}

fn answer(outcome: &Outcome, summary: &Summary) -> Vec<String> {
    let (raw, compressed) = (&summary.raw, &summary.compressed);
    let points = (raw.final_accuracy - compressed.final_accuracy) * 100.0;
    let cost = match points {
        p if p >= 0.05 => format!("{p:.1} points less than"),
        p if p <= -0.05 => format!("{:.1} points more than", -p),
        _ => "the same as".into(),
    };
    let first = format!(
        "After {} rounds the federation that sends codes classifies {} of the test images right, {cost} the {} of \
         the one that sends its weights as they are. A coded update is {} bytes long, a raw one {}: {} smaller.",
        summary.rounds,
        format::percent(compressed.final_accuracy),
        format::percent(raw.final_accuracy),
        format::count(summary.message_bytes.compressed),
        format::count(summary.message_bytes.raw),
        format::ratio(summary.ratio_per_message),
    );
    let break_even = summary.break_even_rounds.map_or(String::new(), |rounds| {
        format!(" One decoder pays for itself after {} rounds.", rounds.ceil())
    });
    let verb = if summary.savings_ratio >= 1.0 { "saved" } else { "did not save" };
    let second = format!(
        "The decoders are part of the bill: {} bytes from each collaborator, once. With them, compression {verb} bytes \
         here: the collaborators sent {} in all instead of {}, a savings ratio of {:.3}.{break_even}",
        format::count(summary.message_bytes.decoder),
        format::bytes(compressed.bytes_up),
        format::bytes(raw.bytes_up),
        summary.savings_ratio,
    );
    let mean = outcome.mean_of_snapshots.accuracy;
    let difference = (compressed.final_accuracy - mean) * 100.0;
    let verdict = match difference {
        d if d > 0.5 => format!("The codes beat that null by {d:.1} points."),
        d if d < -0.5 => {
            format!("The codes are {:.1} points worse than that null: they carried nothing of use.", -d)
        }
        _ => "The codes do no better than that null.".into(),
    };
    let third = format!(
        "Is that learning, or did the decoders know it all before the first round? The mean of the snapshots that the \
         autoencoders were trained on, with {} at all, scores {}. {verdict}",
        match outcome.spec.prepass.raw_rounds() {
            0 => "no rounds".into(),
            raw => format!("no rounds after the {raw} uncompressed ones"),
        },
        format::percent(mean),
    );
    vec![first, second, third]
}

fn notes(outcome: &Outcome) -> Vec<String> {
    let mut notes = vec![
        "Every byte is the length of a message as it would cross the wire: headers, codes, decoders with their means \
         and scales, the global model and who joins with how many images. What the transport adds is not counted."
            .into(),
        "The savings ratio compares what collaborators send. The aggregator's messages are not compressed; the table \
         counts them too."
            .into(),
        "Relative L2 error is taken after the mean of the snapshots is subtracted: an autoencoder that has learned \
         nothing but that mean scores 1."
            .into(),
    ];
    if let raw @ 1.. = outcome.spec.prepass.raw_rounds() {
        notes.push(format!(
            "The first {raw} rounds of both federations are the same: the compressed one logs weights inside them, sends \
             them as they are, and their bytes are counted."
        ));
    }
    notes
}

fn figures(summary: &Summary) -> Vec<KeyFigure> {
    vec![
        KeyFigure::new(
            "Accuracy, compressed",
            format::percent(summary.compressed.final_accuracy),
            format!("raw: {}", format::percent(summary.raw.final_accuracy)),
        ),
        KeyFigure::new(
            "Per message",
            format::ratio(summary.ratio_per_message),
            format!(
                "{} instead of {}",
                format::bytes(summary.message_bytes.compressed),
                format::bytes(summary.message_bytes.raw)
            ),
        ),
        KeyFigure::new(
            "Savings ratio, decoders counted",
            format!("{:.3}", summary.savings_ratio),
            format!("both directions: {:.3}", summary.savings_ratio_both_ways),
        ),
        KeyFigure::new(
            "Mean of the snapshots",
            format::percent(summary.mean_of_snapshots_accuracy),
            "the null: accuracy with no rounds at all",
        ),
    ]
}

fn plots(outcome: &Outcome) -> Vec<Plot> {
    let accuracy = |rounds: &[RoundResult]| {
        rounds.iter().map(|r| (f64::from(r.round), r.test_accuracy * 100.0)).collect::<Vec<_>>()
    };
    let last = f64::from(outcome.spec.rounds);
    let mean = outcome.mean_of_snapshots.accuracy * 100.0;
    let rounds = Plot::new("accuracy", "Accuracy of the global model", "Round", "Test accuracy (%)")
        .with(Series::new("raw", Style::Solid, accuracy(&outcome.raw)))
        .with(Series::new("compressed", Style::Solid, accuracy(&outcome.compressed)))
        .with(Series::new("mean of the snapshots", Style::Dashed, vec![(1.0, mean), (last, mean)]))
        .with_caption(
            "Both federations start from the same weights and see the same images in the same order.",
        );
    let mut error = Plot::new(
        "autoencoder-error",
        "Autoencoders: centred relative L2 error",
        "Epoch",
        "Relative L2 error",
    );
    let mut loss =
        Plot::new("autoencoder-loss", "Autoencoders: training loss", "Epoch", "Mean squared error");
    loss.y_log = true;
    for (collaborator, curve) in outcome.curves.iter().enumerate().take(8) {
        let points = |value: fn(&CurvePoint) -> f64| {
            curve.iter().map(|p| (p.epoch as f64, value(p))).collect::<Vec<_>>()
        };
        let name = format!("collaborator {collaborator}");
        error.series.push(Series::new(&name, Style::Solid, points(|p| p.relative_l2)));
        loss.series.push(Series::new(&name, Style::Solid, points(|p| p.loss)));
    }
    let first = outcome.curves.first().and_then(|c| c.first()).map_or(0.0, |p| p.epoch as f64);
    let end = outcome.curves.first().and_then(|c| c.last()).map_or(1.0, |p| p.epoch as f64);
    error.series.push(Series::new("the mean alone", Style::Dashed, vec![(first, 1.0), (end, 1.0)]));
    error.caption =
        "How much of what distinguishes the snapshots from their mean is lost in the code.".into();
    loss.caption = "On the standardised snapshots; 1 is what their mean alone leaves.".into();
    vec![rounds, error, loss]
}

fn bytes_table(outcome: &Outcome, summary: &Summary) -> Table {
    let mut table = Table::new("bytes", "Bytes on the wire", &["Messages", "Raw", "Compressed"]);
    let sum = |run: &str, kind: &str, direction| {
        outcome.ledger.bytes(|t| t.run == run && t.kind.name() == kind && t.direction == direction)
    };
    let kinds = [
        ("Updates", ["raw_update", "coded_update"], Direction::Up),
        ("Uncompressed rounds of the pre-pass", ["", "raw_update"], Direction::Up),
        ("Decoders, once", ["decoder", "decoder"], Direction::Up),
        ("Joining", ["join", "join"], Direction::Up),
    ];
    let federated = outcome.spec.prepass.raw_rounds() > 0;
    for (label, [raw, coded], direction) in
        kinds.into_iter().filter(|kind| federated || !kind.1[0].is_empty())
    {
        let cells = [sum("raw", raw, direction), sum("compressed", coded, direction)].map(format::count);
        table.push([label.to_string()].into_iter().chain(cells));
    }
    let totals = [
        ("All from the collaborators", summary.raw.bytes_up, summary.compressed.bytes_up),
        ("Global models to the collaborators", summary.raw.bytes_down, summary.compressed.bytes_down),
        (
            "Both directions",
            summary.raw.bytes_up + summary.raw.bytes_down,
            summary.compressed.bytes_up + summary.compressed.bytes_down,
        ),
    ];
    for (label, raw, compressed) in totals {
        table.push([label.to_string(), format::count(raw), format::count(compressed)]);
    }
    table.caption = "In bytes, over all rounds and collaborators.".into();
    table
}

fn rounds_table(outcome: &Outcome) -> Table {
    let columns = [
        "Round",
        "Raw accuracy",
        "Raw loss",
        "Compressed accuracy",
        "Compressed loss",
        "Raw bytes up",
        "Compressed bytes up",
    ];
    let mut table = Table::new("rounds", "Round by round", &columns);
    for (raw, compressed) in outcome.raw.iter().zip(&outcome.compressed) {
        table.push([
            raw.round.to_string(),
            format::percent(raw.test_accuracy),
            format!("{:.4}", raw.test_loss),
            format::percent(compressed.test_accuracy),
            format!("{:.4}", compressed.test_loss),
            format::count(raw.bytes_up),
            format::count(compressed.bytes_up),
        ]);
    }
    table
}

fn facts(outcome: &Outcome, summary: &Summary) -> Vec<(String, String)> {
    let fact = |name: &str, value: String| (name.to_string(), value);
    let each = |values: &[usize]| match values {
        [first, rest @ ..] if rest.iter().all(|v| v == first) => format::count(*first as u64),
        values => {
            let (low, high) = (values.iter().min(), values.iter().max());
            format!(
                "{} to {}",
                format::count(low.map_or(0, |v| *v as u64)),
                format::count(high.map_or(0, |v| *v as u64))
            )
        }
    };
    vec![
        fact(
            "Model",
            format!("{}, {} parameters", outcome.classifier.name, format::count(summary.parameters as u64)),
        ),
        fact(
            "Autoencoder",
            format!(
                "{}, {} parameters",
                outcome.autoencoder.name,
                format::count(outcome.autoencoder.parameters() as u64)
            ),
        ),
        fact("Images of each collaborator", each(&outcome.samples)),
        fact("Snapshots of each collaborator", each(&outcome.snapshots)),
        fact("Seed", summary.seed.to_string()),
        fact(
            "Device",
            format!("{} ({}, {})", summary.device.name, summary.device.kind, summary.device.backend),
        ),
        fact("Driver", summary.device.driver.clone()),
        fact("fedfunnel", summary.version.to_string()),
        fact("Wall time", format::duration(outcome.wall)),
        fact("Method", "Chandar et al., arXiv 2108.05670".into()),
    ]
}
