//! What saving and loading cost in host memory: a few pieces of a tensor, however large the model is.
//!
//! A binary of its own with one test, since the peak is the whole process's. Linux alone says what it is.
#![cfg(target_os = "linux")]

use fedfunnel::autoencoder::{AutoencoderFile, Standard, TrainedAutoencoder};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{ModelSpec, Network};
use std::path::Path;

const WIDTH: usize = 100_000;
const MIB: u64 = 1 << 20;

/// Bytes of the process's memory, by the name that the kernel gives them.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("a line of that name");
    let kib: u64 = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().expect("a number");
    kib * 1024
}

/// By how much the process grows at its largest while `work` runs.
fn growth(work: impl FnOnce()) -> u64 {
    // From here on the peak is that of what follows.
    std::fs::write("/proc/self/clear_refs", "5").expect("a peak that can be reset");
    let before = memory("VmRSS");
    work();
    memory("VmHWM").saturating_sub(before)
}

#[test]
fn files_go_through_host_memory_piece_by_piece() {
    // SAFETY: nothing else runs yet.
    unsafe { fedfunnel::gpu::quieten_drivers() };
    let options = GpuOptions { max_binding_bytes: Some(16 << 20), ..Default::default() };
    let gpu = Gpu::open(&options).unwrap_or_else(|error| panic!("{error}"));
    let text = format!("name = \"x\"\nkind = \"autoencoder\"\nwidths = [{WIDTH}, 128, {WIDTH}]");
    let spec = ModelSpec::parse(&text, Path::new("x")).unwrap().autoencoder().unwrap();
    let bytes = 4 * spec.parameters() as u64;
    assert_eq!(bytes / MIB, 98);
    // On a processor the device's memory is the process's: all of it is there before anything is measured.
    let network = Network::new(&gpu, &spec.network(), 1, None).unwrap();
    let copy = Network::new(&gpu, &spec.network(), 1, None).unwrap();
    for (network, seed) in [(&network, 1), (&copy, 2)] {
        network.parameters.initialize(&gpu, seed, true).unwrap();
        gpu.wait().unwrap();
    }
    let standard = Standard { means: vec![0.5; WIDTH], scale: 0.7 };
    let folder = tempfile::tempdir().unwrap();
    let save = |most| {
        let (spec, model, parameters, standard) = (&spec, &"m".into(), &network.parameters, &standard);
        TrainedAutoencoder { spec, model, parameters, standard }.save(&gpu, folder.path(), most).unwrap()
    };
    let most = 40 * MIB;
    for limit in [u64::MAX, 60_000_000] {
        let saved = growth(|| drop(save(limit)));
        assert!(saved < most, "saving took {} MiB", saved / MIB);
        // A mapped file counts as the process's memory while it is looked at, though it can go at any time.
        let loaded = growth(|| {
            AutoencoderFile::open(folder.path()).unwrap().upload(&gpu, &copy.parameters, 0).unwrap();
        });
        assert!(loaded < bytes + most, "loading took {} MiB", loaded / MIB);
        println!("saving: {} MiB, loading with its mapping: {} MiB", saved / MIB, loaded / MIB);
    }
    // The control: a copy of the parameters is seen.
    let mut both = Vec::new();
    let read = growth(|| both.push(network.parameters.read(&gpu).unwrap()));
    assert!(read > bytes, "a copy of {} MiB took {} MiB", bytes / MIB, read / MIB);
    both.push(copy.parameters.read(&gpu).unwrap());
    assert!(both[0] == both[1], "what was saved is not what was loaded");
}
