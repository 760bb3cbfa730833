//! What FXC, the shader compiler of every Windows, is given: wgpu falls back to it where there is no
//! `dxcompiler.dll`. A test writes every kernel that such a machine runs into `target/tmp/hlsl`, as wgpu writes it;
//! `tools/fxc/check.py` compiles that folder with FXC itself.

use crate::wgsl::{SECTIONS, SUBGROUP_FILES, every_variant, validated};
use fedfunnel::gpu::{DeviceClass, Kernel, SHADERS, ZEROED_WORKGROUP_MEMORY};
use naga::back::{hlsl, pipeline_constants::process_overrides};
use naga::valid::{Capabilities, ModuleInfo};
use naga::{AddressSpace, Handle, Module, ShaderStage, Type, TypeInner};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// The HLSL of one entry point and its name there, with the registers that wgpu's DX12 back end deals out to a
/// kernel's immediates, number of workgroups and buffers.
pub fn translate(
    module: &Module,
    info: &ModuleInfo,
    entry: &str,
    [checked, subgroups]: [bool; 2],
) -> Result<(String, String), String> {
    let mut options = hlsl::Options {
        // The first with operations on waves, which FXC does not take; everything else runs with the one before.
        shader_model: if subgroups { hlsl::ShaderModel::V6_0 } else { hlsl::ShaderModel::V5_1 },
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

/// What a kernel differs in from its file.
fn variant_of(kernel: &Kernel) -> String {
    let lanes = kernel.lanes.map(|lanes| ("LANES", lanes));
    let values = kernel.tiles.iter().copied().chain(lanes).map(|(name, value)| format!("{name}={value}"));
    let parts: Vec<_> = values.chain(kernel.section.map(|(_, from)| from.to_string())).collect();
    parts.join(",")
}

/// Every kernel that an adapter without subgroup operations runs, for GPUs and for processors: of each entry point its
/// variants, or where it has none, what stands in the file.
fn kernels() -> Vec<Kernel> {
    let mut all: Vec<Kernel> = Vec::new();
    let others = |shader: &&str| !SECTIONS.contains(shader) && !SUBGROUP_FILES.contains(shader);
    for (shader, source) in SHADERS.iter().filter(|(shader, _)| others(shader)) {
        let (module, _) = validated(shader, source, Capabilities::IMMEDIATES).unwrap();
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

/// Writes each kernel to a file, and a list of them: file, entry point, shader and variant, one to a line.
fn write_all(folder: &Path) -> String {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::create_dir_all(folder).unwrap();
    let mut list = String::new();
    for kernel in kernels() {
        let source = kernel.source().unwrap();
        let (module, info) = validated(kernel.shader, &source, Capabilities::IMMEDIATES).unwrap();
        let stage = Some((ShaderStage::Compute, kernel.entry));
        let (module, info) = process_overrides(&module, &info, stage, &Default::default()).unwrap();
        let (text, entry) = translate(&module, &info, kernel.entry, [false, false]).unwrap();
        let variant = variant_of(&kernel);
        let file = match variant.as_str() {
            "" => format!("{entry}.hlsl"),
            variant => format!("{entry}.{}.hlsl", variant.replace(',', ".")),
        };
        let path = folder.join(&file);
        assert!(!path.exists(), "{file} is written twice");
        std::fs::write(path, text).unwrap();
        writeln!(list, "{file}\t{entry}\t{}\t{variant}", kernel.shader).unwrap();
    }
    std::fs::write(folder.join("list.tsv"), &list).unwrap();
    list
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
    for kernel in kernels() {
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

#[test]
fn every_kernel_of_a_plain_windows_is_written_for_fxc() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hlsl");
    let list = write_all(&folder);
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split('\t').collect()).collect();
    let shaders: BTreeSet<_> = lines.iter().map(|line| line[2]).collect();
    let expected = SHADERS.iter().map(|(name, _)| *name);
    let expected: BTreeSet<_> =
        expected.filter(|name| !SUBGROUP_FILES.contains(name) && !SECTIONS.contains(name)).collect();
    assert_eq!(shaders, expected);
    for line in &lines {
        let [file, entry, shader, _] = line[..] else { panic!("{line:?}") };
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(&format!("void {entry}(")), "{file}");
        // One line for each entry point of each file that is not for subgroups.
        let (_, wgsl) = SHADERS.iter().find(|(name, _)| *name == shader).unwrap();
        assert!(wgsl.contains(&format!("fn {entry}(")), "{file}");
        // Without the checks that tests run with.
        assert!(!text.contains("loop_bound"), "{file}");
        // Without zeroing workgroup memory, at which FXC takes up to a minute.
        for shared in text.lines().filter_map(|line| line.strip_prefix("groupshared ")) {
            let name = shared.split([' ', '[']).nth(1).unwrap();
            assert!(!text.contains(&format!(" {name} = ")), "{file}: {shared}");
        }
    }
    let written: BTreeSet<_> = lines.iter().map(|line| line[1].to_string()).collect();
    for (shader, source) in SHADERS.iter().filter(|(shader, _)| expected.contains(shader)) {
        let (module, _) = validated(shader, source, Capabilities::IMMEDIATES).unwrap();
        for point in &module.entry_points {
            assert!(written.contains(&point.name), "shaders/{shader}.wgsl, {}", point.name);
        }
    }
    for variant in every_variant().filter(|kernel| expected.contains(kernel.shader)) {
        let name = variant_of(&variant);
        let found = lines.iter().filter(|line| line[1] == variant.entry && line[3] == name);
        assert_eq!(found.count(), 1, "{} {name}", variant.entry);
    }
}

/// What FXC refuses, is slow at or never ends is a FAIL with its message and exit code 1.
#[test]
#[ignore = "needs python3; tools/fxc/check.py --self-test does the same with FXC itself"]
fn mistakes_come_out_as_such_in_the_table_of_the_tool() {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/fxc/check.py");
    let run = std::process::Command::new("python3").arg(tool).args(["--self-test", "--table-only"]).output();
    let run = run.expect("python3 runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(String::from_utf8_lossy(&run.stdout).ends_with("mistakes come out as such\n"));
}
