//! Which adapters there are, what they can hold, and which one is used.

use super::AdapterKind;
use super::needs::{Refused, lacking};
use crate::{Error, Result};
use serde::Serialize;

/// The adapter that `--device` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// Discrete before integrated before virtual before CPU.
    #[default]
    Auto,
    /// A place in the list that `fedfunnel devices` prints.
    Index(usize),
    /// A part of the adapter's name, in any case.
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
    /// vulkan, metal or dx12.
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
    /// Smallest subgroup (SIMD width).
    pub subgroup_min: u32,
    /// Largest subgroup.
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
            subgroup_min: info.subgroup_min_size,
            subgroup_max: info.subgroup_max_size,
            f16: features.contains(wgpu::Features::SHADER_F16),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            chosen: false,
        }
    }
}

/// The adapters of this machine.
struct Found {
    /// Those that can run the kernels, in a stable order.
    usable: Vec<(wgpu::Adapter, AdapterSummary)>,
    /// The others.
    refused: Vec<Refused>,
}

impl Found {
    fn summaries(&self) -> Vec<AdapterSummary> {
        self.usable.iter().map(|(_, summary)| summary.clone()).collect()
    }
}

fn enumerate() -> Found {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    // Validation layers and debug labels cost time and write to stderr.
    descriptor.flags =
        wgpu::InstanceFlags::empty() | wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER;
    let instance = wgpu::Instance::new(descriptor);
    let mut found = Found { usable: Vec::new(), refused: Vec::new() };
    for adapter in pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY)) {
        match lacking(adapter.features(), &adapter.limits()) {
            Some(lacks) => found.refused.push(Refused { name: adapter.get_info().name, lacks }),
            None => {
                let summary = AdapterSummary::of(found.usable.len(), &adapter);
                found.usable.push((adapter, summary));
            }
        }
    }
    found
}

/// Every adapter, the one that `choice` takes marked as chosen.
pub fn adapters(choice: &DeviceChoice) -> Result<Vec<AdapterSummary>> {
    let found = enumerate();
    let mut list = found.summaries();
    let chosen = pick(&list, &found.refused, choice)?;
    list[chosen].chosen = true;
    Ok(list)
}

/// The adapter that `choice` takes.
pub fn choose(choice: &DeviceChoice) -> Result<(wgpu::Adapter, AdapterSummary)> {
    let mut found = enumerate();
    let chosen = pick(&found.summaries(), &found.refused, choice)?;
    let (adapter, mut summary) = found.usable.swap_remove(chosen);
    summary.chosen = true;
    Ok((adapter, summary))
}

fn pick(list: &[AdapterSummary], refused: &[Refused], choice: &DeviceChoice) -> Result<usize> {
    let words = |refused: &Refused| format!("{} {}", refused.name, refused.lacks);
    if list.is_empty() {
        let problem = match refused {
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
    match choice {
        DeviceChoice::Auto => Ok((0..list.len()).min_by_key(|&i| list[i].kind).unwrap_or(0)),
        DeviceChoice::Index(index) if *index < list.len() => Ok(*index),
        DeviceChoice::Index(index) => Err(refuse(format!("there is no adapter {index}"))),
        DeviceChoice::Name(part) => {
            let is_meant = |name: &str| name.to_lowercase().contains(&part.to_lowercase());
            list.iter().position(|adapter| is_meant(&adapter.name)).ok_or_else(|| {
                let known = refused.iter().find(|refused| is_meant(&refused.name));
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
        let refused = [Refused { name: "Old GPU".into(), lacks: "allows 4 storage buffers".into() }];
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
