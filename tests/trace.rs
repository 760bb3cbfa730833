//! A trace as Perfetto reads it: valid, in order, and in agreement with the profile.

use fedfunnel::gpu::{Gpu, GpuOptions, Trace};
use fedfunnel::ops::{elementwise, peaks};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Instant;

fn open(trace: &Arc<Trace>) -> Gpu {
    static QUIET: Once = Once::new();
    // SAFETY: every device of this binary is opened here, after this, and none is open when it runs.
    QUIET.call_once(|| unsafe { fedfunnel::gpu::quieten_drivers() });
    let options = GpuOptions { profile: true, trace: Some(trace.clone()), ..Default::default() };
    Gpu::open(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// Two kernels, `times` times each, in two submits, and a readback.
fn work(gpu: &Gpu, times: usize) {
    let (from, to) = (gpu.zeros("from", 4096).unwrap(), gpu.zeros("to", 4096).unwrap());
    let fill = elementwise::fill(gpu, &from, 0, 4096, 2.0).unwrap();
    let stream = peaks::stream(gpu, &from, &to, 4096, 0.5).unwrap();
    for dispatch in [fill, stream] {
        gpu.run(&vec![dispatch; times]).unwrap();
    }
    assert_eq!(gpu.read::<f32>(&to).unwrap(), vec![1.0; 4096]);
}

fn read(path: &Path) -> (Vec<Value>, Value) {
    let text = std::fs::read_to_string(path).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (all["traceEvents"].as_array().unwrap().clone(), all["otherData"].clone())
}

fn number(event: &Value, key: &str) -> f64 {
    event[key].as_f64().unwrap_or_else(|| panic!("{key} of {event}"))
}

#[test]
fn events_are_in_order_and_kernels_add_up_to_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/trace.json");
    let trace = Arc::new(Trace::new(Instant::now()));
    let gpu = open(&trace);
    {
        let _stage = trace.span("a stage");
        work(&gpu, 40);
    }
    let end = trace.save(&path, &gpu.adapter.name).map(|left_out| (left_out, Instant::now())).unwrap();
    assert_eq!(end.0, 0);
    let (events, other) = read(&path);
    assert_eq!((&other["events_left_out"], &other["device"]), (&0.into(), &gpu.adapter.name.clone().into()));

    let named = |name: &str| events.iter().find(|e| e["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    for name in ["open the device", "find the adapter", "a stage", "submit", "wait", "readback"] {
        assert_eq!((&named(name)["ph"], &named(name)["tid"]), (&"X".into(), &1.into()), "{name}");
    }
    for name in ["make fill", "compile fill"] {
        assert!(number(named("a stage"), "dur") > number(named(name), "dur"));
    }
    let complete: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert!(complete.windows(2).all(|pair| number(pair[0], "ts") <= number(pair[1], "ts")));
    assert!(complete.iter().all(|event| number(event, "ts") >= 0.0 && number(event, "dur") >= 0.0));

    // Kernels are within the stage in which they ran, one after the other, and say what they did.
    let kernels: Vec<_> = complete.iter().filter(|event| event["cat"] == "kernel").collect();
    assert_eq!(kernels.len(), 80);
    let stage = named("a stage");
    let [begin, length] = ["ts", "dur"].map(|key| number(stage, key));
    for pair in kernels.windows(2) {
        assert!(number(pair[0], "ts") + number(pair[0], "dur") <= number(pair[1], "ts") + 0.002, "{pair:?}");
    }
    for kernel in &kernels {
        assert!(number(kernel, "ts") >= begin && number(kernel, "ts") <= begin + length, "{kernel} {stage}");
        assert_eq!(kernel["tid"], 2);
    }
    let args = &named("peak_stream")["args"];
    assert_eq!((&args["count"], &args["factor"]), (&1024.into(), &0.5.into()));
    assert_eq!((&args["workgroups"], &args["bytes_moved"]), (&serde_json::json!([4, 1, 1]), &32_768.into()));

    let mut sums = BTreeMap::<&str, (u64, f64)>::new();
    for kernel in &kernels {
        let sum = sums.entry(kernel["name"].as_str().unwrap()).or_default();
        *sum = (sum.0 + 1, sum.1 + number(kernel, "dur") * 1e-6);
    }
    let profile = gpu.profile().unwrap();
    assert_eq!(profile.kernels.len(), 2);
    for kernel in &profile.kernels {
        let (calls, seconds) = sums[kernel.kernel.as_str()];
        assert_eq!(calls, kernel.calls);
        // To the nanosecond for each event.
        assert!((seconds - kernel.total).abs() <= calls as f64 * 1e-9, "{kernel:?} {seconds}");
        assert!(kernel.total > 0.0);
    }
}

#[test]
fn what_does_not_fit_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let trace = Arc::new(Trace::bounded(Instant::now(), 30));
    let gpu = open(&trace);
    work(&gpu, 40);
    let left_out = trace.save(&path, "d").unwrap();
    let (events, other) = read(&path);
    let complete = events.iter().filter(|event| event["ph"] == "X").count();
    assert_eq!((complete, &other["events_left_out"]), (30, &left_out.into()));
    assert!(left_out > 50, "{left_out}");
}
