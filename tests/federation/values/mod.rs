//! Stages that write values with fewer bits, each by an independent implementation or by what its paper states; and what
//! codes the bytes of all of them.

mod bf16;
mod byte;
mod entropy;
mod f8;
mod kmeans;
mod mask;
mod places;
mod quantize;
mod resume;
mod sign;

use crate::support::gpu;
use fedfunnel::codec::{Context, Kept, Pipeline, PipelineSpec, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::model::Layout;
use fedfunnel::reference::random::uniform_tensor;
use fedfunnel::{Error, Result};

/// Two layers with 54, 6, 24 and 4 values.
fn two_layers() -> Layout {
    let shapes =
        [("0.weight", vec![6, 9]), ("0.bias", vec![6]), ("1.weight", vec![4, 6]), ("1.bias", vec![4])];
    Layout::new(shapes.map(|(name, shape)| (name.to_string(), shape)))
}

/// A pipeline as a spec writes it, for models of this layout.
fn pipeline_for(layout: &Layout, text: &str) -> Result<Pipeline> {
    let table: toml::Table = format!("codec = {text}").parse().expect("TOML");
    let spec = PipelineSpec::try_from(table["codec"].clone()).expect("a pipeline");
    Parts::default().stages.pipeline(&spec, &Context { layout, seed: 0, autoencoder: None })
}

fn codec(layout: &Layout, text: &str) -> Pipeline {
    pipeline_for(layout, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Values of so many sizes as there are tensors, so that a scale for all of them would be seen.
fn values_of(layout: &Layout, number: u32) -> Vec<f32> {
    let each = layout.tensors().iter().zip(0..).flat_map(|(tensor, place)| {
        uniform_tensor(tensor.range.len(), 0, 10 * number + place, 31, 0.5 * 7f32.powi(place as i32 - 2))
    });
    each.collect()
}

/// What a collaborator sends of these values in a round.
fn sent(codec: &Pipeline, round: (u32, u64), who: u32, values: &[f32]) -> Vec<u8> {
    let (number, seed) = round;
    let (global, mut kept) = (vec![0.0; values.len()], Kept::default());
    let round = Round { number, seed, global: &global, gpu: gpu(), local: None };
    codec.send(&round, vec![(who, &mut kept, Values::Host(values.to_vec()))]).unwrap().remove(0)
}

/// What arrives of so many values.
fn arrived(codec: &Pipeline, count: usize, bytes: &[u8]) -> Result<Vec<f32>> {
    crate::support::receive(codec, &vec![0.0; count], bytes)
}

/// There and back, in the first round.
fn there_and_back(codec: &Pipeline, values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    let bytes = sent(codec, (1, 0), 7, values);
    let arrived = arrived(codec, values.len(), &bytes).unwrap_or_else(|error| panic!("{error}"));
    (bytes, arrived)
}

/// The bytes of places that this stage sends beside `count` values.
fn places_of(layout: &Layout, stage: &str, values: &[f32], count: usize) -> usize {
    there_and_back(&codec(layout, stage), values).0.len() - 4 * count
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn squares(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|value| value * value).sum()
}

/// The error for bytes that are no update.
fn refused(codec: &Pipeline, count: usize, bytes: &[u8]) -> String {
    match arrived(codec, count, bytes) {
        Err(error @ Error::Message { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The error for values that cannot be sent.
fn unsendable(codec: &Pipeline, values: &[f32]) -> String {
    let (global, mut kept) = (vec![0.0; values.len()], Kept::default());
    let round = Round { number: 1, seed: 0, global: &global, gpu: gpu(), local: None };
    let error = codec.send(&round, vec![(5, &mut kept, Values::Host(values.to_vec()))]).unwrap_err();
    assert!(error.is_usage(), "{error}");
    error.to_string()
}
