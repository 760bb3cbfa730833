//! Names for whole lists of stages: what the literature calls by one.
//!
//! A preset stands first in a list; what is listed behind it goes on with what its last stage leaves. It begins with
//! `delta`, but not inside `residual`, whose stages are given a difference already.

use super::{About, FreeOption, FreeRange, OptionAbout, Options, PartSpec};
use crate::Result;
use serde::Deserialize;

/// A name for a list of stages.
pub struct Preset {
    /// What specs call it.
    pub name: &'static str,
    /// What it stands for, in words.
    pub stages: &'static str,
    /// What it says of itself.
    pub about: About,
    /// The option that decides its bytes.
    pub free: Option<FreeOption>,
    expand: fn(&Options) -> Result<Vec<PartSpec>>,
}

/// All of them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "stc",
        stages: "delta, feedback, ternary",
        about: About {
            summary: "the change of the largest values in signs and one magnitude; the rest is sent later",
            source: "Sattler et al. 2019, sparse ternary compression (arXiv 1903.02891)",
            options: &[OptionAbout::PART, OptionAbout::COUNT],
            good_for: "the most values in the fewest bytes, about one byte each",
            example: "stc(count=20)",
        },
        free: Some(FreeOption::COUNT),
        expand: |options| {
            let Selected { part, count } = options.parse()?;
            Ok(vec![
                PartSpec::named("delta"),
                PartSpec::named("feedback"),
                with("ternary", [("part", part), ("count", count)]),
            ])
        },
    },
    Preset {
        name: "dgc",
        stages: "delta, feedback with momentum and clip, topk with warmup",
        about: About {
            summary: "the largest values with momentum correction, clipping, factor masking and a warm-up",
            source: "Lin et al. 2018, deep gradient compression (arXiv 1712.01887)",
            options: &[
                OptionAbout::new("part", "0.001", "how many are sent, as a part of all values; or count"),
                OptionAbout::COUNT,
                OptionAbout::new("momentum", "0.9", "of the values that are not sent yet"),
                OptionAbout::new("clip", "none", "the norm that an update has at most"),
                OptionAbout::new("warmup", "4", "rounds in which more is sent"),
            ],
            good_for: "long runs in which hardly anything is sent",
            example: "dgc(count=5)",
        },
        free: Some(FreeOption::COUNT),
        expand: |options| {
            let Dgc { part, count, momentum, clip, warmup } = options.parse()?;
            Ok(vec![
                PartSpec::named("delta"),
                with("feedback", [("momentum", Some(momentum)), ("clip", clip)]),
                with("topk", [("part", part), ("count", count), ("warmup", Some(warmup))]),
            ])
        },
    },
    Preset {
        name: "fedzip",
        stages: "delta, topk, kmeans, entropy",
        about: About {
            summary: "the largest values, each as the nearest of a few centroids, and a range coder",
            source: "Malekijoo et al. 2021, FedZip (arXiv 2102.01593)",
            options: &[
                OptionAbout::PART,
                OptionAbout::COUNT,
                OptionAbout::new("clusters", "16", "centroids"),
            ],
            good_for: "much compression without anything kept from round to round",
            example: "fedzip(part=0.25,clusters=3)",
        },
        free: Some(FreeOption::COUNT),
        expand: |options| {
            let FedZip { part, count, clusters } = options.parse()?;
            Ok(vec![
                PartSpec::named("delta"),
                with("topk", [("part", part), ("count", count)]),
                with("kmeans", [("clusters", Some(clusters))]),
                PartSpec::named("entropy"),
            ])
        },
    },
    Preset {
        name: "powersgd",
        stages: "delta, feedback, lowrank",
        about: About {
            summary: "the change of each matrix as a product of two thin ones; the rest is sent later",
            source: "Vogels et al. 2019, PowerSGD (arXiv 1905.13727)",
            options: &[OptionAbout::new("rank", "2", "columns of each factor")],
            good_for: "wide layers",
            example: "powersgd(rank=1)",
        },
        free: Some(FreeOption { name: "rank", range: FreeRange::Between(1, 64), instead: &[] }),
        expand: |options| {
            let LowRank { rank } = options.parse()?;
            let stages = vec![PartSpec::named("delta"), PartSpec::named("feedback")];
            Ok([stages, vec![with("lowrank", [("rank", rank)])]].concat())
        },
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LowRank {
    rank: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FedZip {
    part: Option<toml::Value>,
    count: Option<toml::Value>,
    #[serde(default = "usual_clusters")]
    clusters: toml::Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selected {
    part: Option<toml::Value>,
    count: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dgc {
    part: Option<toml::Value>,
    count: Option<toml::Value>,
    #[serde(default = "usual_momentum")]
    momentum: toml::Value,
    clip: Option<toml::Value>,
    #[serde(default = "usual_warmup")]
    warmup: toml::Value,
}

fn usual_clusters() -> toml::Value {
    toml::Value::Integer(16)
}

fn usual_momentum() -> toml::Value {
    toml::Value::Float(0.9)
}

fn usual_warmup() -> toml::Value {
    toml::Value::Integer(4)
}

impl Preset {
    /// Its stages with these options. What these are worth, the stages say.
    pub fn stages(&self, options: &Options) -> Result<Vec<PartSpec>> {
        (self.expand)(options)
    }

    /// Its label: `stc(0.01)`, `dgc(0.001,momentum=0.5)`.
    pub fn label(&self, options: &Options) -> String {
        let share = options.table.iter().filter(|(key, _)| is_share(key)).map(|(_, value)| value.to_string());
        let others = options.table.iter().filter(|(key, _)| !is_share(key));
        let others = others.map(|(key, value)| format!("{key}={value}"));
        let given = share.chain(others).collect::<Vec<_>>().join(",");
        if given.is_empty() { self.name.into() } else { format!("{}({given})", self.name) }
    }
}

fn is_share(key: &str) -> bool {
    ["part", "count"].contains(&key)
}

/// A stage with those options that are given.
fn with<const N: usize>(name: &str, options: [(&str, Option<toml::Value>); N]) -> PartSpec {
    let given = options.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?)));
    PartSpec { name: Some(name.into()), options: given.collect() }
}

/// A preset's stages for what is a difference already.
pub(super) fn of_differences(mut stages: Vec<PartSpec>) -> Vec<PartSpec> {
    if stages.first().and_then(|stage| stage.name.as_deref()) == Some("delta") {
        stages.remove(0);
    }
    stages
}
