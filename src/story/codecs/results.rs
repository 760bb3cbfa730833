//! What codecs side by side came to, as plain data.

use serde::{Deserialize, Serialize};

/// One simulation with all codecs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedResult {
    /// Its seed.
    pub seed: u32,
    /// In the order of the spec.
    pub codecs: Vec<CodecRun>,
    /// Accuracies of global models that no compressed round has touched, by name.
    pub nulls: Vec<(String, f64)>,
    /// P
    pub parameters: usize,
    /// Test images.
    pub tests: usize,
    /// What it wrote into the metrics.
    pub lines: Vec<serde_json::Value>,
}

/// A codec in one simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodecRun {
    /// Its label.
    pub label: String,
    /// Whether it is what all others are compared with.
    pub is_raw: bool,
    /// Whether it sends weights as they are, whatever else it does otherwise.
    pub sends_weights: bool,
    /// Bytes of an update's message, the last one.
    pub message_bytes: u64,
    /// Bytes of the message by which a collaborator ships, once, what its updates are decoded with.
    pub setup_bytes: u64,
    /// Bytes of the message by which a collaborator gets, once, what was made of those of all.
    pub shared_setup_bytes: u64,
    /// Bytes from all collaborators, in all messages.
    pub uplink_bytes: u64,
    /// Bytes to all collaborators, in all messages.
    pub downlink_bytes: u64,
    /// Epochs that a collaborator trains in all rounds together, those included in which it tunes codes.
    pub local_epochs: u64,
    /// After each round.
    pub rounds: Vec<AfterRound>,
    /// Seconds that it took.
    pub seconds: f64,
    /// Why its rounds ended early, where they did: its values were no numbers any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<String>,
}

/// A codec after a round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AfterRound {
    /// From 1.
    pub round: u32,
    /// Bytes of all messages so far, in both directions, setup included.
    pub total_bytes: u64,
    /// Accuracy of the global model on the test images.
    pub accuracy: f64,
    /// The same on test images without colours, where a collaborator sees such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grayscale_accuracy: Option<f64>,
}

impl AfterRound {
    /// Accuracy over all kinds of test images.
    pub fn over_all(&self) -> f64 {
        self.grayscale_accuracy.map_or(self.accuracy, |gray| (self.accuracy + gray) / 2.0)
    }
}

/// Several codecs over several seeds.
#[derive(Clone, Debug)]
pub struct CodecsResult {
    /// What was asked for, of each codec, and what was found for it.
    pub asked: Vec<Asked>,
    /// Each seed, all with the same codecs.
    pub seeds: Vec<SeedResult>,
    /// Bytes that a message was allowed to have, where that was said.
    pub budget: Option<u64>,
    /// Collaborators.
    pub collaborators: usize,
    /// Rounds.
    pub rounds: u32,
    /// Whether raw updates could not be given the work of codecs that tune.
    pub lacks_equal_work: bool,
}

/// A codec as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// As a line of text, with what was found.
    pub codec: String,
    /// What was found for the budget: "count of ternary is 90".
    pub found: Option<String>,
}

/// A number over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation, where there are several seeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// That of each seed.
    pub each: Vec<f64>,
}

impl Spread {
    /// Of the numbers of all seeds.
    pub fn of(each: Vec<f64>) -> Self {
        let count = each.len().max(1) as f64;
        let mean = each.iter().sum::<f64>() / count;
        let squares = each.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let deviation = (each.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        Self { mean, deviation, each }
    }
}

/// A codec over all seeds: a line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CodecRow {
    /// Its label.
    pub label: String,
    /// As a spec takes it.
    pub codec: String,
    /// What was found for the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Whether it is what all others are compared with.
    pub is_raw: bool,
    /// Whether it sends weights as they are.
    pub sends_weights: bool,
    /// Bytes of an update's message, as those that follow in the mean of the seeds.
    pub message_bytes: u64,
    /// Bytes of a raw message over that.
    pub ratio: f64,
    /// Bytes that a collaborator ships once.
    pub setup_bytes: u64,
    /// Bytes that a collaborator gets once.
    pub shared_setup_bytes: u64,
    /// Bytes from all collaborators.
    pub uplink_bytes: u64,
    /// Bytes to all collaborators.
    pub downlink_bytes: u64,
    /// Both.
    pub total_bytes: u64,
    /// Epochs that a collaborator trains in all rounds together.
    pub local_epochs: u64,
    /// Accuracy of the last global model on the test images.
    pub accuracy: Spread,
    /// The same on test images without colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grayscale_accuracy: Option<Spread>,
    /// The same over all kinds of test images.
    pub over_all: Spread,
    /// Whether no other has both fewer bytes in all and a higher accuracy.
    pub is_on_front: bool,
    /// After each round.
    pub rounds: Vec<RoundRow>,
    /// Seconds.
    pub seconds: f64,
}

