//! `fedfunnel bench`

use super::against::Against;
use super::common::Common;
use super::options::DeviceOptions;
use super::stdout::{print_json, say, whisper};
use clap::Args;
use fedfunnel::bench::{self, Measurement, PEAKS, Work};
use fedfunnel::files;
use fedfunnel::gpu::Gpu;
use fedfunnel::progress::Observer;
use fedfunnel::report::{Table, format, text_table};
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel bench                       everything, in two minutes or so on a processor
  fedfunnel bench --list                what there is to time
  fedfunnel bench matmul                matrix products, and their share of the adapter's peaks
  fedfunnel bench mnist-epoch --json epoch.json
  fedfunnel bench cifar-train-b64 --profile
  fedfunnel bench mnist-epoch --against epoch.json --bound 1.2
                                        how many times as long as then; exit code 1 past 1.2 times

Data are synthetic; no data set and no network is needed. Shares are of the arithmetic and the bandwidth
that the works arithmetic and stream reach on the same adapter in the same run.";

/// The default destination of `--json`.
const STDOUT: &str = "-";

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Time the works with this in their names, or the one of this very name [default: all]
    filter: Option<String>,
    /// Show how many times as long works take as in an earlier run, whose --json is in this file
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// With --against: end with exit code 1 where a work takes more than so many times as long, by the medians
    #[arg(long, value_name = "RATIO", requires = "against")]
    bound: Option<f64>,
    /// List the works, and time none
    #[arg(long, conflicts_with_all = ["json", "against", "choice", "max_binding_bytes", "profile", "trace", "checked"])]
    list: bool,
    /// Write the times as a list of JSON objects to a file, or without one (or with -) to standard output in
    /// place of the table
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = STDOUT)]
    json: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Times works.
pub fn run(common: &Common, args: &BenchArgs) -> anyhow::Result<()> {
    let all = bench::works(std::env::current_exe().ok());
    let works = bench::select(all, args.filter.as_deref().unwrap_or_default())?;
    if args.list {
        return list(&works);
    }
    let to_stdout = args.json.as_deref().is_some_and(files::is_standard_output);
    let file = args.json.as_deref().filter(|_| !to_stdout);
    if let Some(path) = file {
        files::check_output_file("--json", path)?;
    }
    let against = args.against.as_deref().map(|path| Against::read(path, args.bound, &works)).transpose()?;
    let gpu = args.device.open()?;
    let mut bars = common.bars_of(&gpu);
    let mut measured = Vec::new();
    for work in &works {
        measured.extend(time(&gpu, work, &mut bars)?);
    }
    if let Some(path) = file {
        files::write_atomic(path, &serde_json::to_vec_pretty(&measured)?)?;
    }
    // Peaks are measured for the table only.
    let shown = if to_stdout && common.quiet {
        None
    } else {
        Some(table(&gpu, &measured, peaks(&gpu, &measured, &mut bars)?))
    };
    args.device.save_trace(&gpu)?;
    if to_stdout {
        print_json(&measured)?;
    }
    if let Some(table) = shown {
        let table = text_table(&table);
        if to_stdout { whisper(&table) } else { say(&table)? }
    }
    args.device.print_profile(&gpu, to_stdout)?;
    match against {
        None => Ok(()),
        Some(against) => {
            let table = text_table(&against.table(&measured));
            if to_stdout {
                whisper(&table)
            } else {
                say(&table)?
            }
            against.check(&measured)
        }
    }
}

fn list(works: &[Work]) -> anyhow::Result<()> {
    let mut table = Table::new("works", "", &["name", "what is timed"]);
    for work in works {
        table.push([work.name, work.what]);
    }
    say(text_table(&table).trim_end())
}

/// Times one work; says in a sentence where there is too little memory for it.
fn time(gpu: &Gpu, work: &Work, observer: &mut dyn Observer) -> fedfunnel::Result<Option<Measurement>> {
    if let Some((bytes, there)) = work.excess(gpu)? {
        let [bytes, there] = [bytes, there].map(format::bytes);
        whisper(&format!("{} is left out: it takes {bytes} of memory and there are {there}", work.name));
        return Ok(None);
    }
    observer.begin(work.name, "repeats", 1);
    let measured = work.measure(gpu)?;
    observer.note(&format!("{} {}", format::number(measured.value, 4), measured.unit));
    observer.end();
    Ok(Some(measured))
}

/// The adapter's arithmetic and its bandwidth, in billions a second, where something is to be held against them.
fn peaks(gpu: &Gpu, measured: &[Measurement], observer: &mut dyn Observer) -> fedfunnel::Result<[f64; 2]> {
    let mut values = [0.0; 2];
    let counted = |m: &Measurement| !PEAKS.contains(&m.name) && (m.cost.operations > 0 || m.cost.bytes > 0);
    for (value, name) in values.iter_mut().zip(PEAKS) {
        *value = match measured.iter().find(|m| m.name == name) {
            Some(peak) => peak.value,
            None if !measured.iter().any(counted) => 0.0,
            None => {
                let peak = bench::select(bench::works(None), name)?;
                let peak = peak.iter().map(|work| time(gpu, work, observer)).next().transpose()?.flatten();
                peak.map_or(0.0, |peak| peak.value)
            }
        };
    }
    Ok(values)
}

fn table(gpu: &Gpu, measured: &[Measurement], [arithmetic, bandwidth]: [f64; 2]) -> Table {
    let columns = [
        "work", "value", "", "median", "fastest", "slowest", "repeats", "clock", "GFLOP/s", "of peak",
        "GB/s", "of peak",
    ];
    let mut table =
        Table::new("bench", format!("On {} ({})", gpu.adapter.name, gpu.adapter.driver), &columns);
    let milliseconds = |seconds: f64| format!("{} ms", format::number(seconds * 1e3, 4));
    for m in measured {
        let rate = |rate: Option<f64>, peak: f64| match rate {
            None => ["-".to_string(), "-".to_string()],
            Some(rate) if peak > 0.0 => [format::number(rate, 3), format!("{:.0} %", 100.0 * rate / peak)],
            Some(rate) => [format::number(rate, 3), "-".into()],
        };
        let [gflops, of_arithmetic] = rate(m.gflops(), arithmetic);
        let [gigabytes, of_bandwidth] = rate(m.gigabytes_per_second(), bandwidth);
        table.push([
            m.name.to_string(),
            format::number(m.value, 4),
            m.unit.into(),
            milliseconds(m.seconds.median),
            milliseconds(m.seconds.min),
            milliseconds(m.seconds.max),
            m.repeats.to_string(),
            m.clock.name().into(),
            gflops,
            of_arithmetic,
            gigabytes,
            of_bandwidth,
        ]);
    }
    if arithmetic > 0.0 && bandwidth > 0.0 {
        table.caption = format!(
            "Peaks of this run: {} GFLOP/s (arithmetic) and {} GB/s (stream). Bytes are counted once for each value \
             that has to move; what stays in caches can be faster than memory.",
            format::number(arithmetic, 3),
            format::number(bandwidth, 3)
        );
    }
    table
}
