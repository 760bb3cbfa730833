//! A dispatch: a kernel with all that it needs, made once and recorded any number of times.

use super::buffer::Memory;
use super::reflection::Compiled;
use std::sync::Arc;

/// How many invocations a kernel wants in each direction; rounded up to whole workgroups.
#[derive(Clone, Copy, Debug)]
pub struct Grid(pub u32, pub u32, pub u32);

/// The cost of a dispatch, counted from shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes that have to be read from memory and written to it, each value once.
    pub bytes: u64,
    /// Multiplications and additions of the products; work that each value takes once is left out.
    pub operations: u64,
}

/// What a dispatch runs, without the buffers that it binds: what a trace keeps of it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub compiled: Arc<Compiled>,
    pub immediates: Arc<[u8]>,
    pub groups: [u32; 3],
    pub cost: Cost,
}

/// A kernel with its buffers, its immediates and its size, ready to be recorded any number of times.
#[derive(Clone, Debug)]
pub struct Dispatch {
    pub(super) call: Call,
    bind_group: wgpu::BindGroup,
    /// The memory that the group binds.
    _bound: Arc<[Arc<Memory>]>,
    /// Byte of the immediates that holds the number of the step.
    step_offset: Option<u32>,
}

impl Dispatch {
    pub(super) fn new(call: Call, bind_group: wgpu::BindGroup, bound: Vec<Arc<Memory>>) -> Self {
        let mut fields = call.compiled.reflected.fields.iter();
        let step_offset = fields.find(|(name, ..)| name == "step").map(|(_, offset, _)| *offset);
        Self { call, bind_group, _bound: bound.into(), step_offset }
    }

    /// Notes what it costs: `values` of four bytes read or written, and operations of the products.
    pub(crate) fn with_traffic(self, values: usize, operations: usize) -> Self {
        self.with_cost(Cost { bytes: 4 * values as u64, operations: operations as u64 })
    }

    /// The same with its cost.
    pub(crate) fn with_cost(mut self, cost: Cost) -> Self {
        self.call.cost = cost;
        self
    }

    /// Its cost, counted from shapes; zeros where it is not counted.
    pub fn cost(&self) -> Cost {
        self.call.cost
    }

    /// How many invocations run.
    pub(super) fn invocations(&self) -> u64 {
        let Call { compiled, groups, .. } = &self.call;
        groups.iter().chain(&compiled.reflected.workgroup).map(|&number| u64::from(number)).product()
    }

    /// The kernel's entry point.
    pub fn name(&self) -> &'static str {
        self.call.compiled.kernel.entry
    }

    /// Appends it to a pass; `step` goes into its immediates where they have a field of that name.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, step: u32) {
        let Call { compiled, immediates, groups: [x, y, z], .. } = &self.call;
        pass.set_pipeline(&compiled.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        if !immediates.is_empty() {
            pass.set_immediates(0, immediates);
            if let Some(offset) = self.step_offset {
                pass.set_immediates(offset, bytemuck::bytes_of(&step));
            }
        }
        pass.dispatch_workgroups(*x, *y, *z);
    }
}
