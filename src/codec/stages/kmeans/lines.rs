//! Clusters of updates that lie on a GPU as lines of one tensor.
//!
//! The device counts how many values of a line are in each bin of the host's way, and what is read back of a line is these
//! counts. The host finds the centroids of the bins as it does for values that it has, and from there the device goes on
//! by Lloyd's iterations over the values themselves, which never make the sum of squared distances larger. It reads the
//! numbers of the centroids back, a byte for each value. So the centroids are not those of the host to the bit; the squared
//! error is the host's to a hundredth or better, and whoever reads the message takes the codebook that is in it.

use super::clusters::{Point, centroids, centroids_of_bins, nearest};
use crate::Result;
use crate::gpu::{Gpu, Tensor};
use crate::ops::clusters::{BINS, Clusters, LIMIT, Span};

/// Values of a block that is worth it: of a shorter one the bins are more than half as much to read back as the values.
const LONG: usize = 4 * BINS;

/// Longer blocks have sums that do not fit their words.
const LONGEST: usize = 1 << 24;

/// Iterations from centroids that are close to the best ones.
const ITERATIONS: usize = 4;

/// A block of a line.
pub(super) struct Block {
    /// Its codebook, in ascending order.
    pub centroids: Vec<f32>,
    /// The number of the centroid of each value.
    pub numbers: Vec<u8>,
}

/// The blocks of each line of `tensor`, `[R, 1, N]`, which have these lengths, with at most `most` clusters each. `None`
/// where the host does better: of lines of which less than half is in long blocks, where a line has values that are not
/// below [`LIMIT`], and where the bins of so many lines do not fit a binding.
pub(super) fn clustered(
    gpu: &Gpu,
    tensor: &Tensor,
    lengths: impl Iterator<Item = usize>,
    most: usize,
) -> Result<Option<Vec<Vec<Block>>>> {
    let spans = lengths.scan(0, |start, length| {
        let range = *start..*start + length;
        *start = range.end;
        Some((length, range))
    });
    let spans: Vec<_> = spans.collect();
    let is_long = |length: usize| (LONG..=LONGEST).contains(&length);
    let long: usize = spans.iter().map(|(length, _)| *length).filter(|&length| is_long(length)).sum();
    if 2 * long < tensor.width.max(1) {
        return Ok(None);
    }
    let mut lines: Vec<Vec<Block>> = (0..tensor.replicas).map(|_| Vec::new()).collect();
    for (length, range) in spans {
        let span = Span::new(tensor, range)?;
        let blocks = if !is_long(length) {
            read_back(gpu, &span, most)?
        } else if span.fits(gpu, most) {
            on_device(gpu, span, most)?
        } else {
            None
        };
        let Some(blocks) = blocks else { return Ok(None) };
        lines.iter_mut().zip(blocks).for_each(|(line, block)| line.push(block));
    }
    Ok(Some(lines))
}

/// A block of each line, by the host's way.
fn read_back(gpu: &Gpu, span: &Span, most: usize) -> Result<Option<Vec<Block>>> {
    let mut blocks = Vec::with_capacity(span.lines());
    for line in 0..span.lines() {
        let values = span.read_line(gpu, line)?;
        if values.iter().any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let centroids = centroids(&values, most);
        let nearest = nearest(&centroids);
        let numbers = values.iter().map(|value| nearest(*value) as u8).collect();
        blocks.push(Block { centroids, numbers });
    }
    Ok(Some(blocks))
}

fn on_device(gpu: &Gpu, span: Span, most: usize) -> Result<Option<Vec<Block>>> {
    let (bins, plan) = span.tally(gpu)?;
    gpu.run(&plan)?;
    let counts: Vec<u32> = gpu.read(&bins)?;
    drop(bins);
    let starts = counts.chunks_exact(2 * BINS).map(|bins| Some(centroids_of_bins(points(bins)?, most)));
    let Some(starts) = starts.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let clusters = Clusters::new(gpu, span, &starts)?;
    gpu.run(&clusters.plan(gpu, ITERATIONS)?)?;
    let blocks = clusters.centroids(gpu)?.into_iter().zip(clusters.numbers(gpu)?);
    Ok(Some(blocks.map(|(centroids, numbers)| Block { centroids, numbers }).collect()))
}

/// Bins as points. `None` where one has values that are not below [`LIMIT`].
fn points(bins: &[u32]) -> Option<Vec<Point>> {
    let point = |(bin, pair): (usize, &[u32])| {
        let (count, next) = (f64::from(pair[0]), f64::from(pair[1]));
        if pair[0] == 0 {
            return Some(Point::default());
        }
        let bin = bin as u32;
        let upper = if bin & 0x8000 == 0 { 0xffff - bin } else { bin - 0x8000 };
        let first = f32::from_bits(upper << 16);
        // Values of a bin are evenly spaced, and of 256 parts of it each knows its own.
        let half = f64::from(f32::from_bits(upper << 16 | 0x8000)) - f64::from(first);
        (first.abs() < LIMIT).then(|| Point { count, sum: count * f64::from(first) + next / 128.0 * half })
    };
    bins.chunks_exact(2).enumerate().map(point).collect()
}
