//! A whole simulation: pre-pass, autoencoders, decoders shipped, rounds; raw and compressed.

use super::collaborators::Collaborators;
use super::ledger::{Direction, Ledger};
use super::prepass::{check_snapshots, log_weights, train_autoencoders};
use super::rounds::{Played, RoundResult, Stretch, Wire, run_rounds};
use super::spec::{PrepassKind, SimulationSpec};
use crate::Result;
use crate::codec::autoencoder::{CurvePoint, DecoderBank, DecoderState, Encoder, HalfParameters};
use crate::codec::{Message, MessageKind, Raw, floats_to_bytes, push_number};
use crate::data::{DataDir, load, partition};
use crate::gpu::Gpu;
use crate::model::{AutoencoderSpec, ClassifierSpec, ModelSpec};
use crate::progress::Observer;
use crate::training::{Evaluator, ResidentImages, Tally};
use std::time::{Duration, Instant};

/// Everything that a simulation came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was run.
    pub spec: SimulationSpec,
    /// The classifier.
    pub classifier: ClassifierSpec,
    /// The autoencoder.
    pub autoencoder: AutoencoderSpec,
    /// Rounds with updates as they are.
    pub raw: Vec<RoundResult>,
    /// Rounds with coded updates.
    pub compressed: Vec<RoundResult>,
    /// Weights of the last global models, raw and compressed.
    pub models: [Vec<f32>; 2],
    /// The autoencoders' training, one curve for each collaborator.
    pub curves: Vec<Vec<CurvePoint>>,
    /// The null: the mean of each collaborator's snapshots, averaged, with no rounds at all.
    pub mean_of_snapshots: Tally,
    /// Snapshots of each collaborator.
    pub snapshots: Vec<usize>,
    /// Training images of each collaborator.
    pub samples: Vec<usize>,
    /// Every message.
    pub ledger: Ledger,
    /// Time of the whole.
    pub wall: Duration,
}

/// Checks all of a spec that can be checked without a device: models, data, and how it is dealt out.
pub fn check(spec: &SimulationSpec, data_dir: &DataDir) -> Result<()> {
    let (classifier, _) = parts(spec)?;
    let data = load(&spec.data, data_dir)?;
    classifier.check_data(&data)?;
    partition(&data.train.labels, spec.collaborators, &spec.partition, u64::from(spec.seed)).map(drop)
}

/// Checks that the parts of a spec fit each other.
fn parts(spec: &SimulationSpec) -> Result<(ClassifierSpec, AutoencoderSpec)> {
    let classifier = ModelSpec::load(&spec.model)?.classifier()?;
    let mut autoencoder = ModelSpec::load(&spec.autoencoder.model)?.autoencoder()?;
    if let Some(latent) = spec.autoencoder.latent {
        autoencoder = autoencoder.with_latent("autoencoder.latent", latent)?;
    }
    autoencoder.expect_inputs("autoencoder.model", classifier.parameters())?;
    Ok((classifier, autoencoder))
}

