//! What one simulation of a comparison came to, as it is kept.

use crate::federation::{FederationOutcome, Outcome, RunSummary, SimulationSpec};
use crate::story::codecs::{AfterRound, CodecRun, SeedResult};
use crate::{Error, Result};

/// Of a simulation's outcome, and of the lines that it has logged. Errors where raw updates diverged, since all others
/// are compared with them.
pub(super) fn result(outcome: &Outcome, lines: Vec<serde_json::Value>) -> Result<SeedResult> {
    if let Some(problem) = &outcome.raw().diverged {
        let mend = "use a smaller federation.optimizer.lr";
        return Err(Error::diverged("codecs", format!("raw updates came to no end: {problem}"), mend));
    }
    let nulls = [
        ("initial global model", Some(outcome.initial)),
        ("mean of the snapshots", outcome.mean_of_snapshots),
        ("global model after the uncompressed rounds", outcome.after_uncompressed),
    ];
    let codecs = outcome.federations.iter().zip(&outcome.spec.codecs);
    Ok(SeedResult {
        seed: outcome.spec.seed,
        codecs: codecs.map(|(one, codec)| codec_run(outcome, one, codec.sends_weights())).collect(),
        nulls: nulls
            .into_iter()
            .filter_map(|(name, tested)| Some((name.into(), tested?.accuracy())))
            .collect(),
        parameters: outcome.classifier.parameters(),
        tests: outcome.tests,
        lines,
    })
}

fn codec_run(outcome: &Outcome, one: &FederationOutcome, sends_weights: bool) -> CodecRun {
    let summary = RunSummary::of(outcome, one);
    let by_round = one.ledger.bytes_by_round(one.rounds.len(), |_| true);
    let mut total_bytes = by_round[0];
    let rounds = one.rounds.iter().zip(&by_round[1..]).filter_map(|(round, bytes)| {
        total_bytes += bytes;
        let tested = round.tested?;
        Some(AfterRound {
            round: round.round,
            total_bytes,
            accuracy: tested.test_accuracy,
            grayscale_accuracy: tested.grayscale_test_accuracy,
        })
    });
    CodecRun {
        label: one.label.clone(),
        is_raw: one.is_raw,
        sends_weights,
        rounds: rounds.collect(),
        message_bytes: summary.message_bytes,
        setup_bytes: summary.setup_bytes,
        shared_setup_bytes: summary.shared_setup_bytes,
        uplink_bytes: summary.uplink_bytes,
        downlink_bytes: summary.downlink_bytes,
        local_epochs: summary.local_epochs,
        seconds: one.seconds,
        diverged: one.diverged.clone(),
    }
}

/// What is wrong with a result that this simulation cannot have come to.
pub(super) fn check(result: &SeedResult, spec: &SimulationSpec) -> std::result::Result<(), String> {
    if result.seed != spec.seed || result.codecs.len() != spec.codecs.len() {
        return Err(format!("it has {} codecs with seed {}", result.codecs.len(), result.seed));
    }
    let is_whole = |codec: &&CodecRun| {
        let numbers = codec.rounds.iter().map(|round| round.round);
        let due = (1..=spec.rounds).filter(|&round| spec.is_tested(round));
        let are_due = match codec.diverged {
            Some(_) => due.take(codec.rounds.len()).eq(numbers),
            None => due.eq(numbers),
        };
        are_due && codec.rounds.iter().all(|round| (0.0..=1.0).contains(&round.over_all()))
    };
    match result.codecs.iter().find(|codec| !is_whole(codec)) {
        Some(codec) => Err(format!("the rounds of {} are not those of a simulation", codec.label)),
        None => Ok(()),
    }
}
