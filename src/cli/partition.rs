//! `fedfunnel data partition`

use super::common::refuse_zeros;
use super::options::DataDirOption;
use super::start::CommandLine;
use super::stdout::{print_json, say};
use clap::Args;
use fedfunnel::data::{self, Dataset, LabelCounts, Partition, Partitioner, Spread};
use fedfunnel::federation::SimulationSpec;
use fedfunnel::report::{Report, csv, html, svg_file, text_table};
use fedfunnel::story::populations::Population;
use fedfunnel::{Error, files};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel data partition --data mnist-sample --collaborators 10 \\
      --partition 'kind=\"dirichlet\",alpha=0.5'
  fedfunnel data partition --data mnist --collaborators 1000 --partition linear --out sizes.svg
  fedfunnel data partition demo --set collaborators=20 --set partition.kind=square
  fedfunnel data partition mine.toml --csv labels.csv   what fedfunnel simulate mine.toml deals out

Kinds, with what they need and what they can have:
  iid              all alike, at random
  dirichlet        alpha [self_balancing]
  inner-dirichlet  alpha [partition_sizes]
  shard            shards_per_collaborator, or shard_size [keep_incomplete_shard]
  pathological     classes_per_collaborator [class_assignment_mode = \"balanced\", \"random\",
                   \"deterministic\", \"first-deterministic\"]
  size             partition_sizes
  linear, square, exponential
  continuous       strictness, from 0 to 1, by brightness
  natural-id       [group_size], by the groups of a file train-groups.txt beside the data
All of them have min_size, the images that everybody gets at least [default: 1; 0: may be empty].";

/// Collaborators that get a row in the terminal, and on a page.
const PRINTED: usize = 20;
const ON_PAGE: usize = 1000;

/// Arguments of `data partition`.
#[derive(Args, Debug)]
pub struct PartitionArgs {
    /// The spec of a simulation, by name or path; or nothing, with --data and --collaborators
    #[arg(conflicts_with_all = ["data", "collaborators", "partition", "images", "seed"])]
    name: Option<String>,
    /// Set a field of the spec, such as collaborators=20 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Data set
    #[arg(long, value_name = "NAME|PATH", required_unless_present = "name")]
    data: Option<String>,
    /// Collaborators
    #[arg(long, value_name = "C", required_unless_present = "name")]
    collaborators: Option<usize>,
    /// How the images are dealt out: a kind, or a kind with options [default: iid]
    #[arg(long, value_name = "KIND|KEY=VALUE,...")]
    partition: Option<String>,
    /// Only so many of the training images
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Seed
    #[arg(long, value_name = "SEED")]
    seed: Option<u32>,
    /// Write the counts of all collaborators; - for standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw bars of the counts: .svg, or .html with the counts beside them
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data_dir: DataDirOption,
}

/// What is dealt out, and how.
struct Asked {
    data: String,
    images: Option<usize>,
    collaborators: usize,
    partition: Partition,
    seed: u32,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    data: &'a str,
    images: usize,
    dealt: usize,
    classes: usize,
    partition: &'a Partition,
    seed: u32,
    sizes: Spread,
    classes_held: Spread,
    collaborators: Vec<Share<'a>>,
}

#[derive(Serialize)]
struct Share<'a> {
    collaborator: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a String>,
    images: usize,
    labels: &'a [usize],
}

impl PartitionArgs {
    fn asked(&self) -> fedfunnel::Result<Asked> {
        if let Some(name) = &self.name {
            let spec = SimulationSpec::load(name, &self.set)?;
            let SimulationSpec { data, images, collaborators, partition, seed, .. } = spec;
            return Ok(Asked { data, images, collaborators, partition, seed });
        }
        if let Some(setting) = self.set.first() {
            let problem = "it sets a field of a spec, and none is named";
            let mend = "name one, such as demo, or use --partition and its neighbours";
            return Err(Error::setting(format!("--set {setting}"), problem, mend));
        }
        let collaborators = self.collaborators.unwrap_or(0);
        refuse_zeros(&[("--images", self.images == Some(0)), ("--collaborators", collaborators == 0)])?;
        let partition = self.partition.as_deref().map(parse).transpose()?.unwrap_or_default();
        let (data, images) = (self.data.clone().unwrap_or_default(), self.images);
        Ok(Asked { data, images, collaborators, partition, seed: self.seed.unwrap_or(0) })
    }
}

/// A kind by its name, or a table of options with or without its braces.
fn parse(text: &str) -> fedfunnel::Result<Partition> {
    #[derive(Deserialize)]
    struct Given {
        partition: Partition,
    }
    let text = text.trim();
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let table = if inner.contains('=') { inner.to_string() } else { format!("kind = {:?}", inner.trim()) };
    let given = toml::from_str::<Given>(&format!("partition = {{ {table} }}"));
    given.map(|given| given.partition).map_err(|error| {
        let (problem, mend) = files::toml_problem(&error);
        let mend = match mend.as_str() {
            "mend it there" | "give what is expected there" => {
                "write it as 'kind=\"dirichlet\",alpha=0.5'".into()
            }
            _ => mend,
        };
        Error::setting(format!("--partition {text}"), problem, mend)
    })
}

