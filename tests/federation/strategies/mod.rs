//! Strategies: each rule by an example that is worked by hand, by its properties, and by Flower's own where it has the
//! same one.

mod about;
mod flower;
mod presets;
mod robust;
mod servers;
mod weights;

use crate::support::strategy_round;
use fedfunnel::Result;
use fedfunnel::codec::Values;
use fedfunnel::federation::{Arrived, Strategies, Strategy, StrategyRound, StrategySpec};

/// A strategy as a spec writes it: `"fedadam"`, `{ combine = "median" }`.
fn strategy(text: &str) -> Result<Strategy> {
    let table: toml::Table = format!("strategy = {text}").parse().expect("TOML");
    StrategySpec::try_from(table["strategy"].clone()).expect("a strategy").make(&Strategies::default())
}

/// The refusal of a strategy.
fn refusal(text: &str) -> String {
    match strategy(text) {
        Ok(_) => panic!("{text} is not refused"),
        Err(error) => {
            assert!(error.is_usage(), "{text}: {error}");
            error.to_string()
        }
    }
}

/// What arrived of collaborators 0, 1, ... with so many images, after a step for each.
fn arrived(updates: &[(usize, &[f32])]) -> Vec<Arrived> {
    let each = (0..).zip(updates);
    each.map(|(who, (samples, update))| Arrived {
        who,
        samples: *samples,
        steps: 1,
        update: Values::Host(update.to_vec()),
        loss: None,
        staleness: 0,
    })
    .collect()
}

/// What a strategy combines updates to in the first round of four collaborators that begins with `global`.
fn combined(text: &str, global: &[f32], arrived: &[Arrived]) -> Vec<f32> {
    let round = StrategyRound { asked: arrived.len(), ..strategy_round(global) };
    strategy(text).unwrap().combine.combine(&round, arrived).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The rules for combining that need nothing but updates, with options that suit five of them.
const PLAIN_COMBINES: [&str; 10] = [
    "\"mean\"",
    "\"median\"",
    "\"trimmed-mean\"",
    "{kind=\"krum\",byzantine=1}",
    "{kind=\"multi-krum\",byzantine=1}",
    "{kind=\"multi-krum\",byzantine=1,keep=2,weighted=false}",
    "\"geometric-median\"",
    "{kind=\"norm-bound\",bound=0.5}",
    "\"principal\"",
    "\"nova\"",
];

#[track_caller]
fn assert_close(found: &[f32], due: &[f64]) {
    assert_eq!(found.len(), due.len());
    let is_close = |(found, due): (&f32, &f64)| (f64::from(*found) - due).abs() <= 1e-6 * (1.0 + due.abs());
    assert!(found.iter().zip(due).all(is_close), "{found:?} is not {due:?}");
}
