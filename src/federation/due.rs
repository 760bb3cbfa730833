//! What a saved state has to be, so that a federation can be gone on with from it.

use super::clients::Clients;
use super::flow::Flow;
use super::ledger::{Direction, Ledger};
use super::logs::TakenAt;
use super::results::{LocalEpoch, RoundResult};
use super::spec::{Fate, LocalTests, SimulationSpec};
use crate::Result;
use crate::codec::MessageKind;

/// What a run's states depend on, besides the device.
#[derive(Clone, Debug)]
pub(super) struct Due {
    /// What is run.
    pub spec: SimulationSpec,
    /// The collaborators.
    pub ids: Vec<u32>,
    /// Images of each, by the place of its id.
    pub samples: Vec<usize>,
    /// Steps of an epoch of each.
    pub steps: Vec<u64>,
    /// Epochs that a collaborator trains in a round.
    pub local_epochs: u64,
    /// Weights of the model.
    pub width: usize,
}

/// What is wrong with a state.
type Problem = String;

impl Due {
    /// For these collaborators and a model of `width` weights.
    pub fn of(spec: &SimulationSpec, collaborators: &Clients, width: usize) -> Self {
        let ids = collaborators.ids();
        let steps = ids.iter().map(|&who| collaborators.steps_of(&[who])).collect();
        let samples = ids.iter().map(|&who| collaborators.samples(who)).collect();
        Self { spec: spec.clone(), ids, samples, steps, local_epochs: spec.local_epochs, width }
    }

    /// The same of those alone that log weights before the first round.
    pub fn of_loggers(&self) -> Self {
        let loggers = self.spec.loggers(&self.samples);
        let places: Vec<_> = loggers.iter().filter_map(|who| self.ids.binary_search(who).ok()).collect();
        Self {
            ids: loggers,
            samples: places.iter().map(|&place| self.samples[place]).collect(),
            steps: places.iter().map(|&place| self.steps[place]).collect(),
            ..self.clone()
        }
    }

    /// The number of the first round that is compressed.
    pub fn first_round(&self) -> u32 {
        self.spec.raw_rounds() + 1
    }

    /// When each collaborator logs in a pre-pass in isolation, after so many epochs of each.
    pub fn alone(&self, epochs: impl Fn(usize) -> u64) -> Result<Vec<TakenAt>> {
        let every = self.spec.prepass()?.snapshot_every;
        Ok(self.steps.iter().enumerate().map(|(place, &steps)| every.times(epochs(place), steps)).collect())
    }

    /// When each collaborator has logged in so many rounds of a federated pre-pass.
    pub fn together(&self, rounds: u64) -> Result<Vec<TakenAt>> {
        let (every, epochs) = (self.spec.prepass()?.snapshot_every, self.spec.local_epochs);
        let of = |&steps: &u64| -> TakenAt {
            let taken = every.times(epochs, steps);
            let round = |round: u64| {
                let before = (round * epochs * steps, round * epochs);
                taken.iter().map(move |(step, epoch)| (before.0 + step, before.1 + epoch))
            };
            (0..rounds).flat_map(round).collect()
        };
        Ok(self.steps.iter().map(of).collect())
    }

    /// Refuses results of rounds that are not the first ones of this federation.
    pub fn check_rounds(&self, rounds: &[RoundResult]) -> std::result::Result<(), Problem> {
        (1..).zip(rounds).try_for_each(|(number, round)| self.check_round(number, round))
    }

    /// Refuses what cannot be under way after so many rounds.
    pub fn check_flow(&self, flow: Option<&Flow>, rounds: u32) -> std::result::Result<(), Problem> {
        match (flow, &self.spec.asynchrony) {
            (None, None) => Ok(()),
            (None, Some(_)) if rounds == 0 => Ok(()),
            (Some(flow), Some(asynchrony)) if rounds > 0 => {
                let of_epoch = self.steps.iter().copied().max().unwrap_or(0);
                let steps = asynchrony.steps().unwrap_or((1, self.local_epochs * of_epoch));
                flow.check(&self.ids, rounds, &(steps.0..=steps.1))
            }
            _ => Err("it has tasks under way where none are, or none where some are".into()),
        }
    }

