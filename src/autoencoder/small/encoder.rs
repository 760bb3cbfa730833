//! An encoder as what it is made of: the snapshots, and what codes take of their products with the weights.

use crate::autoencoder::{Encoder, HalfParameters, Standard};
use crate::gpu::Gpu;
use crate::model::{Activation, AutoencoderSpec};
use crate::{Error, Result};
use nalgebra::DMatrix;

/// A collaborator's encoder in its factors.
#[derive(Clone, Debug)]
pub struct EncoderFactors {
    /// `[S, N]`: the standardised snapshots.
    pub rows: Vec<f32>,
    /// `[S, Z]`: what codes take of the products with them.
    pub(super) coefficients: DMatrix<f64>,
    /// `[1, Z]`
    pub(super) bias: DMatrix<f64>,
    /// Of the latent.
    pub(super) activation: Activation,
    /// What standardises weights.
    pub standard: Standard,
}

/// The encoders of a cohort in their factors. No matrix of Z columns is ever there: products with the S
/// snapshots are taken on the device, what codes take of them on the host.
#[derive(Debug)]
pub struct FactoredEncoders {
    products: Encoder,
    each: Vec<EncoderFactors>,
    /// Products of a collaborator, those with empty rows included.
    stride: usize,
}

impl FactoredEncoders {
    /// One encoder for each collaborator.
    pub fn new(gpu: &Gpu, mut each: Vec<EncoderFactors>) -> Result<Self> {
        let stride = each.iter().map(|factors| factors.coefficients.nrows()).max().unwrap_or(0);
        let width = each.first().map_or(0, |factors| factors.standard.means.len());
        // As a layer without bias; collaborators with fewer snapshots have empty rows.
        let layer = AutoencoderSpec::linear("products", width, stride);
        let values: Vec<_> = each
            .iter_mut()
            .map(|factors| {
                let mut values = std::mem::take(&mut factors.rows);
                values.resize(stride * width + stride, 0.0);
                values
            })
            .collect();
        let own: Vec<_> =
            values.iter().zip(&each).map(|(v, own)| (HalfParameters::Values(v), &own.standard)).collect();
        Ok(Self { products: Encoder::new(gpu, &layer, &own, 1)?, each, stride })
    }

    /// `weights[r]` are collaborator `r`'s P values; the codes are `[R, Z]`.
    pub fn codes<W: AsRef<[f32]>>(&self, weights: &[W]) -> Result<Vec<f32>> {
        let products = self.products.codes(weights)?;
        let lines = products.chunks_exact(self.stride).zip(&self.each);
        Ok(lines.flat_map(|(products, own)| own.code(products)).collect())
    }
}

impl EncoderFactors {
    /// An encoder of this shape: `rows` are `[S, N]`, the numbers are [those](Self::numbers) of another one.
    pub fn new(spec: &AutoencoderSpec, rows: Vec<f32>, numbers: &[f64], standard: Standard) -> Result<Self> {
        let (count, latent) = (rows.len() / spec.inputs(), spec.latent());
        if numbers.len() != (count + 1) * latent {
            let problem = format!("an encoder of {count} snapshots has {} coefficients", numbers.len());
            return Err(Error::fault(problem));
        }
        let (coefficients, bias) = numbers.split_at(count * latent);
        Ok(Self {
            rows,
            coefficients: DMatrix::from_column_slice(count, latent, coefficients),
            bias: DMatrix::from_column_slice(1, latent, bias),
            activation: spec.latent_activation,
            standard,
        })
    }

    /// What codes take of the products, column by column, and the bias.
    pub fn numbers(&self) -> Vec<f64> {
        [self.coefficients.as_slice(), self.bias.as_slice()].concat()
    }

    fn code(&self, products: &[f32]) -> Vec<f32> {
        let rows = self.coefficients.nrows();
        let products = DMatrix::from_iterator(1, rows, products[..rows].iter().map(|&p| f64::from(p)));
        let code = products * &self.coefficients + &self.bias;
        code.iter().map(|&value| self.activation.apply(value) as f32).collect()
    }
}
