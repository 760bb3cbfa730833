//! Which adapters there are, what they can hold, and which one is used.

use super::AdapterKind;
use super::needs::{Offer, UnsupportedAdapter};
use crate::{Error, Result};
use serde::Serialize;

/// The adapter that `--device` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// Vulkan, Metal and DX12 before OpenGL ES; discrete before integrated before virtual before CPU.
    #[default]
    Auto,
    /// A place in the list that `fedfunnel devices` prints.
    Index(usize),
    /// The name of a back end, or a part of the adapter's name, in any case.
    Name(String),
}

impl std::str::FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(index) => Self::Index(index),
            Err(_) if text.eq_ignore_ascii_case("auto") => Self::Auto,
            Err(_) => Self::Name(text.into()),
        })
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Index(index) => write!(f, "{index}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One adapter, for tables and JSON.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AdapterSummary {
    /// Place in the list, for `--device`.
    pub index: usize,
    /// The adapter's own name.
    pub name: String,
    /// vulkan, metal, dx12 or gl.
    pub backend: String,
    /// Its kind.
    pub kind: AdapterKind,
    /// Driver and its version.
    pub driver: String,
    /// Largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Largest piece of a buffer that a kernel can see at once, in bytes: what shards are cut to.
    pub max_binding_bytes: u64,
    /// Workgroup memory, in bytes.
    pub max_workgroup_bytes: u32,
    /// Most invocations in a workgroup.
    pub max_workgroup_invocations: u32,
    /// Smallest subgroup (SIMD width), 0 where kernels have none.
    pub subgroup_min: u32,
    /// Largest subgroup, 0 where kernels have none.
    pub subgroup_max: u32,
    /// Whether kernels may compute in half precision.
    pub f16: bool,
    /// Whether kernels can be timed on the device.
    pub timestamps: bool,
    /// Whether this is the one that the given `--device` (auto where not given) takes.
    pub chosen: bool,
}

impl AdapterSummary {
    fn of(index: usize, adapter: &wgpu::Adapter) -> Self {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        // OpenGL ES states widths although its kernels cannot use any.
        let lanes = |width| if features.contains(wgpu::Features::SUBGROUP) { width } else { 0 };
        Self {
            index,
            name: info.name,
            backend: info.backend.to_str().into(),
            kind: AdapterKind::of(info.device_type),
            driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
            max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            subgroup_min: lanes(info.subgroup_min_size),
            subgroup_max: lanes(info.subgroup_max_size),
            f16: features.contains(wgpu::Features::SHADER_F16),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            chosen: false,
        }
    }
}

/// The back end that serves where there is no other.
const FALLBACK: &str = wgpu::Backend::Gl.to_str();

/// The adapters of this machine.
#[derive(Default)]
struct Found {
    /// Those that can run the kernels, in a stable order.
    usable: Vec<(wgpu::Adapter, AdapterSummary)>,
    /// The others.
    unsupported: Vec<UnsupportedAdapter>,
}

impl Found {
    fn summaries(&self) -> Vec<AdapterSummary> {
        self.usable.iter().map(|(_, summary)| summary.clone()).collect()
    }

    /// Adds the adapters of these back ends.
    fn add(&mut self, backends: wgpu::Backends) {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = backends;
        // Validation layers and debug labels cost time and write to stderr.
        descriptor.flags =
            wgpu::InstanceFlags::empty() | wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER;
        let instance = wgpu::Instance::new(descriptor);
        for adapter in pollster::block_on(instance.enumerate_adapters(backends)) {
            let summary = AdapterSummary::of(self.usable.len(), &adapter);
            match offer(&adapter).lacks() {
                None => self.usable.push((adapter, summary)),
                Some(lacks) => {
                    let AdapterSummary { name, backend, kind, driver, .. } = summary;
                    let unsupported = UnsupportedAdapter { index: None, name, backend, kind, driver, lacks };
                    self.unsupported.push(unsupported);
                }
            }
        }
    }

    /// Every adapter, or those up to the one that `choice` takes: contexts of OpenGL ES cost the start of the program,
    /// and are made where they may be needed.
    fn of(choice: Option<&DeviceChoice>) -> Self {
        let mut found = Self::default();
        found.add(wgpu::Backends::PRIMARY);
        let is_enough = choice.is_some_and(|choice| pick(&found.summaries(), &[], choice).is_ok());
        if cfg!(feature = "gles") && !is_enough {
            found.add(wgpu::Backends::GL);
        }
        found
    }
}

/// What an adapter offers to kernels.
pub(super) fn offer(adapter: &wgpu::Adapter) -> Offer {
    Offer::of(adapter.features(), &adapter.limits(), adapter.get_info().subgroup_min_size)
}

/// The adapters of this machine.
#[derive(Clone, Debug)]
pub struct Adapters {
    /// Those that can be used, the chosen one marked.
    pub usable: Vec<AdapterSummary>,
    /// Those that cannot run the kernels.
    pub unsupported: Vec<UnsupportedAdapter>,
}

/// Every adapter, the one that `choice` takes marked as chosen.
pub fn adapters(choice: &DeviceChoice) -> Result<Adapters> {
    let found = Found::of(None);
    let mut usable = found.summaries();
    let chosen = pick(&usable, &found.unsupported, choice)?;
    usable[chosen].chosen = true;
    Ok(Adapters { usable, unsupported: found.unsupported })
}

/// The adapter that `choice` takes.
pub fn choose(choice: &DeviceChoice) -> Result<(wgpu::Adapter, AdapterSummary)> {
    let mut found = Found::of(Some(choice));
    let chosen = pick(&found.summaries(), &found.unsupported, choice)?;
    let (adapter, mut summary) = found.usable.swap_remove(chosen);
    summary.chosen = true;
    Ok((adapter, summary))
}

