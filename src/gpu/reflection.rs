//! What a kernel asks of the host: bindings, workgroup size and the layout of its immediates, read from the WGSL with
//! naga. A mismatch with the host is an error that names both sides.

use super::needs::KernelNeeds;
use super::{FieldKind, Immediates, Kernel};
use crate::{Error, Result};
use naga::Statement;

/// A storage binding of an entry point.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub name: String,
    pub index: u32,
    pub read_only: bool,
}

/// A compiled kernel with what reflection found.
#[derive(Debug)]
pub(super) struct Compiled {
    pub kernel: Kernel,
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    pub reflected: Reflected,
}

/// The bindings, workgroup size and immediates of an entry point.
#[derive(Clone, Debug)]
pub(super) struct Reflected {
    pub bindings: Vec<Binding>,
    pub workgroup: [u32; 3],
    pub fields: Vec<(String, u32, Option<FieldKind>)>,
    pub immediate_bytes: u32,
    /// Bytes of the workgroup memory that it uses.
    pub workgroup_bytes: u32,
    /// Whether its lanes read each other's values.
    pub reads_lanes: bool,
}

impl Reflected {
    /// What it asks of an adapter.
    pub fn needs(&self) -> KernelNeeds {
        let invocations = self.workgroup.iter().product();
        KernelNeeds {
            storage_buffers: self.bindings.len() as u32,
            invocations,
            workgroup_bytes: self.workgroup_bytes,
            immediate_bytes: self.immediate_bytes,
            subgroup_lanes: if self.reads_lanes { invocations } else { 0 },
        }
    }

    /// Holds the host's struct against the WGSL's.
    pub fn check<I: Immediates>(&self, kernel: &Kernel) -> Result<()> {
        let host: Vec<_> = I::FIELDS.iter().map(|f| (f.name.to_string(), f.offset, Some(f.kind))).collect();
        if host == self.fields {
            return Ok(());
        }
        Err(Error::fault(format!(
            "immediates differ: shaders/{}.wgsl has {:?} for {}, the host's struct {} has {:?}",
            kernel.shader,
            self.fields,
            kernel.entry,
            I::NAME,
            host
        )))
    }
}

/// Reads bindings, workgroup size and immediates of an entry point from its WGSL.
pub(super) fn reflect(kernel: &Kernel, source: &str) -> Result<Reflected> {
    let wrong = |problem: String| {
        Error::fault(format!("shaders/{}.wgsl, {}: {problem}", kernel.shader, kernel.entry))
    };
    let module = naga::front::wgsl::parse_str(source).map_err(|e| wrong(e.emit_to_string(source)))?;
    let info = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::IMMEDIATES | naga::valid::Capabilities::SUBGROUP,
    )
    .validate(&module)
    .map_err(|e| wrong(e.emit_to_string(source)))?;
    let index = module
        .entry_points
        .iter()
        .position(|e| e.name == kernel.entry)
        .ok_or_else(|| wrong("no such entry point".into()))?;
    let used = info.get_entry_point(index);
    let point = &module.entry_points[index];
    let mut reflected = Reflected {
        bindings: Vec::new(),
        workgroup: point.workgroup_size,
        fields: Vec::new(),
        immediate_bytes: 0,
        workgroup_bytes: 0,
        reads_lanes: reads_lanes(&module, &point.function.body),
    };
    for (_, variable) in module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty()) {
        match variable.space {
            naga::AddressSpace::Storage { access } => {
                let binding =
                    variable.binding.as_ref().ok_or_else(|| wrong("storage without a binding".into()))?;
                reflected.bindings.push(Binding {
                    name: variable.name.clone().unwrap_or_default(),
                    index: binding.binding,
                    read_only: !access.contains(naga::StorageAccess::STORE),
                });
            }
            naga::AddressSpace::Immediate => {
                let naga::TypeInner::Struct { members, span } = &module.types[variable.ty].inner else {
                    return Err(wrong("immediates must be a struct".into()));
                };
                reflected.immediate_bytes = *span;
                reflected.fields = members
                    .iter()
                    .map(|member| {
                        let kind = match module.types[member.ty].inner {
                            naga::TypeInner::Scalar(naga::Scalar::U32) => Some(FieldKind::U32),
                            naga::TypeInner::Scalar(naga::Scalar::F32) => Some(FieldKind::F32),
                            _ => None,
                        };
                        (member.name.clone().unwrap_or_default(), member.offset, kind)
                    })
                    .collect();
            }
            naga::AddressSpace::WorkGroup => {
                reflected.workgroup_bytes += module.types[variable.ty].inner.size(module.to_ctx());
            }
            naga::AddressSpace::Private => {}
            ref other => return Err(wrong(format!("address space {other:?} is not used here"))),
        }
    }
    reflected.bindings.sort_by_key(|binding| binding.index);
    Ok(reflected)
}

/// Whether lanes read each other's values in a block, or in a function that it calls.
fn reads_lanes(module: &naga::Module, block: &naga::Block) -> bool {
    let within = |block| reads_lanes(module, block);
    block.iter().any(|statement| match statement {
        Statement::SubgroupBallot { .. }
        | Statement::SubgroupGather { .. }
        | Statement::SubgroupCollectiveOperation { .. } => true,
        Statement::Block(block) => within(block),
        Statement::If { accept, reject, .. } => within(accept) || within(reject),
        Statement::Switch { cases, .. } => cases.iter().any(|case| within(&case.body)),
        Statement::Loop { body, continuing, .. } => within(body) || within(continuing),
        Statement::Call { function, .. } => within(&module.functions[*function].body),
        _ => false,
    })
}
