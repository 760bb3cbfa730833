//! Clusters of the values of each of many lines, by Lloyd's iterations that follow one another without a readback.

use super::elementwise::fill;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, RowRange, Tensor, immediates};
use crate::{Error, Result};
use std::ops::Range;

immediates! {
    struct Part {
        u32: width, first, length, lanes;
    }
}

immediates! {
    struct Share {
        u32: width, first, length, lanes, first_lane, all_lanes, most;
    }
}

immediates! {
    struct Update {
        u32: lines, all_lanes, most;
    }
}

immediates! {
    struct Label {
        u32: width, first, length, lanes, most;
    }
}

/// Bins of a line: values whose upper 16 bits are the same, in the order of the values.
pub const BINS: usize = 1 << 16;

/// Centroids of a line at most: the number of one is a byte.
pub const MOST: usize = 256;

/// Below this magnitude, 2^126, two values have a sum and a difference.
pub const LIMIT: f32 = f32::from_bits(0x7e80_0000);

/// Centroids that a lane sums for.
const TOGETHER: usize = 8;

/// Values that a lane of a sum looks at, so that there are few sums to add up; and lanes of a shard at most.
const SUMMED: usize = 512;
const MOST_LANES: usize = 256;

/// Lanes of a loop that writes as much as it reads.
const WIDE_LANES: usize = 1 << 16;

/// The same values of each line of a tensor.
#[derive(Clone, Debug)]
pub struct Span {
    source: Tensor,
    range: Range<usize>,
}

/// What of a span lies in one shard.
struct Piece<'a> {
    buffer: &'a Buffer,
    width: usize,
    first: usize,
    length: usize,
}

impl Piece<'_> {
    /// Lanes that sum it up. They depend on its length alone, and so do the bits of the sums.
    fn lanes(&self) -> usize {
        self.length.div_ceil(SUMMED).min(MOST_LANES)
    }

    fn part(&self, lanes: usize) -> Part {
        let [width, first, length, lanes] = [self.width, self.first, self.length, lanes].map(|n| n as u32);
        Part { width, first, length, lanes }
    }
}

impl Span {
    /// The values at these places of the R x B lines of `source`, `[R, B, N]`. Errors where there are none, or a line has
    /// fewer.
    pub fn new(source: &Tensor, range: Range<usize>) -> Result<Self> {
        if range.is_empty() || range.end > source.width {
            let problem = format!("values {range:?} of {} are to be put in clusters", source.width);
            return Err(Error::fault(problem));
        }
        Ok(Self { source: source.clone(), range })
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.source.replicas * self.source.batch
    }

    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.source.shards.iter().filter_map(|shard| {
            let RowRange { start, len } = shard.range;
            let (first, end) = (self.range.start.max(start), self.range.end.min(start + len));
            let piece =
                || Piece { buffer: &shard.buffer, width: len, first: first - start, length: end - first };
            (first < end).then(piece)
        })
    }

    /// Whether bins of all lines, and what it takes to find so many centroids, fit a binding each.
    pub fn fits(&self, gpu: &Gpu, most: usize) -> bool {
        let lanes: usize = self.pieces().map(|piece| piece.lanes()).sum();
        let longest = (2 * BINS).max(lanes * most).max(self.range.len());
        (4 * self.lines() * longest) as u64 <= gpu.max_binding_bytes()
    }

    /// Reads the values of a line back.
    pub fn read_line(&self, gpu: &Gpu, line: usize) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(self.range.len());
        for Piece { buffer, width, first, length } in self.pieces() {
            values.extend(gpu.read_part::<f32>(buffer, line * width + first, length)?);
        }
        Ok(values)
    }

    /// `[R, B, BINS, 2]`: how many values of a line are in a bin, and the sum of the eight bits of each that are below the
    /// upper 16; and what counts them. Sums are right for lines of up to 2^24 values.
    pub fn tally(&self, gpu: &Gpu) -> Result<(Buffer, Vec<Dispatch>)> {
        let bins = gpu.zeros("bins of values", self.lines() * BINS * 2)?;
        let mut plan = vec![fill(gpu, &bins, 0, bins.len(), 0.0)?];
        for piece in self.pieces() {
            let lanes = piece.length.min(WIDE_LANES);
            let dispatch = gpu.dispatch(
                &Kernel::new("clusters", "clusters_tally"),
                &piece.part(lanes),
                &[("words", piece.buffer), ("bins", &bins)],
                Grid(lanes as u32, self.lines() as u32, 1),
            )?;
            plan.push(dispatch.with_traffic(self.lines() * piece.length, 0));
        }
        Ok((bins, plan))
    }
}

/// Clusters of a span, and the memory that it takes to find them.
#[derive(Debug)]
pub struct Clusters {
    span: Span,
    most: usize,
    known: Vec<usize>,
    all_lanes: usize,
    starts: Vec<f32>,
    centroids: Buffer,
    clusters: Buffer,
    sums: Buffer,
    counts: Buffer,
    /// Those of each shard's piece, `[R, B, ceil(length / 4)]`.
    numbers: Vec<Buffer>,
}

