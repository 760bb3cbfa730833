//! When a federation's rounds end by its collaborators' clock, as they were played or over lines of another speed.

use super::clock::seconds;
use super::ledger::{Direction, Transfer};
use super::results::{FederationOutcome, Outcome};
use super::spec::{PrepassKind, Speed};
use crate::codec::MessageKind;

/// When the rounds of a federation end, in seconds since the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Before the first round: local epochs of a pre-pass, and the messages of a set-up. What a codec learns from the
    /// logs takes no time here.
    pub before: f64,
    /// The end of each round.
    pub ends: Vec<f64>,
}

impl Timeline {
    /// As the rounds were played; none where collaborators have no clock.
    pub fn of(outcome: &Outcome, federation: &FederationOutcome) -> Option<Self> {
        let before = before(outcome, federation, outcome.speeds.as_ref()?);
        let rounds: Option<Vec<f64>> = federation.rounds.iter().map(|round| round.clock).collect();
        Some(Self::new(before, rounds?))
    }

    /// The same messages and steps over lines that carry so many million bits in a second each way in the median. None
    /// where other speeds are other rounds: where nobody waits for all, and where messages fail.
    pub fn over(outcome: &Outcome, federation: &FederationOutcome, mbit: f64) -> Option<Self> {
        if outcome.spec.asynchrony.is_some() || outcome.spec.faults.is_some() {
            return None;
        }
        let speeds = outcome.speeds.as_ref()?;
        let factor = |of: fn(&Speed) -> f64| 1e6 * mbit / median(speeds.iter().map(of).collect());
        let (up, down) = (factor(|speed| speed.up), factor(|speed| speed.down));
        let scaled = |speed: &Speed| Speed { up: speed.up * up, down: speed.down * down, ..*speed };
        Some(Self::played(outcome, federation, &speeds.iter().map(scaled).collect::<Vec<_>>()))
    }

    /// With these speeds, from the messages of the ledger and the steps of their collaborators.
    fn played(outcome: &Outcome, federation: &FederationOutcome, speeds: &[Speed]) -> Self {
        let raw = outcome.spec.raw_rounds();
        let mut rounds: Vec<Vec<Transfer>> = vec![Vec::new(); federation.rounds.len() + 1];
        for transfer in &federation.ledger.transfers {
            let is_set_up = transfer.kind == MessageKind::Setup && transfer.round <= raw;
            if let Some(own) = rounds.get_mut(transfer.round as usize).filter(|_| !is_set_up) {
                own.push(*transfer);
            }
        }
        let took = (1..).zip(&rounds[1..]).map(|(round, transfers)| {
            let tuning = if round > raw { federation.tuning_epochs } else { 0 };
            let epochs = federation.local_epochs + tuning;
            let is_update = |t: &&Transfer| t.kind == MessageKind::Update;
            let senders: Vec<u32> = transfers.iter().filter(is_update).map(|t| t.collaborator).collect();
            let all = seconds(speeds, transfers, |who| epochs * steps(outcome, who));
            senders.iter().filter_map(|who| all.get(who).copied()).fold(0.0, f64::max)
        });
        Self::new(before(outcome, federation, speeds), took.collect())
    }

    fn new(before: f64, rounds: Vec<f64>) -> Self {
        let mut now = before;
        let ends = rounds.into_iter().map(|seconds| {
            now += seconds;
            now
        });
        Self { before, ends: ends.collect() }
    }

    /// When the last round ends.
    pub fn end(&self) -> f64 {
        self.ends.last().copied().unwrap_or(self.before)
    }

    /// When the global model is known to be as good as that, by the tests of its rounds.
    pub fn reaches(&self, federation: &FederationOutcome, accuracy: f64) -> Option<f64> {
        let (round, _) = federation.tests().find(|(_, tested)| tested.accuracy() >= accuracy)?;
        self.ends.get(round as usize - 1).copied()
    }
}

/// Seconds before the first round, of the slowest: its epochs of a pre-pass in isolation, where its codec learns from
/// them, and the messages that its updates are decoded with.
fn before(outcome: &Outcome, federation: &FederationOutcome, speeds: &[Speed]) -> f64 {
    let spec = &outcome.spec;
    let raw = spec.raw_rounds();
    let is_of_setup = |t: &&Transfer| {
        let is_initial = t.kind == MessageKind::Model && t.direction == Direction::Down && t.round == 0;
        is_initial || (t.kind == MessageKind::Setup && t.round <= raw)
    };
    let transfers: Vec<_> = federation.ledger.transfers.iter().filter(is_of_setup).copied().collect();
    let prepass = spec
        .prepass
        .as_ref()
        .filter(|prepass| federation.learned_label.is_some() && prepass.kind == PrepassKind::Isolated);
    let epochs = prepass.and_then(|prepass| prepass.epochs).unwrap_or(0);
    seconds(speeds, &transfers, |who| epochs * steps(outcome, who)).into_values().fold(0.0, f64::max)
}

/// Steps of an epoch of a collaborator.
fn steps(outcome: &Outcome, who: u32) -> u64 {
    let largest = outcome.samples.iter().copied().max().unwrap_or(1).max(1);
    let batch = outcome.spec.batch.clamp(1, largest);
    outcome.samples.get(who as usize).map_or(0, |samples| samples.div_ceil(batch) as u64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
