//! How much work goes into one submit: little enough for the watchdogs of desktop drivers, which reset a device that
//! answers nothing else for too long, and enough to hide what a submit costs.
//!
//! Where the code waits for earlier submits anyway, their time is measured, and what follows is cut by that. Before
//! anything is measured, times are guessed from the costs that dispatches note.

use super::{DeviceClass, Dispatch};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest that a submit is to take, where nothing else is asked for.
const LONGEST: Duration = Duration::from_millis(250);

/// How much of that is filled: times vary.
const FILLED: f64 = 0.8;

/// Steps of one submit at most.
const MOST_STEPS: u64 = 4_096;

/// By how much a submit may grow over the one before.
const GROWTH: u64 = 4;

/// Operations and bytes per second of a slow GPU at kernels that fit it badly, for the first guess.
const OPERATIONS: f64 = 50e9;
const BYTES: f64 = 10e9;

/// Bytes that an invocation moves, where costs are not counted.
const INVOCATION_BYTES: f64 = 64.0;

/// How work on a device is cut into submits.
#[derive(Debug)]
pub(super) struct Pace {
    /// Seconds that a submit is filled to.
    target: f64,
    /// Whether a step is cut too: a processor has no watchdog, and its steps are kept whole.
    cuts_steps: bool,
    /// How much longer work takes than was guessed, 1 at least: the bits of an f64.
    slowness: AtomicU64,
}

impl Pace {
    pub fn new(class: DeviceClass, longest: Option<Duration>) -> Self {
        let target = longest.unwrap_or(LONGEST).as_secs_f64() * FILLED;
        Self { target, cuts_steps: !class.is_cpu(), slowness: AtomicU64::new(1f64.to_bits()) }
    }

    /// Seconds that a dispatch is guessed to take.
    fn guess(&self, dispatch: &Dispatch) -> f64 {
        let cost = dispatch.cost();
        let counted = (cost.operations as f64 / OPERATIONS).max(cost.bytes as f64 / BYTES);
        let uncounted = dispatch.invocations() as f64 * INVOCATION_BYTES / BYTES;
        let guess = if counted > 0.0 { counted } else { uncounted };
        f64::from_bits(self.slowness.load(Ordering::Relaxed)) * guess.max(1e-7)
    }

    /// Cuts a list that runs once, by guess: nobody waits for its parts. One part at least.
    pub fn parts<'d>(&self, dispatches: &'d [Dispatch]) -> Vec<&'d [Dispatch]> {
        let (mut parts, mut first, mut seconds) = (Vec::new(), 0, 0.0);
        if self.cuts_steps {
            for (place, dispatch) in dispatches.iter().enumerate() {
                let guess = self.guess(dispatch);
                if place > first && seconds + guess > self.target {
                    parts.push(&dispatches[first..place]);
                    (first, seconds) = (place, 0.0);
                }
                seconds += guess;
            }
        }
        parts.push(&dispatches[first..]);
        parts
    }

    /// For a plan that runs many times.
    pub fn steps(&self, plan: &[Dispatch]) -> Stepping {
        let guesses: Vec<_> = plan.iter().map(|dispatch| self.guess(dispatch)).collect();
        let unit = if self.cuts_steps { 1 } else { plan.len().max(1) };
        Stepping::new(self.target, unit, guesses)
    }

    /// Learns from a plan that has run.
    pub fn learn(&self, stepping: &Stepping) {
        let before = f64::from_bits(self.slowness.load(Ordering::Relaxed));
        let slowness = (before * stepping.times_guessed()).max(1.0);
        self.slowness.store(slowness.to_bits(), Ordering::Relaxed);
    }
}

/// The submits of a plan that runs for many steps: a run of units, which are whole steps or single dispatches, counted
/// through all steps.
#[derive(Debug)]
pub(super) struct Stepping {
    target: f64,
    /// Dispatches of a unit.
    unit: usize,
    /// Seconds that each unit of a step takes as far as is known, and as was guessed.
    seconds: Vec<f64>,
    guessed: f64,
    /// Units of the last submit, and of the next one at most.
    last: u64,
    most: u64,
}

impl Stepping {
    fn new(target: f64, unit: usize, guesses: Vec<f64>) -> Self {
        let mut seconds: Vec<_> = guesses.chunks(unit).map(|unit| unit.iter().sum()).collect();
        if seconds.is_empty() {
            seconds.push(1e-7);
        }
        let (guessed, most) = (seconds.iter().sum(), seconds.len() as u64);
        Self { target, unit, seconds, guessed, last: 0, most }
    }

    /// Units of a step.
    pub fn units(&self) -> u64 {
        self.seconds.len() as u64
    }

