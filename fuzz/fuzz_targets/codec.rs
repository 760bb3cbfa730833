//! Arbitrary bytes as what collaborators send by every stage that there is: their setup, and an update behind it.
//!
//! The first byte says which codec, the next two how many of the bytes behind them are a setup; the rest is an update
//! of the second round. What is not refused as a message comes to as many values as the model has.

#![no_main]

use fedfunnel::Error;
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Context, Kept, Pipeline, PipelineSpec, Round, Stages};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::Layout;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

/// P of models that autoencoders are of, which the built-in one has, and of all others.
const LARGE: usize = 15_910;
const SMALL: usize = 40;

struct Fuzzed {
    pipeline: Pipeline,
    global: Vec<f32>,
}

/// A codec for each stage: its example.
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
        let examples = stages.all().iter().map(|kind| kind.about.example).filter(|text| !text.is_empty());
        let more = ["autoencoder(shared=true)", "pca(floats=2,ship=int8)", "pca(floats=2,ship=int4,shared=true)"];
        let make = |text: &str| {
            let spec = PipelineSpec::from_text("example", text).expect("a codec");
            let parameters = if needs(&spec) { LARGE } else { SMALL };
            let layout = Layout::flat(parameters);
            let context = Context { layout: &layout, seed: 0, autoencoder: Some(&settings) };
            let pipeline = stages.pipeline(&spec, &context).expect("a pipeline");
            Fuzzed { pipeline, global: vec![0.25; parameters] }
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
    match pipeline.receive(&round, vec![(7, &kept, update)]) {
        Ok(mut values) => assert_eq!(values.remove(0).take(gpu()).expect("values").len(), global.len()),
        Err(error) => assert!(matches!(error, Error::Message { .. }), "{error}"),
    }
});
