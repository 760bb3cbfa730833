//! Kernels: WGSL files embedded in the binary. Host code names a file, an entry point and its variant in one line
//! ([`Kernel::new`]).

use super::{DeviceClass, shared_sections};
use crate::{Error, Result};

/// The WGSL files, by name; each is valid WGSL as it stands.
pub const SHADERS: &[(&str, &str)] = &[
    ("augment", include_str!("../../shaders/augment.wgsl")),
    ("clusters", include_str!("../../shaders/clusters.wgsl")),
    ("code", include_str!("../../shaders/code.wgsl")),
    ("conv", include_str!("../../shaders/conv.wgsl")),
    ("conv3x3", include_str!("../../shaders/conv3x3.wgsl")),
    ("conv3x3_tiles", include_str!("../../shaders/conv3x3_tiles.wgsl")),
    ("dense", include_str!("../../shaders/dense.wgsl")),
    ("dense_lanes", include_str!("../../shaders/dense_lanes.wgsl")),
    ("dense_update", include_str!("../../shaders/dense_update.wgsl")),
    ("dense_update_lanes", include_str!("../../shaders/dense_update_lanes.wgsl")),
    ("directions", include_str!("../../shaders/directions.wgsl")),
    ("drift", include_str!("../../shaders/drift.wgsl")),
    ("elementwise", include_str!("../../shaders/elementwise.wgsl")),
    ("filters", include_str!("../../shaders/filters.wgsl")),
    ("gather", include_str!("../../shaders/gather.wgsl")),
    ("gram", include_str!("../../shaders/gram.wgsl")),
    ("largest", include_str!("../../shaders/largest.wgsl")),
    ("hadamard", include_str!("../../shaders/hadamard.wgsl")),
    ("loss", include_str!("../../shaders/loss.wgsl")),
    ("masks", include_str!("../../shaders/masks.wgsl")),
    ("mlp", include_str!("../../shaders/mlp.wgsl")),
    ("mlp_probe", include_str!("../../shaders/mlp_probe.wgsl")),
    ("moments_bf16", include_str!("../../shaders/moments_bf16.wgsl")),
    ("optimizer", include_str!("../../shaders/optimizer.wgsl")),
    ("peaks", include_str!("../../shaders/peaks.wgsl")),
    ("pool", include_str!("../../shaders/pool.wgsl")),
    ("random", include_str!("../../shaders/random.wgsl")),
    ("reduce", include_str!("../../shaders/reduce.wgsl")),
    ("sketch", include_str!("../../shaders/sketch.wgsl")),
    ("standardize", include_str!("../../shaders/standardize.wgsl")),
    ("subspace", include_str!("../../shaders/subspace.wgsl")),
];

/// Names and values of a file's tile sizes.
pub type Tiles = &'static [(&'static str, u32)];

/// The line of a file whose workgroups may be wider.
pub const LANES_LINE: &str = "const LANES: u32 = 8u;";

/// Lanes of such a workgroup on a GPU: a subgroup of most of them.
pub const GPU_LANES: u32 = 32;

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

    /// The variant with workgroups of the width that the class of device needs, for files whose lanes work alone: those
    /// that have a line [`LANES_LINE`]. Eight lanes fill a processor's subgroup, and wider workgroups leave cores idle;
    /// a GPU's subgroup has 32 or 64.
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
            let found =
                sections.into_iter().find(|section| section.name == name).map(|section| section.place);
            found.ok_or_else(|| Error::fault(format!("shaders/{shader}.wgsl has no section {name:?}")))
        };
        let other = shader_source(replacement, &[])?;
        let place = find(self.shader, &source, name)?;
        let text = &other[find(replacement, &other, replacement)?];
        Ok([&source[..place.start], text, &source[place.end..]].concat())
    }
}

/// The WGSL of a file with the values of its `const` tile sizes replaced.
pub fn shader_source(shader: &str, tiles: &[(&str, u32)]) -> Result<String> {
    let found = SHADERS.iter().find(|(name, _)| *name == shader);
    let (_, text) = found.ok_or_else(|| Error::fault(format!("there is no shaders/{shader}.wgsl")))?;
    let mut source = text.to_string();
    for (name, value) in tiles {
        let head = format!("const {name}: u32 = ");
        let missing = || Error::fault(format!("shaders/{shader}.wgsl has no line {head:?}"));
        let start = source.find(&head).ok_or_else(missing)? + head.len();
        let end = start + source[start..].find(';').unwrap_or(0);
        source.replace_range(start..end, &format!("{value}u"));
    }
    Ok(source)
}
