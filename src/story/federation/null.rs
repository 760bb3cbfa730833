//! What a federation has to beat, and accuracies as they are written.

use crate::federation::{FederationOutcome, Outcome, Tested};
use crate::report::format;
use crate::story::words::MEAN;
use crate::training::Tally;

/// A global model that no compressed round has touched.
pub struct Null {
    /// Without its article: "mean of the snapshots".
    pub name: String,
    /// What it comes to.
    pub tested: Tested,
}

/// All that there are.
pub fn nulls(outcome: &Outcome) -> Vec<Null> {
    let all = [
        ("initial global model", Some(outcome.initial)),
        (MEAN, outcome.mean_of_snapshots),
        ("global model after the uncompressed rounds", outcome.after_uncompressed),
    ];
    all.into_iter().filter_map(|(name, tested)| Some(Null { name: name.into(), tested: tested? })).collect()
}

/// What collaborators come to who tune their codes and never hear of the others.
pub fn alone(outcome: &Outcome) -> Vec<Null> {
    let tuned = |federation: &FederationOutcome| {
        Some(Null { name: format!("each alone, {}", federation.label), tested: federation.tuned_alone? })
    };
    outcome.federations.iter().filter_map(tuned).collect()
}

impl Null {
    /// The one that is hardest to beat.
    pub fn best(outcome: &Outcome) -> Self {
        let best =
            nulls(outcome).into_iter().max_by(|a, b| a.tested.accuracy().total_cmp(&b.tested.accuracy()));
        best.unwrap_or(Self { name: "initial global model".into(), tested: outcome.initial })
    }
}

/// What the last global model of a federation comes to.
pub fn final_scores(outcome: &Outcome, federation: &FederationOutcome) -> Tested {
    let tally = |(loss, accuracy)| Tally { loss, accuracy, samples: outcome.tests };
    federation.tests().next_back().map_or(outcome.initial, |(_, last)| Tested {
        plain: tally((last.test_loss, last.test_accuracy)),
        gray: last.grayscale_test_loss.zip(last.grayscale_test_accuracy).map(tally),
    })
}

/// "36.2 %", or "36.2 / 33.1 %" with the accuracy on grayscale images.
pub fn scores(tested: &Tested) -> String {
    let plain = tested.plain.accuracy;
    tested.gray.map_or_else(
        || format::percent(plain),
        |gray| format!("{:.1} / {}", plain * 100.0, format::percent(gray.accuracy)),
    )
}
