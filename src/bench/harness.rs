//! How a work is timed: warmed up, then repeated for a median.

use crate::Result;
use crate::gpu::{Clock, Cost, Dispatch, Gpu, Stopwatch};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Fewest repeats of a work.
const FEWEST: usize = 3;
/// Most repeats.
const MOST: usize = 25;
/// No repeat beyond the fewest begins after so long.
const LONG: Duration = Duration::from_millis(1_200);

/// How long one repeat of a few dispatches should take: long enough for any clock, short enough for the watchdogs of
/// desktop drivers.
const REPEAT_SECONDS: f64 = 0.04;

/// Times over, at most, that a few dispatches are recorded into one repeat.
const MOST_ROUNDS: f64 = 2_048.0;

/// The unit that a time is shown in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    /// The time itself.
    Seconds,
    /// The time in thousandths.
    Milliseconds,
    /// The time in millionths.
    Microseconds,
    /// The operations counted of it, by the second.
    Gflops,
    /// The bytes counted of it, by the second.
    GigabytesPerSecond,
    /// So many images, by the second.
    Images(u32),
}

impl Unit {
    /// The value of what took so long and cost so much, and how the unit is written.
    fn value(self, seconds: f64, cost: Cost) -> (f64, &'static str) {
        match self {
            Self::Seconds => (seconds, "s"),
            Self::Milliseconds => (seconds * 1e3, "ms"),
            Self::Microseconds => (seconds * 1e6, "us"),
            Self::Gflops => (cost.operations as f64 * 1e-9 / seconds, "GFLOP/s"),
            Self::GigabytesPerSecond => (cost.bytes as f64 * 1e-9 / seconds, "GB/s"),
            Self::Images(count) => (f64::from(count) / seconds, "images/s"),
        }
    }
}

/// A work with all its memory, ready to be repeated.
pub struct Ready<'g> {
    /// Does it once or a few times, and gives the seconds of each.
    pub repeat: Box<dyn FnMut() -> Result<Vec<f64>> + 'g>,
    /// The clock of the seconds.
    pub clock: Clock,
    /// Its cost, counted from shapes; zeros where it is not counted.
    pub cost: Cost,
    /// The unit of its value.
    pub unit: Unit,
}

impl<'g> Ready<'g> {
    /// Dispatches, over and over. What they cost is the sum of what each notes, where `cost` does not say.
    pub fn dispatches(
        gpu: &'g Gpu,
        dispatches: Vec<Dispatch>,
        cost: Option<Cost>,
        unit: Unit,
    ) -> Result<Self> {
        let stopwatch = Stopwatch::new(gpu);
        let sum = |part: fn(Cost) -> u64| dispatches.iter().map(|dispatch| part(dispatch.cost())).sum();
        let cost = cost.unwrap_or(Cost { bytes: sum(|c| c.bytes), operations: sum(|c| c.operations) });
        let clock = stopwatch.clock();
        let mut rounds = None;
        let repeat = move || {
            let rounds = match rounds {
                Some(rounds) => rounds,
                None => {
                    // The first time compiles, the second tells how long it takes.
                    stopwatch.time(&dispatches, 1)?;
                    let once = stopwatch.time(&dispatches, 1)?.max(1e-7);
                    *rounds.insert((REPEAT_SECONDS / once).clamp(1.0, MOST_ROUNDS) as u32)
                }
            };
            Ok(vec![stopwatch.time(&dispatches, rounds)? / f64::from(rounds)])
        };
        Ok(Self { repeat: Box::new(repeat), clock, cost, unit })
    }

    /// Anything that waits for the device itself, by the clock on the wall.
    pub fn wall(unit: Unit, mut work: impl FnMut() -> Result<()> + 'g) -> Self {
        let repeat = move || {
            let start = Instant::now();
            work()?;
            Ok(vec![start.elapsed().as_secs_f64()])
        };
        Self { repeat: Box::new(repeat), clock: Clock::Wall, cost: Cost::default(), unit }
    }

    /// The same, with what it costs.
    pub fn with_cost(self, bytes: usize, operations: usize) -> Self {
        Self { cost: Cost { bytes: bytes as u64, operations: operations as u64 }, ..self }
    }

    /// Warms up and repeats.
    pub fn measure(mut self, name: &'static str, device: &str) -> Result<Measurement> {
        (self.repeat)()?;
        let start = Instant::now();
        let mut seconds = Vec::new();
        while seconds.len() < FEWEST || (seconds.len() < MOST && start.elapsed() < LONG) {
            seconds.extend((self.repeat)()?);
        }
        let spread = Spread::of(&mut seconds);
        let (value, unit) = self.unit.value(spread.median, self.cost);
        Ok(Measurement {
            name,
            value,
            unit,
            seconds: spread,
            repeats: seconds.len(),
            device: device.into(),
            clock: self.clock,
            cost: self.cost,
        })
    }
}

/// Seconds over the repeats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of them took less.
    pub median: f64,
    /// The fastest.
    pub min: f64,
    /// The slowest.
    pub max: f64,
}

impl Spread {
    /// Of one repeat or more, which are put in order.
    fn of(seconds: &mut [f64]) -> Self {
        seconds.sort_by(f64::total_cmp);
        let at = |place: usize| seconds.get(place).copied().unwrap_or(0.0);
        let (middle, last) = (seconds.len() / 2, seconds.len().saturating_sub(1));
        let median = if seconds.len().is_multiple_of(2) {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self { median, min: at(0), max: at(last) }
    }
}

/// The measured time of a work: an entry of the JSON list.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// The work's name, which stays what it is from version to version.
    pub name: &'static str,
    /// The value in its unit, at the median.
    pub value: f64,
    /// The name of the unit.
    pub unit: &'static str,
    /// The time that it took, once.
    pub seconds: Spread,
    /// How often it was timed.
    pub repeats: usize,
    /// The adapter.
    pub device: String,
    /// The clock of the time.
    #[serde(skip)]
    pub clock: Clock,
    /// Its cost.
    #[serde(skip)]
    pub cost: Cost,
}

impl Measurement {
    /// Billions of operations a second; `None` where they are not counted.
    pub fn gflops(&self) -> Option<f64> {
        (self.cost.operations > 0).then(|| Unit::Gflops.value(self.seconds.median, self.cost).0)
    }

    /// Billions of bytes a second; `None` where they are not counted.
    pub fn gigabytes_per_second(&self) -> Option<f64> {
        (self.cost.bytes > 0).then(|| Unit::GigabytesPerSecond.value(self.seconds.median, self.cost).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |values: &[f64]| Spread::of(&mut values.to_vec());
        assert_eq!(of(&[3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(of(&[4.0, 1.0, 2.0, 9.0]), Spread { median: 3.0, min: 1.0, max: 9.0 });
        assert_eq!(of(&[7.0]), Spread { median: 7.0, min: 7.0, max: 7.0 });
    }
}
