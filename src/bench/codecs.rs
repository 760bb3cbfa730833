//! Encoding and decoding of updates, as a round has it: of 50 collaborators with the MNIST classifier, and of one with
//! the CIFAR-10 classifier.

use super::harness::{Ready, Unit};
use super::synthetic::{SEED, values};
use super::work::{Work, work};
use crate::codec::{Context, Kept, PipelineSpec, Round, Stages, Values};
use crate::gpu::Gpu;
use crate::model::ModelSpec;
use crate::{Error, Result};
use std::time::Instant;

/// A name for each of the two sizes, and the codec.
macro_rules! codecs {
    ($($name:literal: $codec:literal,)*) => {
        &[$((concat!("codec-50-", $name), concat!("codec-1-", $name), $codec),)*]
    };
}

const CODECS: &[(&str, &str, &str)] = codecs![
    "raw": "raw",
    "delta": "delta",
    "f16": "delta+f16",
    "bf16": "delta+bf16",
    "f8": "delta+f8",
    "quantize": "delta+quantize(bits=4)",
    "sign": "delta+feedback+sign",
    "kmeans": "delta+kmeans(clusters=16)",
    "topk": "delta+feedback+topk(part=0.01)",
    "randk": "delta+randk(part=0.01)",
    "threshold": "delta+feedback+threshold(of=\"rms\",multiple=1.7)",
    "stc": "stc(part=0.01)",
    "dgc": "dgc(part=0.01,warmup=0)",
    "fedzip": "fedzip(part=0.01)",
    "powersgd": "powersgd(rank=2)",
    "rotate": "delta+rotate+quantize(bits=2)",
    "drive": "delta+drive",
    "subspace": "delta+subspace(floats=1000)",
    "sketch": "delta+feedback+sketch(columns=300)",
    "fetchsgd": "delta+fetchsgd(columns=300)",
    "dropout": "dropout(part=0.25)",
    "lbgm": "delta+lbgm(threshold=0.2)",
    "relevance": "delta+relevance(threshold=0.0)",
    "control": "delta+scafcom+topk(part=0.01)",
    "synthetic": "delta+feedback+synthetic",
    "entropy": "delta+quantize(bits=4)+entropy",
];

/// The works of this file.
pub(super) fn works() -> Vec<Work> {
    let both = CODECS.iter().flat_map(|&(many, one, codec)| {
        [
            work(many, codec, move |gpu| coded(gpu, codec, "mnist-mlp", 50)),
            work(one, codec, move |gpu| coded(gpu, codec, "cifar10-vgg3", 1)),
        ]
    });
    both.collect()
}

fn coded<'g>(gpu: &'g Gpu, codec: &str, model: &str, collaborators: u32) -> Result<Ready<'g>> {
    let layout = ModelSpec::load(model)?.classifier()?.layout();
    let context = Context { layout: &layout, seed: SEED, autoencoder: None };
    let pipeline = Stages::default().pipeline(&PipelineSpec::from_text("codecs", codec)?, &context)?;
    let count = layout.parameters();
    let lines = values(count * (collaborators as usize + 1), 0, 0.1);
    let (global, weights) = lines.split_at(count);
    let (global, weights) = (global.to_vec(), weights.to_vec());
    let mut ready = Ready::wall(Unit::Milliseconds, || Ok(()));
    let gpu = gpu.clone();
    ready.repeat = Box::new(move || {
        let round = Round { number: 2, seed: SEED.into(), global: &global, gpu: &gpu, local: None };
        let mut kept = vec![Kept::default(); collaborators as usize];
        let updates = (0..).zip(&mut kept).zip(weights.chunks_exact(count));
        let updates: Vec<_> =
            updates.map(|((who, kept), values)| (who, kept, Values::Host(values.to_vec()))).collect();
        let began = Instant::now();
        let sent = pipeline.send(&round, updates)?;
        let nothing = Kept::default();
        let payloads = (0..).zip(&sent).map(|(who, bytes)| (who, &nothing, bytes.as_slice())).collect();
        let arrived = if pipeline.is_joint() {
            vec![pipeline.join(&round, payloads, &vec![1.0; sent.len()], &mut Kept::default())?]
        } else {
            let mut arrived = pipeline.receive(&round, payloads)?;
            Values::take_all(&gpu, arrived.iter_mut().collect())?
        };
        let seconds = began.elapsed().as_secs_f64();
        if arrived.iter().any(|values| values.len() != count) {
            return Err(Error::fault("an update is not decoded to as many values as it has"));
        }
        Ok(vec![seconds])
    });
    Ok(ready)
}