/// Shows who gets what.
pub fn run(args: &PartitionArgs) -> anyhow::Result<()> {
    for (option, path) in [("--csv", &args.csv), ("--out", &args.out)] {
        path.as_ref().map_or(Ok(()), |path| files::check_output_file(option, path))?;
    }
    let is_page = args.out.as_deref().map(is_page).transpose()?.unwrap_or(false);
    let asked = args.asked()?;
    let mut train = data::load(&asked.data, &args.data_dir.resolve()?)?.train;
    if let Some(images) = asked.images {
        train = train.limit(images)?;
    }
    let by_option = |field: String| match field.strip_prefix("partition.") {
        _ if args.name.is_some() => field,
        Some(option) => format!("--partition: {option}"),
        None => format!("--{field}"),
    };
    let shares = asked.partition.deal(&train, asked.collaborators, u64::from(asked.seed));
    let shares = shares.map_err(|error| error.renamed(by_option))?;
    let counts = LabelCounts::of(&train.labels, train.classes, &shares);
    let groups = groups(&asked.partition, &train, &shares);
    let population = Population { counts: &counts, groups: &groups };
    if let Some(path) = &args.csv {
        files::write_atomic(path, all_counts(&counts, &groups).as_bytes())?;
    }
    if let Some(path) = &args.out {
        let text = if is_page {
            html(&report(&asked, &population, train.len(), &command(args, &asked, path))?)?
        } else {
            svg_file(&population.bars())?
        };
        files::write_atomic(path, text.as_bytes())?;
    }
    if args.json {
        return print_json(&answer(&asked, &train, &counts, &groups));
    }
    say(&population.answer(train.len()))?;
    say("")?;
    say(text_table(&population.table(PRINTED)).trim_end())?;
    if let Some(more) = counts.0.len().checked_sub(PRINTED + 1) {
        say(&format!("and {} more: --csv FILE writes all, --json prints them", more + 1))?;
    }
    let written = args.csv.iter().chain(&args.out);
    for path in written.filter(|path| !files::is_standard_output(path)) {
        say(&path.display().to_string())?;
    }
    Ok(())
}

/// Whether the file is a page, and not a picture alone.
fn is_page(path: &Path) -> fedfunnel::Result<bool> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => Ok(true),
        Some("svg") => Ok(false),
        _ => {
            let problem = format!("{} ends neither in .svg nor in .html", path.display());
            Err(Error::setting("--out", problem, "name a file that does"))
        }
    }
}

/// The names of each collaborator's groups, where they decide who gets what.
fn groups(partition: &Partition, train: &Dataset, shares: &[Vec<usize>]) -> Vec<String> {
    let (Partitioner::NaturalId { .. }, Some(groups)) = (&partition.kind, &train.groups) else {
        return Vec::new();
    };
    let names = shares.iter().map(|share| {
        let own: std::collections::BTreeSet<_> = share.iter().map(|&sample| groups.of[sample]).collect();
        own.into_iter().map(|group| groups.names[group as usize].as_str()).collect::<Vec<_>>().join(", ")
    });
    names.collect()
}

/// A line for each collaborator, with every class.
fn all_counts(counts: &LabelCounts, groups: &[String]) -> String {
    let classes = counts.0.first().map_or(0, Vec::len);
    let mut columns = vec!["collaborator".to_string()];
    columns.extend((!groups.is_empty()).then(|| "group".into()));
    columns.push("images".into());
    columns.extend((0..classes).map(|class| format!("class {class}")));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let rows = counts.0.iter().zip(counts.sizes()).enumerate().map(|(who, (counts, images))| {
        let numbers = std::iter::once(images).chain(counts.iter().copied()).map(|count| count.to_string());
        std::iter::once(who.to_string()).chain(groups.get(who).cloned()).chain(numbers).collect()
    });
    csv(&columns, rows)
}

fn answer<'a>(
    asked: &'a Asked,
    train: &Dataset,
    counts: &'a LabelCounts,
    groups: &'a [String],
) -> Answer<'a> {
    let share = |(who, (labels, images)): (usize, (&'a Vec<usize>, usize))| Share {
        collaborator: who,
        group: groups.get(who),
        images,
        labels,
    };
    Answer {
        data: &asked.data,
        images: train.len(),
        dealt: counts.sizes().sum(),
        classes: train.classes,
        partition: &asked.partition,
        seed: asked.seed,
        sizes: Spread::of(counts.sizes()),
        classes_held: Spread::of(counts.classes_held()),
        collaborators: counts.0.iter().zip(counts.sizes()).enumerate().map(share).collect(),
    }
}

/// The command line that repeats it.
fn command(args: &PartitionArgs, asked: &Asked, path: &Path) -> CommandLine {
    let line = match &args.name {
        Some(name) => CommandLine::new(&["data", "partition", name]).settings(&args.set),
        None => {
            let mut line = CommandLine::new(&["data", "partition"])
                .option("--data", &asked.data)
                .option("--collaborators", &asked.collaborators.to_string());
            let images = args.images.map(|images| images.to_string());
            let seed = args.seed.map(|seed| seed.to_string());
            let given = [("--partition", args.partition.clone()), ("--images", images), ("--seed", seed)];
            for (option, value) in given {
                line = value.iter().fold(line, |line, value| line.option(option, value));
            }
            line
        }
    };
    args.data_dir.argument().into_iter().fold(line, |line, (name, value)| line.option(name, &value)).out(path)
}

fn report(
    asked: &Asked,
    population: &Population<'_>,
    images: usize,
    command: &CommandLine,
) -> fedfunnel::Result<Report> {
    let mut table = population.table(ON_PAGE);
    let all = population.counts.0.len();
    if all > ON_PAGE {
        table.caption = format!("The first {ON_PAGE}; --csv writes all {all}.");
    }
    Ok(Report {
        title: format!("Who holds what of {}", asked.data),
        answer: vec![population.answer(images)],
        plots: vec![population.bars()],
        tables: vec![table],
        configuration: fedfunnel::settings::to_toml(&asked.partition)?,
        facts: vec![("Seed".into(), asked.seed.to_string())],
        reproduce: command.as_str().to_string(),
        ..Report::default()
    })
}
