//! The answer in plain words: is it better than nothing, than what is plainer, than what is larger.

use super::super::results::{Decoder, FederationOutcome, Null, Outcome};
use super::super::spec::Codec;
use super::super::summary::RunSummary;
use super::words::{scores, short_scores};
use crate::codec::autoencoder::DecoderState;
use crate::report::format;

/// The paragraphs.
pub fn answer(outcome: &Outcome, subject: &FederationOutcome) -> Vec<String> {
    let summary = RunSummary::of(outcome, subject);
    let came_to = format!(
        "{} test images right after {}",
        scores(summary.final_accuracy, summary.final_grayscale_accuracy),
        rounds(outcome.spec.rounds)
    );
    if subject.codec == Codec::Raw {
        return vec![format!("The federation that sends its weights as they are gets {came_to}.")];
    }
    let mut paragraphs = Vec::new();
    let own = Own { accuracy: final_accuracy(subject), tests: outcome.tests };
    let others = [Codec::Pca, Codec::Raw].into_iter().filter(|codec| *codec != subject.codec);
    let compared = others.filter_map(|codec| outcome.federation(codec)).map(|other| {
        let what = match other.codec {
            Codec::Raw => "raw updates".to_string(),
            _ => format!("PCA of the same snapshots with {} floats", other.fit.floats),
        };
        let summary = RunSummary::of(outcome, other);
        let scores = short_scores(summary.final_accuracy, summary.final_grayscale_accuracy);
        format!("{} {what} ({scores})", own.beside(final_accuracy(other)))
    });
    let what = match subject.codec {
        Codec::Pca => "principal components",
        _ => "autoencoders",
    };
    let beside = format!(
        "The federation that sends {} floats made by {what} gets {came_to}. That is {}. Differences below {:.1} points \
         are within the doubt that {} test images leave.",
        format::count(summary.floats as u64),
        compared.collect::<Vec<_>>().join(", and "),
        own.doubt(own.accuracy),
        format::count(outcome.tests as u64),
    );
    let uncompressed = outcome.spec.raw_rounds();
    paragraphs.extend(outcome.null().map(|to_beat| null(&own, &to_beat, uncompressed, subject.codec)));
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
fn null(own: &Own, to_beat: &Null, uncompressed: u32, codec: Codec) -> String {
    let who = match codec {
        Codec::Pca => "Principal components",
        _ => "The autoencoders",
    };
    let what = match to_beat {
        Null::MeanOfSnapshots(_) => {
            "the mean of the snapshots that they were learned from, with no compressed round at all"
                .to_string()
        }
        Null::AfterUncompressed(_) => {
            format!(
                "the global model that the {} before them had come to, uncompressed",
                rounds(uncompressed)
            )
        }
    };
    let tested = to_beat.tested();
    let scores = scores(tested.plain.accuracy, tested.gray.map(|gray| gray.accuracy));
    let null = format!("{what}, which gets {scores} test images right");
    match own.standing(tested.accuracy()) {
        Standing::Better(points) => format!("{who} beat their null by {points:.1} points: {null}."),
        Standing::Worse(points) => format!(
            "{who} did worse than their null, by {points:.1} points: {null}. Their codes carried nothing of use."
        ),
        Standing::Alike(points) => format!(
            "{who} did no better than their null: {null}. {points:.1} points lie between the two, which so few test \
             images cannot tell from none."
        ),
    }
}

fn bytes(outcome: &Outcome, subject: &FederationOutcome, summary: &RunSummary) -> String {
    let raw = outcome.federation(Codec::Raw).map(|raw| RunSummary::of(outcome, raw));
    let (raw_update, raw_up) = raw.map_or((0, 0), |raw| (raw.update_bytes, raw.bytes_up));
    let form = match (subject.fit.decoder, &outcome.autoencoder) {
        (Decoder::Factored, Some(autoencoder)) => format!(
            " (as the snapshots and what the decoder takes of them; its matrix would be {} bytes)",
            format::count(DecoderState::message_bytes(autoencoder))
        ),
        _ => String::new(),
    };
    let verb = if summary.savings_ratio >= 1.0 { "saved" } else { "did not save" };
    let break_even = summary.break_even_rounds.map_or(String::new(), |rounds| {
        format!(" The decoders have paid for themselves after {} rounds.", rounds.ceil())
    });
    format!(
        "A coded update is {} bytes long, a raw one {}: {} smaller. But whoever decodes has to have the decoders: {} bytes \
         from each collaborator, once{form}. With them, compression {verb} bytes here: the collaborators sent {} in all \
         instead of {}, a savings ratio of {:.3}.{break_even}",
        format::count(summary.update_bytes),
        format::count(raw_update),
        format::ratio(summary.ratio_per_message),
        format::count(summary.decoder_bytes),
        format::bytes(summary.bytes_up),
        format::bytes(raw_up),
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