impl Clusters {
    /// Room for clusters that begin at these centroids, for each line 1 to [`MOST`] in ascending order. Lines may have
    /// different numbers of them. Errors where there are not as many lists as lines, or a list is too short or too long.
    pub fn new(gpu: &Gpu, span: Span, starts: &[Vec<f32>]) -> Result<Self> {
        let known: Vec<usize> = starts.iter().map(Vec::len).collect();
        let lines = span.lines();
        if known.len() != lines || known.iter().any(|known| !(1..=MOST).contains(known)) {
            let problem = format!("{lines} lines are to have {known:?} clusters, and each has 1 to {MOST}");
            return Err(Error::fault(problem));
        }
        let most = known.iter().copied().max().unwrap_or(1);
        let all_lanes: usize = span.pieces().map(|piece| piece.lanes()).sum();
        let mut rows = vec![0.0; lines * most];
        rows.chunks_exact_mut(most).zip(starts).for_each(|(row, own)| row[..own.len()].copy_from_slice(own));
        let each: Vec<u32> = known.iter().map(|&known| known as u32).collect();
        let words = |piece: Piece<'_>| lines * piece.length.div_ceil(4);
        let numbers = span.pieces().map(|piece| gpu.zeros("numbers of clusters", words(piece)));
        Ok(Self {
            numbers: numbers.collect::<Result<_>>()?,
            centroids: gpu.upload("centroids", &rows)?,
            clusters: gpu.upload("clusters of lines", &each)?,
            sums: gpu.zeros("sums of clusters", lines * all_lanes * most)?,
            counts: gpu.zeros("counts of clusters", lines * all_lanes * most)?,
            starts: rows,
            span,
            most,
            known,
            all_lanes,
        })
    }

    /// So many of Lloyd's iterations, each of which puts a centroid at the mean of the values that it is the nearest to,
    /// and then the nearest centroid of each value: of two that are as near, the lower one. Values and centroids are of a
    /// magnitude below [`LIMIT`].
    ///
    /// They go on from where the centroids are; see [`Self::restart`].
    pub fn plan(&self, gpu: &Gpu, iterations: usize) -> Result<Vec<Dispatch>> {
        let (lines, mut plan) = (self.span.lines(), Vec::new());
        for _ in 0..iterations {
            self.plan_iteration(gpu, &mut plan)?;
        }
        for (piece, numbers) in self.span.pieces().zip(&self.numbers) {
            let lanes = piece.length.div_ceil(4).min(WIDE_LANES);
            let Part { width, first, length, lanes } = piece.part(lanes);
            let immediates = Label { width, first, length, lanes, most: self.most as u32 };
            let buffers = [
                ("words", piece.buffer),
                ("centroids", &self.centroids),
                ("clusters", &self.clusters),
                ("numbers", numbers),
            ];
            let kernel = Kernel::new("clusters", "clusters_label");
            let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, Grid(lanes, lines as u32, 1))?;
            plan.push(dispatch.with_traffic(lines * piece.length * 5 / 4, 0));
        }
        Ok(plan)
    }

    fn plan_iteration(&self, gpu: &Gpu, plan: &mut Vec<Dispatch>) -> Result<()> {
        let (lines, most, all_lanes) = (self.span.lines(), self.most as u32, self.all_lanes as u32);
        let mut first_lane = 0;
        for piece in self.span.pieces() {
            let Part { width, first, length, lanes } = piece.part(piece.lanes());
            let immediates = Share { width, first, length, lanes, first_lane, all_lanes, most };
            first_lane += lanes;
            let buffers = [
                ("words", piece.buffer),
                ("centroids", &self.centroids),
                ("clusters", &self.clusters),
                ("sums", &self.sums),
                ("counts", &self.counts),
            ];
            let kernel = Kernel::new("clusters", "clusters_sum");
            let grid = Grid(lanes, lines as u32, self.most.div_ceil(TOGETHER) as u32);
            let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
            plan.push(dispatch.with_traffic(lines * piece.length, 0));
        }
        let immediates = Update { lines: lines as u32, all_lanes, most };
        let buffers = [
            ("centroids", &self.centroids),
            ("clusters", &self.clusters),
            ("sums", &self.sums),
            ("counts", &self.counts),
        ];
        let kernel = Kernel::new("clusters", "clusters_update");
        let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, Grid(lines as u32 * most, 1, 1))?;
        plan.push(dispatch.with_traffic(2 * self.sums.len(), 0));
        Ok(())
    }

    /// Puts the centroids back to where they began.
    pub fn restart(&self, gpu: &Gpu) {
        gpu.write(&self.centroids, 0, &self.starts);
    }

    /// The centroids of each line, in ascending order.
    pub fn centroids(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        let rows = gpu.read::<f32>(&self.centroids)?;
        let own = rows.chunks_exact(self.most).zip(&self.known).map(|(row, &known)| row[..known].to_vec());
        Ok(own.collect())
    }

    /// The number of the centroid of each value of each line.
    pub fn numbers(&self, gpu: &Gpu) -> Result<Vec<Vec<u8>>> {
        let mut all = vec![Vec::with_capacity(self.span.range.len()); self.span.lines()];
        for (piece, numbers) in self.span.pieces().zip(&self.numbers) {
            let words = gpu.read::<u32>(numbers)?;
            for (own, words) in all.iter_mut().zip(words.chunks_exact(piece.length.div_ceil(4))) {
                own.extend(words.iter().flat_map(|word| word.to_le_bytes()).take(piece.length));
            }
        }
        Ok(all)
    }
}
