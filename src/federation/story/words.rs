//! Words that several parts of a report use.

use super::super::results::{Outcome, Tested};
use crate::report::format;

/// A collaborator in a legend.
pub fn name_of(outcome: &Outcome, collaborator: usize) -> String {
    match (outcome.spec.grayscale.is_empty(), outcome.spec.grayscale.contains(&collaborator)) {
        (true, _) => format!("collaborator {collaborator}"),
        (false, true) => format!("collaborator {collaborator}, grayscale"),
        (false, false) => format!("collaborator {collaborator}, colour"),
    }
}

/// Accuracies in a sentence about test images.
pub fn scores(plain: f64, gray: Option<f64>) -> String {
    match gray {
        None => format!("{} of the", format::percent(plain)),
        Some(gray) => {
            format!("{} of the colour and {} of the grayscale", format::percent(plain), format::percent(gray))
        }
    }
}

/// Accuracies where there is little room: "36.2 %", or "36.2 / 33.1 %".
pub fn short_scores(plain: f64, gray: Option<f64>) -> String {
    match gray {
        None => format::percent(plain),
        Some(gray) => format!("{:.1} / {}", plain * 100.0, format::percent(gray)),
    }
}

pub fn scores_of(tested: &Tested) -> String {
    short_scores(tested.plain.accuracy, tested.gray.map(|gray| gray.accuracy))
}
