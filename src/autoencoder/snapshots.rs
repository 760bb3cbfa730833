//! Snapshots on the device, standardised on their way there.

use super::Standard;
use crate::autoencoder::center::Center;
use crate::gpu::{Buffer, Gpu, RowRange, Tensor};
use crate::ops::gather::NOTHING;
use crate::ops::standardize::Standards;
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
    /// Finds the mean and one scale of each collaborator's snapshots, and uploads them standardised.
    pub fn fit(gpu: &Gpu, rows: &[Vec<&[f32]>], ranges: &[RowRange]) -> Result<(Self, Vec<Center>)> {
        let width = check(rows, ranges)?;
        let center = |rows: &Vec<&[f32]>| {
            if gpu.is_rehearsal() { Ok(Center::rehearsed(width)) } else { Center::of(rows) }
        };
        let centers = rows.iter().map(center).collect::<Result<Vec<_>>>()?;
        Ok((Self::standardized(gpu, rows, ranges, &centers)?, centers))
    }

    /// Uploads snapshots, standardised as those were that the centres came from.
    pub fn standardized(
        gpu: &Gpu,
        rows: &[Vec<&[f32]>],
        ranges: &[RowRange],
        centers: &[Center],
    ) -> Result<Self> {
        check(rows, ranges)?;
        let most = rows.iter().map(|rows| rows.len()).max().unwrap_or(0);
        let values = Tensor::zeros_cut(gpu, "snapshots", rows.len(), most, ranges)?;
        let mut sums_of_squares = vec![0.0; rows.len()];
        for (replica, (rows, center)) in rows.iter().zip(centers).enumerate() {
            for (place, row) in rows.iter().enumerate() {
                let line = replica * most + place;
                if gpu.is_rehearsal() {
                    values.write_line(gpu, line, row);
                    continue;
                }
                let (standardized, squares) = center.line(row);
                values.write_line(gpu, line, &standardized);
                sums_of_squares[replica] += squares;
            }
        }
        let counts: Vec<_> = rows.iter().map(|rows| rows.len()).collect();
        let places =
            |&count: &usize| (0..most).map(move |place| if place < count { place as u32 } else { NOTHING });
        let labels: Vec<u32> = counts.iter().flat_map(places).collect();
        Ok(Self { values, labels: gpu.upload("snapshot numbers", &labels)?, counts, sums_of_squares })
    }
}

/// Refuses snapshots of another width than the ranges cover; gives that width.
fn check(rows: &[Vec<&[f32]>], ranges: &[RowRange]) -> Result<usize> {
    let width: usize = ranges.iter().map(|range| range.len).sum();
    if !rows.iter().any(|rows| rows.is_empty() || rows.iter().any(|row| row.len() != width)) {
        Ok(width)
    } else {
        Err(Error::setting(
            "--snapshots",
            format!("a collaborator has no snapshots, or some that are not {width} values wide"),
            "log snapshots of the model that the autoencoder is for",
        ))
    }
}

impl From<&Center> for Standard {
    /// As it crosses the wire.
    fn from(center: &Center) -> Self {
        Self { means: center.means(), scale: center.scale() }
    }
}

impl Standard {
    /// Uploads the standards of several collaborators, cut at the given ranges.
    pub fn upload(gpu: &Gpu, all: &[&Self], ranges: &[RowRange]) -> Result<Standards> {
        let means = Tensor::zeros_cut(gpu, "means", all.len(), 1, ranges)?;
        means.write(gpu, &all.iter().flat_map(|s| s.means.iter().copied()).collect::<Vec<_>>());
        let scales: Vec<f32> = all.iter().map(|s| s.scale).collect();
        Ok(Standards { means, scales: gpu.upload("scales", &scales)? })
    }
}
