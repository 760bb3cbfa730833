//! Kernels: WGSL files embedded in the binary, reflected with naga, compiled once per device.
//!
//! Host code names a file, an entry point and its variant in one line ([`Kernel::new`]). What the
//! entry point binds, its workgroup size and the layout of its immediates are read from the WGSL
//! itself, so a mismatch with the host is an error that names both sides.

use super::{DeviceClass, Trace, shared_sections};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The WGSL files, by name; each is valid WGSL as it stands.
pub const SHADERS: &[(&str, &str)] = &[
    ("augment", include_str!("../../shaders/augment.wgsl")),
    ("conv", include_str!("../../shaders/conv.wgsl")),
    ("conv3x3", include_str!("../../shaders/conv3x3.wgsl")),
    ("conv3x3_tiles", include_str!("../../shaders/conv3x3_tiles.wgsl")),
    ("dense", include_str!("../../shaders/dense.wgsl")),
    ("dense_lanes", include_str!("../../shaders/dense_lanes.wgsl")),
    ("dense_update", include_str!("../../shaders/dense_update.wgsl")),
    ("dense_update_lanes", include_str!("../../shaders/dense_update_lanes.wgsl")),
    ("elementwise", include_str!("../../shaders/elementwise.wgsl")),
    ("gather", include_str!("../../shaders/gather.wgsl")),
    ("gram", include_str!("../../shaders/gram.wgsl")),
    ("loss", include_str!("../../shaders/loss.wgsl")),
    ("mlp", include_str!("../../shaders/mlp.wgsl")),
    ("moments_bf16", include_str!("../../shaders/moments_bf16.wgsl")),
    ("optimizer", include_str!("../../shaders/optimizer.wgsl")),
    ("peaks", include_str!("../../shaders/peaks.wgsl")),
    ("pool", include_str!("../../shaders/pool.wgsl")),
    ("random", include_str!("../../shaders/random.wgsl")),
    ("reduce", include_str!("../../shaders/reduce.wgsl")),
    ("standardize", include_str!("../../shaders/standardize.wgsl")),
];

/// Names and values of a file's tile sizes.
type Tiles = &'static [(&'static str, u32)];

/// What stands in a file whose workgroups may be wider.
pub const LANES_LINE: &str = "const LANES: u32 = 8u;";

/// Lanes of such a workgroup on a GPU: a subgroup of most of them.
const GPU_LANES: u32 = 32;

/// Whether workgroup memory is zeroed before a kernel runs. Every kernel writes what it reads; and the code that
/// zeroes it takes FXC, the compiler of DX12 on a plain Windows, up to a minute for one kernel.
pub const ZEROED_WORKGROUP_MEMORY: bool = false;

/// One variant of one entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// File name in `shaders/`, without `.wgsl`.
    pub shader: &'static str,
    /// Entry point.
    pub entry: &'static str,
    /// Values for the file's `const NAME: u32 = ...;` lines: register tile sizes, which WGSL's
    /// `override` cannot set because arrays in registers need a constant length.
    pub tiles: Tiles,
    /// Lanes of a workgroup, where its file leaves that to the adapter; see [`Kernel::for_class`].
    pub lanes: Option<u32>,
    /// A section of the file, and the section that stands in its place, which is found in the file of its name: for
    /// buffers of another type.
    pub section: Option<(&'static str, &'static str)>,
}

impl Kernel {
    /// The variant that stands in the file.
    pub const fn new(shader: &'static str, entry: &'static str) -> Self {
        Self { shader, entry, tiles: &[], lanes: None, section: None }
    }

    /// The variant with other register tiles.
    pub const fn tiled(self, tiles: Tiles) -> Self {
        Self { tiles, ..self }
    }

    /// The variant in which section `replacement`, of the file of that name, stands in the place of section `name`.
    pub const fn with_section(self, name: &'static str, replacement: &'static str) -> Self {
        Self { section: Some((name, replacement)), ..self }
    }

    /// The variant with workgroups as wide as the device wants them, for files whose lanes do not talk to each
    /// other: those that have a line [`LANES_LINE`]. A processor's subgroup has eight lanes, and few workgroups of
    /// more leave some of its cores without work; a GPU's has 32 or 64, and would leave most of them empty.
    pub fn for_class(self, class: DeviceClass) -> Self {
        let leaves_it =
            || SHADERS.iter().any(|(name, text)| *name == self.shader && text.contains(LANES_LINE));
        Self { lanes: (!class.is_cpu() && leaves_it()).then_some(GPU_LANES), ..self }
    }

    /// The WGSL of this variant.
    pub fn source(&self) -> Result<String> {
        let lanes = self.lanes.map(|lanes| ("LANES", lanes));
        let tiles: Vec<_> = self.tiles.iter().copied().chain(lanes).collect();
        let source = shader_source(self.shader, &tiles)?;
        let Some((name, replacement)) = self.section else { return Ok(source) };
        let find = |shader: &str, text: &str, name: &str| {
            let sections = shared_sections(text).unwrap_or_default();
            sections.into_iter().find(|section| section.name == name).map(|section| section.place).ok_or_else(
                || {
                    let problem = format!("shaders/{shader}.wgsl has no section {name:?}");
                    Error::fault(problem)
                },
            )
        };
        let other = shader_source(replacement, &[])?;
        let (place, text) =
            (find(self.shader, &source, name)?, &other[find(replacement, &other, replacement)?]);
        Ok([&source[..place.start], text, &source[place.end..]].concat())
    }
}

