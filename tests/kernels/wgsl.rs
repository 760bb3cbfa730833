//! The WGSL itself: every file and every tiled variant is valid with the capabilities that the device is
//! opened with, and every entry point is emitted for Vulkan, Metal and DirectX, so that an error of
//! Metal's or DirectX's back end shows on a machine that has neither.

use crate::hlsl;
use fedfunnel::gpu::{DeviceClass, Kernel, LANES_LINE, SHADERS, needs, shader_source};
use fedfunnel::ops::conv::{conv3x3, conv3x3_tiles};
use fedfunnel::ops::dense::variants;
use fedfunnel::ops::{directions, masks, mlp};
use naga::back::{msl, pipeline_constants::process_overrides, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, GlobalVariable, Module, ResourceBinding, ShaderStage};
use std::collections::BTreeSet;

/// The only files whose lanes read each other's values; they run where the adapter can do that.
pub const SUBGROUP_FILES: &[&str] = &["conv3x3", "dense_lanes", "dense_update_lanes", "mlp", "mlp_probe"];

/// Files that hold a section for others, and no kernel of their own.
pub const SECTIONS: &[&str] = &["moments_bf16"];

/// What a file may ask of a device.
pub fn capabilities(shader: &str) -> Capabilities {
    if SUBGROUP_FILES.contains(&shader) {
        Capabilities::IMMEDIATES | Capabilities::SUBGROUP
    } else {
        Capabilities::IMMEDIATES
    }
}

/// What is asked of every adapter.
const NEEDED: [u32; 4] =
    [needs::INVOCATIONS, needs::STORAGE_BUFFERS, needs::WORKGROUP_BYTES, needs::IMMEDIATE_BYTES];

/// Every variant that hosts declare.
pub fn every_variant() -> impl Iterator<Item = Kernel> {
    let dense = variants::ALL.iter().map(|variant| variant.kernel);
    let carry = variants::all_carry().map(|variant| variant.kernel);
    let residual = variants::all_residual().map(|variant| variant.kernel);
    let others = mlp::UPDATES.into_iter().chain(conv3x3_tiles::ALL).chain(masks::STEPS.into_iter().flatten());
    let others = others.chain(directions::VARIANTS).chain(mlp::WALKS).chain(conv3x3::ALL);
    dense.chain(carry).chain(residual).chain(variants::all_bf16()).chain(others)
}

/// Every kernel, for GPUs and for processors: of each entry point its variants, or where it has none, what stands in the
/// file.
pub fn kernels() -> Vec<Kernel> {
    let mut all: Vec<Kernel> = Vec::new();
    for (shader, source) in SHADERS.iter().filter(|(shader, _)| !SECTIONS.contains(shader)) {
        let (module, _) = validated(shader, source, capabilities(shader)).unwrap();
        for point in &module.entry_points {
            let before = all.len();
            all.extend(
                every_variant().filter(|kernel| (kernel.shader, kernel.entry) == (shader, &point.name)),
            );
            if all.len() == before {
                // The name lives as long as the program.
                all.push(Kernel::new(shader, String::leak(point.name.clone())));
            }
        }
    }
    let wide =
        all.iter().map(|kernel| kernel.for_class(DeviceClass::Gpu)).filter(|kernel| kernel.lanes.is_some());
    let wide: Vec<_> = wide.collect();
    all.into_iter().chain(wide).collect()
}

/// Parses and validates, with the source's name in the error.
pub fn validated(
    name: &str,
    source: &str,
    capabilities: Capabilities,
) -> Result<(Module, ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(source)
        .map_err(|error| format!("{name}: {}", error.emit_to_string_with_path(source, name)))?;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|error| format!("{name}: {}", error.emit_to_string_with_path(source, name)))?;
    Ok((module, info))
}

/// What an entry point asks of a device, as `needs` has it: lanes of a workgroup, storage buffers, bytes of workgroup
/// memory and of immediates.
pub fn asked_for(module: &Module, info: &ModuleInfo, entry: &str) -> Result<[u32; 4], String> {
    let place = module.entry_points.iter().position(|point| point.name == entry).ok_or("no entry point")?;
    let used = info.get_entry_point(place);
    let variables = || module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty());
    let lanes: u32 = module.entry_points[place].workgroup_size.iter().product();
    let buffers = variables().filter(|(_, v)| matches!(v.space, AddressSpace::Storage { .. })).count();
    let shared = variables().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
    let bytes = |variable: &GlobalVariable| module.types[variable.ty].inner.size(module.to_ctx());
    let immediates = variables().filter(|(_, v)| v.space == AddressSpace::Immediate);
    Ok([lanes, buffers as u32, shared.map(|(_, v)| bytes(v)).sum(), immediates.map(|(_, v)| bytes(v)).sum()])
}

