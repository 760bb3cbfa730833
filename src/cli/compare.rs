//! `fedfunnel compare`

use super::common::Common;
use super::options::{DataDirOption, DeviceOptions};
use super::start::{CommandLine, StartOptions, run_to_end};
use super::stdout::{say, whisper};
use clap::Args;
use fedfunnel::codec::PipelineSpec;
use fedfunnel::experiment::{COMPARE_JSON, CodecsExperiment, Experiment, SCALES, usual_comparison};
use fedfunnel::federation::CodecSpec;
use fedfunnel::report::{self, Report, slug, text_plot, text_table};
use fedfunnel::run::{Identity, Place, RunFolder, is_finished};
use fedfunnel::story::codecs::{PARETO, RESULTS};
use fedfunnel::{Error, files};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel compare --codecs 'delta+feedback+topk,delta+feedback+ternary' --data mnist-sample \\
      --ratio 400                       options that are left open are found for a 400th of raw
  fedfunnel compare --codecs 'raw,pca(floats=8),prior+pca(floats=8)+f16+tune' --data mnist \\
      --collaborators 5 --rounds 20 --seeds 5 --out five
  fedfunnel compare --codecs 'delta+f16,delta+feedback+ternary' --data ./images --model mine.toml \\
      --budget 2000 --set federation.optimizer.lr=3e-4
  fedfunnel compare compare-mnist --scale smoke --out smoke
  fedfunnel compare compare-cifar10 --print-config > mine.toml   then edit it: fedfunnel compare mine.toml

A codec is stages in a line: fedfunnel codecs lists them. Raw updates are always among those that are
compared, and with as many local epochs as codecs have that tune. Whatever is not given here is as in
compare-mnist, or as in compare-cifar10 where the data are CIFAR-10; --print-config shows it.

Ctrl-C finishes the round, saves, and says how to go on.";

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub struct CompareArgs {
    /// compare-mnist, compare-cifar10, or the path of a spec; or nothing, with --codecs
    name: Option<String>,
    /// Codecs with commas between them, such as raw,delta+feedback+topk(part=0.01)
    #[arg(long, value_name = "CODEC,...", required_unless_present = "name")]
    codecs: Option<String>,
    /// Data set [default: mnist]
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Classifier, by name or path [default: that of the data]
    #[arg(long, value_name = "NAME|PATH")]
    model: Option<String>,
    /// Collaborators [default: 2]
    #[arg(long, value_name = "C")]
    collaborators: Option<usize>,
    /// Rounds [default: 10, or 8 for CIFAR-10]
    #[arg(long, value_name = "R")]
    rounds: Option<u32>,
    /// Bytes that the message of an update may have
    #[arg(long, value_name = "BYTES", conflicts_with = "ratio")]
    budget: Option<u64>,
    /// The same as a part of a raw one: 400 for a 400th
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    ratio: Option<f64>,
    /// Seeds that it is run with [default: 3]
    #[arg(long, value_name = "N")]
    seeds: Option<u32>,
    /// How much is done, of a spec with scales [default: laptop]
    #[arg(long, value_parser = SCALES)]
    scale: Option<String>,
    /// Folder for the report and the numbers [default: fedfunnel-compare, or fedfunnel-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    start: StartOptions,
    /// Set a field of the spec, such as federation.optimizer.lr=3e-4 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the spec with all settings applied, and run nothing
    #[arg(long)]
    print_config: bool,
    /// Print compare.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data_dir: DataDirOption,
    #[command(flatten)]
    device: DeviceOptions,
}

impl CompareArgs {
    /// The comparison that is asked for.
    fn spec(&self) -> fedfunnel::Result<CodecsExperiment> {
        if let (None, Some(scale)) = (&self.name, &self.scale) {
            let problem = format!("{scale} is a scale of a spec, and none is named");
            return Err(Error::setting(
                "--scale",
                problem,
                "name one, such as compare-mnist, or leave it out",
            ));
        }
        let mut spec = match &self.name {
            None => usual_comparison(self.data.as_deref(), self.model.as_deref(), &self.set)?,
            Some(name) => match Experiment::load(name, self.scale.as_deref(), &self.set)? {
                Experiment::Codecs(spec) => *spec,
                _ => {
                    let problem = format!("{name} is an experiment of another kind");
                    let mend = format!("run it with fedfunnel experiment {name}, or use compare-mnist");
                    return Err(Error::setting("NAME", problem, mend));
                }
            },
        };
        if let Some(codecs) = &self.codecs {
            let codecs = PipelineSpec::list_from_text("--codecs", codecs)?;
            spec.federation.codecs = codecs.into_iter().map(CodecSpec::of).collect();
        }
        if self.budget.is_some() || self.ratio.is_some() {
            (spec.budget, spec.ratio) = (self.budget, self.ratio);
        }
        let federation = &mut spec.federation;
        federation.data = self.data.clone().unwrap_or(std::mem::take(&mut federation.data));
        federation.model = self.model.clone().unwrap_or(std::mem::take(&mut federation.model));
        federation.collaborators = self.collaborators.unwrap_or(federation.collaborators);
        federation.rounds = self.rounds.unwrap_or(federation.rounds);
        spec.seeds = self.seeds.unwrap_or(spec.seeds);
        Ok(spec)
    }

