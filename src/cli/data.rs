//! `fedfunnel data fetch` and `fedfunnel data list`; `fedfunnel data partition` has a file of its own.

use super::common::Common;
use super::options::DataDirOption;
use super::partition::{self, PartitionArgs};
use super::stdout::{print_json, say, whisper};
use clap::Subcommand;
use fedfunnel::data::DatasetStatus;
use fedfunnel::data::fetch::{self, FetchEvent};
use fedfunnel::progress::Observer;
use fedfunnel::report::{Column, Table, format, text_table};
use fedfunnel::{data, files};
use std::cell::RefCell;
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel data list                   what there is, and what is downloaded
  fedfunnel data fetch mnist            download MNIST and verify it
  fedfunnel data fetch cifar10          CIFAR-10 likewise
  fedfunnel data fetch fashion-mnist    clothes in the place of digits
  fedfunnel data partition demo         who holds what in a federation";

const FETCH_EXAMPLES: &str = "Examples:
  fedfunnel data fetch mnist
  fedfunnel data fetch mnist --dir mnist  then: fedfunnel train mnist-mlp --data ./mnist --out run";

const LIST_EXAMPLES: &str = "Examples:
  fedfunnel data list
  fedfunnel data list --json --data-dir /scratch/data";

/// What to do with data sets.
#[derive(Subcommand, Debug)]
pub enum DataVerb {
    /// Download a data set and verify it
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch {
        /// Its name, as in `fedfunnel data list`
        name: String,
        /// Folder of its files [default: a folder of its name in the data folder]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data_dir: DataDirOption,
    },
    /// Show which data sets there are
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        data_dir: DataDirOption,
    },
    /// Show how the images of a federation are dealt out, as a table and a picture
    #[command(after_help = partition::EXAMPLES)]
    Partition(PartitionArgs),
}

/// Runs the verb.
pub fn run(common: &Common, verb: &DataVerb) -> anyhow::Result<()> {
    match verb {
        DataVerb::Fetch { name, dir, json, data_dir } => {
            let folder = match dir {
                Some(dir) => {
                    files::check_output_folder("--dir", dir)?;
                    dir.clone()
                }
                None => data_dir.resolve()?.folder(name),
            };
            let bars = RefCell::new(FetchBars { bars: common.bars(), file: None, done: 0 });
            let report = fetch::fetch(name, &folder, &|event| bars.borrow_mut().show(event, common.quiet))?;
            if *json {
                return print_json(&report);
            }
            say(&report.to_string())?;
        }
        DataVerb::List { json, data_dir } => {
            let data_dir = data_dir.resolve()?;
            let list = data::list(&data_dir);
            if *json {
                return print_json(&list);
            }
            let columns: [Column<'_, DatasetStatus>; 6] = [
                ("name", &|set| set.name.to_string()),
                ("there", &|set| serde_json::json!(set.presence).as_str().unwrap_or_default().into()),
                ("training", &|set| format::count(set.train as u64)),
                ("test", &|set| format::count(set.test as u64)),
                ("size", &|set| format::bytes(set.bytes)),
                ("how", &|set| set.how.clone()),
            ];
            let table = Table::of("data", "Data sets", &list, &columns);
            say(&format!("{}\n{}", text_table(&table), data_dir.path().display()))?;
        }
        DataVerb::Partition(args) => partition::run(args)?,
    }
    Ok(())
}

/// One bar for each file of a download.
struct FetchBars {
    bars: super::bars::Bars,
    file: Option<String>,
    done: u64,
}

impl FetchBars {
    fn show(&mut self, event: FetchEvent<'_>, quiet: bool) {
        match event {
            FetchEvent::Progress { file, done, total } => {
                if self.file.as_deref() != Some(file) {
                    self.finish();
                    self.bars.begin(file, "bytes", total.unwrap_or(0));
                    (self.file, self.done) = (Some(file.to_string()), 0);
                }
                self.bars.advance(done.saturating_sub(self.done));
                self.done = done;
            }
            FetchEvent::Stored { .. } => self.finish(),
            FetchEvent::RouteFailed { route, reason } => {
                self.finish();
                if !quiet {
                    whisper(&format!("{route}: {reason}; trying the next way"));
                }
            }
        }
    }

    fn finish(&mut self) {
        if self.file.take().is_some() {
            self.bars.end();
        }
    }
}