/// A codec that diverged with a seed, so that it has no line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DivergedRow {
    /// Its label.
    pub label: String,
    /// As a spec takes it.
    pub codec: String,
    /// The first seed with which it did.
    pub seed: u32,
    /// Rounds that it had come to the end of.
    pub rounds: usize,
    /// What was found.
    pub problem: String,
}

/// A codec after a round, over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoundRow {
    /// From 1.
    pub round: u32,
    /// Bytes of all messages so far.
    pub total_bytes: u64,
    /// Accuracy over all kinds of test images.
    pub over_all: Spread,
}

/// Which of these bytes and accuracies are not beaten: no other has both at most as many bytes and at least the accuracy.
pub fn front(all: &[(u64, f64)]) -> Vec<bool> {
    let is_beaten = |&(bytes, accuracy): &(u64, f64)| {
        let beats = |&(other_bytes, other): &(u64, f64)| {
            other_bytes <= bytes && other >= accuracy && (other_bytes, other) != (bytes, accuracy)
        };
        all.iter().any(beats)
    };
    all.iter().map(|one| !is_beaten(one)).collect()
}

impl CodecsResult {
    /// The codecs that diverged with any seed.
    pub fn diverged(&self) -> Vec<DivergedRow> {
        let first = |place: usize| {
            self.seeds.iter().find_map(|seed| {
                let run = seed.codecs.get(place)?;
                Some(DivergedRow {
                    label: run.label.clone(),
                    codec: self.asked[place].codec.clone(),
                    seed: seed.seed,
                    rounds: run.rounds.len(),
                    problem: run.diverged.clone()?,
                })
            })
        };
        (0..self.asked.len()).filter_map(first).collect()
    }

    /// A line for each codec that came to the end with every seed.
    pub fn rows(&self) -> Vec<CodecRow> {
        let raw = self.seeds.iter().flat_map(|seed| &seed.codecs).find(|codec| codec.is_raw);
        let raw_bytes = raw.map_or(0, |raw| raw.message_bytes);
        let mut rows: Vec<_> = (0..self.asked.len()).filter_map(|place| self.row(place, raw_bytes)).collect();
        let all: Vec<_> = rows.iter().map(|row| (row.total_bytes, row.over_all.mean)).collect();
        for (row, is_on_front) in rows.iter_mut().zip(front(&all)) {
            row.is_on_front = is_on_front;
        }
        rows
    }

    fn row(&self, place: usize, raw_bytes: u64) -> Option<CodecRow> {
        let runs: Vec<_> = self.seeds.iter().filter_map(|seed| seed.codecs.get(place)).collect();
        let first = *runs.first()?;
        if runs.iter().any(|run| run.diverged.is_some()) {
            return None;
        }
        let mean = |value: fn(&CodecRun) -> u64| {
            let sum: f64 = runs.iter().map(|run| value(run) as f64).sum();
            (sum / runs.len() as f64).round() as u64
        };
        let last = |value: fn(&AfterRound) -> f64| {
            Spread::of(runs.iter().filter_map(|run| run.rounds.last()).map(value).collect())
        };
        let is_gray = first.rounds.last().is_some_and(|round| round.grayscale_accuracy.is_some());
        let rounds = (0..first.rounds.len()).map(|at| {
            let all: Vec<_> = runs.iter().filter_map(|run| run.rounds.get(at)).collect();
            let bytes: f64 = all.iter().map(|round| round.total_bytes as f64).sum();
            RoundRow {
                round: first.rounds[at].round,
                total_bytes: (bytes / all.len().max(1) as f64).round() as u64,
                over_all: Spread::of(all.iter().map(|round| round.over_all()).collect()),
            }
        });
        let (uplink_bytes, downlink_bytes) = (mean(|run| run.uplink_bytes), mean(|run| run.downlink_bytes));
        let message_bytes = mean(|run| run.message_bytes);
        Some(CodecRow {
            label: first.label.clone(),
            codec: self.asked[place].codec.clone(),
            found: self.asked[place].found.clone(),
            is_raw: first.is_raw,
            sends_weights: first.sends_weights,
            message_bytes,
            ratio: raw_bytes as f64 / message_bytes.max(1) as f64,
            setup_bytes: mean(|run| run.setup_bytes),
            shared_setup_bytes: mean(|run| run.shared_setup_bytes),
            uplink_bytes,
            downlink_bytes,
            total_bytes: uplink_bytes + downlink_bytes,
            local_epochs: first.local_epochs,
            accuracy: last(|round| round.accuracy),
            grayscale_accuracy: is_gray.then(|| last(|round| round.grayscale_accuracy.unwrap_or(f64::NAN))),
            over_all: last(AfterRound::over_all),
            is_on_front: false,
            rounds: rounds.collect(),
            seconds: runs.iter().map(|run| run.seconds).sum(),
        })
    }

