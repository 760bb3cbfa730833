//! The HLSL that DirectX's compilers are given: FXC, the shader compiler of every Windows, which wgpu falls back to where
//! there is no `dxcompiler.dll`, and DXC.

use crate::wgsl::{SUBGROUP_FILES, kernels, validated};
use fedfunnel::gpu::ZEROED_WORKGROUP_MEMORY;
use naga::back::hlsl;
use naga::valid::{Capabilities, ModuleInfo};
use naga::{AddressSpace, Handle, Module, ShaderStage, Type, TypeInner};

/// The shader model of FXC.
pub const FXC: hlsl::ShaderModel = hlsl::ShaderModel::V5_1;

/// The first shader model of DXC, and the first with operations on waves.
pub const DXC: hlsl::ShaderModel = hlsl::ShaderModel::V6_0;

/// The HLSL of one entry point and its name there, with the registers that wgpu's DX12 back end deals out to a
/// kernel's immediates, number of workgroups and buffers.
pub fn translate(
    module: &Module,
    info: &ModuleInfo,
    entry: &str,
    shader_model: hlsl::ShaderModel,
    checked: bool,
) -> Result<(String, String), String> {
    let mut options = hlsl::Options {
        shader_model,
        fake_missing_bindings: false,
        immediates_target: Some(hlsl::BindTarget::default()),
        special_constants_binding: Some(hlsl::BindTarget { space: 1, register: 1, ..Default::default() }),
        zero_initialize_workgroup_memory: ZEROED_WORKGROUP_MEMORY,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..Default::default()
    };
    let place = module.entry_points.iter().position(|point| point.name == entry).ok_or("no entry point")?;
    let used = info.get_entry_point(place);
    let mut bound: Vec<_> = module
        .global_variables
        .iter()
        .filter(|(handle, _)| !used[*handle].is_empty())
        .filter_map(|(_, variable)| Some((variable.binding?, variable.space)))
        .collect();
    bound.sort();
    // Buffers that are read and buffers that are written count apart.
    let mut registers = [0, 0];
    for (binding, space) in bound {
        let writable = matches!(space, AddressSpace::Storage { access }
            if access.contains(naga::StorageAccess::STORE));
        let register = &mut registers[usize::from(writable)];
        let target =
            hlsl::BindTarget { register: *register, restrict_indexing: checked, ..Default::default() };
        options.binding_map.insert(binding, target);
        *register += 1;
    }
    let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, entry.into())) };
    let mut source = String::new();
    let mut translated = hlsl::Writer::new(&mut source, &options, &pipeline)
        .write(module, info, None)
        .map_err(|error| error.to_string())?;
    let name = translated.entry_point_names.pop().ok_or("no entry point came out")?;
    Ok((source, name.map_err(|error| error.to_string())?))
}

/// Whether it is a struct with an array in it.
fn is_struct_of_arrays(module: &Module, ty: Handle<Type>) -> bool {
    let TypeInner::Struct { members, .. } = &module.types[ty].inner else { return false };
    members.iter().any(|member| {
        matches!(module.types[member.ty].inner, TypeInner::Array { .. })
            || is_struct_of_arrays(module, member.ty)
    })
}

/// The variables in registers that are structs with arrays in them, by the function that they stand in. FXC addresses
/// no such array by a computed index: it unrolls every loop around the access, and gives up where a loop's length
/// is unknown (X3511).
fn arrays_in_structs(source: &str) -> Vec<String> {
    let (module, _) = validated("arrays", source, Capabilities::IMMEDIATES).unwrap();
    let entries = module.entry_points.iter().map(|point| (point.name.clone(), &point.function));
    let functions = module.functions.iter().map(|(_, f)| (f.name.clone().unwrap_or_default(), f));
    let locals = entries.chain(functions).flat_map(|(name, function)| {
        function.local_variables.iter().map(move |(_, local)| (name.clone(), local))
    });
    locals.filter(|(_, local)| is_struct_of_arrays(&module, local.ty)).map(|(name, _)| name).collect()
}

#[test]
fn no_array_in_registers_is_a_member_of_a_struct() {
    for kernel in kernels().iter().filter(|kernel| !SUBGROUP_FILES.contains(&kernel.shader)) {
        let found = arrays_in_structs(&kernel.source().unwrap());
        assert!(found.is_empty(), "shaders/{}.wgsl: {found:?}", kernel.shader);
    }
    let mistake = "struct Tile { g: array<vec4<f32>, 4> }
        struct Nested { tile: Tile }
        fn first() { var tile: Tile; tile.g[0] = vec4(1.0); }
        @compute @workgroup_size(1) fn second() { var nested: Nested; nested.tile.g[0] = vec4(1.0); }";
    assert_eq!(arrays_in_structs(mistake), ["second", "first"]);
    let right =
        "@compute @workgroup_size(1) fn first() { var tile: array<vec4<f32>, 4>; tile[0] = vec4(1.0); }";
    assert!(arrays_in_structs(right).is_empty());
}