/// Runs a simulation.
pub fn simulate(
    gpu: &Gpu,
    spec: &SimulationSpec,
    data_dir: &DataDir,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let start = Instant::now();
    let (classifier, autoencoder) = parts(spec)?;
    let data = load(&spec.data, data_dir)?;
    classifier.check_data(&data)?;
    let shares = partition(&data.train.labels, spec.collaborators, &spec.partition, u64::from(spec.seed))?;
    let train = ResidentImages::upload(gpu, &data.train)?;
    let test = ResidentImages::upload(gpu, &data.test)?;
    let local = (spec.batch, spec.optimizer, spec.seed);
    let mut collaborators = Collaborators::new(gpu, &classifier, &train, shares, local)?;
    let evaluator = Evaluator::new(gpu, &classifier, &test, spec.collaborators + 1)?;
    let initial = collaborators.initial_weights(gpu, spec.seed)?;
    let mut ledger = Ledger::default();

    join(&collaborators, "raw", &mut ledger)?;
    let mut encoder = Raw::new(gpu, collaborators.len(), initial.len())?;
    let mut decoder = Raw::new(gpu, collaborators.len(), initial.len())?;
    let wire =
        Wire { run: "raw", kind: MessageKind::RawUpdate, encoder: &mut encoder, decoder: &mut decoder };
    let stretch = Stretch { rounds: 1..=spec.rounds, from: &initial, snapshots: None };
    let raw = run_rounds(&mut collaborators, spec, stretch, wire, &evaluator, &mut ledger, observer)?;

    join(&collaborators, "compressed", &mut ledger)?;
    let first = match spec.prepass.kind {
        PrepassKind::Isolated => {
            // The model that everybody starts the pre-pass from crosses the wire too.
            for collaborator in 0..collaborators.len() as u32 {
                let payload = floats_to_bytes(&initial);
                let message = Message { kind: MessageKind::GlobalModel, round: 0, collaborator, payload };
                ledger.send("compressed", Direction::Down, &message)?;
            }
            let snapshots = log_weights(&mut collaborators, spec, &initial, observer)?;
            Played { results: Vec::new(), global: initial.clone(), snapshots }
        }
        PrepassKind::Federated => {
            // Rounds like those of the raw federation, with its bytes, and weights logged inside them.
            let mut encoder = Raw::new(gpu, collaborators.len(), initial.len())?;
            let mut decoder = Raw::new(gpu, collaborators.len(), initial.len())?;
            let kind = MessageKind::RawUpdate;
            let wire = Wire { run: "compressed", kind, encoder: &mut encoder, decoder: &mut decoder };
            let snapshots = Some(spec.prepass.snapshot_every);
            let stretch = Stretch { rounds: 1..=spec.prepass.raw_rounds(), from: &initial, snapshots };
            let first =
                run_rounds(&mut collaborators, spec, stretch, wire, &evaluator, &mut ledger, observer)?;
            check_snapshots(&first.snapshots)?;
            first
        }
    };
    let Played { results: mut compressed, global, snapshots } = first;
    let (trainer, curves) = train_autoencoders(gpu, spec, &autoencoder, &snapshots, observer)?;
    let parameters = trainer.network().parameters.read(gpu)?;
    let standards = trainer.read_standards()?;
    drop(trainer);
    let mut decoders = Vec::new();
    for (collaborator, (parameters, standard)) in parameters.iter().zip(&standards).enumerate() {
        let payload = DecoderState::of(&autoencoder, parameters, standard).to_bytes();
        let (kind, round) = (MessageKind::Decoder, spec.prepass.raw_rounds());
        let message = Message { kind, round, collaborator: collaborator as u32, payload };
        let arrived = ledger.send("compressed", Direction::Up, &message)?;
        decoders.push(DecoderState::from_bytes(&autoencoder, &arrived.payload)?);
    }
    let encoder_parameters = autoencoder.parameters() - autoencoder.decoder_parameters();
    let own = parameters.iter().map(|values| HalfParameters::Values(&values[..encoder_parameters]));
    let own: Vec<_> = own.zip(&standards).collect();
    let shipped: Vec<_> = decoders.iter().map(DecoderState::half).collect();
    let mut encoder = Encoder::new(gpu, &autoencoder, &own, 1)?;
    let mut decoder = DecoderBank::new(gpu, &autoencoder, &shipped, 1)?;
    let wire = Wire {
        run: "compressed",
        kind: MessageKind::CodedUpdate,
        encoder: &mut encoder,
        decoder: &mut decoder,
    };
    let rounds = spec.prepass.raw_rounds() + 1..=spec.rounds;
    let stretch = Stretch { rounds, from: &global, snapshots: None };
    let coded = run_rounds(&mut collaborators, spec, stretch, wire, &evaluator, &mut ledger, observer)?;
    compressed.extend(coded.results);

    let samples = collaborators.samples();
    let means: Vec<_> = standards.iter().map(|s| s.means.as_slice()).collect();
    let mean_of_snapshots = evaluator.evaluate(&[weighted_mean(&means, &samples)])?[0];
    Ok(Outcome {
        spec: spec.clone(),
        classifier,
        autoencoder,
        raw: raw.results,
        compressed,
        models: [raw.global, coded.global],
        curves,
        mean_of_snapshots,
        snapshots: snapshots.iter().map(|s| s.len()).collect(),
        samples,
        ledger,
        wall: start.elapsed(),
    })
}

/// Everybody says how many images it has, since the average is weighted by that.
fn join(collaborators: &Collaborators<'_>, run: &'static str, ledger: &mut Ledger) -> Result<()> {
    for (collaborator, samples) in collaborators.samples().into_iter().enumerate() {
        let mut payload = Vec::new();
        push_number(&mut payload, samples as u32);
        let message =
            Message { kind: MessageKind::Join, round: 0, collaborator: collaborator as u32, payload };
        ledger.send(run, Direction::Up, &message)?;
    }
    Ok(())
}

fn weighted_mean(rows: &[&[f32]], weights: &[usize]) -> Vec<f32> {
    let total: usize = weights.iter().sum();
    let width = rows.first().map_or(0, |row| row.len());
    (0..width)
        .map(|i| {
            let sum: f64 = rows.iter().zip(weights).map(|(row, &w)| f64::from(row[i]) * w as f64).sum();
            (sum / total.max(1) as f64) as f32
        })
        .collect()
}
