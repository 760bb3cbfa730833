//! Seeded random directions of lines of values: sums along them, and values from what each direction has.
//!
//! Values are dealt to directions in runs of as many as there are, each run to all of them in turn from one on that is
//! drawn for the run, and each value has a random sign. Both are drawn from a key by counters, which kernels do for
//! themselves.

use super::elementwise::STREAM_LANES;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, RowRange, Tensor, immediates};
use crate::{Error, Result};

immediates! {
    struct Project {
        u32: columns, first_column, floats, lanes, first_run, end_run, key_x, key_y, accumulate;
    }
}

immediates! {
    struct Total {
        u32: floats, lanes;
    }
}

immediates! {
    struct Spread {
        u32: columns, first_column, floats, key_x, key_y;
    }
}

/// The line of draws, by places of values, whose first words' first bits are set where a sign is minus.
pub const SIGNS: u32 = 0;

/// The line of draws, by runs, whose first words modulo the number of directions are where runs start.
pub const RUNS: u32 = 1;

/// Runs that a lane adds up at least, so that its sums are worth adding to those of others.
const RUNS_OF_A_LANE: usize = 64;

/// Lanes that share a direction at most: one lane adds up what they come to.
const MOST_LANES: usize = 512;

/// Which directions: those drawn from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directions {
    /// What they are drawn from.
    pub key: [u32; 2],
    /// Z, how many there are.
    pub floats: usize,
}

impl Directions {
    /// Whether what is summed of `replicas` lines of `width` values fits one binding, and the lines one dispatch.
    pub fn fit(&self, gpu: &Gpu, replicas: usize, width: usize) -> bool {
        let bytes = 4 * (replicas * self.lanes(width) * self.floats) as u64;
        replicas <= gpu.max_workgroups() as usize && bytes <= gpu.max_binding_bytes()
    }

    /// Lanes that share a direction of `width` values, whatever the device and the number of lines: both are not to
    /// change the order of sums.
    fn lanes(&self, width: usize) -> usize {
        let runs = width.div_ceil(self.floats.max(1));
        runs.div_ceil(RUNS_OF_A_LANE).clamp(1, MOST_LANES)
    }

    /// Errors where there are none, or more than values of a line.
    fn check(&self, width: usize) -> Result<()> {
        if (1..=width).contains(&self.floats) {
            return Ok(());
        }
        Err(Error::fault(format!("{} directions are to be drawn for {width} values", self.floats)))
    }
}

/// The sums of lines along directions, and the memory that it takes to find them.
#[derive(Debug)]
pub struct Sums {
    directions: Directions,
    lanes: usize,
    partial: Buffer,
    /// `[R, Z]`: for each direction the sum of its values, times their signs.
    pub sums: Buffer,
}

impl Sums {
    /// Room for those of lines like these, `[R, 1, N]`. Errors where there are no directions or more than N, and where
    /// they do not [fit](Directions::fit).
    pub fn new(gpu: &Gpu, like: &Tensor, directions: Directions) -> Result<Self> {
        directions.check(like.width)?;
        let sums = like.replicas * directions.floats;
        let lanes = directions.lanes(like.width);
        Ok(Self {
            directions,
            lanes,
            partial: gpu.zeros("partial sums along directions", lanes * sums)?,
            sums: gpu.zeros("sums along directions", sums)?,
        })
    }

    /// Sums the lines of `source`, which is of the shape that it was made for.
    pub fn plan(&self, gpu: &Gpu, source: &Tensor) -> Result<Vec<Dispatch>> {
        let Directions { key: [key_x, key_y], floats } = self.directions;
        let (replicas, lanes) = (source.replicas as u32, self.lanes as u32);
        let mut plan = Vec::new();
        for (place, shard) in source.shards.iter().enumerate() {
            let RowRange { start, len } = shard.range;
            let immediates = Project {
                columns: len as u32,
                first_column: start as u32,
                floats: floats as u32,
                lanes,
                first_run: (start / floats) as u32,
                end_run: (start + len).div_ceil(floats) as u32,
                key_x,
                key_y,
                accumulate: (place > 0).into(),
            };
            let kernel = Kernel::new("subspace", "subspace_project");
            let buffers = [("lines", &shard.buffer), ("partial_sums", &self.partial)];
            let grid = Grid(((self.lanes * floats) as u32).min(STREAM_LANES), replicas, 1);
            let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
            plan.push(dispatch.with_traffic(source.replicas * (len + self.lanes * floats), 0));
        }
        let kernel = Kernel::new("subspace", "subspace_total");
        let immediates = Total { floats: floats as u32, lanes };
        let buffers = [("parts", &self.partial), ("sums", &self.sums)];
        let grid = Grid((floats as u32).min(STREAM_LANES), replicas, 1);
        let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
        plan.push(dispatch.with_traffic(source.replicas * (self.lanes + 1) * floats, 0));
        Ok(plan)
    }
}

/// Each value of lines `[R, 1, N]` becomes what its direction has of `shares`, `[R, Z]`, times its sign: to the bit the
/// same on all devices. Errors where there are no directions or more than N.
pub fn spread(gpu: &Gpu, shares: &Buffer, directions: Directions, lines: &Tensor) -> Result<Vec<Dispatch>> {
    directions.check(lines.width)?;
    let Directions { key: [key_x, key_y], floats } = directions;
    let dispatch = |shard: &crate::gpu::TensorShard| {
        let RowRange { start, len } = shard.range;
        let immediates =
            Spread { columns: len as u32, first_column: start as u32, floats: floats as u32, key_x, key_y };
        let kernel = Kernel::new("subspace", "subspace_spread");
        let buffers = [("shares", shares), ("spread_lines", &shard.buffer)];
        let grid = Grid((len as u32).min(STREAM_LANES), lines.replicas as u32, 1);
        let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
        Ok(dispatch.with_traffic(lines.replicas * (len + floats), 0))
    };
    lines.shards.iter().map(dispatch).collect()
}
