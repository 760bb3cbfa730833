//! One autoencoder, trained in the span of its snapshots and expanded to full width at the end.

use super::coordinates::{Coordinates, Start};
use super::encoder::EncoderFactors;
use super::expand::{coefficients, expand_decoder};
use super::factored::{FactoredDecoder, Precision};
use super::iterate::{Iteration, IterationState, Weights};
use crate::autoencoder::basis::{Basis, Expansion, run_in_parts};
use crate::autoencoder::trainer::{Pass, PassOf};
use crate::autoencoder::{
    AutoencoderSettings, CurvePoint, Reconstruction, SnapshotBatch, Standard, Training,
};
use crate::data::epoch_order;
use crate::gpu::Gpu;
use crate::model::{AutoencoderSpec, Network, Optimizer, OptimizerKind, ScheduleWriter};
use crate::ops::random::{self, Draw, Target};
use crate::{Error, Result};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::time::Instant;

/// An autoencoder in training in the span of its snapshots.
#[derive(Debug)]
pub struct SmallTrainer {
    gpu: Gpu,
    spec: AutoencoderSpec,
    /// Along its epochs span-adam's rate falls.
    settings: AutoencoderSettings,
    seed: u32,
    network: Network,
    standard: Standard,
    train: Pass,
    held_out: Option<Pass>,
    iteration: Iteration,
    epoch: u64,
    steps: u64,
    squared_error: f64,
    seconds_before: f64,
}

/// Where a training stands after a look.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SmallState {
    iteration: IterationState,
    epoch: u64,
    steps: u64,
}

/// What the matrices take of the snapshots and, after SGD, of the initial weights.
struct Combination {
    /// What is left of the encoder's initial matrix; `None` where there was none.
    alpha: Option<f64>,
    /// `[S, Z]`
    encoder: DMatrix<f64>,
    /// `[S, Z + 1]`, or `[S + Z + 1, Z + 1]`
    decoder: DMatrix<f64>,
}

impl SmallTrainer {
    /// An untrained one, of the first collaborator.
    pub fn new(gpu: &Gpu, training: &Training<'_>) -> Result<Self> {
        let started = Instant::now();
        let &Training { spec, settings, seed, .. } = training;
        let [train, held_out] =
            [training.train, training.held_out].map(|all| all.first().cloned().unwrap_or_default());
        check(spec, &settings.optimizer)?;
        if train.len() < 2 {
            let problem = format!("{} snapshots span nothing around their mean", train.len());
            return Err(Error::setting("--snapshots", problem, "log more of them"));
        }
        let most = train.len().max(held_out.len());
        let network = Network::for_lines(gpu, &spec.network(), 1, None, most)?;
        let ranges = network.input_ranges(gpu, most);
        let (data, centers) = SnapshotBatch::fit(gpu, std::slice::from_ref(&train), &ranges)?;
        let center = &centers[0];
        let standard = Standard::from(center);
        let held_out_data = if held_out.is_empty() {
            None
        } else {
            Some(SnapshotBatch::standardized(gpu, std::slice::from_ref(&held_out), &ranges, &centers)?)
        };
        let start = Start::of(spec, seed);
        let others = held_out_data.as_ref().map(|data| &data.values);
        let (latent, exact) = (spec.latent(), settings.optimizer.kind == OptimizerKind::Sgd);
        let (coordinates, weights) = if exact {
            let coordinates = Coordinates::exact(gpu, &data.values, others, &start)?;
            // All of the initial decoder, behind the snapshots.
            let decoder = DMatrix::from_fn(coordinates.targets.nrows(), latent + 1, |m, k| {
                f64::from(m == train.len() + k)
            });
            let encoder = DMatrix::zeros(train.len(), latent);
            let bound = f64::from(spec.network()[0].bounds().1);
            let bias = drawn(1, latent, 1, seed, bound);
            (coordinates, Weights { alpha: one(), encoder, encoder_bias: bias, decoder })
        } else {
            let all = [&train[..], &held_out].concat();
            let products =
                if gpu.is_rehearsal() { DMatrix::zeros(all.len(), all.len()) } else { center.products(&all) };
            let coordinates = Coordinates::orthogonal(&products, train.len(), spec.inputs());
            // A network of r inputs, as PyTorch would begin it, without biases.
            let rank = coordinates.targets.nrows();
            let bound = |fan_in: usize| 1.0 / (fan_in as f64).sqrt();
            let encoder = drawn(rank, latent, 0, seed, bound(rank));
            let decoder = drawn(rank, latent, 2, seed, bound(latent)).insert_column(latent, 0.0);
            let encoder_bias = DMatrix::zeros(1, latent);
            (coordinates, Weights { alpha: one(), encoder, encoder_bias, decoder })
        };
        let layers = spec.network();
        let scales = if exact {
            [f64::from(layers[0].rate_scale()), f64::from(layers[1].rate_scale())]
        } else {
            // Coordinates are few: no fan-in is wide.
            [1.0, 1.0]
        };
        let optimizer = settings.optimizer;
        let iteration = Iteration::new(coordinates, weights, spec.latent_activation, optimizer, scales);
        let writer = ScheduleWriter::new(gpu, optimizer, 1, 1)?;
        let pass = |data, rows: Vec<&[f32]>| {
            let (batch, standards) = (rows.len().max(1), std::slice::from_ref(&standard));
            let of = PassOf { data, rows: &[rows], batch, spare: None, standards };
            Pass::new(gpu, &network, &writer, of)
        };
        let train = pass(data, train)?;
        let held_out = held_out_data.map(|data| pass(data, held_out)).transpose()?;
        Ok(Self {
            gpu: gpu.clone(),
            spec: spec.clone(),
            settings: settings.clone(),
            seed,
            network,
            standard,
            train,
            held_out,
            iteration,
            epoch: 0,
            steps: 0,
            squared_error: 0.0,
            seconds_before: started.elapsed().as_secs_f64(),
        })
    }

