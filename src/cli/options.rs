//! Options that several verbs share; a verb has those that do something there.

use super::common::started;
use super::stdout::{say, whisper};
use clap::Args;
use fedfunnel::Error;
use fedfunnel::data::DataDir;
use fedfunnel::files::check_output_file;
use fedfunnel::gpu::{DeviceChoice, Gpu, GpuOptions, KernelTime, Trace};
use fedfunnel::report::{Column, Table, format, text_table};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Which adapter.
#[derive(Args, Debug)]
#[command(next_help_heading = "Device")]
pub struct AdapterOption {
    /// Adapter: auto, its number or a part of its name in `fedfunnel devices`, or a back end (vulkan, metal, dx12, gl)
    #[arg(long = "device", default_value = "auto", value_name = "auto|INDEX|NAME")]
    pub choice: DeviceChoice,
}

/// Options of verbs that run kernels.
#[derive(Args, Debug)]
#[command(next_help_heading = "Device")]
pub struct DeviceOptions {
    #[command(flatten)]
    adapter: AdapterOption,
    /// Cut tensors so that no binding is larger (65536 at least; the device's own limit by default)
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    max_binding_bytes: Option<u64>,
    /// Most time of one submit to a GPU, so that no watchdog of a desktop resets it (a processor has none, and is not
    /// held to it)
    #[arg(long, value_name = "MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..))]
    max_submit_ms: u64,
    /// Give the device up after so many submits: for tests
    #[arg(long, hide = true)]
    lose_device_after: Option<u64>,
    /// Time every kernel on the device and print a table at the end
    #[arg(long)]
    profile: bool,
    /// Write what host and device did when, each kernel with its shapes, for ui.perfetto.dev (slower); -
    /// for standard output
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Compile kernels with bounds checks (slower)
    #[arg(long)]
    pub checked: bool,
}

impl DeviceOptions {
    /// Opens the device.
    pub fn open(&self) -> fedfunnel::Result<Gpu> {
        if let Some(path) = &self.trace {
            check_output_file("--trace", path)?;
        }
        let trace = self.trace.as_ref().map(|_| Arc::new(Trace::new(started())));
        if let Some(trace) = &trace {
            trace.span_since_start("before the device is opened");
        }
        Gpu::open(&GpuOptions {
            device: self.adapter.choice.clone(),
            // Buffers are padded to 16 bytes, so a limit in between cannot be used to the last byte.
            max_binding_bytes: self.max_binding_bytes.map(|bytes| bytes - bytes % 16),
            checked: self.checked,
            profile: self.profile,
            trace,
            max_submit: Some(Duration::from_millis(self.max_submit_ms)),
            lose_after: self.lose_device_after,
            ..Default::default()
        })
    }

    /// Prints what the kernels cost, where that was asked for: on stderr where stdout is for `json`.
    pub fn print_profile(&self, gpu: &Gpu, json: bool) -> anyhow::Result<()> {
        let (true, Some(profile)) = (self.profile, gpu.profile()) else { return Ok(()) };
        let columns: [Column<'_, KernelTime>; 8] = [
            ("kernel", &|kernel| kernel.kernel.clone()),
            ("calls", &|kernel| format::count(kernel.calls)),
            ("total", &|kernel| format!("{:.3} s", kernel.total)),
            ("mean", &|kernel| format!("{:.1} us", kernel.mean * 1e6)),
            ("share", &|kernel| format::percent(kernel.share)),
            ("moved", &|kernel| counted(kernel.bytes, &|bytes| format!("{bytes:.2} GB"), 1.0)),
            ("GB/s", &|kernel| counted(kernel.bytes, &|rate| format!("{rate:.1}"), kernel.total)),
            ("GFLOP/s", &|kernel| counted(kernel.operations, &|rate| format!("{rate:.1}"), kernel.total)),
        ];
        let table = Table::of("profile", "Kernels on the device", &profile.kernels, &columns);
        let peak = format!("peak memory of the device: {}", format::bytes(gpu.peak_memory().bytes));
        for text in [text_table(&table), peak] {
            if json { whisper(&text) } else { say(&text)? }
        }
        Ok(())
    }

    /// Ends the work on the device: writes the trace, where that was asked for. This comes before anything is
    /// printed, so that a trace does not depend on who reads that.
    pub fn save_trace(&self, gpu: &Gpu) -> anyhow::Result<()> {
        let (Some(path), Some(trace)) = (&self.trace, gpu.trace()) else { return Ok(()) };
        let left_out = trace.save(path, &gpu.adapter.name)?;
        if left_out > 0 {
            let (path, count) = (path.display(), format::count(left_out as u64));
            whisper(&format!("{path}: the last {count} events did not fit in and are left out"));
        }
        Ok(())
    }

    /// The options that decide the result of a run, with their values.
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        let device = match &self.adapter.choice {
            DeviceChoice::Auto => None,
            choice => Some(("--device", choice.to_string())),
        };
        let bytes = self.max_binding_bytes.map(|bytes| ("--max-binding-bytes", bytes.to_string()));
        device.into_iter().chain(bytes).collect()
    }

    /// Refuses options that would do nothing, since no device is opened.
    pub fn refuse_timing(&self, why: &str) -> fedfunnel::Result<()> {
        for (field, given) in [("--profile", self.profile), ("--trace", self.trace.is_some())] {
            if given {
                return Err(Error::setting(field, format!("{why}, and no kernel runs"), "leave it out"));
            }
        }
        Ok(())
    }
}

/// Where data sets lie, for verbs that read them.
#[derive(Args, Debug)]
pub struct DataDirOption {
    /// Folder of data sets [default: FEDFUNNEL_DATA_DIR, or the user's data folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDirOption {
    /// The option that names the folder, where it was named here or by the environment.
    pub fn argument(&self) -> Option<(&'static str, String)> {
        let named = self.data_dir.clone().or_else(DataDir::from_environment)?;
        Some(("--data-dir", named.display().to_string()))
    }

    /// The folder asked for, or the one that there is otherwise.
    pub fn resolve(&self) -> fedfunnel::Result<DataDir> {
        DataDir::resolve(self.data_dir.clone())
    }
}

/// Billions of what a kernel's shapes say it does, in so many seconds; a dash where that is not counted.
fn counted(number: u64, write: &dyn Fn(f64) -> String, seconds: f64) -> String {
    if number == 0 { "-".into() } else { write(number as f64 * 1e-9 / seconds) }
}
