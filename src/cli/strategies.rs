//! `fedfunnel strategies`

use super::stdout::{print_json, say};
use clap::Args;
use fedfunnel::federation::Strategies;
use fedfunnel::report::text_table;
use fedfunnel::story::strategies::{strategies_table, strategy_page};

pub const EXAMPLES: &str = "Examples:
  fedfunnel strategies                  what aggregators can do with updates
  fedfunnel strategies krum             one of them, with its options and where it is from
  fedfunnel strategies --json

A strategy is three parts: how updates are combined, what the server makes of that, and what is added
to local training. Specs take a preset, --set strategy=fedadam, or parts with options:
--set 'strategy={preset=\"krum\",combine={byzantine=1}}'.";

/// Arguments of `strategies`.
#[derive(Args, Debug)]
pub struct StrategiesArgs {
    /// A strategy or a part of one, to hear all about it
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists strategies and their parts, or explains those of a name.
pub fn run(args: &StrategiesArgs) -> anyhow::Result<()> {
    let strategies = Strategies::default();
    match &args.name {
        Some(name) => {
            let found = strategies.explain(name)?;
            if args.json {
                return print_json(&found);
            }
            say(&found.iter().map(strategy_page).collect::<Vec<_>>().join("\n\n"))
        }
        None if args.json => print_json(&strategies.explained()),
        None => say(text_table(&strategies_table(&strategies)).trim_end()),
    }
}
