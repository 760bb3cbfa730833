//! How much memory there is.

/// Memory of the device and of the host, in bytes; None where it is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Capacity {
    /// The device's own memory, in use or not.
    pub device: Option<u64>,
    /// What the host has free.
    pub host: Option<u64>,
    /// Whether the device's memory is the host's.
    pub shared: bool,
}

/// Bytes of the host's memory that are free or can be freed at once, and that the process may have. Known on Linux
/// alone.
pub(super) fn host_bytes() -> Option<u64> {
    let read = |path| std::fs::read_to_string(path).ok();
    let free = kibibytes(&read("/proc/meminfo")?, "MemAvailable:")?;
    // Seen on lavapipe: past `ulimit -v` no allocation fails, and the first write to the device ends the process.
    let room = || {
        let limit = address_space(&read("/proc/self/limits")?)?;
        Some(limit.saturating_sub(kibibytes(&read("/proc/self/status")?, "VmSize:")?))
    };
    Some(room().map_or(free, |room| room.min(free)))
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The limit of the process's address space, in bytes; None where there is none.
fn address_space(text: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Bytes of the adapter's largest heap of its own, where it is reached through Vulkan.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn device_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    /// VK_MEMORY_HEAP_DEVICE_LOCAL_BIT
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handles are asked for their properties alone, and the guard outlives the asking.
    let properties = unsafe {
        let adapter = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        let instance = adapter.shared_instance().raw_instance();
        instance.get_physical_device_memory_properties(adapter.raw_physical_device())
    };
    let heaps = properties.memory_heaps.iter().take(properties.memory_heap_count as usize);
    heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
}

/// Metal does not say it through wgpu.
#[cfg(target_vendor = "apple")]
pub(super) fn device_bytes(_: &wgpu::Adapter) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_available_is_read_in_bytes() {
        let text = "MemTotal:       24684000 kB\nMemFree:   7 kB\nMemAvailable:   123456 kB\n";
        assert_eq!(super::kibibytes(text, "MemAvailable:"), Some(123_456 * 1024));
        assert_eq!(super::kibibytes("MemTotal: 1 kB\n", "MemAvailable:"), None);
        assert_eq!(super::kibibytes("MemAvailable: many\n", "MemAvailable:"), None);
    }

    #[test]
    fn a_limit_on_addresses_counts_where_there_is_one() {
        let limits =
            |soft: &str| format!("Limit  Soft  Hard  Units\nMax address space  {soft}  unlimited  bytes\n");
        assert_eq!(super::address_space(&limits("4096000000")), Some(4_096_000_000));
        assert_eq!(super::address_space(&limits("unlimited")), None);
        assert_eq!(super::address_space("Max cpu time 1 1 seconds\n"), None);
    }
}