    /// How it is trained.
    pub fn settings(&self) -> &AutoencoderSettings {
        &self.settings
    }

    /// Seconds that its products took.
    pub fn seconds_before(&self) -> f64 {
        self.seconds_before
    }

    /// The name of what trains: "sgd", the very same as at full width, or "span-adam".
    pub fn optimizer_name(&self) -> &'static str {
        if self.is_exact() { "sgd" } else { "span-adam" }
    }

    fn is_exact(&self) -> bool {
        self.settings.optimizer.kind == OptimizerKind::Sgd
    }

    fn count(&self) -> usize {
        self.iteration.coordinates.train
    }

    /// Trains for `epochs` epochs.
    pub fn train(&mut self, epochs: usize, progress: &mut dyn FnMut(u32)) {
        let count = self.count();
        let batch = self.settings.batch.unwrap_or(count).min(count);
        let steps = count.div_ceil(batch);
        let planned = (self.settings.epochs * steps).max(1) as f64;
        for _ in 0..epochs {
            let order = epoch_order(count, u64::from(self.seed), self.epoch, steps > 1);
            let order: Vec<usize> = order.into_iter().map(|place| place as usize).collect();
            for rows in order.chunks(batch) {
                let rate = f64::from(self.settings.optimizer.lr);
                // Half a cosine, from the full rate to none: Adam by itself never comes to rest.
                let fall = (1.0 + (PI * (self.steps as f64 / planned).min(1.0)).cos()) / 2.0;
                let rate = if self.is_exact() { rate } else { rate * fall };
                self.squared_error += self.iteration.step(rows, rate);
                self.steps += 1;
            }
            self.epoch += 1;
            progress(1);
        }
    }

    /// What training goes on from after a look.
    pub fn state(&self) -> SmallState {
        SmallState { iteration: self.iteration.state(), epoch: self.epoch, steps: self.steps }
    }

    /// Goes on with the same training after so many epochs.
    pub fn resume(&mut self, state: &SmallState, epochs: u64) -> Result<()> {
        let count = self.count();
        let batch = self.settings.batch.unwrap_or(count).min(count);
        let steps = epochs * count.div_ceil(batch) as u64;
        if (state.epoch, state.steps, state.iteration.steps()) != (epochs, steps, steps) {
            let problem = format!("{} steps are not those of {epochs} epochs", state.steps);
            return Err(Error::setting("--resume", problem, "start over with --overwrite"));
        }
        if !self.iteration.resume(&state.iteration) {
            let problem = "the saved state is of another autoencoder or of other snapshots";
            return Err(Error::setting("--resume", problem, "start over with --overwrite"));
        }
        (self.epoch, self.steps) = (state.epoch, state.steps);
        Ok(())
    }

    /// Epochs trained so far.
    pub fn epochs(&self) -> u64 {
        self.epoch
    }

    /// How far it is after `epochs` epochs since the last call, by its coordinates.
    pub fn look(&mut self, epochs: usize, seconds: f64) -> CurvePoint {
        let (errors, squares) = (self.iteration.squared_errors(), &self.iteration.coordinates.squares);
        let (count, width) = (self.count(), self.iteration.coordinates.width as f64);
        let measure = |range: std::ops::Range<usize>| {
            let length = range.len() as f64;
            let sum = |values: &[f64]| values[range.clone()].iter().sum::<f64>();
            let (error, spread) = (sum(&errors), sum(squares));
            (length > 0.0)
                .then(|| (error / (length * width), if spread > 0.0 { (error / spread).sqrt() } else { 0.0 }))
        };
        let (train, held_out) = (measure(0..count), measure(count..errors.len()));
        let squared_error = std::mem::take(&mut self.squared_error);
        CurvePoint {
            epoch: self.epoch,
            loss: squared_error / (epochs.max(1) as f64 * count as f64 * width),
            validation_loss: held_out.map(|(loss, _)| loss),
            relative_l2: train.map_or(0.0, |(_, relative)| relative),
            validation_relative_l2: held_out.map(|(_, relative)| relative),
            argmax_match: None,
            validation_argmax_match: None,
            steps: self.steps,
            seconds,
        }
    }

    /// Writes the full matrices of what was trained into [`network`](Self::network).
    pub fn expand(&self) -> Result<()> {
        let gpu = &self.gpu;
        let parameters = &self.network.parameters;
        let start = Start::of(&self.spec, self.seed);
        let combination = self.combination();
        let snapshots = &self.train.data().values;
        // The encoder's initial matrix is drawn in its place, as much as is left of it.
        let mut dispatches = Vec::new();
        if let Some(alpha) = combination.alpha {
            let drawn = start.encoder;
            for piece in parameters.pieces(0) {
                let target = Target {
                    buffer: piece.buffer,
                    replicas: 1,
                    offset: piece.offset,
                    replica_stride: 0,
                    range: piece.range,
                    whole_rows: self.spec.inputs(),
                    columns: drawn.columns,
                    transposed: drawn.transposed,
                };
                let bound = (f64::from(drawn.draw.bound) * alpha) as f32;
                dispatches.push(random::uniform(gpu, &target, &Draw { bound, ..drawn.draw })?);
            }
        }
        let encoder = coefficients(gpu, &combination.encoder, 0..self.spec.latent())?;
        let added = Expansion {
            coefficients: &encoder,
            pieces: parameters.pieces(0),
            accumulate: combination.alpha.is_some(),
        };
        dispatches.extend(Basis::new(gpu, &[snapshots], &[])?.expand(&[added])?);
        for piece in parameters.pieces(1) {
            let bias: Vec<f32> = self.iteration.weights.encoder_bias.iter().map(|&b| b as f32).collect();
            gpu.write(piece.buffer, piece.offset, &bias);
        }
        let seeded = combination.decoder.nrows() > snapshots.batch;
        let places = [2, 3].map(|place| parameters.pieces(place));
        dispatches.extend(expand_decoder(
            gpu,
            snapshots,
            seeded.then_some(&start),
            &combination.decoder,
            places,
        )?);
        run_in_parts(gpu, &dispatches)
    }

    fn combination(&self) -> Combination {
        let Weights { alpha, encoder, decoder, .. } = &self.iteration.weights;
        match &self.iteration.coordinates.axes {
            None => {
                Combination { alpha: Some(alpha[(0, 0)]), encoder: encoder.clone(), decoder: decoder.clone() }
            }
            Some(axes) => Combination {
                alpha: None,
                // Inputs are products with the axes, divided by their sum of squares.
                encoder: axes * encoder / self.iteration.coordinates.width as f64,
                decoder: axes * decoder,
            },
        }
    }

    /// The network that [`expand`](Self::expand) writes to.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Means and scale.
    pub fn standard(&self) -> &Standard {
        &self.standard
    }

    /// How well training and held-out snapshots come back through the expanded network, at full width.
    pub fn measure(&self) -> Result<(Reconstruction, Option<Reconstruction>)> {
        let held_out = self.held_out.as_ref().map(|pass| pass.measure(&self.gpu)).transpose()?;
        Ok((self.train.measure(&self.gpu)?[0], held_out.map(|all| all[0])))
    }

    /// The same with a factored decoder in the network's place of the dense one, where it stays until the
    /// next [`expand`](Self::expand).
    pub fn measure_factored(
        &self,
        decoder: &FactoredDecoder,
    ) -> Result<(Reconstruction, Option<Reconstruction>)> {
        let places = [2, 3].map(|place| self.network.parameters.pieces(place));
        decoder.expand_into(&self.gpu, &self.spec, places)?;
        self.measure()
    }

    /// The encoder as the snapshots and what it takes of them; `None` after SGD, which leaves something of its
    /// initial weights.
    pub fn encoder_factors(&self) -> Result<Option<EncoderFactors>> {
        let combination = self.combination();
        if combination.alpha.is_some() {
            return Ok(None);
        }
        Ok(Some(EncoderFactors {
            rows: self.train.data().values.read(&self.gpu)?,
            coefficients: combination.encoder,
            bias: self.iteration.weights.encoder_bias.clone(),
            activation: self.spec.latent_activation,
            standard: self.standard.clone(),
        }))
    }

    /// The decoder as a basis and what it takes of it.
    pub fn factored(&self, precision: Precision) -> Result<FactoredDecoder> {
        let snapshots = self.train.data().values.read(&self.gpu)?;
        let seed = self.is_exact().then_some(self.seed);
        let combination = self.combination().decoder;
        FactoredDecoder::new(snapshots, self.count(), &combination, seed, self.standard.clone(), precision)
    }
}

fn one() -> DMatrix<f64> {
    DMatrix::from_element(1, 1, 1.0)
}

/// Initial values, by the same generator as on the device: they are few.
fn drawn(rows: usize, columns: usize, tensor: u32, seed: u32, bound: f64) -> DMatrix<f64> {
    let values = random::uniform_values(rows * columns, 0, tensor, seed, bound as f32);
    DMatrix::from_row_iterator(rows, columns, values.into_iter().map(f64::from))
}

/// Refuses what is no training in the span.
fn check(spec: &AutoencoderSpec, optimizer: &Optimizer) -> Result<()> {
    match super::refusal(spec, optimizer) {
        None => Ok(()),
        Some(problem) => Err(Error::setting(
            "--space small",
            problem,
            "use --space wide, or another autoencoder or optimiser",
        )),
    }
}