    /// The dispatches of a unit, of a plan of `dispatches` dispatches.
    pub fn dispatches(&self, unit: u64, dispatches: usize) -> Range<usize> {
        let first = (unit % self.units()) as usize * self.unit;
        first..dispatches.min(first + self.unit)
    }

    /// Where the submit ends that begins with unit `from`: before `end`, and with one unit in it at least.
    pub fn next(&mut self, from: u64, end: u64) -> u64 {
        let (mut until, mut seconds) = (from, 0.0);
        while until < end.min(from + self.most) {
            seconds += self.seconds[(until % self.units()) as usize];
            if until > from && seconds > self.target {
                break;
            }
            until += 1;
        }
        self.last = until - from;
        until
    }

    /// A submit of these units took `elapsed` seconds: each of them took its part of that.
    pub fn measured(&mut self, units: Range<u64>, elapsed: f64) {
        let count = self.units();
        let expected: f64 = units.clone().map(|unit| self.seconds[(unit % count) as usize]).sum();
        let times = elapsed.max(1e-6) / expected;
        for unit in units.start..units.end.min(units.start + count) {
            self.seconds[(unit % count) as usize] *= times;
        }
        self.most = (self.last * GROWTH).min(MOST_STEPS * count);
    }

    /// How many times as long a step takes as was guessed.
    fn times_guessed(&self) -> f64 {
        self.seconds.iter().sum::<f64>() / self.guessed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs so many steps of units that take `real` seconds each, two submits in flight; gives the seconds of each submit
    /// and how many units it had.
    fn submits(mut stepping: Stepping, real: &[f64], steps: u64) -> Vec<(f64, u64)> {
        let count = stepping.units();
        let took = |units: Range<u64>| units.map(|unit| real[(unit % count) as usize]).sum::<f64>();
        let (mut next, end, mut flying, mut all) = (0, steps * count, None, Vec::new());
        while next < end {
            let until = stepping.next(next, end);
            all.push((took(next..until), until - next));
            if let Some(units) = flying.replace(next..until) {
                stepping.measured(units.clone(), took(units));
            }
            next = until;
        }
        all
    }

    #[test]
    fn submits_grow_to_the_target_and_stay_under_the_bound() {
        let real = [0.001];
        let all = submits(Stepping::new(0.2, 7, vec![1e-7; 7]), &real, 5_000);
        assert_eq!([all[0].1, all[1].1], [1, 1], "the first are single steps");
        assert!(all.iter().all(|(seconds, _)| *seconds <= 0.25), "{all:?}");
        assert!(all.iter().rev().skip(1).take(10).all(|(_, units)| (190..=200).contains(units)), "{all:?}");
    }

    #[test]
    fn steps_longer_than_the_bound_are_cut_between_dispatches() {
        // Guessed to be equal; one of them is most of it.
        let real = [0.02, 0.02, 0.02, 0.19, 0.02, 0.02, 0.15, 0.02];
        let all = submits(Stepping::new(0.2, 1, vec![0.01; 8]), &real, 50);
        assert_eq!(all.iter().map(|(_, units)| units).sum::<u64>(), 8 * 50, "all is run");
        let late = &all[all.len() / 2..];
        assert!(late.iter().all(|(seconds, units)| *seconds <= 0.25 || *units == 1), "{late:?}");
        assert!(late.len() > 25 * 2, "{late:?}");
        // The control: what keeps steps whole is over the bound.
        let whole = submits(Stepping::new(0.2, 8, vec![0.01; 8]), &[real.iter().sum()], 50);
        assert!(whole.iter().all(|(seconds, units)| *seconds > 0.25 && *units == 1));
    }

    #[test]
    fn a_unit_that_is_longer_than_the_bound_is_a_submit_of_its_own() {
        let all = submits(Stepping::new(0.001, 1, vec![1.0; 3]), &[0.5, 0.5, 0.5], 4);
        assert_eq!(all, vec![(0.5, 1); 12]);
    }

    #[test]
    fn what_was_measured_is_guessed_next() {
        let pace = Pace::new(DeviceClass::Gpu, None);
        let slow = |times: f64| {
            let mut stepping = Stepping::new(pace.target, 1, vec![0.01; 4]);
            stepping.measured(0..4, 0.04 * times);
            pace.learn(&stepping);
            f64::from_bits(pace.slowness.load(Ordering::Relaxed))
        };
        assert!((slow(3.0) - 3.0).abs() < 1e-9);
        assert_eq!(slow(0.001), 1.0, "never faster than a slow GPU");
    }

    #[test]
    fn an_empty_plan_is_one_unit() {
        let mut stepping = Stepping::new(0.2, 1, Vec::new());
        assert_eq!((stepping.units(), stepping.next(0, 3), stepping.dispatches(0, 0)), (1, 1, 0..0));
    }
}
