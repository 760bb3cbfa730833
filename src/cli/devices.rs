//! `fedfunnel devices`

use super::options::AdapterOption;
use super::stdout::{print_json, say, say_json};
use clap::Args;
use fedfunnel::Error;
use fedfunnel::gpu::needs::UnsupportedAdapter;
use fedfunnel::gpu::{AdapterSummary, Adapters, Gpu, GpuOptions, adapters};
use fedfunnel::ops::elementwise;
use fedfunnel::report::{Column, Table, format, text_table};
use serde::ser::SerializeSeq;

pub const EXAMPLES: &str = "Examples:
  fedfunnel devices                     a table; * marks the adapter that would be used
  fedfunnel devices --device 1 --json   the same for machines, with adapter 1 chosen
  fedfunnel devices --check             whether it works: run a kernel and look at its answer";

/// Arguments of `devices`.
#[derive(Args, Debug)]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Run one kernel on the adapter that would be used, and say whether its answer is right, and how long
    /// after the start of the program it came
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    adapter: AdapterOption,
}

/// Lists the adapters.
pub fn run(args: &DevicesArgs) -> anyhow::Result<()> {
    if args.check {
        return check(args);
    }
    let Adapters { usable, unsupported } = adapters(&args.adapter.choice)?;
    if args.json {
        return print_json(&Listed { usable: &usable, unsupported: &unsupported });
    }
    let yes_no = |yes| if yes { "yes" } else { "no" }.to_string();
    let columns: [Column<'_, AdapterSummary>; 11] = [
        ("", &|adapter| if adapter.chosen { "*" } else { "" }.into()),
        ("#", &|adapter| adapter.index.to_string()),
        ("name", &|adapter| adapter.name.clone()),
        ("backend", &|adapter| adapter.backend.clone()),
        ("type", &|adapter| adapter.kind.to_string()),
        ("driver", &|adapter| adapter.driver.clone()),
        ("largest binding", &|adapter| format::bytes(adapter.max_binding_bytes)),
        ("largest buffer", &|adapter| format::bytes(adapter.max_buffer_bytes)),
        ("subgroups", &|adapter| match (adapter.subgroup_min, adapter.subgroup_max) {
            (_, 0) => "none".into(),
            (least, most) => format!("{least} to {most}"),
        }),
        ("f16", &|adapter| yes_no(adapter.f16)),
        ("timestamps", &|adapter| yes_no(adapter.timestamps)),
    ];
    let table = Table::of("devices", "Adapters (* is the one that would be used)", &usable, &columns);
    say(&text_table(&table))?;
    unsupported.iter().try_for_each(|adapter| {
        let UnsupportedAdapter { name, backend, lacks, .. } = adapter;
        say(&format!("not supported: {name} ({backend}) {lacks}"))
    })
}

/// Both in one list, those that can be used first: JSON's readers look at the chosen one, or at places.
struct Listed<'a> {
    usable: &'a [AdapterSummary],
    unsupported: &'a [UnsupportedAdapter],
}

impl serde::Serialize for Listed<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.usable.len() + self.unsupported.len()))?;
        self.usable.iter().try_for_each(|adapter| list.serialize_element(adapter))?;
        self.unsupported.iter().try_for_each(|adapter| list.serialize_element(adapter))?;
        list.end()
    }
}

/// Runs one kernel and looks at its answer.
fn check(args: &DevicesArgs) -> anyhow::Result<()> {
    const ANSWER: f32 = 42.0;
    let gpu = Gpu::open(&GpuOptions { device: args.adapter.choice.clone(), ..Default::default() })?;
    let buffer = gpu.zeros("answers", 64)?;
    gpu.run(&[elementwise::fill(&gpu, &buffer, 0, 64, ANSWER)?])?;
    let answers: Vec<f32> = gpu.read(&buffer)?;
    let seconds = super::common::started().elapsed().as_secs_f64();
    if answers.iter().any(|&answer| answer != ANSWER) {
        let problem = format!("{} ({}) gives wrong answers", gpu.adapter.name, gpu.adapter.driver);
        return Err(Error::device(problem, "update its driver, or choose another --device").into());
    }
    if args.json {
        let (index, name) = (gpu.adapter.index, &gpu.adapter.name);
        return say_json(&serde_json::json!({ "index": index, "name": name, "seconds": seconds }));
    }
    say(&format!(
        "{} works: the first answer came {:.0} ms after the start of the program",
        gpu.adapter.name,
        seconds * 1e3
    ))
}
