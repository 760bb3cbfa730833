//! A round of a federation, through what `fedfunnel simulate` runs.

use super::harness::{Ready, Unit};
use super::synthetic::{SEED, images};
use super::work::{Work, work};
use crate::Result;
use crate::autoencoder::{DecoderState, Standard};
use crate::codec::stages::autoencoder::keep_encoder;
use crate::codec::{Context, PartSpec, PipelineSpec};
use crate::data::{Partitioner, partition};
use crate::federation::{
    CODEC, Clients, Federation, FederationState, Ledger, LocalSettings, Participants, Parts, SimulationSpec,
    TestSets, play_round,
};
use crate::gpu::Gpu;
use crate::model::{ModelSpec, Network};
use crate::progress::Quiet;
use crate::training::{Evaluator, ResidentImages};

const COLLABORATORS: usize = 50;

/// The works of this file.
pub(super) fn works() -> Vec<Work> {
    vec![work(
        "round-50",
        "a coded round of 50 collaborators with 1,200 images each: train, encode, send, decode, average, test",
        round,
    )]
}

fn round(gpu: &Gpu) -> Result<Ready<'_>> {
    let spec = SimulationSpec::load("mnist", &[format!("collaborators={COLLABORATORS}")])?;
    let classifier = ModelSpec::load(&spec.model)?.classifier()?;
    let autoencoder = ModelSpec::load(&spec.autoencoder()?.model)?.autoencoder()?;
    let train = images(60_000, [1, 28, 28]);
    let shares = partition(&train.labels, COLLABORATORS, &Partitioner::Iid, u64::from(SEED))?;
    let train = ResidentImages::upload(gpu, &train)?;
    let test = ResidentImages::upload(gpu, &images(10_000, [1, 28, 28]))?;
    let local = LocalSettings { seed: SEED, ..LocalSettings::of(&spec) };
    let collaborators = Clients::new(gpu, &classifier, &train, shares, local)?;
    let evaluator = Evaluator::new(gpu, &classifier, &test, COLLABORATORS + 1)?;
    let initial = collaborators.initial_weights(gpu, SEED)?;
    // Autoencoders as they are before they have learned anything; a round takes as long with those.
    let network = Network::new(gpu, &autoencoder.network(), COLLABORATORS, None)?;
    network.parameters.initialize(gpu, SEED, false)?;
    let parameters = network.parameters.read(gpu)?;
    drop(network);
    let standard = Standard { means: initial.clone(), scale: 0.1 };
    let parts = Parts::default();
    let context =
        Context { layout: &classifier.layout(), seed: SEED, autoencoder: spec.autoencoder.as_ref() };
    let pipeline = parts.stages.pipeline(&PipelineSpec(vec![PartSpec::named("autoencoder")]), &context)?;
    let mut begun = FederationState::new(initial, Ledger::default());
    for (who, mut parameters) in (0..).zip(parameters) {
        let decoder = DecoderState::of(&autoencoder, &parameters, &standard).to_bytes();
        pipeline.install(&decoder, begun.aggregator.of_mut(who).scope_mut(CODEC))?;
        parameters.truncate(autoencoder.parameters() - autoencoder.decoder_parameters());
        // The first stage of the pipeline.
        let kept = begun.collaborators.of_mut(who).scope_mut(CODEC).scope_mut("0");
        keep_encoder(kept, parameters, &standard);
    }
    let strategy = spec.strategy.make(&parts.strategies)?;
    let tests = TestSets::plain(evaluator);
    let rules = spec.rules();
    let mut participants = Participants::new(gpu, &spec, collaborators, tests)?;
    let global = begun.global.clone();
    let mut federation = Federation::new(pipeline, strategy, rules, begun);
    Ok(Ready::wall(Unit::Seconds, move || {
        federation.state.global.clone_from(&global);
        federation.state.ledger.transfers.clear();
        play_round(&mut participants, &mut Quiet, &mut federation, 1, None).map(drop)
    }))
}
