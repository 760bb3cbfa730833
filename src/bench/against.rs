//! Times beside those of another run: what `fedfunnel bench --json` left.

use super::{Measurement, Spread};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A work as another run left it.
#[derive(Clone, Debug, Deserialize)]
pub struct Recorded {
    /// Its name.
    pub name: String,
    /// The time that it took.
    pub seconds: Spread,
    /// The adapter.
    pub device: String,
}

/// How many times as long a work takes now as it took before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Of the medians.
    pub median: f64,
    /// The fastest now over the slowest before.
    pub min: f64,
    /// The slowest now over the fastest before.
    pub max: f64,
}

impl Ratio {
    /// Of two spreads of seconds.
    pub fn of(now: Spread, before: Spread) -> Self {
        Self { median: now.median / before.median, min: now.min / before.max, max: now.max / before.min }
    }
}

/// The times of a file that `--json` wrote.
pub fn read(path: &Path) -> Result<Vec<Recorded>> {
    let mend = "name a file that fedfunnel bench --json has written";
    let text = crate::files::read_text(path)?;
    let all: Vec<Recorded> = serde_json::from_str(&text)
        .map_err(|error| Error::file(path, format!("it has no times of works ({error})"), mend))?;
    let is_time = |seconds: f64| seconds > 0.0 && seconds.is_finite();
    let is_spread = |s: Spread| is_time(s.min) && s.min <= s.median && s.median <= s.max && is_time(s.max);
    match all.iter().find(|recorded| !is_spread(recorded.seconds)) {
        None => Ok(all),
        Some(Recorded { name, seconds, .. }) => {
            let Spread { median, min, max } = seconds;
            let problem = format!(
                "the seconds of {name} are {min}, {median} and {max}, which is no minimum, median and maximum"
            );
            Err(Error::file(path, problem, mend))
        }
    }
}

/// Each of these works that another run has timed too, with that run's entry.
pub fn pairs<'m, 'r>(
    measured: &'m [Measurement],
    recorded: &'r [Recorded],
) -> impl Iterator<Item = (&'m Measurement, &'r Recorded)> {
    measured.iter().filter_map(|now| Some((now, recorded.iter().find(|before| before.name == now.name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_span_what_both_spreads_allow() {
        let before = Spread { median: 2.0, min: 1.0, max: 4.0 };
        let now = Spread { median: 3.0, min: 2.0, max: 5.0 };
        assert_eq!(Ratio::of(now, before), Ratio { median: 1.5, min: 0.5, max: 5.0 });
        assert_eq!(Ratio::of(now, now), Ratio { median: 1.0, min: 0.4, max: 2.5 });
    }
}