    /// An error that names the option which gave the field, where one did.
    fn blamed(&self, error: Error) -> Error {
        let options = [
            ("federation.codecs", "--codecs", self.codecs.is_some()),
            ("federation.data", "--data", self.data.is_some()),
            ("federation.model", "--model", self.model.is_some()),
            ("federation.collaborators", "--collaborators", self.collaborators.is_some()),
            ("federation.rounds", "--rounds", self.rounds.is_some()),
            ("budget", "--budget", self.budget.is_some()),
            ("ratio", "--ratio", self.ratio.is_some()),
            ("seeds", "--seeds", self.seeds.is_some()),
            ("codecs", "--codecs", self.codecs.is_some()),
        ];
        error.renamed(|field| {
            let given = options.iter().find_map(|(name, option, is_given)| {
                let rest = field.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with(':'));
                rest.filter(|_| *is_given).map(|rest| format!("{option}{rest}"))
            });
            given.unwrap_or(field)
        })
    }

    /// The command line that repeats the run.
    fn command(&self, out: &Path) -> CommandLine {
        let words: Vec<_> = ["compare"].into_iter().chain(self.name.as_deref()).collect();
        let number = |value: Option<String>, name: &'static str| value.map(|value| (name, value));
        let options = [
            number(self.scale.clone(), "--scale"),
            number(self.codecs.clone(), "--codecs"),
            number(self.data.clone(), "--data"),
            number(self.model.clone(), "--model"),
            number(self.collaborators.map(|value| value.to_string()), "--collaborators"),
            number(self.rounds.map(|value| value.to_string()), "--rounds"),
            number(self.budget.map(|value| value.to_string()), "--budget"),
            number(self.ratio.map(|value| value.to_string()), "--ratio"),
            number(self.seeds.map(|value| value.to_string()), "--seeds"),
        ];
        let line = CommandLine::new(&words);
        let line = options.into_iter().flatten().fold(line, |line, (name, value)| line.option(name, &value));
        line.settings(&self.set).place(&self.data_dir, &self.device).out(out)
    }
}

/// Runs a comparison, or goes on with it.
pub fn run(common: &Common, args: &CompareArgs) -> anyhow::Result<()> {
    let spec = args.spec()?;
    let name = spec.about.name.clone();
    let experiment = Experiment::Codecs(Box::new(spec));
    let config = experiment.to_toml()?;
    if args.print_config {
        return say(config.trim_end());
    }
    let kind = experiment.kind();
    let out = args.out.clone().unwrap_or_else(|| format!("fedfunnel-{}", slug(&name)).into());
    files::check_output_folder("--out", &out)?;
    let data_dir = args.data_dir.resolve()?;
    kind.check(&data_dir).map_err(|error| args.blamed(error))?;
    let identity = kind.identify(Identity::new("compare", &config), &data_dir);
    let identity = identity.map_err(|error| args.blamed(error))?;
    let start = args.start.start();
    if is_finished(&out, &identity, start)? {
        args.device.refuse_timing("the run is finished")?;
        return print(&report::load(&out)?, &out, args.json);
    }
    let gpu = args.device.open()?;
    if !common.quiet && !args.json {
        whisper(&format!("{name} on {} ({})", gpu.adapter.name, gpu.adapter.driver));
    }
    let folder = RunFolder::open(&out, identity, start)?;
    let command = args.command(&out);
    let place = Place { gpu: Some(&gpu), data_dir: Some(&data_dir), folder, command: command.as_str() };
    let report = run_to_end(place, common.bars_of(&gpu), |run| {
        let report = kind.run(run).map_err(|error| args.blamed(error))?;
        let report = Report { configuration: config, ..report };
        run.write_report(&report).map(|()| report)
    })?;
    args.device.save_trace(&gpu)?;
    print(&report, &out, args.json)?;
    args.device.print_profile(&gpu, args.json)
}

fn print(report: &Report, out: &Path, json: bool) -> anyhow::Result<()> {
    if json {
        return say(files::read_text(&out.join(COMPARE_JSON))?.trim_end());
    }
    for table in report.tables.iter().filter(|table| table.id == RESULTS) {
        say(&text_table(table))?;
    }
    for plot in report.plots.iter().filter(|plot| plot.id == PARETO) {
        say(&text_plot(plot))?;
    }
    for paragraph in &report.answer {
        say(paragraph)?;
    }
    say(&out.join(report::PAGE).display().to_string())
}
