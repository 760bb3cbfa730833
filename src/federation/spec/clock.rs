//! How long collaborators compute and send, for a clock that stands in for those of real devices.

use crate::data::{derive_seed, normal};
use crate::{Error, Result, files};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The stream of the seed that speeds are drawn from.
const STREAM: u64 = 0x636c_6f63;

/// The speeds of collaborators: drawn, or from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clock {
    /// Seconds that a step of local training takes.
    pub seconds_per_step: LogNormal,
    /// Millions of bits in a second from a collaborator to the aggregator.
    pub uplink_mbit: LogNormal,
    /// Millions of bits in a second from the aggregator to a collaborator.
    pub downlink_mbit: LogNormal,
    /// A CSV file with a line `collaborator,seconds_per_step,uplink_mbit,downlink_mbit` for each, in place of draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// A distribution whose logarithm is normal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogNormal {
    /// Half of all are below.
    pub median: f64,
    /// Standard deviation of the logarithm; 0 is the same for all.
    #[serde(default)]
    pub sigma: f64,
}

/// How fast a collaborator is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Seconds of a step.
    pub step: f64,
    /// Bits of a second on the way up.
    pub up: f64,
    /// Bits of a second on the way down.
    pub down: f64,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            seconds_per_step: LogNormal { median: 0.05, sigma: 0.5 },
            uplink_mbit: LogNormal { median: 10.0, sigma: 0.5 },
            downlink_mbit: LogNormal { median: 10.0, sigma: 0.5 },
            file: None,
        }
    }
}

impl Clock {
    /// Refuses speeds that are none.
    pub fn check(&self) -> Result<()> {
        let all = [
            ("seconds_per_step", self.seconds_per_step),
            ("uplink_mbit", self.uplink_mbit),
            ("downlink_mbit", self.downlink_mbit),
        ];
        for (name, LogNormal { median, sigma }) in all {
            if !(median > 0.0 && median.is_finite() && (0.0..=10.0).contains(&sigma)) {
                let problem = format!("a median of {median} and a sigma of {sigma}");
                let mend = "use a median above 0 and a sigma of 0 to 10";
                return Err(Error::setting(format!("clock.{name}"), problem, mend));
            }
        }
        Ok(())
    }

    /// The speeds of so many collaborators, by id. Errors where the file has others.
    pub fn speeds(&self, seed: u64, collaborators: usize) -> Result<Vec<Speed>> {
        match &self.file {
            Some(_) => self.read_file(collaborators),
            None => Ok((0..collaborators).map(|who| self.draw(seed, who as u64)).collect()),
        }
    }

    fn draw(&self, seed: u64, who: u64) -> Speed {
        let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(derive_seed(seed, STREAM), who));
        let mut of = |LogNormal { median, sigma }: LogNormal| median * (sigma * normal(&mut rng)).exp();
        let [step, up, down] = [self.seconds_per_step, self.uplink_mbit, self.downlink_mbit].map(&mut of);
        Speed { step, up: up * 1e6, down: down * 1e6 }
    }

    fn read_file(&self, collaborators: usize) -> Result<Vec<Speed>> {
        let path = self.file.clone().unwrap_or_default();
        let text = files::read_text(&path)?;
        let wrong = |line: usize, problem: &str| {
            Error::file(
                &path,
                format!("line {line} {problem}"),
                "write collaborator,seconds_per_step,uplink_mbit,downlink_mbit in each line",
            )
        };
        let mut speeds = vec![None; collaborators];
        for (line, row) in (1..).zip(text.lines()) {
            // A first line with the columns' names, and empty lines.
            if row.trim().is_empty() || (line == 1 && row.starts_with(|first: char| first.is_alphabetic())) {
                continue;
            }
            let cells: Vec<_> = row.split(',').map(|cell| cell.trim().parse::<f64>()).collect();
            let [Ok(who), Ok(step), Ok(up), Ok(down)] = cells.as_slice() else {
                return Err(wrong(line, "does not have four numbers"));
            };
            if ![*step, *up, *down].iter().all(|speed| *speed > 0.0 && speed.is_finite()) {
                return Err(wrong(line, "has a speed that is not above 0"));
            }
            let place = speeds.get_mut(*who as usize).filter(|_| who.fract() == 0.0 && *who >= 0.0);
            *place.ok_or_else(|| wrong(line, "is of a collaborator that there is not"))? =
                Some(Speed { step: *step, up: up * 1e6, down: down * 1e6 });
        }
        match speeds.iter().position(Option::is_none) {
            Some(who) => {
                let problem = format!("it has no line of collaborator {who}");
                Err(Error::file(&path, problem, "add one for each collaborator"))
            }
            None => Ok(speeds.into_iter().flatten().collect()),
        }
    }
}

impl Speed {
    /// Seconds of a round in which it gets, computes and sends so much.
    pub fn seconds(self, bytes_down: u64, steps: u64, bytes_up: u64) -> f64 {
        8.0 * bytes_down as f64 / self.down + steps as f64 * self.step + 8.0 * bytes_up as f64 / self.up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_lie_about_their_median_as_far_as_sigma_says() {
        let clock = Clock { uplink_mbit: LogNormal { median: 8.0, sigma: 0.7 }, ..Clock::default() };
        let speeds = clock.speeds(3, 20_000).unwrap();
        assert_eq!(speeds[..10], clock.speeds(3, 10).unwrap()[..]);
        let logs: Vec<f64> = speeds.iter().map(|speed| (speed.up / 8e6).ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let deviation = (logs.iter().map(|log| log * log).sum::<f64>() / logs.len() as f64).sqrt();
        assert!(mean.abs() < 0.02 && (deviation - 0.7).abs() < 0.02, "{mean} {deviation}");
    }

    #[test]
    fn a_round_takes_what_its_bytes_and_steps_take() {
        let speed = Speed { step: 0.5, up: 1e6, down: 4e6 };
        // 2 s down, 5 s of ten steps, 4 s up.
        assert_eq!(speed.seconds(1_000_000, 10, 500_000), 11.0);
    }

    #[test]
    fn a_file_has_every_collaborator_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speeds.csv");
        let clock = Clock { file: Some(path.clone()), ..Clock::default() };
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            clock.speeds(0, 2).map_err(|error| error.to_string())
        };
        let speeds = read("collaborator,step,up,down\n1, 0.5, 2, 3\n0,0.1,1,1\n").unwrap();
        assert_eq!(speeds[1], Speed { step: 0.5, up: 2e6, down: 3e6 });
        for (text, problem) in [
            ("0,1,1,1\n", "no line of collaborator 1"),
            ("0,1,1\n", "line 1 does not have four numbers"),
            ("0,1,1,1\n2,1,1,1\n", "line 2 is of a collaborator that there is not"),
            ("0,1,1,1\n1,1,0,1\n", "line 2 has a speed that is not above 0"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(problem) && error.contains("speeds.csv"), "{error}");
        }
    }
}