/// The WGSL of a file with the values of its `const` tile sizes replaced.
pub fn shader_source(shader: &str, tiles: &[(&str, u32)]) -> Result<String> {
    let wrong = |problem: String| Error::fault(problem);
    let (_, text) = SHADERS
        .iter()
        .find(|(name, _)| *name == shader)
        .ok_or_else(|| wrong(format!("there is no shaders/{shader}.wgsl")))?;
    let mut source = text.to_string();
    for (name, value) in tiles {
        let head = format!("const {name}: u32 = ");
        let start =
            source.find(&head).ok_or_else(|| wrong(format!("shaders/{shader}.wgsl has no line {head:?}")))?
                + head.len();
        let end = start + source[start..].find(';').unwrap_or(0);
        source.replace_range(start..end, &format!("{value}u"));
    }
    Ok(source)
}

/// How many invocations a kernel wants in each direction; rounded up to whole workgroups.
#[derive(Clone, Copy, Debug)]
pub struct Grid(pub u32, pub u32, pub u32);

/// The type of a field of a kernel's immediates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// `u32`
    U32,
    /// `f32`
    F32,
}

/// One field of a kernel's immediates, as the host lays it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in Rust and in WGSL.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: u32,
    /// Its type.
    pub kind: FieldKind,
}

/// A struct of per-dispatch values, laid out as the WGSL `var<immediate>` struct of the same fields.
/// A field called `step` is filled in by the recorder.
pub trait Immediates: bytemuck::Pod {
    /// The struct's name, for error messages.
    const NAME: &'static str;
    /// Its fields in order.
    const FIELDS: &'static [Field];
}

/// For kernels without immediates.
pub type NoImmediates = ();
/// The value of [`NoImmediates`].
pub const NO_IMMEDIATES: NoImmediates = ();

impl Immediates for () {
    const NAME: &'static str = "()";
    const FIELDS: &'static [Field] = &[];
}

/// What the type of an immediate's field is called in WGSL.
pub(crate) trait ImmediateField {
    const KIND: FieldKind;
}
impl ImmediateField for u32 {
    const KIND: FieldKind = FieldKind::U32;
}
impl ImmediateField for f32 {
    const KIND: FieldKind = FieldKind::F32;
}

/// Declares a struct of immediates with the description that reflection compares to the WGSL.
macro_rules! immediates {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(#[$field_meta])* pub $field: $kind,)* }

        impl $crate::gpu::Immediates for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [$crate::gpu::Field] = &[$($crate::gpu::Field {
                name: stringify!($field),
                offset: std::mem::offset_of!($name, $field) as u32,
                kind: <$kind as $crate::gpu::ImmediateField>::KIND,
            },)*];
        }
    };
}
pub(crate) use immediates;

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

/// What an entry point asks of the host.
#[derive(Clone, Debug)]
pub(super) struct Reflected {
    pub bindings: Vec<Binding>,
    pub workgroup: [u32; 3],
    pub fields: Vec<(String, u32, Option<FieldKind>)>,
    pub immediate_bytes: u32,
}

impl Reflected {
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
    let mut reflected = Reflected {
        bindings: Vec::new(),
        workgroup: module.entry_points[index].workgroup_size,
        fields: Vec::new(),
        immediate_bytes: 0,
    };
    for (handle, variable) in module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty()) {
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
            naga::AddressSpace::WorkGroup | naga::AddressSpace::Private => {}
            ref other => return Err(wrong(format!("address space {other:?} is not used here"))),
        }
        let _ = handle;
    }
    reflected.bindings.sort_by_key(|binding| binding.index);
    Ok(reflected)
}

/// The kernels that a device has compiled so far.
#[derive(Debug, Default)]
pub(super) struct Registry {
    compiled: Mutex<HashMap<Kernel, Arc<Compiled>>>,
    /// By their kernels, the entry point left empty.
    modules: Mutex<HashMap<Kernel, wgpu::ShaderModule>>,
}

impl Registry {
    /// The compiled kernel, compiling it where this is its first use.
    pub fn get(
        &self,
        device: &wgpu::Device,
        kernel: &Kernel,
        checked: bool,
        trace: Option<&Arc<Trace>>,
    ) -> Result<Arc<Compiled>> {
        // A poisoned lock means that another thread panicked; the map itself is whole.
        let mut compiled = self.compiled.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(found) = compiled.get(kernel) {
            return Ok(found.clone());
        }
        let span = |what: &str| trace.map(|trace| trace.span(format!("{what} {}", kernel.entry)));
        let _making = span("make");
        let reflecting = span("reflect");
        let source = kernel.source()?;
        let reflected = reflect(kernel, &source)?;
        drop(reflecting);
        let translating = span("translate");
        let module = self
            .modules
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .entry(Kernel { entry: "", ..*kernel })
            .or_insert_with(|| create_module(device, kernel.shader, &source, checked))
            .clone();
        drop(translating);
        let _compiling = span("compile");
        let entries: Vec<_> = reflected
            .bindings
            .iter()
            .map(|binding| wgpu::BindGroupLayoutEntry {
                binding: binding.index,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: binding.read_only },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel.entry),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.entry),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: reflected.immediate_bytes,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.entry),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: ZEROED_WORKGROUP_MEMORY,
            },
            cache: None,
        });
        let built = Arc::new(Compiled { kernel: *kernel, pipeline, layout, reflected });
        compiled.insert(*kernel, built.clone());
        Ok(built)
    }
}

fn create_module(device: &wgpu::Device, name: &str, source: &str, checked: bool) -> wgpu::ShaderModule {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(source.into()) };
    if checked {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the kernels index only within the shapes that the host passes and end every loop at a
    // bound that the host passes; the tests run each of them with the checks on.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}
