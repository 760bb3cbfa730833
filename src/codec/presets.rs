//! Names for whole lists of stages: what the literature calls by one.
//!
//! A preset stands first in a list; what is listed behind it goes on with what its last stage leaves. It begins with
//! `delta`, but not inside `residual`, whose stages are given a difference already.

use super::{Options, PartSpec};
use crate::Result;
use serde::Deserialize;

/// A name for a list of stages.
pub struct Preset {
    /// What specs call it.
    pub name: &'static str,
    /// What it stands for, in words.
    pub stages: &'static str,
    /// Its options, with their defaults.
    pub options: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    expand: fn(&Options) -> Result<Vec<PartSpec>>,
}

/// All of them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "stc",
        stages: "delta, feedback, ternary",
        options: "part = 0.01, or count = 90",
        source: "sparse ternary compression: Sattler et al. 2019, arXiv 1903.02891",
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
        options: "part = 0.001, or count = 90; momentum = 0.9, clip, warmup = 4",
        source: "deep gradient compression: Lin et al. 2018, arXiv 1712.01887",
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
        options: "part = 0.01, or count = 90; clusters = 16",
        source: "FedZip: Malekijoo et al. 2021, arXiv 2102.01593",
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
        options: "rank = 2",
        source: "PowerSGD: Vogels et al. 2019, arXiv 1905.13727",
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
