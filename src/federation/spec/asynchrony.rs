//! How a federation goes on without waiting for all: when the global model changes, and by how much.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A federation in which collaborators do not wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asynchrony {
    /// When the global model changes, and who trains next.
    pub kind: AsynchronyKind,
    /// How many train at a time, of `buffered` and `mixed`: all, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// Updates that a step of the global model is made of, of `buffered` and `anarchic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<usize>,
    /// Factor on what an update brings, besides that of its staleness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// How the weight of an update falls with its staleness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staleness: Option<Staleness>,
    /// The power of `polynomial`, or the slope of `hinge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a: Option<f64>,
    /// The staleness up to which `hinge` takes nothing off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<f64>,
    /// Steps of local training at least, of `anarchic` and `compass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_steps: Option<u64>,
    /// Steps of local training at most, of `anarchic` and `compass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_steps: Option<u64>,
    /// How far a step of the global model goes along the mean change of a local step, in local steps; of `anarchic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds in the mean until a collaborator comes again, of `anarchic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<f64>,
    /// How many times as long as it should take a group is waited for, of `compass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<f64>,
}

/// When the global model changes, and who trains next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AsynchronyKind {
    /// When so many updates have arrived; whoever has sent one makes room for another (FedBuff, Nguyen et al. 2022).
    #[serde(alias = "fedbuff")]
    Buffered,
    /// With every update, by a mean of the global model and the one that arrived (FedAsync, Xie et al. 2019).
    #[serde(alias = "fedasync")]
    Mixed,
    /// When so many updates have arrived, from collaborators that come when they like and take as many steps as they like
    /// (anarchic federated averaging, Yang et al. 2022).
    #[serde(alias = "afa")]
    Anarchic,
    /// When a group has arrived, whose members get as many steps as let them arrive together (FedCompass, Li et al. 2024).
    #[serde(alias = "fedcompass")]
    Compass,
}

/// How the weight of an update falls with its staleness: how often the global model has changed since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Staleness {
    /// Not at all.
    Constant,
    /// `1 / (a (staleness - b) + 1)` above `b`, and not at all up to it.
    Hinge,
    /// `(staleness + 1)^-a`
    Polynomial,
}

/// What is usual in FedBuff's experiments.
const USUAL_BUFFER: usize = 10;

impl AsynchronyKind {
    /// Its name in specs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buffered => "buffered",
            Self::Mixed => "mixed",
            Self::Anarchic => "anarchic",
            Self::Compass => "compass",
        }
    }
}

impl Asynchrony {
    /// This kind, with all else as is usual.
    pub fn of(kind: AsynchronyKind) -> Self {
        Self {
            kind,
            concurrency: None,
            buffer: None,
            alpha: None,
            staleness: None,
            a: None,
            b: None,
            least_steps: None,
            most_steps: None,
            rate: None,
            pause: None,
            latest: None,
        }
    }

    /// How many of so many collaborators train at a time at most.
    pub fn concurrency(&self, collaborators: usize) -> usize {
        self.concurrency.unwrap_or(collaborators).min(collaborators)
    }

    /// Updates that a step of the global model waits for; with `compass` the group decides.
    pub fn buffer(&self, collaborators: usize) -> usize {
        match self.kind {
            AsynchronyKind::Buffered | AsynchronyKind::Anarchic => {
                self.buffer.unwrap_or(USUAL_BUFFER.min(self.concurrency(collaborators)))
            }
            AsynchronyKind::Mixed | AsynchronyKind::Compass => 1,
        }
    }

    /// The least and the largest number of steps of a task, where these are not those of the local epochs.
    pub fn steps(&self) -> Option<(u64, u64)> {
        let (least, most) = match self.kind {
            AsynchronyKind::Buffered | AsynchronyKind::Mixed => return None,
            AsynchronyKind::Anarchic => (1, 20),
            AsynchronyKind::Compass => (20, 100),
        };
        Some((self.least_steps.unwrap_or(least), self.most_steps.unwrap_or(most)))
    }

    /// Local steps that a step of the global model goes along the mean change of one, of `anarchic`: the middle of the
    /// numbers of steps that collaborators take, where nothing is said.
    pub fn rate(&self) -> f64 {
        let (least, most) = self.steps().unwrap_or((1, 1));
        self.rate.unwrap_or((least as f64 + most as f64) / 2.0)
    }

