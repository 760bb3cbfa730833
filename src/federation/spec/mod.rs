//! A simulation's spec: a TOML file, built in or the user's own, with any field set from outside.

mod asynchronous;
mod asynchrony;
mod attack;
mod clock;
mod codec;
mod faults;
mod participation;
mod pipelines;
mod prepass;
mod privacy;

pub use asynchrony::{Asynchrony, AsynchronyKind, Staleness};
pub use attack::{Attack, AttackKind};
pub use clock::{Clock, LogNormal, Speed};
pub use codec::{CodecSpec, Downlink, Rules};
pub use faults::{Below, Fate, Faults};
pub use participation::{Participation, Sampling};
pub(super) use pipelines::PlannedCodec;
pub(super) use prepass::refuse_few;
pub use prepass::{Prepass, PrepassKind};

use super::parts::Parts;
use super::strategy::StrategySpec;
use crate::autoencoder::{AutoencoderSettings, LINEAR};
use crate::codec::{PartSpec, PipelineSpec};
use crate::data::{DataDir, Partition};
use crate::model::Optimizer;
use crate::run::Identity;
use crate::{Error, Result, settings};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The specs that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("demo", include_str!("../../../models/experiments/demo.toml")),
    ("mnist", include_str!("../../../models/experiments/mnist.toml")),
    ("fedpm-mnist", include_str!("../../../models/experiments/fedpm-mnist.toml")),
    ("fedpm-cifar10", include_str!("../../../models/experiments/fedpm-cifar10.toml")),
    ("frl-mnist", include_str!("../../../models/experiments/frl-mnist.toml")),
    ("seeds-mnist", include_str!("../../../models/experiments/seeds-mnist.toml")),
    ("thousand", include_str!("../../../models/experiments/thousand.toml")),
    ("thousand-cifar10", include_str!("../../../models/experiments/thousand-cifar10.toml")),
];

/// A federation, and how its updates are compressed.
///
/// ```
/// use fedfunnel::federation::SimulationSpec;
///
/// let settings = ["rounds=3".to_string(), "codecs=[\"raw\", \"delta+f16\"]".to_string()];
/// let spec = SimulationSpec::load("demo", &settings)?;
/// assert_eq!((spec.rounds, spec.collaborators, spec.codecs.len()), (3, 2, 2));
/// // What is misspelt is said, with what is nearest.
/// let wrong = SimulationSpec::load("demo", &["round=3".to_string()]).unwrap_err().to_string();
/// assert!(wrong.contains("did you mean `rounds`?"), "{wrong}");
/// # Ok::<(), fedfunnel::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulationSpec {
    /// Its name.
    pub name: String,
    /// The data set that is dealt out.
    pub data: String,
    /// Only so many of the training images, of all collaborators together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Only so many of the test images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
    /// Whether images are standardised per channel, by the training images' means and deviations.
    #[serde(default)]
    pub standardize: bool,
    /// Whether training images are mirrored, each with a chance of one in two in every epoch.
    #[serde(default)]
    pub flip: bool,
    /// By how many pixels training images are shifted at most, at random in every epoch.
    #[serde(default)]
    pub crop: usize,
    /// The collaborators, from 0, that see their images without colours: the luma in all three channels.
    #[serde(default)]
    pub grayscale: Vec<usize>,
    /// The classifier.
    pub model: String,
    /// How many take part.
    pub collaborators: usize,
    /// A part of them in each round; all, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participation: Option<Participation>,
    /// How many train side by side at most; as many as take part and fit the device, where nothing is said. Results
    /// do not depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<usize>,
    /// Bytes in memory of what collaborators keep between rounds, and the aggregator of them; the rest lies in the run's
    /// folder until it is asked for. Results do not depend on it.
    #[serde(default = "idle_bytes", skip_serializing_if = "is_usual_idle")]
    pub idle_bytes: u64,
    /// How often the aggregator averages.
    pub rounds: u32,
    /// The global model is tested after every so many rounds, and after the last.
    #[serde(default = "every", skip_serializing_if = "is_every")]
    pub test_every: u32,
    /// A federation ends when its global model comes to this accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at_accuracy: Option<f64>,
    /// A federation ends when its global model has not come to a better accuracy in so many rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// Rounds are saved after every so many; as often as that costs little time, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_every: Option<u32>,
    /// Epochs that a collaborator trains in a round.
    #[serde(default = "one")]
    pub local_epochs: u64,
    /// Images per step.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// Seed of initial weights, partition and orders.
    #[serde(default)]
    pub seed: u32,
    /// How updates cross the wire: a federation for each. All of them see the same images in the same order, and
    /// those that learn from the pre-pass learn from the same one.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<CodecSpec>,
    /// Whether every message ends with a checksum, for transports that do not vouch for their bytes.
    #[serde(default)]
    pub checksum: bool,
    /// What the aggregator does with updates, and what it asks of local training.
    #[serde(default)]
    pub strategy: StrategySpec,
    /// How the model crosses the wire that a pre-pass in isolation starts from.
    #[serde(default)]
    pub initial: Initial,
    /// When collaborators' own models are tested, and whether results have each of their epochs. Before each average
    /// where all take part, and never where only some do, unless something else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_tests: Option<LocalTests>,
    /// How the training images are dealt out.
    #[serde(default)]
    pub partition: Partition,
    /// What goes wrong between collaborators and the aggregator; nothing, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<Faults>,
    /// Who sends what the federation is not to learn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<Attack>,
    /// How long collaborators compute and send, for accuracy over time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// How a federation goes on without waiting for all, on that clock; rounds are then the steps of the global model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asynchrony: Option<Asynchrony>,
    /// Of the collaborators; a new one in each round.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// How weights are logged before the first round; needed where a codec learns from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepass: Option<Prepass>,
    /// What compresses the updates, and how many floats those of PCA are; needed where a codec learns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoencoder: Option<AutoencoderSettings>,
}

