//! A codec stage of one's own, in a simulation beside those that come with the library.
//!
//!     cargo run --release --example own_stage

use fedfunnel::codec::{Incoming, Make, Options, Outgoing, Round, Stage, StageKind, Stages, Values};
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Outcome, Parts, SimulationSpec, simulate};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::progress::Quiet;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::{Error, Result};
use serde::Deserialize;

/// Cuts values off at a limit, before a stage that rounds. What is cut off is lost.
struct Clip {
    limit: f32,
}

/// What a spec can say of it: `clip(limit=0.01)`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipOptions {
    limit: f32,
}

/// The name that specs know it by, and how it is made.
const CLIP: StageKind = StageKind::new(
    "clip",
    Make::Plain(|_, options: &Options| {
        let ClipOptions { limit } = options.parse()?;
        if limit > 0.0 {
            Ok(Box::new(Clip { limit }))
        } else {
            Err(options.refuse(format!("a limit of {limit}"), "use one above 0, such as 0.01"))
        }
    }),
);

impl Stage for Clip {
    fn label(&self) -> String {
        format!("clip({})", self.limit)
    }

    /// The collaborators' side. All that send in a round come at once; what a stage leaves in `values` is what the
    /// next one gets, and what it writes into `side` is what its own other side reads.
    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            let cut = values.into_iter().map(|value| value.clamp(-self.limit, self.limit));
            outgoing.values = Values::Host(cut.collect());
        }
        Ok(())
    }

    /// The aggregator's side: there is nothing to undo.
    fn decode(&self, _: &Round<'_>, _: &mut [Incoming<'_>]) -> Result<()> {
        Ok(())
    }
}

fn main() -> Result<()> {
    let gpu = Gpu::open(&GpuOptions::default())?;
    for federation in compare(&gpu, 3_000)?.federations {
        let accuracy = federation.tests().last().map_or(0.0, |(_, tested)| tested.test_accuracy);
        println!("{}: {:.1} %", federation.label, 100.0 * accuracy);
    }
    Ok(())
}

/// Two collaborators that share so many images: raw updates beside changes that are cut off and rounded.
pub fn compare(gpu: &Gpu, images: usize) -> Result<Outcome> {
    let parts = Parts { stages: Stages::default().with(CLIP), ..Parts::default() };
    let settings = [
        format!("images={images}"),
        "rounds=3".into(),
        "codecs=[\"raw\", \"delta+feedback+clip(limit=0.01)+quantize(bits=4)\"]".into(),
    ];
    let spec = SimulationSpec::load_with("demo", &settings, &parts)?;
    let folder = tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
    let data_dir = DataDir::resolve(None)?;
    let identity = Identity::new("example", &spec.to_toml()?);
    let folder = RunFolder::open(folder.path(), identity, Start::New)?;
    let command = "cargo run --example own_stage";
    let place = Place { gpu: Some(gpu), data_dir: Some(&data_dir), folder, command };
    let mut observer = Quiet;
    simulate(&mut Run::open(place, &mut observer)?, &spec, &parts)
}
