//! What a training takes of memory: shown before it, and refused where it does not fit.

use super::stdout::{print_json, say};
use clap::Args;
use fedfunnel::autoencoder::{MemoryPlan, Training, too_many};
use fedfunnel::gpu::Gpu;
use fedfunnel::report::{Table, format, text_table};

/// Options of verbs that plan their memory.
#[derive(Args, Debug)]
pub struct MemoryOptions {
    /// Show what memory the training will take, and what there is, and take none
    #[arg(long)]
    pub plan: bool,
    /// Refuse a training that takes more memory than this, on device and host together
    #[arg(long, value_name = "BYTES")]
    max_memory: Option<u64>,
}

impl MemoryOptions {
    /// Refuses a training that does not fit. Returns whether to go on, which is false after a plan.
    pub fn allow(&self, gpu: &Gpu, training: &Training<'_>, json: bool) -> anyhow::Result<bool> {
        let plan = MemoryPlan::of(gpu, training).map_err(|error| too_many(gpu, training, error))?;
        if self.plan {
            if json { print_json(&plan)? } else { show(gpu, training, &plan)? }
        }
        plan.check(gpu, training, self.max_memory)?;
        Ok(!self.plan)
    }
}

fn show(gpu: &Gpu, training: &Training<'_>, plan: &MemoryPlan) -> anyhow::Result<()> {
    let title = format!("Memory that training {} takes on {}", training.spec.name, gpu.adapter.name);
    let mut table = Table::new("plan", &title, &["where", "what", "bytes"]);
    for (place, memory) in [("device", &plan.device), ("host", &plan.host)] {
        for (what, bytes) in &memory.parts {
            table.push([place, what, &format::count(*bytes)]);
        }
        table.push([place, "all", &format::count(memory.bytes)]);
    }
    let both = format::count(plan.bytes());
    table.push(["both", "all", &both]);
    say(&text_table(&table))?;
    say(&format!(
        "besides, {} of the snapshots' file are mapped, which the system can drop",
        format::bytes(plan.mapped_bytes)
    ))?;
    let size = |bytes: Option<u64>| bytes.map_or("unknown".into(), format::bytes);
    let available = plan.available;
    say(&if available.shared {
        format!("there are {} for device and host together", size(available.host))
    } else {
        format!("the device has {}, the host {} free", size(available.device), size(available.host))
    })
}
