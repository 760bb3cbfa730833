//! Every kernel with its variants in the languages that back ends hand to a compiler, as wgpu writes them. A test writes
//! them into `target/tmp/emitted`, and `tools/compilers/check.py` compiles that folder with the compilers themselves.

use crate::hlsl;
use crate::wgsl::{
    FIRST_WITH_SUBGROUPS, SECTIONS, SUBGROUP_FILES, capabilities, every_variant, kernels, spirv, validated,
};
use fedfunnel::gpu::{Kernel, SHADERS};
use naga::ShaderStage;
use naga::back::pipeline_constants::process_overrides;
use naga::valid::Capabilities;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// The version of SPIR-V that wgpu writes where the driver has Vulkan 1.3 or newer.
const NEWEST: (u8, u8) = (1, 6);

/// What a kernel differs in from its file.
fn variant_of(kernel: &Kernel) -> String {
    let lanes = kernel.lanes.map(|lanes| ("LANES", lanes));
    let values = kernel.tiles.iter().copied().chain(lanes).map(|(name, value)| format!("{name}={value}"));
    let parts: Vec<_> = values.chain(kernel.section.map(|(_, from)| from.to_string())).collect();
    parts.join(",")
}

/// A folder of a compiler's files, and the list of them: file, entry point, shader and variant, one to a line.
struct Written<'a> {
    folder: &'a Path,
    list: String,
}

impl<'a> Written<'a> {
    fn new(folder: &'a Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self { folder, list: String::new() }
    }

    fn add(&mut self, kernel: &Kernel, entry: &str, ending: &str, text: &[u8]) {
        let variant = variant_of(kernel);
        let name = match variant.as_str() {
            "" => entry.to_string(),
            variant => format!("{entry}.{}", variant.replace(',', ".")),
        };
        let file = format!("{name}.{ending}");
        let path = self.folder.join(&file);
        assert!(!path.exists(), "{file} is written twice");
        std::fs::write(path, text).unwrap();
        writeln!(self.list, "{file}\t{entry}\t{}\t{variant}", kernel.shader).unwrap();
    }

    fn done(self) -> String {
        std::fs::write(self.folder.join("list.tsv"), &self.list).unwrap();
        self.list
    }
}

/// Writes each kernel for each compiler; the lists of FXC, DXC, SPIR-V and WGSL. FXC has no operations on waves, and is
/// given what adapters without subgroups run. SPIR-V is written without the checks, as users run it, and with them, as
/// tests do.
fn write_all(folder: &Path) -> [String; 4] {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    let folders = ["fxc", "dxc", "spirv", "wgsl"].map(|name| folder.join(name));
    let [mut fxc, mut dxc, mut words, mut wgsl] = folders.each_ref().map(|folder| Written::new(folder));
    for kernel in kernels() {
        let subgroups = SUBGROUP_FILES.contains(&kernel.shader);
        let source = kernel.source().unwrap();
        wgsl.add(&kernel, kernel.entry, "wgsl", source.as_bytes());
        let (module, info) = validated(kernel.shader, &source, capabilities(kernel.shader)).unwrap();
        let stage = Some((ShaderStage::Compute, kernel.entry));
        let (module, info) = process_overrides(&module, &info, stage, &Default::default()).unwrap();
        for (written, model) in [(&mut fxc, hlsl::FXC), (&mut dxc, hlsl::DXC)] {
            if model == hlsl::FXC && subgroups {
                continue;
            }
            let (text, entry) = hlsl::translate(&module, &info, kernel.entry, model, false).unwrap();
            written.add(&kernel, &entry, "hlsl", text.as_bytes());
        }
        let emit = |version, checked| spirv(&module, &info, kernel.entry, version, [checked, subgroups]);
        for (ending, version, checked) in [
            ("oldest.spv", FIRST_WITH_SUBGROUPS, false),
            ("newest.spv", NEWEST, false),
            ("checked.spv", NEWEST, true),
        ] {
            words.add(&kernel, kernel.entry, ending, bytemuck::cast_slice(&emit(version, checked).unwrap()));
        }
    }
    [fxc, dxc, words, wgsl].map(Written::done)
}

/// The fields of a list's lines.
fn fields(list: &str) -> Vec<[&str; 4]> {
    list.lines().map(|line| line.split('\t').collect::<Vec<_>>().try_into().unwrap()).collect()
}

/// Each file with its entry points and each variant is in a list so many times.
fn assert_whole(list: &str, without: &[&str], times: usize) {
    let lines = fields(list);
    let shaders: BTreeSet<_> = lines.iter().map(|line| line[2]).collect();
    let expected: BTreeSet<_> =
        SHADERS.iter().map(|(name, _)| *name).filter(|name| !without.contains(name)).collect();
    assert_eq!(shaders, expected);
    let written: BTreeSet<_> = lines.iter().map(|line| line[1].to_string()).collect();
    for (shader, source) in SHADERS.iter().filter(|(shader, _)| expected.contains(shader)) {
        let (module, _) = validated(shader, source, capabilities(shader)).unwrap();
        for point in &module.entry_points {
            assert!(written.contains(&point.name), "shaders/{shader}.wgsl, {}", point.name);
        }
    }
    for variant in every_variant().filter(|kernel| expected.contains(kernel.shader)) {
        let name = variant_of(&variant);
        let found = lines.iter().filter(|line| line[1] == variant.entry && line[3] == name);
        assert_eq!(found.count(), times, "{} {name}", variant.entry);
    }
}

#[test]
fn every_kernel_is_written_for_the_compilers_of_the_back_ends() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emitted");
    let [fxc, dxc, words, wgsl] = write_all(&folder);
    assert_whole(&fxc, &[SECTIONS, SUBGROUP_FILES].concat(), 1);
    assert_whole(&dxc, SECTIONS, 1);
    assert_whole(&words, SECTIONS, 3);
    assert_whole(&wgsl, SECTIONS, 1);
    for (language, list) in [("fxc", &fxc), ("dxc", &dxc)] {
        for [file, entry, shader, _] in fields(list) {
            let text = std::fs::read_to_string(folder.join(language).join(file)).unwrap();
            assert!(text.contains(&format!("void {entry}(")), "{file}");
            // One line for each entry point of the file.
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
    }
    for [file, ..] in fields(&words) {
        let bytes = std::fs::read(folder.join("spirv").join(file)).unwrap();
        let version = if file.ends_with("oldest.spv") { FIRST_WITH_SUBGROUPS } else { NEWEST };
        assert_eq!(bytes[4..8], [0, version.1, version.0, 0], "{file}");
    }
    for [file, ..] in fields(&wgsl) {
        let source = std::fs::read_to_string(folder.join("wgsl").join(file)).unwrap();
        validated(file, &source, Capabilities::IMMEDIATES | Capabilities::SUBGROUP).unwrap();
    }
}

/// What a compiler refuses, is slow at or never ends is a FAIL with its message and exit code 1.
#[test]
#[ignore = "needs python3; tools/compilers/check.py --self-test does the same with the compilers themselves"]
fn mistakes_come_out_as_such_in_the_table_of_the_tool() {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/compilers/check.py");
    let run = std::process::Command::new("python3").arg(tool).args(["--self-test", "--table-only"]).output();
    let run = run.expect("python3 runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(String::from_utf8_lossy(&run.stdout).ends_with("mistakes come out as such\n"));
}
