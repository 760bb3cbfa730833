//! The answer in plain words: is it better than nothing, than what is plainer, than what is larger.

use super::super::results::{FederationOutcome, Null, Outcome};
use super::super::summary::RunSummary;
use super::words::{scores, short_scores};
use crate::codec::Decoder;
use crate::report::format;

/// The paragraphs.
pub fn answer(outcome: &Outcome, subject: &FederationOutcome) -> Vec<String> {
    let summary = RunSummary::of(outcome, subject);
    let came_to = format!(
        "{} test images right after {}",
        scores(summary.final_accuracy, summary.final_grayscale_accuracy),
        rounds(outcome.spec.rounds)
    );
    if subject.is_raw {
        return vec![format!("The federation that sends its weights as they are gets {came_to}.")];
    }
    let mut paragraphs = Vec::new();
    let own = Own { accuracy: final_accuracy(subject), tests: outcome.tests };
    let others = outcome.federations.iter().filter(|other| other.label != subject.label);
    let compared = others.map(|other| {
        let what = if other.is_raw { "raw updates" } else { &other.label };
        let summary = RunSummary::of(outcome, other);
        let scores = short_scores(summary.final_accuracy, summary.final_grayscale_accuracy);
        let bytes = format::count(summary.message_bytes);
        format!("{} {what} ({scores}, {bytes} bytes an update)", own.beside(final_accuracy(other)))
    });
    let beside = format!(
        "The federation {} sends {} bytes an update and gets {came_to}. That is {}. Differences below {:.1} points are \
         within the doubt that {} test images leave.",
        subject.label,
        format::count(summary.message_bytes),
        compared.collect::<Vec<_>>().join(", and "),
        own.doubt(own.accuracy),
        format::count(outcome.tests as u64),
    );
    let uncompressed = outcome.spec.raw_rounds();
    paragraphs.extend(outcome.null().map(|to_beat| null(&own, &to_beat, uncompressed, &subject.label)));
    paragraphs.push(beside);
    paragraphs.push(bytes(outcome, subject, &summary));
    paragraphs
}

fn rounds(count: u32) -> String {
    if count == 1 { "1 round".into() } else { format!("{count} rounds") }
}

/// Accuracy of the last global model over all kinds of test images.
fn final_accuracy(federation: &FederationOutcome) -> f64 {
    federation.rounds.last().map_or(0.0, |round| round.accuracy())
}

/// An accuracy that others are compared with.
struct Own {
    accuracy: f64,
    tests: usize,
}

/// How two accuracies stand to each other, in points.
enum Standing {
    Better(f64),
    /// Not further apart than the test images can tell.
    Alike(f64),
    Worse(f64),
}

impl Own {
    /// The standard error of a difference of two independent counts, in points. Both see the same images, so that
    /// it is too large rather than too small.
    fn doubt(&self, other: f64) -> f64 {
        let spread = |p: f64| p * (1.0 - p) / self.tests.max(1) as f64;
        100.0 * (spread(self.accuracy) + spread(other)).sqrt()
    }

    fn standing(&self, other: f64) -> Standing {
        let doubt = self.doubt(other);
        match 100.0 * (self.accuracy - other) {
            points if points > doubt => Standing::Better(points),
            points if points < -doubt => Standing::Worse(-points),
            points => Standing::Alike(points.abs()),
        }
    }

    /// "2.8 points better than", and so on.
    fn beside(&self, other: f64) -> String {
        match self.standing(other) {
            Standing::Better(points) => format!("{points:.1} points better than"),
            Standing::Worse(points) => format!("{points:.1} points worse than"),
            Standing::Alike(_) => "about as good as".into(),
        }
    }
}

/// Is that learning, or was it all there before the first compressed round?
fn null(own: &Own, to_beat: &Null, uncompressed: u32, label: &str) -> String {
    let what = match to_beat {
        Null::MeanOfSnapshots(_) => "the mean of the snapshots, with no compressed round at all".to_string(),
        Null::AfterUncompressed(_) => {
            format!("the global model that the {} before it had come to, uncompressed", rounds(uncompressed))
        }
    };
    let tested = to_beat.tested();
    let scores = scores(tested.plain.accuracy, tested.gray.map(|gray| gray.accuracy));
    let null = format!("{what}, which gets {scores} test images right");
    match own.standing(tested.accuracy()) {
        Standing::Better(points) => format!("{label} beats its null by {points:.1} points: {null}."),
        Standing::Worse(points) => format!(
            "{label} does worse than its null, by {points:.1} points: {null}. Its codes carried nothing of use."
        ),
        Standing::Alike(points) => format!(
            "{label} does no better than its null: {null}. {points:.1} points lie between the two, which so few test \
             images cannot tell from none."
        ),
    }
}

fn bytes(outcome: &Outcome, subject: &FederationOutcome, summary: &RunSummary) -> String {
    let raw = RunSummary::of(outcome, outcome.raw());
    let verb = if summary.savings_ratio >= 1.0 { "saves" } else { "does not save" };
    let update = format!(
        "An update is {} bytes long, a raw one {}: {} smaller.",
        format::count(summary.message_bytes),
        format::count(raw.message_bytes),
        format::ratio(summary.ratio_per_message),
    );
    let setup = match subject.learned.decoder {
        Decoder::Nothing => String::new(),
        form => {
            let form = match form {
                Decoder::Factored => " (as the snapshots, and what the decoder takes of them)",
                Decoder::Axes => " (as principal axes)",
                _ => "",
            };
            format!(
                " Each collaborator ships its decoder once, {} bytes{form}.",
                format::count(summary.setup_bytes)
            )
        }
    };
    let break_even = match summary.break_even_rounds {
        Some(rounds) if summary.setup_bytes > 0 => {
            format!(" Decoders have paid for themselves after {} rounds.", rounds.ceil())
        }
        _ => String::new(),
    };
    format!(
        "{update}{setup} With all that is sent, compression {verb} bytes here: the collaborators sent {} in all instead \
         of {}, a savings ratio of {:.3}.{break_even}",
        format::bytes(summary.uplink_bytes),
        format::bytes(raw.uplink_bytes),
        summary.savings_ratio,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_test_images_cannot_tell_is_not_told() {
        let own = Own { accuracy: 0.5, tests: 100 };
        // One standard error is 7.1 points of 100 images.
        assert_eq!(own.beside(0.40), "10.0 points better than");
        assert_eq!(own.beside(0.60), "10.0 points worse than");
        assert_eq!(own.beside(0.53), "about as good as");
        assert_eq!(Own { tests: 10_000, ..own }.beside(0.53), "3.0 points worse than");
    }
}
