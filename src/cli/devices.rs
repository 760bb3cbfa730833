//! `fedfunnel devices`

use super::options::AdapterOption;
use clap::Args;
use fedfunnel::gpu::adapters;
use fedfunnel::report::{Table, format, text_table};

pub const EXAMPLES: &str = "Examples:
  fedfunnel devices                     a table; * marks the adapter that would be used
  fedfunnel devices --device 1 --json   the same for machines, with adapter 1 chosen";

/// Arguments of `devices`.
#[derive(Args, Debug)]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    adapter: AdapterOption,
}

/// Lists the adapters.
pub fn run(args: &DevicesArgs) -> anyhow::Result<()> {
    let list = adapters(&args.adapter.choice)?;
    if args.json {
        return super::print_json(&list);
    }
    let columns = [
        "",
        "#",
        "name",
        "backend",
        "type",
        "driver",
        "largest binding",
        "largest buffer",
        "subgroups",
        "f16",
        "timestamps",
    ];
    let mut table = Table::new("devices", "Adapters (* is the one that would be used)", &columns);
    let yes_no = |yes| if yes { "yes" } else { "no" }.to_string();
    for adapter in &list {
        table.push([
            if adapter.chosen { "*" } else { "" }.into(),
            adapter.index.to_string(),
            adapter.name.clone(),
            adapter.backend.clone(),
            adapter.kind.clone(),
            adapter.driver.clone(),
            format::bytes(adapter.max_binding_bytes),
            format::bytes(adapter.max_buffer_bytes),
            format!("{} to {}", adapter.subgroup_min, adapter.subgroup_max),
            yes_no(adapter.f16),
            yes_no(adapter.timestamps),
        ]);
    }
    super::say(&text_table(&table))
}
