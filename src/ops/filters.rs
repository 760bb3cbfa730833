//! Training of one value for each filter and unit of a classifier: what they add to its parameters, and their gradients
//! from those of the parameters.

use super::Arena;
use super::code::{Codes, PartialSums};
use crate::Result;
use crate::gpu::{Buffer, Dispatch, GPU_LANES, Gpu, Grid, Kernel, SHARING_LANES, immediates};
use std::ops::Range;

immediates! {
    struct Apply {
        u32: stride4, floats;
    }
}

immediates! {
    struct Gather {
        u32: stride, lanes, replica_stride, value_stride, first_lane;
    }
}

/// Lanes that share the parameters of a filter: a workgroup, or as many as have room for their sums, of which a lane takes
/// `sums` elements.
pub fn lanes_of_a_filter(gpu: &Gpu, sums: usize) -> usize {
    let fitting = gpu.max_binding_bytes() as usize / (4 * sums.max(1));
    let usual = if gpu.class().is_cpu() { SHARING_LANES } else { GPU_LANES };
    (usual as usize).min(fitting).max(1)
}

/// Which parameters of an arena belong to which filter, and how much of its value each takes.
#[derive(Clone, Debug)]
pub struct FilterPart {
    /// `[stride]`: the filter of each parameter.
    filters: Buffer,
    /// `[Z + 1]`: where the members of each filter begin.
    begins: Buffer,
    /// The parameters of each filter, one filter after the other.
    members: Buffer,
    /// `[R, stride]`: how much of its filter's value a parameter takes.
    pub coefficients: Buffer,
}

impl FilterPart {
    /// Of an arena of R replicas: `filters` says of each element which filter it belongs to, of `count`; none where there
    /// is no parameter. No parameter takes anything yet.
    pub fn new(gpu: &Gpu, filters: &[Option<u32>], count: usize, replicas: usize) -> Result<Self> {
        let mut members = vec![Vec::new(); count];
        for (element, filter) in (0u32..).zip(filters) {
            if let Some(filter) = filter {
                members[*filter as usize].push(element);
            }
        }
        let begins = members.iter().scan(0, |end, own| {
            *end += own.len() as u32;
            Some(*end)
        });
        let begins: Vec<u32> = [0].into_iter().chain(begins).collect();
        let filters: Vec<u32> = filters.iter().map(|filter| filter.unwrap_or(0)).collect();
        // A buffer has one element at least.
        let mut members = members.concat();
        members.resize(members.len().max(1), 0);
        Ok(Self {
            coefficients: gpu.zeros("coefficients of filters", replicas * filters.len())?,
            filters: gpu.upload("filters of parameters", &filters)?,
            begins: gpu.upload("begins of filters", &begins)?,
            members: gpu.upload("members of filters", &members)?,
        })
    }
}

/// `arena[r, i] += coefficients[r, i] shifts[r, filters[i]]`
pub fn apply(gpu: &Gpu, arena: &Arena, part: &FilterPart, codes: &Codes) -> Result<Dispatch> {
    let stride4 = (arena.stride / 4) as u32;
    let immediates = Apply { stride4, floats: codes.stride as u32 };
    let buffers = [
        ("filters4", &part.filters),
        ("coefficients4", &part.coefficients),
        ("shifts", &codes.shifts),
        ("decoded4", &arena.buffer),
    ];
    let kernel = Kernel::new("filters", "filters_apply").for_class(gpu.class());
    let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, Grid(stride4, codes.replicas as u32, 1))?;
    let values = codes.replicas * arena.stride;
    Ok(dispatch.with_traffic(arena.stride + 3 * values, 2 * values))
}

/// The sums of these lanes of `coefficients[r, i] gradients[r, i]` over the parameters of each filter. `gradients` lie as
/// the arena's parameters do.
pub fn gradient(
    gpu: &Gpu,
    arena: &Arena,
    gradients: &Buffer,
    part: &FilterPart,
    into: &PartialSums,
    lanes: Range<usize>,
) -> Result<Dispatch> {
    let (first_lane, lanes) = (lanes.start, lanes.len() as u32);
    let immediates = Gather {
        stride: arena.stride as u32,
        lanes,
        replica_stride: into.replica_stride as u32,
        value_stride: into.lanes as u32,
        first_lane: first_lane as u32,
    };
    let buffers = [
        ("begins", &part.begins),
        ("coefficients", &part.coefficients),
        ("members", &part.members),
        ("slopes", gradients),
        ("partial_sums", &into.buffer),
    ];
    let kernel = Kernel::new("filters", "filters_gradient").for_class(gpu.class());
    let count = part.begins.len() - 1;
    let grid = Grid(lanes, count as u32, into.replicas as u32);
    let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
    let values = into.replicas * arena.stride;
    Ok(dispatch.with_traffic(arena.stride + 2 * values, 2 * values))
}