fn pick(list: &[AdapterSummary], unsupported: &[UnsupportedAdapter], choice: &DeviceChoice) -> Result<usize> {
    let words = |adapter: &UnsupportedAdapter| format!("{} {}", adapter.name, adapter.lacks);
    if list.is_empty() {
        let problem = match unsupported {
            [] if cfg!(feature = "gles") => "no Vulkan, Metal, DX12 or OpenGL ES adapter was found".into(),
            [] => "no Vulkan, Metal or DX12 adapter was found".into(),
            some => format!(
                "no adapter can run the kernels: {}",
                some.iter().map(words).collect::<Vec<_>>().join("; ")
            ),
        };
        return Err(Error::device(
            problem,
            "install one (a software adapter will do): Debian or Ubuntu: apt-get install mesa-vulkan-drivers, \
             Fedora: dnf install mesa-vulkan-drivers, Arch: pacman -S vulkan-swrast",
        ));
    }
    let names = || list.iter().map(|a| format!("{} ({})", a.index, a.name)).collect::<Vec<_>>().join(", ");
    let refuse = |problem: String| Error::setting("--device", problem, format!("there are: {}", names()));
    let best = |places: &mut dyn Iterator<Item = usize>| {
        places.min_by_key(|&place| (list[place].backend == FALLBACK, list[place].kind))
    };
    match choice {
        DeviceChoice::Auto => Ok(best(&mut (0..list.len())).unwrap_or(0)),
        DeviceChoice::Index(index) if *index < list.len() => Ok(*index),
        DeviceChoice::Index(index) => Err(refuse(format!("there is no adapter {index}"))),
        DeviceChoice::Name(part) => {
            let is_meant = |name: &str| name.to_lowercase().contains(&part.to_lowercase());
            let of_backend =
                best(&mut (0..list.len()).filter(|&i| list[i].backend.eq_ignore_ascii_case(part)));
            of_backend.or_else(|| list.iter().position(|adapter| is_meant(&adapter.name))).ok_or_else(|| {
                let known = unsupported.iter().find(|adapter| is_meant(&adapter.name));
                refuse(known.map_or_else(|| format!("no adapter's name contains {part:?}"), words))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, name: &str, kind: AdapterKind) -> AdapterSummary {
        AdapterSummary { index, name: name.into(), kind, ..Default::default() }
    }

    #[test]
    fn auto_prefers_discrete_then_integrated_then_cpu() {
        let list = [
            adapter(0, "llvmpipe", AdapterKind::Cpu),
            adapter(1, "Iris", AdapterKind::Integrated),
            adapter(2, "RTX", AdapterKind::Discrete),
        ];
        assert_eq!(pick(&list, &[], &DeviceChoice::Auto).unwrap(), 2);
        assert_eq!(pick(&list[..2], &[], &DeviceChoice::Auto).unwrap(), 1);
        assert_eq!(pick(&list[..1], &[], &DeviceChoice::Auto).unwrap(), 0);
    }

    #[test]
    fn opengl_es_serves_where_nothing_else_does_or_where_it_is_asked_for() {
        let of = |index, backend: &str, kind| AdapterSummary {
            backend: backend.into(),
            ..adapter(index, "llvmpipe", kind)
        };
        let list = [
            of(0, "vulkan", AdapterKind::Cpu),
            of(1, "gl", AdapterKind::Other),
            of(2, "gl", AdapterKind::Integrated),
            of(3, "vulkan", AdapterKind::Integrated),
        ];
        let picked =
            |list: &[AdapterSummary], choice: &str| pick(list, &[], &choice.parse().unwrap()).unwrap();
        assert_eq!(picked(&list, "auto"), 3);
        assert_eq!(picked(&list[..3], "auto"), 0);
        assert_eq!(picked(&list[1..3], "auto"), 1);
        assert_eq!([picked(&list, "gl"), picked(&list, "GL"), picked(&list, "vulkan")], [2, 2, 3]);
        assert_eq!([picked(&list, "1"), picked(&list, "llvm")], [1, 0]);
        assert!(pick(&list, &[], &"dx12".parse().unwrap()).unwrap_err().to_string().contains("dx12"));
    }

    #[test]
    fn a_name_or_an_index_that_is_not_there_lists_those_that_are() {
        let list = [adapter(0, "llvmpipe", AdapterKind::Cpu)];
        assert_eq!(pick(&list, &[], &"LLVM".parse().unwrap()).unwrap(), 0);
        for wrong in ["7", "geforce"] {
            let error = pick(&list, &[], &wrong.parse().unwrap()).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains("llvmpipe"), "{error}");
        }
    }

    #[test]
    fn an_adapter_that_cannot_run_the_kernels_is_passed_over_and_says_why() {
        let list = [adapter(0, "llvmpipe", AdapterKind::Cpu)];
        let refused = [UnsupportedAdapter {
            name: "Old GPU".into(),
            lacks: "allows 4 storage buffers".into(),
            ..Default::default()
        }];
        assert_eq!(pick(&list, &refused, &DeviceChoice::Auto).unwrap(), 0);
        let asked_for = pick(&list, &refused, &"old".parse().unwrap()).unwrap_err();
        let alone = pick(&[], &refused, &DeviceChoice::Auto).unwrap_err();
        for error in [asked_for, alone] {
            assert!(error.to_string().contains("Old GPU allows 4 storage buffers"), "{error}");
        }
    }

    #[test]
    fn no_adapter_names_the_package_of_three_distributions() {
        let text = pick(&[], &[], &DeviceChoice::Auto).unwrap_err().to_string();
        for word in ["apt-get install mesa-vulkan-drivers", "dnf install", "pacman -S vulkan-swrast"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
