//! What all modules share: a device, pipelines, and simulations in folders of their own.

use fedfunnel::Result;
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Context, Kept, Pipeline, PipelineSpec, Round, Values};
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Outcome, Parts, SimulationSpec, StrategyRound, simulate};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{ClassifierSpec, Layout, ModelSpec, Optimizer, OptimizerKind};
use fedfunnel::progress::Quiet;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

/// The device.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        // SAFETY: only a driver would read these variables behind Rust's back, and every device of this binary is
        // opened here, after this.
        unsafe { fedfunnel::gpu::quieten_drivers() };
        Gpu::open(&GpuOptions::default()).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// The first round of a federation of four collaborators that train by plain SGD at a rate of 0.1, with this model.
pub fn strategy_round(global: &[f32]) -> StrategyRound<'_> {
    static SGD: LazyLock<Optimizer> = LazyLock::new(|| Optimizer {
        kind: OptimizerKind::Sgd,
        lr: 0.1,
        momentum: 0.0,
        ..Optimizer::default()
    });
    StrategyRound {
        number: 1,
        seed: 7,
        gpu: gpu(),
        global,
        optimizer: &SGD,
        collaborators: 4,
        asked: 4,
        arrived: 4,
    }
}

/// A pipeline as a spec writes it, for models of so many parameters.
pub fn pipeline(parts: &Parts, text: &str, parameters: usize) -> Result<Pipeline> {
    pipeline_with(parts, text, parameters, None)
}

/// A classifier of 44 weights, of images of 2 x 2 pixels and two classes.
pub fn small_classifier() -> ClassifierSpec {
    let dense = |outputs: usize| format!("[[layers]]\nkind = \"dense\"\noutputs = {outputs}\n");
    let small = format!(
        "name = \"small\"\nkind = \"classifier\"\ninput = [1, 2, 2]\n{}activation = \"relu\"\n{}",
        dense(6),
        dense(2)
    );
    ModelSpec::parse(&small, Path::new("small.toml")).and_then(ModelSpec::classifier).expect("a classifier")
}

/// How so many weights lie: those of a small network or of the demo's classifier in layers, others in one vector.
fn layout_of(parameters: usize) -> Layout {
    let spec = match parameters {
        44 => small_classifier(),
        15_910 => ModelSpec::load("mnist-mlp").and_then(ModelSpec::classifier).expect("a classifier"),
        _ => return Layout::flat(parameters),
    };
    let layout = spec.layout();
    assert_eq!(layout.parameters(), parameters);
    layout
}

/// The same with a table `autoencoder`.
pub fn pipeline_with(
    parts: &Parts,
    text: &str,
    parameters: usize,
    autoencoder: Option<&AutoencoderSettings>,
) -> Result<Pipeline> {
    let table: toml::Table = format!("codec = {text}").parse().expect("TOML");
    let spec = PipelineSpec::try_from(table["codec"].clone()).expect("a pipeline");
    parts.stages.pipeline(&spec, &Context { layout: &layout_of(parameters), seed: 0, autoencoder })
}

/// One collaborator's update there and back: what was sent, and what was decoded.
pub fn through(pipeline: &Pipeline, kept: &mut Kept, global: &[f32], values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    let round = Round { number: 1, seed: 0, global, gpu: gpu(), local: None };
    let sent = pipeline.send(&round, vec![(7, kept, Values::Host(values.to_vec()))]).expect("encoded");
    let bytes = sent.into_iter().next().expect("one payload");
    let decoded = receive(pipeline, global, &bytes).expect("decoded");
    (bytes, decoded)
}

/// What an aggregator that keeps nothing decodes.
pub fn receive(pipeline: &Pipeline, global: &[f32], bytes: &[u8]) -> Result<Vec<f32>> {
    let round = Round { number: 1, seed: 0, global, gpu: gpu(), local: None };
    let kept = Kept::default();
    let mut values = pipeline.receive(&round, vec![(7, &kept, bytes)])?;
    values.remove(0).take(gpu())
}

/// The demo made small: two collaborators of 100 images each, and two rounds.
pub fn spec(parts: &Parts, settings: &[&str]) -> SimulationSpec {
    let shared = ["images=200", "test_images=50", "rounds=2", "prepass.epochs=3", "prepass.snapshot_every=2"];
    let all: Vec<_> = shared.iter().chain(settings).map(|setting| setting.to_string()).collect();
    SimulationSpec::load_with("demo", &all, parts).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a simulation to its end.
pub fn run(folder: &Path, spec: &SimulationSpec, parts: &Parts) -> Outcome {
    run_on(gpu(), folder, spec, parts)
}

/// The same on a device of its own.
pub fn run_on(gpu: &Gpu, folder: &Path, spec: &SimulationSpec, parts: &Parts) -> Outcome {
    let data_dir = DataDir::new(folder.join("data"));
    let identity = Identity::new("simulate", &spec.to_toml().expect("TOML"));
    let folder = RunFolder::open(&folder.join("run"), identity, Start::New).expect("a folder");
    let place = Place { gpu: Some(gpu), data_dir: Some(&data_dir), folder, command: "a test" };
    let mut observer = Quiet;
    let mut run = Run::open(place, &mut observer).expect("a run");
    simulate(&mut run, spec, parts).unwrap_or_else(|error| panic!("{error}"))
}