    /// Seconds in the mean until a collaborator comes again, of `anarchic`.
    pub fn pause(&self) -> f64 {
        self.pause.unwrap_or(10.0)
    }

    /// How many times as long as it should take a group is waited for, of `compass`.
    pub fn latest(&self) -> f64 {
        self.latest.unwrap_or(1.2)
    }

    /// The weight of an update that began so many steps of the global model ago.
    pub fn weight(&self, staleness: u32) -> f64 {
        let alpha = self.alpha.unwrap_or(match self.kind {
            AsynchronyKind::Buffered | AsynchronyKind::Anarchic => 1.0,
            AsynchronyKind::Mixed => 0.6,
            AsynchronyKind::Compass => 0.9,
        });
        let staleness = f64::from(staleness);
        let falls = match self.staleness() {
            Staleness::Constant => 1.0,
            Staleness::Hinge => {
                let above = (staleness - self.b.unwrap_or(4.0)).max(0.0);
                1.0 / (self.a.unwrap_or(10.0) * above + 1.0)
            }
            Staleness::Polynomial => (staleness + 1.0).powf(-self.a.unwrap_or(0.5)),
        };
        alpha * falls
    }

    fn staleness(&self) -> Staleness {
        self.staleness.unwrap_or(match self.kind {
            AsynchronyKind::Anarchic => Staleness::Constant,
            _ => Staleness::Polynomial,
        })
    }