/// Whether an entry point keeps to what is asked of every adapter.
fn within_limits(module: &Module, info: &ModuleInfo, entry: &str) -> Result<(), String> {
    let asked = asked_for(module, info, entry)?;
    if asked.iter().zip(NEEDED).all(|(asked, most)| *asked <= most) {
        return Ok(());
    }
    let [lanes, buffers, shared, immediates] = asked;
    Err(format!(
        "{lanes} lanes, {buffers} storage buffers, {shared} bytes of workgroup memory, {immediates} of immediates"
    ))
}

/// The version of SPIR-V that is the first with subgroup operations.
pub const FIRST_WITH_SUBGROUPS: (u8, u8) = (1, 3);

/// Emits one entry point for every back end, with the options that wgpu gives them, checked and unchecked.
/// Nothing is left to made-up bindings: each is mapped, as wgpu maps it.
fn emit(module: &Module, info: &ModuleInfo, entry: &str, capabilities: Capabilities) -> Result<(), String> {
    let subgroups = capabilities.contains(Capabilities::SUBGROUP);
    let (module, info) =
        process_overrides(module, info, Some((ShaderStage::Compute, entry)), &Default::default())
            .map_err(|error| error.to_string())?;
    within_limits(&module, &info, entry)?;
    let model = if subgroups { hlsl::DXC } else { hlsl::FXC };
    for policy in [BoundsCheckPolicy::Restrict, BoundsCheckPolicy::Unchecked] {
        let checked = policy == BoundsCheckPolicy::Restrict;
        let policies = BoundsCheckPolicies { index: policy, buffer: policy, ..Default::default() };
        spirv(&module, &info, entry, FIRST_WITH_SUBGROUPS, [checked, subgroups])
            .map_err(|e| format!("SPIR-V: {e}"))?;
        emit_metal(&module, &info, entry, policies, checked).map_err(|e| format!("Metal: {e}"))?;
        let (source, name) =
            hlsl::translate(&module, &info, entry, model, checked).map_err(|e| format!("HLSL: {e}"))?;
        entry_named(&source, &[Ok::<_, String>(name)]).map_err(|e| format!("HLSL: {e}"))?;
    }
    Ok(())
}

fn bindings(module: &Module) -> impl Iterator<Item = (ResourceBinding, bool)> {
    module.global_variables.iter().filter_map(|(_, variable)| {
        let writable = matches!(variable.space, AddressSpace::Storage { access }
            if access.contains(naga::StorageAccess::STORE));
        Some((variable.binding?, writable))
    })
}

/// The SPIR-V of one entry point, in a version of the language.
pub fn spirv(
    module: &Module,
    info: &ModuleInfo,
    entry: &str,
    lang_version: (u8, u8),
    [checked, subgroups]: [bool; 2],
) -> Result<Vec<u32>, String> {
    use spv::Capability as Needs;
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let mut capabilities = vec![Needs::Shader];
    if subgroups {
        // Those of what wgpu grants that sums, shuffles and broadcasts need.
        capabilities.extend([
            Needs::GroupNonUniform,
            Needs::GroupNonUniformArithmetic,
            Needs::GroupNonUniformBallot,
            Needs::GroupNonUniformShuffle,
            Needs::GroupNonUniformShuffleRelative,
        ]);
    }
    let mut options = spv::Options {
        lang_version,
        capabilities: Some(capabilities.into_iter().collect()),
        fake_missing_bindings: false,
        bounds_check_policies: BoundsCheckPolicies { index: policy, buffer: policy, ..Default::default() },
        force_loop_bounding: checked,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    for (binding, _) in bindings(module) {
        let target = spv::BindingInfo {
            descriptor_set: binding.group,
            binding: binding.binding,
            binding_array_size: None,
        };
        options.binding_map.insert(binding, target);
    }
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: entry.into() };
    let words = spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|error| error.to_string())?;
    if words.first() != Some(&0x0723_0203) { Err("no SPIR-V came out".into()) } else { Ok(words) }
}