/// How the initial global model crosses the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initial {
    /// All of its weights.
    #[default]
    Model,
    /// As the seed that all can draw them from.
    Seed,
}

/// When collaborators' own models are tested, each on images like its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalTests {
    /// Never; results have no epochs of single collaborators.
    None,
    /// Before each average.
    #[default]
    Round,
    /// After each local epoch, which shows what every average does to them.
    Epoch,
}

fn one() -> u64 {
    1
}

fn every() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_every(rounds: &u32) -> bool {
    *rounds == 1
}

/// 4 GiB.
fn idle_bytes() -> u64 {
    4 << 30
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_usual_idle(bytes: &u64) -> bool {
    *bytes == idle_bytes()
}

fn default_batch() -> usize {
    64
}

fn default_codecs() -> Vec<CodecSpec> {
    let autoencoder = PipelineSpec(vec![PartSpec::named("autoencoder")]);
    vec![CodecSpec::raw(), CodecSpec::of(autoencoder)]
}

impl SimulationSpec {
    /// A built-in spec by its name, or the user's own by its path, with `key=value` settings applied.
    pub fn load(name_or_path: &str, values: &[String]) -> Result<Self> {
        Self::load_with(name_or_path, values, &Parts::default())
    }

    /// The same, of a spec that may name stages and strategies which do not come with the program.
    pub fn load_with(name_or_path: &str, values: &[String], parts: &Parts) -> Result<Self> {
        let (text, origin) = settings::find("NAME", BUILT_IN, "simulation", name_or_path)?;
        let spec: Self = settings::parse(&text, &origin, values)?;
        spec.check(parts)?;
        Ok(spec)
    }

    /// The spec as TOML, every default filled in.
    pub fn to_toml(&self) -> Result<String> {
        settings::to_toml(self)
    }

    /// Checks what can be checked without looking at models and data.
    pub fn check(&self, parts: &Parts) -> Result<()> {
        settings::refuse_zeros(&[
            ("collaborators", self.collaborators == 0),
            ("rounds", self.rounds == 0),
            ("local_epochs", self.local_epochs == 0),
            ("batch", self.batch == 0),
            ("images", self.images == Some(0)),
            ("test_images", self.test_images == Some(0)),
            ("cohort", self.cohort == Some(0)),
            ("test_every", self.test_every == 0),
            ("patience", self.patience == Some(0)),
            ("save_every", self.save_every == Some(0)),
        ])?;
        if let Some(participation) = &self.participation {
            participation.check(self.collaborators)?;
        }
        self.check_stops()?;
        if let Some(faults) = &self.faults {
            faults.check(self.per_round(), self.clock.is_some())?;
        }
        if let Some(attack) = &self.attack {
            attack.check(self.collaborators)?;
        }
        if let Some(clock) = &self.clock {
            clock.check()?;
            clock.speeds(u64::from(self.seed), self.collaborators)?;
        }
        self.check_asynchrony(parts)?;
        self.check_codecs()?;
        self.check_grayscale()?;
        self.optimizer.check("optimizer")?;
        self.strategy.make(&parts.strategies)?.check(&self.optimizer)?;
        self.check_private(parts)?;
        for stage in self.stages(parts)? {
            let name = stage.name.as_deref().unwrap_or_default();
            let kind = parts.stages.find(name)?;
            // What nothing learns from is not asked for.
            if kind.learns {
                self.prepass.as_ref().ok_or_else(|| missing(name, "prepass", "epochs and snapshot_every"))?;
            }
            if (kind.needs_autoencoder)(&stage.options) {
                let table = self.autoencoder.as_ref();
                table.ok_or_else(|| missing(name, "autoencoder", "model and epochs"))?.check()?;
            }
        }
        for down in self.codecs.iter().filter_map(|codec| codec.down.as_ref()) {
            let names = parts.stages.parts(down)?;
            names
                .iter()
                .try_for_each(|part| parts.stages.find(part.name.as_deref().unwrap_or_default()).map(drop))?;
        }
        let learns = self.learns(parts)?;
        if self.initial == Initial::Seed && (!learns || self.begins_federated()) {
            let problem =
                "the initial model goes down by itself only where a pre-pass in isolation starts from it";
            return Err(Error::setting(
                "initial",
                problem,
                "leave it out, or use a codec that learns in isolation",
            ));
        }
        if learns {
            self.prepass()?.check(self.rounds, self.collaborators)?;
            self.check_federated()?;
        }
        Ok(())
    }

    /// Refuses a pre-pass in rounds of which each has other collaborators.
    fn check_federated(&self) -> Result<()> {
        if !self.begins_federated() {
            return Ok(());
        }
        if self.faults.is_some() {
            let problem = "in a federated pre-pass all collaborators log weights in every round, and some may not answer";
            return Err(Error::setting("faults", problem, "leave it out, or set prepass.kind to isolated"));
        }
        if self.participation.is_none() {
            return Ok(());
        }
        let problem =
            "all collaborators log weights in a federated pre-pass, and only a part of them is in a round";
        Err(Error::setting("prepass.kind", problem, "set it to isolated, or leave participation out"))
    }

    /// The stages of all codecs, with those of presets in their place.
    fn stages(&self, parts: &Parts) -> Result<Vec<PartSpec>> {
        let each = self.codecs.iter().map(|codec| parts.stages.parts(&codec.stages));
        Ok(each.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Refuses an accuracy that no model comes to.
    fn check_stops(&self) -> Result<()> {
        match self.stop_at_accuracy {
            Some(accuracy) if !(accuracy > 0.0 && accuracy <= 1.0) => {
                let problem = format!("{accuracy} is no accuracy to stop at");
                Err(Error::setting("stop_at_accuracy", problem, "set it above 0 and up to 1, such as 0.9"))
            }
            _ => Ok(()),
        }
    }

    /// When collaborators' own models are tested.
    pub fn local_tests(&self) -> LocalTests {
        let is_partial = self.participation.is_some() || self.asynchrony.is_some();
        let usual = if is_partial { LocalTests::None } else { LocalTests::Round };
        self.local_tests.unwrap_or(usual)
    }

    /// Whether the global model is tested after this round, where none ends early.
    pub fn is_tested(&self, round: u32) -> bool {
        round.is_multiple_of(self.test_every) || round == self.rounds || round == self.raw_rounds()
    }

    /// Who is asked to take part in a round, in the order of ids, when it is played for the `attempt`th time, from 0;
    /// `samples` has the images of each collaborator.
    pub fn participants(&self, round: u32, attempt: u32, samples: &[usize]) -> Vec<u32> {
        match &self.participation {
            Some(participation) => participation.draw(u64::from(self.seed), round, attempt, samples),
            None => (0u32..).zip(samples).filter(|(_, samples)| **samples > 0).map(|(who, _)| who).collect(),
        }
    }

    /// What happens to a collaborator in a round.
    pub fn fate(&self, round: u32, attempt: u32, who: u32) -> Fate {
        self.faults.map_or(Fate::Fine, |faults| faults.fate(u64::from(self.seed), round, attempt, who))
    }

    /// Whether updates are looked at before they are combined: where some may be damaged or meant to harm.
    pub fn is_guarded(&self) -> bool {
        self.faults.is_some() || self.attack.is_some()
    }

    /// How many take part in a round, as far as that is the same in all, or train at a time where nobody waits.
    pub fn per_round(&self) -> usize {
        let asked = self.participation.map_or(self.collaborators, |participation| participation.per_round);
        self.asynchrony.map_or(asked, |asynchrony| asynchrony.concurrency(self.collaborators))
    }

    /// What federations do where no codec says otherwise.
    pub fn rules(&self) -> Rules {
        Rules { local_epochs: self.local_epochs, downlink: Downlink::Model, down: None }
    }

    /// How weights are logged. Errors where the spec does not say.
    pub fn prepass(&self) -> Result<&Prepass> {
        self.prepass.as_ref().ok_or_else(|| missing("autoencoder", "prepass", "epochs and snapshot_every"))
    }

    /// The table `autoencoder`. Errors where the spec has none.
    pub fn autoencoder(&self) -> Result<&AutoencoderSettings> {
        self.autoencoder.as_ref().ok_or_else(|| missing("autoencoder", "autoencoder", "model and epochs"))
    }

    /// Who logs weights before the first round, in the order of ids; `samples` has the images of each collaborator.
    pub fn loggers(&self, samples: &[usize]) -> Vec<u32> {
        let all = || (0u32..).zip(samples).map(|(who, _)| who).collect();
        self.prepass.as_ref().map_or_else(all, |prepass| prepass.loggers(u64::from(self.seed), samples))
    }

    /// Snapshots of the collaborators with the smallest and with the largest of these shares, of those that log.
    pub(super) fn snapshots(&self, shares: &[Vec<usize>]) -> Result<RangeInclusive<u64>> {
        let prepass = self.prepass()?;
        let of = |images: Option<usize>| {
            prepass.snapshots(images.unwrap_or(0).div_ceil(self.batch) as u64, self.local_epochs)
        };
        let samples: Vec<_> = shares.iter().map(Vec::len).collect();
        let loggers = self.loggers(&samples);
        let images = || loggers.iter().map(|&who| samples[who as usize]);
        Ok(of(images().min())..=of(images().max()))
    }

    /// Rounds of a federated pre-pass, which are not compressed.
    pub fn raw_rounds(&self) -> u32 {
        self.prepass.as_ref().map_or(0, Prepass::raw_rounds)
    }

    /// Whether the pre-pass is the first rounds.
    pub(super) fn begins_federated(&self) -> bool {
        self.prepass.as_ref().is_some_and(|prepass| prepass.kind == PrepassKind::Federated)
    }

    /// Adds what it depends on besides its settings: models and data.
    pub fn identify(&self, own: Identity, parts: &Parts, data_dir: &DataDir) -> Result<Identity> {
        let mut own = own.with_model(&self.model)?.with_data(&self.data, data_dir)?;
        if let Some(file) = self.clock.as_ref().and_then(|clock| clock.file.as_ref()) {
            own = own.with_file("clock.file", file)?;
        }
        for stage in self.stages(parts)? {
            let kind = parts.stages.find(stage.name.as_deref().unwrap_or_default())?;
            if (kind.needs_autoencoder)(&stage.options) {
                // A stage's own table may name another model.
                let named = stage.options.get("model").and_then(toml::Value::as_str);
                let model = named.unwrap_or(&self.autoencoder()?.model);
                if model != LINEAR {
                    own = own.with_model(model)?;
                }
            }
        }
        Ok(own)
    }

    fn check_grayscale(&self) -> Result<()> {
        for (place, &collaborator) in self.grayscale.iter().enumerate() {
            if collaborator >= self.collaborators {
                let problem = format!("there is no collaborator {collaborator}");
                let mend = format!("use 0 to {}", self.collaborators.saturating_sub(1));
                return Err(Error::setting("grayscale", problem, mend));
            }
            if self.grayscale[..place].contains(&collaborator) {
                let problem = format!("collaborator {collaborator} is listed twice");
                return Err(Error::setting("grayscale", problem, "list it once"));
            }
        }
        Ok(())
    }

    /// Whether any codec has to be learned from logged weights.
    pub fn learns(&self, parts: &Parts) -> Result<bool> {
        let mut learns = false;
        for stage in self.stages(parts)? {
            learns |= parts.stages.find(stage.name.as_deref().unwrap_or_default())?.learns;
        }
        Ok(learns)
    }
}

/// The error for a table that a stage needs.
fn missing(stage: &str, table: &str, fields: &str) -> Error {
    let problem = format!("of the codecs {stage} is learned, and there is no table [{table}]");
    Error::setting(table, problem, format!("add it, with {fields}, or set codecs to [\"raw\"]"))
}
