//! A strategy of one's own: what the aggregator makes of the updates of a round.
//!
//!     cargo run --release --example own_strategy

use fedfunnel::codec::{Kept, Options, expect_length};
use fedfunnel::data::DataDir;
use fedfunnel::federation::{
    Outcome, PartAbout, Parts, Server, ServerKind, SimulationSpec, Strategies, StrategyRound, simulate,
};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::progress::Quiet;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::{Error, Result};
use serde::Deserialize;

/// The global model is the mean of what all rounds so far were combined to, the later ones counting more.
struct Averaged {
    part: f32,
    kept: Kept,
}

/// What a spec can say of it: `{ kind = "averaged", part = 0.5 }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AveragedOptions {
    part: f32,
}

/// The name that specs know it by, and how it is made.
const AVERAGED: ServerKind = ServerKind {
    name: "averaged",
    about: PartAbout {
        summary: "the mean of all rounds, the later ones counting more",
        ..PartAbout::NOTHING
    },
    make: |options: &Options| {
        let AveragedOptions { part } = options.parse()?;
        if part > 0.0 && part <= 1.0 {
            Ok(Box::new(Averaged { part, kept: Kept::default() }))
        } else {
            Err(options.refuse(format!("a part of {part}"), "use one above 0, up to 1"))
        }
    },
};

/// The name of what it keeps from round to round.
const MEAN: &str = "mean";

impl Server for Averaged {
    fn step(&mut self, _: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        let mut mean = self.kept.get(MEAN).map_or_else(|| combined.to_vec(), <[f32]>::to_vec);
        for (mean, combined) in mean.iter_mut().zip(combined) {
            *mean += self.part * (combined - *mean);
        }
        global.copy_from_slice(&mean);
        self.kept.put(MEAN, mean);
    }

    /// What is kept here is saved with the run, so that it can be gone on with.
    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    /// A file may have been damaged.
    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        self.kept.get(MEAN).map_or(Ok(()), |mean| expect_length(MEAN, mean.len(), parameters))
    }
}

fn main() -> Result<()> {
    let gpu = Gpu::open(&GpuOptions::default())?;
    for part in [1.0, 0.5] {
        let outcome = play(&gpu, 3_000, part)?;
        let tests = outcome.federations[0].tests();
        let accuracies: Vec<_> =
            tests.map(|(_, tested)| format!("{:.1} %", 100.0 * tested.test_accuracy)).collect();
        println!("part {part}: {}", accuracies.join(", "));
    }
    Ok(())
}

/// Four rounds of two collaborators that share so many images.
pub fn play(gpu: &Gpu, images: usize, part: f32) -> Result<Outcome> {
    let strategies = Strategies::default().with_server(AVERAGED);
    let parts = Parts { strategies, ..Parts::default() };
    let settings = [
        format!("images={images}"),
        "rounds=4".into(),
        "codecs=[\"raw\"]".into(),
        format!("strategy.server={{kind=\"averaged\",part={part:?}}}"),
    ];
    let spec = SimulationSpec::load_with("demo", &settings, &parts)?;
    let folder = tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
    let data_dir = DataDir::resolve(None)?;
    let identity = Identity::new("example", &spec.to_toml()?);
    let folder = RunFolder::open(folder.path(), identity, Start::New)?;
    let command = "cargo run --example own_strategy";
    let place = Place { gpu: Some(gpu), data_dir: Some(&data_dir), folder, command };
    let mut observer = Quiet;
    simulate(&mut Run::open(place, &mut observer)?, &spec, &parts)
}
