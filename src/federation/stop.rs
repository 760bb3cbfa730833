//! When a federation ends before its last round.

use super::results::{RoundResult, Tested};
use super::spec::SimulationSpec;
use crate::{Error, Result};

/// Whether a federation ends after these rounds: it is good enough, or has not become better for too long.
pub(super) fn is_over(spec: &SimulationSpec, rounds: &[RoundResult]) -> bool {
    let (mut best, mut best_round) = (f64::NEG_INFINITY, 0);
    for (round, tested) in rounds.iter().filter_map(|round| Some((round.round, round.tested.as_ref()?))) {
        if tested.accuracy() > best {
            (best, best_round) = (tested.accuracy(), round);
        }
    }
    let last = rounds.iter().rev().find(|round| round.tested.is_some()).map_or(0, |round| round.round);
    spec.stop_at_accuracy.is_some_and(|due| best >= due)
        || spec.patience.is_some_and(|patience| last - best_round >= patience)
}

/// The error for a global model whose test has come to no number.
pub(super) fn refuse_diverged(round: u32, tested: Option<Tested>) -> Result<()> {
    match tested {
        Some(Tested { plain, .. }) if !plain.loss.is_finite() => {
            let problem = format!("training diverged in round {round} (the loss is {})", plain.loss);
            Err(Error::diverged("optimizer.lr", problem, "use a smaller rate"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::GlobalTest;

    fn rounds(accuracies: &[Option<f64>]) -> Vec<RoundResult> {
        let round = |(round, accuracy): (u32, &Option<f64>)| RoundResult {
            round,
            tested: accuracy.map(|test_accuracy| GlobalTest {
                test_loss: 1.0,
                test_accuracy,
                grayscale_test_loss: None,
                grayscale_test_accuracy: None,
            }),
            asked: 2,
            results: 2,
            attempts: 1,
            clock: None,
            local_test_accuracy: Vec::new(),
            train_loss: Some(1.0),
            bytes_up: 0,
            bytes_down: 0,
            local_epochs: Vec::new(),
        };
        (1..).zip(accuracies).map(round).collect()
    }

    #[test]
    fn a_federation_ends_when_it_is_good_enough_or_has_not_become_better_for_too_long() {
        let plain = SimulationSpec::load("demo", &[]).unwrap();
        let accuracies = [Some(0.5), None, Some(0.7), None, Some(0.7), None, Some(0.6)];
        assert!(!is_over(&plain, &rounds(&accuracies)));
        let stop = SimulationSpec { stop_at_accuracy: Some(0.7), ..plain.clone() };
        assert!(!is_over(&stop, &rounds(&accuracies[..2])) && is_over(&stop, &rounds(&accuracies[..3])));
        // As good as the best is not better.
        let patient = SimulationSpec { patience: Some(4), ..plain };
        assert!(!is_over(&patient, &rounds(&accuracies[..6])) && is_over(&patient, &rounds(&accuracies)));
        assert!(!is_over(&patient, &[]));
    }
}