fn emit_metal(
    module: &Module,
    info: &ModuleInfo,
    entry: &str,
    bounds_check_policies: BoundsCheckPolicies,
    checked: bool,
) -> Result<(), String> {
    let mut resources = msl::EntryPointResources::default();
    let mut slot = 0;
    let mut next = || {
        slot += 1;
        Some(slot - 1)
    };
    for (binding, mutable) in bindings(module) {
        resources
            .resources
            .insert(binding, msl::BindTarget { buffer: next(), mutable, ..Default::default() });
    }
    resources.immediates_buffer = next();
    resources.sizes_buffer = next();
    let options = msl::Options {
        lang_version: (2, 1),
        fake_missing_bindings: false,
        per_entry_point_map: [(entry.to_string(), resources)].into(),
        bounds_check_policies,
        force_loop_bounding: checked,
        ..Default::default()
    };
    let pipeline = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, entry.into())),
        vertex_pulling_transform: true,
        ..Default::default()
    };
    let (source, translated) =
        msl::write_string(module, info, &options, &pipeline).map_err(|error| error.to_string())?;
    entry_named(&source, &translated.entry_point_names)
}

/// Back ends report a failed entry point in its name, not as a failure of the whole.
fn entry_named<E: ToString>(source: &str, names: &[Result<String, E>]) -> Result<(), String> {
    match names {
        [Ok(name)] if source.contains(name.as_str()) => Ok(()),
        [Ok(name)] => Err(format!("{name} is not in the source")),
        [Err(error)] => Err(error.to_string()),
        _ => Err(format!("{} entry points instead of one", names.len())),
    }
}

/// Emits each entry point of a source; the errors, each with the source's name.
fn faults(name: &str, source: &str, capabilities: Capabilities) -> Vec<String> {
    let (module, info) = match validated(name, source, capabilities) {
        Ok(valid) => valid,
        Err(error) => return vec![error],
    };
    if module.entry_points.is_empty() {
        return vec![format!("{name}: no entry point")];
    }
    let emitted = module.entry_points.iter().map(|entry| {
        emit(&module, &info, &entry.name, capabilities)
            .map_err(|error| format!("{name}, {}: {error}", entry.name))
    });
    emitted.filter_map(Result::err).collect()
}

#[test]
fn the_folder_holds_what_the_binary_embeds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "wgsl", "{}", path.display());
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let (_, embedded) = SHADERS
            .iter()
            .find(|(shader, _)| *shader == name)
            .unwrap_or_else(|| panic!("shaders/{name}.wgsl is not in gpu::SHADERS"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), **embedded, "{name}");
        files.insert(name);
    }
    assert_eq!(files, SHADERS.iter().map(|(name, _)| name.to_string()).collect());
}

#[test]
fn every_file_is_valid_and_is_emitted_for_every_back_end() {
    let file = |name: &str, source: &str| faults(&format!("shaders/{name}.wgsl"), source, capabilities(name));
    let mut all = Vec::new();
    for (name, source) in SHADERS {
        all.extend(file(name, source));
        // As wide as GPUs take it, where that makes a difference.
        let kernel = Kernel::new(name, "").for_class(DeviceClass::Gpu);
        assert_eq!(kernel.lanes.is_some(), source.contains(LANES_LINE), "{name}");
        if kernel.lanes.is_some() {
            let wide = kernel.source().unwrap();
            assert!(!wide.contains(LANES_LINE) && wide != *source, "{name}");
            all.extend(file(name, &wide));
        }
    }
    let expected: Vec<_> =
        SECTIONS.iter().map(|name| format!("shaders/{name}.wgsl: no entry point")).collect();
    assert_eq!(all, expected, "{}", all.join("\n"));
}

#[test]
fn every_variant_is_valid_and_is_emitted_for_every_back_end() {
    let bf16: Vec<_> = variants::all_bf16().collect();
    assert!(bf16.iter().all(|kernel| kernel.source().unwrap().contains("array<vec2<u32>>")));
    for kernel in every_variant() {
        let name = format!("shaders/{}.wgsl {:?}", kernel.shader, kernel.tiles);
        let source = kernel.source().unwrap();
        for (tile, value) in kernel.tiles {
            assert!(source.contains(&format!("const {tile}: u32 = {value}u;")), "{name}");
        }
        let capabilities = capabilities(kernel.shader);
        let (module, info) =
            validated(&name, &source, capabilities).unwrap_or_else(|error| panic!("{error}"));
        emit(&module, &info, kernel.entry, capabilities)
            .unwrap_or_else(|e| panic!("{name}, {}: {e}", kernel.entry));
    }
}