    /// What has to be beaten: the best of the global models that no compressed round has touched.
    pub fn null(&self) -> (String, f64) {
        let names = self.seeds.first().map_or(&[][..], |seed| &seed.nulls);
        let mean = |place: usize| {
            let all = self.seeds.iter().filter_map(|seed| seed.nulls.get(place)).map(|null| null.1);
            all.sum::<f64>() / self.seeds.len().max(1) as f64
        };
        let all = names.iter().enumerate().map(|(place, (name, _))| (name.clone(), mean(place)));
        all.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("initial global model".into(), 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(label: &str, bytes: u64, accuracy: f64) -> CodecRun {
        let round = AfterRound { round: 1, total_bytes: bytes, accuracy, grayscale_accuracy: None };
        CodecRun {
            label: label.into(),
            is_raw: label == "raw",
            sends_weights: label == "raw",
            message_bytes: bytes / 2,
            setup_bytes: 0,
            shared_setup_bytes: 0,
            uplink_bytes: bytes / 2,
            downlink_bytes: bytes / 2,
            local_epochs: 1,
            rounds: vec![round],
            seconds: 1.0,
            diverged: None,
        }
    }

    fn result(seeds: &[[CodecRun; 3]]) -> CodecsResult {
        let seed = |(seed, codecs): (u32, &[CodecRun; 3])| SeedResult {
            seed,
            codecs: codecs.to_vec(),
            nulls: vec![("initial global model".into(), 0.1), ("mean".into(), 0.2 + f64::from(seed))],
            parameters: 100,
            tests: 50,
            lines: Vec::new(),
        };
        let asked = |codec: &str| Asked { codec: codec.into(), found: None };
        CodecsResult {
            asked: ["raw", "a", "b"].map(asked).to_vec(),
            seeds: (0..).zip(seeds).map(seed).collect(),
            budget: None,
            collaborators: 2,
            rounds: 1,
            lacks_equal_work: false,
        }
    }

    #[test]
    fn what_is_beaten_in_bytes_and_accuracy_is_not_on_the_front() {
        let rows = result(&[
            [run("raw", 1000, 0.9), run("a", 100, 0.7), run("b", 200, 0.5)],
            [run("raw", 1000, 0.8), run("a", 100, 0.5), run("b", 200, 0.5)],
        ])
        .rows();
        let front: Vec<_> = rows.iter().map(|row| row.is_on_front).collect();
        assert_eq!(front, [true, true, false]);
        assert_eq!((rows[1].ratio, rows[1].total_bytes), (10.0, 100));
        // The deviation of 0.7 and 0.5 by hand.
        assert!((rows[1].over_all.mean - 0.6).abs() < 1e-12);
        assert!((rows[1].over_all.deviation.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        let one = result(&[[run("raw", 1000, 0.9), run("a", 100, 0.7), run("b", 200, 0.75)]]);
        assert!(one.rows()[2].is_on_front && one.rows()[2].over_all.deviation.is_none());
        assert_eq!(one.null(), ("mean".into(), 0.2));
    }

    #[test]
    fn a_codec_that_diverges_with_a_seed_has_no_line_and_is_named() {
        let mut ends = run("a", 100, 0.5);
        (ends.diverged, ends.rounds) = (Some("a value of NaN".into()), Vec::new());
        let result = result(&[
            [run("raw", 1000, 0.9), run("a", 100, 0.7), run("b", 200, 0.5)],
            [run("raw", 1000, 0.8), ends, run("b", 200, 0.5)],
        ]);
        let labels: Vec<_> = result.rows().into_iter().map(|row| row.label).collect();
        assert_eq!(labels, ["raw", "b"]);
        let [row] = &result.diverged()[..] else { panic!("one row") };
        assert_eq!((row.label.as_str(), row.seed, row.rounds), ("a", 1, 0));
        assert_eq!(row.problem, "a value of NaN");
    }
}
