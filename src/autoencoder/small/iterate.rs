//! Steps of an autoencoder in coordinates: small matrix products in f64.

use super::coordinates::Coordinates;
use crate::model::{Activation, Optimizer, OptimizerKind};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// Coordinates of an autoencoder, of its gradient, or of an optimiser's moments.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// `[1, 1]`: the part of the encoder's initial matrix that is left.
    pub alpha: DMatrix<f64>,
    /// `[Me, Z]`
    pub encoder: DMatrix<f64>,
    /// `[1, Z]`
    pub encoder_bias: DMatrix<f64>,
    /// `[Md, Z + 1]`: the matrix's, and in the last column the bias's.
    pub decoder: DMatrix<f64>,
}

impl Weights {
    fn zeros_like(&self) -> Self {
        let zeros = |part: &DMatrix<f64>| DMatrix::zeros(part.nrows(), part.ncols());
        Self {
            alpha: zeros(&self.alpha),
            encoder: zeros(&self.encoder),
            encoder_bias: zeros(&self.encoder_bias),
            decoder: zeros(&self.decoder),
        }
    }

    fn parts(&self) -> [&[f64]; 4] {
        [&self.alpha, &self.encoder, &self.encoder_bias, &self.decoder].map(|part| part.as_slice())
    }

    fn parts_mut(&mut self) -> [&mut [f64]; 4] {
        [&mut self.alpha, &mut self.encoder, &mut self.encoder_bias, &mut self.decoder]
            .map(|part| part.as_mut_slice())
    }
}

/// What an iteration goes on from: all numbers of the weights and of both moments, and the steps that were taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct IterationState {
    numbers: Vec<f64>,
    steps: u64,
}

impl IterationState {
    /// Steps that were taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

/// An autoencoder in coordinates, with its optimiser.
#[derive(Debug)]
pub(super) struct Iteration {
    pub coordinates: Coordinates,
    pub weights: Weights,
    first_moments: Weights,
    second_moments: Weights,
    activation: Activation,
    optimizer: Optimizer,
    /// Factors on the rates of encoder and decoder.
    rate_scales: [f64; 2],
    steps: u64,
}

impl Iteration {
    pub fn new(
        coordinates: Coordinates,
        weights: Weights,
        activation: Activation,
        optimizer: Optimizer,
        rate_scales: [f64; 2],
    ) -> Self {
        let (first_moments, second_moments) = (weights.zeros_like(), weights.zeros_like());
        Self {
            coordinates,
            weights,
            first_moments,
            second_moments,
            activation,
            optimizer,
            rate_scales,
            steps: 0,
        }
    }

    /// What it goes on from.
    pub fn state(&self) -> IterationState {
        let all = [&self.weights, &self.first_moments, &self.second_moments];
        let numbers = all.into_iter().flat_map(|weights| weights.parts().concat()).collect();
        IterationState { numbers, steps: self.steps }
    }

    /// Goes on from there; false where it is the state of another iteration.
    pub fn resume(&mut self, state: &IterationState) -> bool {
        let all = [&mut self.weights, &mut self.first_moments, &mut self.second_moments];
        let mut left = &state.numbers[..];
        for part in all.into_iter().flat_map(Weights::parts_mut) {
            let Some((numbers, rest)) = left.split_at_checked(part.len()) else { return false };
            part.copy_from_slice(numbers);
            left = rest;
        }
        self.steps = state.steps;
        left.is_empty()
    }

    /// Codes of some snapshots, `[B, Z + 1]` with a column of ones for the decoder's bias.
    fn codes(&self, rows: &[usize]) -> DMatrix<f64> {
        let Weights { alpha, encoder, encoder_bias, .. } = &self.weights;
        let mut codes = self.coordinates.inputs.select_rows(rows) * encoder;
        if let Some(initial) = &self.coordinates.initial {
            codes += initial.select_rows(rows) * alpha[(0, 0)];
        }
        for mut code in codes.row_iter_mut() {
            code += encoder_bias;
        }
        codes.apply(|x| *x = self.activation.apply(*x));
        let latent = codes.ncols();
        codes.insert_column(latent, 1.0)
    }