/// No adapter is passed over for more than a kernel uses. Lanes, buffers and workgroup memory are what WebGPU promises.
#[test]
fn adapters_are_asked_for_as_many_immediates_as_kernels_use() {
    let mut most = [0; 4];
    for (name, source) in SHADERS {
        let (module, info) = validated(name, source, capabilities(name)).unwrap();
        for entry in &module.entry_points {
            let asked = asked_for(&module, &info, &entry.name).unwrap();
            most.iter_mut().zip(asked).for_each(|(most, asked)| *most = asked.max(*most));
        }
    }
    assert_eq!(most[3], needs::IMMEDIATE_BYTES);
    assert_eq!(NEEDED[..3], [256, 8, 16 << 10]);
    assert!(most.iter().zip(NEEDED).all(|(most, needed)| *most <= needed), "{most:?}");
}

#[test]
fn broken_sources_fail_under_their_name() {
    let good = shader_source("standardize", &[]).unwrap();
    assert!(faults("good", &good, Capabilities::IMMEDIATES).is_empty());
    for (mistake, from, to) in [
        ("a syntax error", "struct Standardize {", "struct Standardize"),
        ("a type error", "let scale = scales[", "let scale: u32 = scales["),
        ("a store to what is read only", "var<storage, read_write> results", "var<storage, read> results"),
        ("a capability that the device lacks", "array<f32>", "array<f64>"),
        ("no entry point", "@compute @workgroup_size(64, 1, 1)", ""),
    ] {
        assert!(good.contains(from), "{mistake}");
        let all = faults("broken.wgsl", &good.replace(from, to), Capabilities::IMMEDIATES);
        assert!(!all.is_empty() && all[0].contains("broken.wgsl"), "{mistake}: {all:?}");
    }
}

/// What some adapters do not have is an error here, with what is asked for.
#[test]
fn what_webgpu_does_not_promise_is_refused() {
    let plain = Capabilities::IMMEDIATES;
    let good = shader_source("standardize", &[]).unwrap();
    let lanes = good.replace("@workgroup_size(64, 1, 1)", "@workgroup_size(512, 1, 1)");
    let memory = shader_source("conv3x3_tiles", &[("CHANNELS", 16)]).unwrap();
    for (source, words) in [(lanes, "512 lanes"), (memory, "bytes of workgroup memory")] {
        let all = faults("greedy.wgsl", &source, plain);
        assert!(!all.is_empty() && all[0].contains(words), "{words}: {all:?}");
    }
}

/// A file that asks for subgroups without being listed fails, in the validator and in a back end.
#[test]
fn subgroups_are_asked_for_only_by_the_files_that_are_listed() {
    for (shader, _) in SHADERS {
        let source = shader_source(shader, &[]).unwrap();
        let outcome = validated(shader, &source, Capabilities::IMMEDIATES);
        assert_eq!(outcome.is_err(), SUBGROUP_FILES.contains(shader), "{shader}: {:?}", outcome.err());
        if let Err(error) = outcome {
            assert!(error.contains("SUBGROUP"), "{error}");
            let (module, info) = validated(shader, &source, capabilities(shader)).unwrap();
            let entry = &module.entry_points[0].name;
            let error = emit(&module, &info, entry, Capabilities::IMMEDIATES).unwrap_err();
            assert!(error.starts_with("SPIR-V") && error.contains("GroupNonUniform"), "{error}");
        }
    }
}

#[test]
fn a_tile_size_that_is_not_there_is_an_error_that_names_the_file() {
    let error = shader_source("loss", &[("TILE_ROWS", 2)]).unwrap_err().to_string();
    assert!(error.contains("shaders/loss.wgsl") && error.contains("TILE_ROWS"), "{error}");
    assert!(shader_source("los", &[]).unwrap_err().to_string().contains("shaders/los.wgsl"));
}

/// The back ends' own errors reach the test: an immediates struct without a place to bind it.
#[test]
fn a_back_end_s_error_is_an_error_here() {
    let plain = Capabilities::IMMEDIATES;
    let (module, info) = validated("loss", &shader_source("loss", &[]).unwrap(), plain).unwrap();
    assert!(emit(&module, &info, "no_such_entry", plain).is_err());
    let options = msl::Options { fake_missing_bindings: false, ..Default::default() };
    let pipeline = msl::PipelineOptions::default();
    let (source, translated) = msl::write_string(&module, &info, &options, &pipeline).unwrap();
    assert!(entry_named(&source, &translated.entry_point_names[..1]).is_err());
}
