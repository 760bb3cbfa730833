//! A round of a federation, through what `fedfunnel simulate` runs.

use super::harness::{Ready, Unit};
use super::synthetic::{SEED, images};
use super::work::{Work, work};
use crate::Result;
use crate::codec::MessageKind;
use crate::codec::autoencoder::{DecoderBank, DecoderState, Encoder, HalfParameters, Standard};
use crate::data::{Partitioner, partition};
use crate::federation::{
    Clients, Codec, FederationState, Ledger, Participants, SimulationSpec, TestSets, Wire, play_round,
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
    let local = (spec.batch, spec.optimizer, SEED);
    let collaborators = Clients::new(gpu, &classifier, &train, shares, local)?;
    let evaluator = Evaluator::new(gpu, &classifier, &test, COLLABORATORS + 1)?;
    let initial = collaborators.initial_weights(gpu, SEED)?;
    // Autoencoders as they are before they have learned anything; a round takes as long with those.
    let network = Network::new(gpu, &autoencoder.network(), COLLABORATORS, None)?;
    network.parameters.initialize(gpu, SEED, false)?;
    let parameters = network.parameters.read(gpu)?;
    drop(network);
    let standard = Standard { means: initial.clone(), scale: 0.1 };
    let own = autoencoder.parameters() - autoencoder.decoder_parameters();
    let encoders: Vec<_> =
        parameters.iter().map(|values| (HalfParameters::Values(&values[..own]), &standard)).collect();
    let decoders: Vec<_> =
        parameters.iter().map(|values| DecoderState::of(&autoencoder, values, &standard)).collect();
    let decoders: Vec<_> = decoders.iter().map(DecoderState::half).collect();
    let mut participants =
        Participants { spec, collaborators, tests: TestSets::plain(evaluator, COLLABORATORS) };
    let mut wire = Wire {
        kind: MessageKind::CodedUpdate,
        encoder: Box::new(Encoder::new(gpu, &autoencoder, &encoders, 1)?),
        decoder: Box::new(DecoderBank::new(gpu, &autoencoder, &decoders, 1)?),
    };
    Ok(Ready::wall(Unit::Seconds, move || {
        let mut state = FederationState::new(Codec::Autoencoder, initial.clone(), Ledger::default());
        play_round(&mut participants, &mut Quiet, &mut state, (1, None), &mut wire).map(drop)
    }))
}