    /// Refuses options of other kinds, and numbers by which nothing would go on.
    pub fn check(&self, collaborators: usize) -> Result<()> {
        use AsynchronyKind::{Anarchic, Buffered, Compass, Mixed};
        let kind = self.kind;
        let field = |name: &str| format!("asynchrony.{name}");
        let own: [(&str, bool, &[AsynchronyKind]); 7] = [
            ("concurrency", self.concurrency.is_some(), &[Buffered, Mixed]),
            ("buffer", self.buffer.is_some(), &[Buffered, Anarchic]),
            ("least_steps", self.least_steps.is_some(), &[Anarchic, Compass]),
            ("most_steps", self.most_steps.is_some(), &[Anarchic, Compass]),
            ("rate", self.rate.is_some(), &[Anarchic]),
            ("pause", self.pause.is_some(), &[Anarchic]),
            ("latest", self.latest.is_some(), &[Compass]),
        ];
        if let Some((name, _, of)) = own.iter().find(|(_, given, of)| *given && !of.contains(&kind)) {
            let names: Vec<_> = of.iter().map(|kind| kind.name()).collect();
            let problem = format!("it belongs to {}, and the kind is {}", names.join(" and "), kind.name());
            return Err(Error::setting(field(name), problem, "leave it out"));
        }
        if (self.a.is_some() && self.staleness() == Staleness::Constant)
            || (self.b.is_some() && self.staleness() != Staleness::Hinge)
        {
            let name = if self.b.is_some() { "b" } else { "a" };
            let mend = "set asynchrony.staleness to \"hinge\" or \"polynomial\", or leave it out";
            return Err(Error::setting(field(name), "the staleness has no such number", mend));
        }
        let refuse =
            |name: &str, problem: String, mend: &str| Err(Error::setting(field(name), problem, mend));
        if self.concurrency.is_some_and(|count| !(1..=collaborators).contains(&count)) {
            let problem = format!("{} of {collaborators} collaborators", self.concurrency.unwrap_or(0));
            return refuse("concurrency", problem, &format!("set it to 1 to {collaborators}"));
        }
        if self.buffer == Some(0) {
            return refuse("buffer", "a step of no updates".into(), "set it to 1 or more");
        }
        let (least, most) = self.steps().unwrap_or((1, 1));
        if least == 0 || least > most || most > u64::from(u32::MAX) {
            let problem = format!("{least} to {most} steps");
            return refuse("least_steps", problem, "set it to 1 or more, and most_steps to no less");
        }
        let above_zero = [("alpha", self.alpha), ("a", self.a), ("rate", self.rate)];
        if let Some((name, Some(value))) = above_zero
            .iter()
            .find(|(_, value)| value.is_some_and(|value| !(value > 0.0 && value.is_finite())))
        {
            return refuse(name, format!("{value} leaves nothing of an update"), "set it above 0");
        }
        if kind == Mixed && self.alpha.is_some_and(|alpha| alpha > 1.0) {
            let problem = "a mean of two models has no weight above 1".into();
            return refuse("alpha", problem, "set it above 0 and up to 1, such as 0.6");
        }
        if self.b.is_some_and(|b| !(b >= 0.0 && b.is_finite())) {
            return refuse("b", "no staleness is below 0".into(), "set it to 0 or more, such as 4");
        }
        if self.pause.is_some_and(|pause| !(pause >= 0.0 && pause.is_finite())) {
            return refuse("pause", "no pause is that long".into(), "set it to 0 or more seconds");
        }
        if self.latest.is_some_and(|latest| !(latest >= 1.0 && latest.is_finite())) {
            return refuse("latest", "nobody would be waited for".into(), "set it to 1 or more, such as 1.2");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fall_with_staleness_as_counted_by_hand() {
        let of = |kind, staleness, a, b| Asynchrony {
            alpha: Some(0.5),
            staleness: Some(staleness),
            a,
            b,
            ..Asynchrony::of(kind)
        };
        let mixed = AsynchronyKind::Mixed;
        let weights = |rules: Asynchrony| [0, 3, 4, 6].map(|staleness| rules.weight(staleness));
        assert_eq!(weights(of(mixed, Staleness::Constant, None, None)), [0.5; 4]);
        // 1 / (2 (s - 3) + 1): 1, 1, a third, a seventh, and half of that.
        let hinge = weights(of(mixed, Staleness::Hinge, Some(2.0), Some(3.0)));
        assert_eq!(hinge, [0.5, 0.5, 0.5 / 3.0, 0.5 / 7.0]);
        // (s + 1)^-1: 1, a quarter, a fifth, a seventh.
        let polynomial = weights(of(mixed, Staleness::Polynomial, Some(1.0), None));
        assert_eq!(polynomial, [0.5, 0.125, 0.5 * 5f64.powf(-1.0), 0.5 * 7f64.powf(-1.0)]);
        // As the papers have them: 1 / sqrt(1 + s), and 0.6 and 0.9 of it.
        let usual = |kind| Asynchrony::of(kind).weight(3);
        let all = [AsynchronyKind::Buffered, mixed, AsynchronyKind::Anarchic, AsynchronyKind::Compass];
        assert_eq!(all.map(usual), [0.5, 0.3, 1.0, 0.45]);
        let hinge = Asynchrony { staleness: Some(Staleness::Hinge), ..Asynchrony::of(mixed) };
        assert_eq!([4, 5].map(|staleness| hinge.weight(staleness)), [0.6, 0.6 * (1.0 / 11.0)]);
    }

    #[test]
    fn what_belongs_to_another_kind_or_stops_everything_is_refused_by_its_field() {
        let refused = |text: &str| {
            let rules: Asynchrony = toml::from_str(text).unwrap();
            rules.check(10).unwrap_err().to_string()
        };
        for (text, field) in [
            ("kind = \"fedasync\"\nbuffer = 3", "asynchrony.buffer"),
            ("kind = \"afa\"\nconcurrency = 3", "asynchrony.concurrency"),
            ("kind = \"fedbuff\"\nconcurrency = 11", "asynchrony.concurrency"),
            ("kind = \"fedbuff\"\nbuffer = 0", "asynchrony.buffer"),
            ("kind = \"fedcompass\"\nleast_steps = 9\nmost_steps = 8", "asynchrony.least_steps"),
            ("kind = \"fedcompass\"\nlatest = 0.5", "asynchrony.latest"),
            ("kind = \"mixed\"\nalpha = 1.5", "asynchrony.alpha"),
            ("kind = \"mixed\"\nb = 4.0", "asynchrony.b"),
            ("kind = \"anarchic\"\na = 0.5", "asynchrony.a"),
            ("kind = \"anarchic\"\npause = -1.0", "asynchrony.pause"),
        ] {
            let error = refused(text);
            assert!(error.contains(field), "{text}: {error}");
        }
        let all = ["fedbuff", "buffered", "fedasync", "mixed", "afa", "anarchic", "fedcompass", "compass"];
        for name in all {
            let rules: Asynchrony = toml::from_str(&format!("kind = \"{name}\"")).unwrap();
            rules.check(10).unwrap();
        }
    }
}
