//! Snapshots on the device, standardised there.

use super::Standard;
use crate::gpu::{Buffer, Gpu, RowRange, Tensor};
use crate::ops::gather::NOTHING;
use crate::ops::reduce::{self, Replicas, RowStatistics};
use crate::ops::standardize::{self, Scales, Standards};
use crate::{Error, Result};

/// R collaborators' snapshots, `[R, S, P]`; one with fewer of them has empty places at the end.
#[derive(Clone, Debug)]
pub struct SnapshotBatch {
    /// The standardised values.
    pub values: Tensor,
    /// `[R, S]`: the number of the snapshot, or NOTHING for an empty place.
    pub labels: Buffer,
    /// How many each collaborator has.
    pub counts: Vec<usize>,
    /// Sum of squares of each collaborator's standardised values: what "learned nothing but the mean"
    /// leaves as error.
    pub sums_of_squares: Vec<f64>,
}

impl SnapshotBatch {
    /// Uploads snapshots and finds the means and one global scale for each collaborator.
    pub fn fit(gpu: &Gpu, rows: &[Vec<&[f32]>], ranges: &[RowRange]) -> Result<(Self, Standards)> {
        let values = upload(gpu, rows, ranges)?;
        let replicas = values.replicas;
        let means = Tensor::zeros_cut(gpu, "means", replicas, 1, ranges)?;
        let scales = gpu.upload("scales", &vec![1.0f32; replicas])?;
        let standards = Standards { means, scales: Scales::Global(scales.clone()) };
        let mut dispatches = Vec::new();
        for (replica, rows) in rows.iter().enumerate() {
            // The mean of the snapshots is their average with weight 1, empty places having weight 0.
            let mut weights = vec![1.0f32; rows.len()];
            weights.resize(values.batch, 0.0);
            let weights = gpu.upload("weights", &weights)?;
            for (from, to) in values.shards.iter().zip(&standards.means.shards) {
                let width = from.range.len;
                let first = replica * values.batch * width;
                let snapshots = Replicas { values: &from.buffer, count: values.batch, first, stride: width };
                let into = (&to.buffer, replica * width);
                dispatches.push(reduce::average_replicas(gpu, snapshots, &weights, into, width)?);
            }
        }
        gpu.run(&dispatches)?;
        // Centred first, which says what the scale is; then the scale alone is left to be taken out.
        let centred = Self::in_place(gpu, values, rows, &standards)?;
        let found: Vec<f32> = centred
            .sums_of_squares
            .iter()
            .zip(&centred.counts)
            .map(|(sum, count)| (sum / (count * centred.values.width) as f64).sqrt() as f32)
            // Snapshots that are all alike have no scale; any will do.
            .map(|scale| if scale > 0.0 { scale } else { 1.0 })
            .collect();
        gpu.write(&scales, 0, &found);
        let no_means = Tensor::zeros_cut(gpu, "no means", replicas, 1, ranges)?;
        let scales_alone = Standards { means: no_means, scales: Scales::Global(scales) };
        Ok((Self::in_place(gpu, centred.values, rows, &scales_alone)?, standards))
    }

    /// Uploads snapshots and standardises them as those were that the standards came from.
    pub fn standardized(
        gpu: &Gpu,
        rows: &[Vec<&[f32]>],
        ranges: &[RowRange],
        standards: &Standards,
    ) -> Result<Self> {
        Self::in_place(gpu, upload(gpu, rows, ranges)?, rows, standards)
    }

    /// Standardises values where they lie, so that they are there once.
    fn in_place(gpu: &Gpu, values: Tensor, rows: &[Vec<&[f32]>], standards: &Standards) -> Result<Self> {
        gpu.run(&standardize::in_place(gpu, &values, standards)?)?;
        let counts: Vec<_> = rows.iter().map(|rows| rows.len()).collect();
        let mut labels = Vec::with_capacity(values.replicas * values.batch);
        for &count in &counts {
            labels.extend((0..values.batch).map(|place| if place < count { place as u32 } else { NOTHING }));
        }
        let mut sums_of_squares = vec![0.0; values.replicas];
        for shard in &values.shards {
            let width = shard.range.len;
            let (dispatches, result) =
                reduce::rows(gpu, &shard.buffer, values.replicas * values.batch, width)?;
            gpu.run(&dispatches)?;
            let statistics: Vec<RowStatistics> =
                bytemuck::cast_slice::<f32, RowStatistics>(&gpu.read(&result)?).to_vec();
            for (row, s) in statistics.iter().enumerate().filter(|(row, _)| labels[*row] != NOTHING) {
                let (mean, variance) = (f64::from(s.mean), f64::from(s.variance));
                sums_of_squares[row / values.batch] += width as f64 * (variance + mean * mean);
            }
        }
        Ok(Self { values, labels: gpu.upload("snapshot numbers", &labels)?, counts, sums_of_squares })
    }
}

fn upload(gpu: &Gpu, rows: &[Vec<&[f32]>], ranges: &[RowRange]) -> Result<Tensor> {
    let most = rows.iter().map(|rows| rows.len()).max().unwrap_or(0);
    let width: usize = ranges.iter().map(|range| range.len).sum();
    if rows.iter().any(|rows| rows.is_empty() || rows.iter().any(|row| row.len() != width)) {
        return Err(Error::setting(
            "--snapshots",
            format!("a collaborator has no snapshots, or some that are not {width} values wide"),
            "log snapshots of the model that the autoencoder is for",
        ));
    }
    let tensor = Tensor::zeros_cut(gpu, "snapshots", rows.len(), most, ranges)?;
    for (replica, rows) in rows.iter().enumerate() {
        for (place, row) in rows.iter().enumerate() {
            tensor.write_line(gpu, replica * most + place, row);
        }
    }
    Ok(tensor)
}

impl Standard {
    /// Reads the standards of each collaborator back.
    pub fn read_all(gpu: &Gpu, standards: &Standards) -> Result<Vec<Self>> {
        let means = standards.means.read(gpu)?;
        let Scales::Global(scales) = &standards.scales else {
            return Err(Error::device("one scale each", "this is a fault of fedfunnel; report it"));
        };
        let scales: Vec<f32> = gpu.read(scales)?;
        let rows = means.chunks_exact(standards.means.width);
        Ok(rows.zip(scales).map(|(means, scale)| Self { means: means.to_vec(), scale }).collect())
    }

    /// Uploads the standards of several collaborators, cut at the given ranges.
    pub fn upload(gpu: &Gpu, all: &[&Self], ranges: &[RowRange]) -> Result<Standards> {
        let means = Tensor::zeros_cut(gpu, "means", all.len(), 1, ranges)?;
        means.write(gpu, &all.iter().flat_map(|s| s.means.iter().copied()).collect::<Vec<_>>());
        let scales: Vec<f32> = all.iter().map(|s| s.scale).collect();
        Ok(Standards { means, scales: Scales::Global(gpu.upload("scales", &scales)?) })
    }
}
