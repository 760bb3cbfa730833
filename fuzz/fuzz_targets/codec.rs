//! Arbitrary bytes as what collaborators send by every stage that there is: their setup, and an update behind it.
//!
//! The first byte says which codec, the next two how many of the bytes behind them are a setup; the rest is an update
//! of the second round. What is not refused as a message comes to as many values as the model has.

#![no_main]

use fedfunnel::Error;
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Context, Kept, Pipeline, PipelineSpec, Round, Stages};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::ModelSpec;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::OnceLock;

/// The model of all codecs but those with autoencoders, which are of the built-in classifier of MNIST.
const SMALL: &str = r#"
name = "small"
kind = "classifier"
input = [1, 2, 2]
layers = [{ kind = "dense", outputs = 6, activation = "relu" }, { kind = "dense", outputs = 2 }]
"#;

struct Fuzzed {
    pipeline: Pipeline,
    global: Vec<f32>,
}

/// A codec for each stage and preset: its example.
fn all() -> &'static [Fuzzed] {
    static ALL: OnceLock<Vec<Fuzzed>> = OnceLock::new();
    ALL.get_or_init(|| {
        let settings = AutoencoderSettings {
            model: "ae-mnist".into(),
            latent: Some(2),
            epochs: 1,
            ..AutoencoderSettings::default()
        };
        let stages = Stages::default();
        let needs = |spec: &PipelineSpec| {
            let mut parts = spec.0.iter();
            parts.any(|part| {
                let kind = stages.find(part.name.as_deref().unwrap_or_default());
                kind.is_ok_and(|kind| (kind.needs_autoencoder)(&part.options))
            })
        };
        let explained = stages.explained();
        let examples = explained.iter().map(|kind| kind.stages()).filter(|text| !text.is_empty());
        let layout = |model: fedfunnel::Result<ModelSpec>| {
            model.and_then(ModelSpec::classifier).expect("a classifier").layout()
        };
        let large = layout(ModelSpec::load("mnist-mlp"));
        let small = layout(ModelSpec::parse(SMALL, Path::new("small.toml")));
        let more =
            ["autoencoder(shared=true)", "pca(floats=2,ship=int8)", "pca(floats=2,ship=int4,shared=true)"];
        let make = |text: &str| {
            let spec = PipelineSpec::from_text("example", text).expect("a codec");
            let layout = if needs(&spec) { &large } else { &small };
            let context = Context { layout, seed: 0, autoencoder: Some(&settings) };
            let pipeline = stages.pipeline(&spec, &context).expect("a pipeline");
            Fuzzed { pipeline, global: vec![0.25; layout.parameters()] }
        };
        examples.chain(more).map(make).collect()
    })
}

fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        // SAFETY: nothing else runs yet that reads the environment.
        unsafe { fedfunnel::gpu::quieten_drivers() };
        Gpu::open(&GpuOptions::default()).expect("an adapter")
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((&[which, low, high], rest)) = input.split_first_chunk::<3>() else { return };
    let Fuzzed { pipeline, global } = &all()[usize::from(which) % all().len()];
    let setup = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
    let (setup, update) = rest.split_at(if pipeline.learns() { setup } else { 0 });
    let mut kept = Kept::default();
    if pipeline.learns() {
        if let Err(error) = pipeline.install(setup, &mut kept) {
            assert!(matches!(error, Error::Message { .. }), "{error}");
            return;
        }
    }
    if pipeline.check_receivers(Some(global.len()), &[&kept]).is_err() {
        return;
    }
    let round = Round { number: 2, seed: 0, global, gpu: gpu(), local: None };
    let payloads = vec![(7, &kept, update)];
    let decoded = if pipeline.is_joint() {
        pipeline.join(&round, payloads, &[1.0], &mut Kept::default())
    } else {
        pipeline.receive(&round, payloads).and_then(|mut values| values.remove(0).take(gpu()))
    };
    match decoded {
        Ok(values) => assert_eq!(values.len(), global.len()),
        Err(error) => assert!(matches!(error, Error::Message { .. }), "{error}"),
    }
});