    /// One step on some of the training snapshots, at `rate`; gives the sum of their squared errors before
    /// it.
    pub fn step(&mut self, rows: &[usize], rate: f64) -> f64 {
        let at = &self.coordinates;
        let codes = self.codes(rows);
        let latent = codes.ncols() - 1;
        // [Md, B]: the error of each snapshot, in the decoder's basis.
        let errors = &self.weights.decoder * codes.transpose() - at.targets.select_columns(rows);
        let products = at.metric.times(&errors);
        let error: f64 = (0..rows.len())
            .map(|b| products.row(b).transpose().dot(&errors.column(b)) + at.beyond[rows[b]])
            .sum();
        // That of the mean over batch and width of the squared error.
        let factor = 2.0 / (rows.len() as f64 * at.width as f64);
        let code_gradients = products * self.weights.decoder.columns(0, latent) * factor;
        let before = code_gradients.zip_map(&codes.columns(0, latent), |gradient, y| {
            gradient * self.activation.derivative_from_output(y)
        });
        let encoder = match &at.encoder_steps {
            Some(steps) => steps.select_columns(rows) * &before,
            None => {
                let mut gradient = DMatrix::zeros(at.train, latent);
                for (b, &row) in rows.iter().enumerate() {
                    gradient.row_mut(row).copy_from(&before.row(b));
                }
                gradient
            }
        };
        let gradient = Weights {
            alpha: DMatrix::zeros(1, 1),
            encoder,
            encoder_bias: DMatrix::from_fn(1, latent, |_, z| before.column(z).sum()),
            decoder: errors * codes * (factor * at.decoder_factor),
        };
        self.steps += 1;
        self.apply(&gradient, rate);
        error
    }

    fn apply(&mut self, gradient: &Weights, rate: f64) {
        let [encoder, decoder] = self.rate_scales;
        let scales = [encoder, encoder, encoder, decoder];
        let first = self.first_moments.parts_mut();
        let second = self.second_moments.parts_mut();
        let parts = self.weights.parts_mut().into_iter().zip(gradient.parts()).zip(scales);
        for (((weights, gradient), scale), (first, second)) in parts.zip(first.into_iter().zip(second)) {
            let moments = first.iter_mut().zip(second);
            for ((w, &g), (m, v)) in weights.iter_mut().zip(gradient).zip(moments) {
                *w += step(&self.optimizer, [*w, g], [m, v], rate * scale, self.steps);
            }
        }
    }

    /// Squared error of each of T snapshots, those that are held out included.
    pub fn squared_errors(&self) -> Vec<f64> {
        let at = &self.coordinates;
        let all: Vec<usize> = (0..at.squares.len()).collect();
        let outputs = &self.weights.decoder * self.codes(&all).transpose();
        let error = |row: usize| {
            if row < at.train {
                // In the basis the difference is taken before it is squared, and nothing cancels.
                let difference = outputs.column(row) - at.targets.column(row);
                let difference = DMatrix::from_column_slice(difference.len(), 1, difference.as_slice());
                return (at.metric.times(&difference) * difference)[(0, 0)] + at.beyond[row];
            }
            let output = outputs.columns(row, 1).into_owned();
            let square = (at.metric.times(&output) * &output)[(0, 0)];
            square - 2.0 * output.column(0).dot(&at.cross.column(row)) + at.squares[row]
        };
        // Rounding may leave less than nothing; what is no number stays none.
        all.iter().map(|&row| error(row)).map(|error| if error < 0.0 { 0.0 } else { error }).collect()
    }
}

/// What a weight moves by; the rules are torch.optim's.
fn step(o: &Optimizer, [w, g]: [f64; 2], [m, v]: [&mut f64; 2], rate: f64, t: u64) -> f64 {
    let [beta1, beta2] = [o.first_decay(), o.beta2].map(f64::from);
    let g = g + f64::from(o.weight_decay) * w;
    if o.kind == OptimizerKind::Sgd {
        *m = beta1 * *m + g;
        return -rate * *m;
    }
    *m = beta1 * *m + (1.0 - beta1) * g;
    *v = beta2 * *v + (1.0 - beta2) * g * g;
    let corrected = |moment: f64, beta: f64| moment / (1.0 - beta.powi(t as i32));
    -rate * corrected(*m, beta1) / (corrected(*v, beta2).sqrt() + f64::from(o.epsilon))
}