    fn check_round(&self, number: u32, round: &RoundResult) -> std::result::Result<(), Problem> {
        if round.round != number {
            return Err(format!("round {} stands in the place of round {number}", round.round));
        }
        let tested = round.tested.iter();
        let own = tested.flat_map(|t| [t.test_accuracy].into_iter().chain(t.grayscale_test_accuracy));
        let of = |epoch: &LocalEpoch| [epoch.train_accuracy].into_iter().chain(epoch.test_accuracy);
        let local = round.local_test_accuracy.iter().copied();
        let mut all = own.chain(local).chain(round.local_epochs.iter().flat_map(of));
        if let Some(accuracy) = all.find(|accuracy| !(0.0..=1.0).contains(accuracy)) {
            return Err(format!("{accuracy} in round {number} is no accuracy"));
        }
        let Some(attempt) = round.attempts.checked_sub(1) else {
            return Err(format!("round {number} was never played"));
        };
        if self.spec.asynchrony.is_some() {
            return self.check_step(number, round);
        }
        let asked = self.spec.participants(number, attempt, &self.samples);
        let trains =
            |who: &u32| !matches!(self.spec.fate(number, attempt, *who), Fate::Absent | Fate::BreaksOff);
        let who: Vec<_> = asked.iter().copied().filter(trains).collect();
        let is_gray = !self.spec.grayscale.is_empty();
        let tests = self.spec.local_tests();
        let is_tested = tests == LocalTests::Epoch;
        let epochs = self.local_epochs;
        let listed: &[u32] = if tests == LocalTests::None { &[] } else { &who };
        let mut due = listed
            .iter()
            .flat_map(|&who| (1..=epochs).map(move |epoch| (who, u64::from(number - 1) * epochs + epoch)));
        let mut found = round.local_epochs.iter();
        let alike = found.all(|epoch| {
            due.next() == Some((epoch.collaborator, epoch.epoch))
                && epoch.test_loss.is_some() == is_tested
                && epoch.test_accuracy.is_some() == is_tested
        });
        let is_whole = round.local_test_accuracy.len() == listed.len()
            && round.asked == asked.len()
            && round.results <= who.len()
            && round.clock.is_some() == self.spec.clock.is_some()
            && round.tested.is_some() == self.spec.is_tested(number)
            && round.tested.is_none_or(|tested| {
                tested.grayscale_test_loss.is_some() == is_gray
                    && tested.grayscale_test_accuracy.is_some() == is_gray
            });
        if alike && due.next().is_none() && is_whole {
            return Ok(());
        }
        Err(format!("the results of round {number} are not those of its collaborators and their epochs"))
    }

    /// Who was asked in a round and answered, each time that it was played.
    pub fn answered(&self, round: &RoundResult) -> Vec<u32> {
        let number = round.round;
        let of = |attempt| {
            let asked = self.spec.participants(number, attempt, &self.samples);
            asked.into_iter().filter(move |&who| self.spec.fate(number, attempt, who) != Fate::Absent)
        };
        (0..round.attempts).flat_map(of).collect()
    }

    /// The same where collaborators do not wait for each other.
    fn check_step(&self, number: u32, round: &RoundResult) -> std::result::Result<(), Problem> {
        let is_whole = round.attempts == 1
            && (1..=round.asked).contains(&round.results)
            && round.clock.is_some_and(|clock| (0.0..f64::MAX).contains(&clock))
            && round.local_test_accuracy.is_empty()
            && round.local_epochs.is_empty()
            && round.tested.is_some() == self.spec.is_tested(number);
        if is_whole { Ok(()) } else { Err(format!("the results of round {number} are not those of a step")) }
    }

    /// Refuses a ledger of other collaborators or other bytes than those of these rounds.
    pub fn check_ledger(&self, ledger: &Ledger, rounds: &[RoundResult]) -> std::result::Result<(), Problem> {
        if ledger.checksum != self.spec.checksum {
            return Err("its ledger is of messages with another checksum".into());
        }
        let mut sums = vec![[0u64; 2]; rounds.len() + 1];
        let mut whole = 0u64;
        for transfer in &ledger.transfers {
            let place = usize::from(transfer.direction == Direction::Down);
            let sum = sums.get_mut(transfer.round as usize).map(|sums| &mut sums[place]);
            let (Some(sum), true) = (sum, self.ids.binary_search(&transfer.collaborator).is_ok()) else {
                let (round, who) = (transfer.round, transfer.collaborator);
                return Err(format!("its ledger has a message of collaborator {who} in round {round}"));
            };
            whole = whole.checked_add(transfer.bytes).ok_or("its ledger has too many bytes")?;
            // Setups come behind the rounds that are not compressed and are of none. Axes that take the place of others are
            // shipped inside of later rounds.
            if transfer.kind != MessageKind::Setup || transfer.round > self.spec.raw_rounds() {
                *sum += transfer.bytes;
            }
        }
        let differs =
            |(round, sums): &(&RoundResult, &[u64; 2])| [round.bytes_up, round.bytes_down] != **sums;
        match rounds.iter().zip(&sums[1..]).find(differs) {
            Some((round, _)) => {
                Err(format!("its ledger has other bytes in round {} than its results", round.round))
            }
            None => Ok(()),
        }
    }
}
