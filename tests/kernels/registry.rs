//! Mistakes of the host are errors that name both sides and say what to do.

use crate::parameters::layer;
use crate::support::{SMALL_BINDING, gpu, small_gpu};
use fedfunnel::gpu::{Dispatch, Field, FieldKind, GpuOptions, Grid, Immediates, Kernel, Tensor, split_rows};
use fedfunnel::model::{Activation, LayerSpec, Network, Optimizer, ScheduleWriter, Workspace};
use fedfunnel::ops::loss::{self, Targets};
use fedfunnel::ops::standardize::{self, Standards};
use fedfunnel::ops::{Activated, gather};

const FILL: Kernel = Kernel::new("elementwise", "fill");

/// What `fill` takes, as the shader has it.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Right {
    first: u32,
    count: u32,
    value: f32,
}

impl Immediates for Right {
    const NAME: &'static str = "Right";
    const FIELDS: &'static [Field] = &[
        Field { name: "first", offset: 0, kind: FieldKind::U32 },
        Field { name: "count", offset: 4, kind: FieldKind::U32 },
        Field { name: "value", offset: 8, kind: FieldKind::F32 },
    ];
}

/// Three words under other descriptions.
macro_rules! described {
    ($name:ident, $fields:expr) => {
        #[repr(C)]
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        struct $name([u32; 3]);

        impl Immediates for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [Field] = &$fields;
        }
    };
}

described!(
    OtherOrder,
    [
        Field { name: "count", offset: 0, kind: FieldKind::U32 },
        Field { name: "first", offset: 4, kind: FieldKind::U32 },
        Field { name: "value", offset: 8, kind: FieldKind::F32 },
    ]
);
described!(
    OtherType,
    [
        Field { name: "first", offset: 0, kind: FieldKind::U32 },
        Field { name: "count", offset: 4, kind: FieldKind::U32 },
        Field { name: "value", offset: 8, kind: FieldKind::U32 },
    ]
);
described!(
    OtherPlace,
    [
        Field { name: "first", offset: 0, kind: FieldKind::U32 },
        Field { name: "count", offset: 8, kind: FieldKind::U32 },
        Field { name: "value", offset: 4, kind: FieldKind::F32 },
    ]
);
described!(TooFew, [Field { name: "first", offset: 0, kind: FieldKind::U32 }]);

#[track_caller]
fn assert_names(outcome: fedfunnel::Result<impl Sized>, words: &[&str]) {
    let Err(error) = outcome else { panic!("no error; expected one with {words:?}") };
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn fill(immediates: &impl Immediates) -> fedfunnel::Result<Dispatch> {
    let buffer = gpu().zeros("test", 8).unwrap();
    gpu().dispatch(&FILL, immediates, &[("destination", &buffer)], Grid(8, 1, 1))
}

#[test]
fn immediates_that_differ_name_both_sides() {
    fill(&Right { first: 0, count: 8, value: 1.0 }).unwrap();
    for (name, outcome) in [
        ("OtherOrder", fill(&OtherOrder([0; 3]))),
        ("OtherType", fill(&OtherType([0; 3]))),
        ("OtherPlace", fill(&OtherPlace([0; 3]))),
        ("TooFew", fill(&TooFew([0; 3]))),
        ("()", fill(&())),
    ] {
        let wgsl = "shaders/elementwise.wgsl has [(\"first\", 0, Some(U32)), (\"count\", 4, Some(U32)), \
                    (\"value\", 8, Some(F32))] for fill";
        let host = format!("the host's struct {name} has [");
        assert_names(outcome, &["immediates differ", wgsl, &host, "report it"]);
    }
    assert_names(fill(&OtherOrder([0; 3])), &["struct OtherOrder", "(\"count\", 0, Some(U32))"]);
}

#[test]
fn bindings_that_differ_name_both_sides() {
    let buffer = gpu().zeros("test", 8).unwrap();
    let immediates = Right { first: 0, count: 8, value: 1.0 };
    for given in [
        &[("target", &buffer)][..],
        &[],
        &[("destination", &buffer), ("source", &buffer)],
        &[("destination", &buffer), ("destination", &buffer)],
    ] {
        let outcome = gpu().dispatch(&FILL, &immediates, given, Grid(8, 1, 1));
        let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
        let host = format!("{names:?}");
        let words = [
            "bindings differ",
            "shaders/elementwise.wgsl has [\"destination\"] for fill",
            &host,
            "report it",
        ];
        assert_names(outcome, &words);
    }
}

#[test]
fn kernels_that_are_not_there_are_named() {
    let dispatch = |kernel| gpu().dispatch(&kernel, &(), &[], Grid(1, 1, 1));
    assert_names(
        dispatch(Kernel::new("elementwise", "empty")),
        &["shaders/elementwise.wgsl, empty", "report it"],
    );
    assert_names(dispatch(Kernel::new("elements", "fill")), &["shaders/elements.wgsl", "report it"]);
    const NO_SUCH_TILE: Kernel = FILL.tiled(&[("TILE", 2)]);
    assert_names(dispatch(NO_SUCH_TILE), &["shaders/elementwise.wgsl", "TILE", "report it"]);
    const NO_SUCH_SECTION: Kernel = FILL.with_section("moments", "moments_bf16");
    assert_names(dispatch(NO_SUCH_SECTION), &["shaders/elementwise.wgsl", "moments", "report it"]);
}

#[test]
fn grids_that_the_device_does_not_allow_are_named() {
    let buffer = gpu().zeros("test", 8).unwrap();
    let immediates = Right { first: 0, count: 8, value: 1.0 };
    for grid in [Grid(0, 1, 1), Grid(1, 1 << 20, 1), Grid(u32::MAX, 1, 1)] {
        let outcome = gpu().dispatch(&FILL, &immediates, &[("destination", &buffer)], grid);
        assert_names(outcome, &["fill", "workgroups", "smaller batch"]);
    }
}

#[test]
fn what_does_not_fit_one_binding_names_the_setting() {
    let mend = ["65536", "--max-binding-bytes", "smaller batch"];
    assert_names(
        small_gpu().zeros("the tallies", 16_385),
        &["the tallies needs 65552 bytes", mend[0], mend[1], mend[2]],
    );
    assert!(small_gpu().zeros("the tallies", 16_384).is_ok());
    // A tensor can be cut by columns, but not within one.
    assert_names(Tensor::zeros(small_gpu(), "the input", 3, 5462, 2), &["the input", mend[0], mend[1]]);
    let cut = Tensor::zeros(small_gpu(), "the input", 3, 5461, 2).unwrap();
    assert_eq!(cut.shards.len(), 2);
    assert_names(cut.single_buffer(), &["3 replicas x 5461 samples x 2 features", "--max-binding-bytes"]);
    // A matrix can be cut by rows, but not within one.
    let layer = LayerSpec { prefix: "encoder.0.".into(), ..layer(6000, 4) };
    let outcome = Network::new(small_gpu(), &[layer], 3, None);
    assert_names(outcome, &["one row of encoder.0.weight for 3 replicas", "65536", "--max-binding-bytes"]);
}

/// Shards are paired by their place, so tensors that are cut in other places must not meet.
#[test]
fn tensors_that_are_cut_differently_are_refused() {
    let gpu = small_gpu();
    let tensor = |shards: usize| {
        let ranges = split_rows(12, 1, 12 / shards as u64).unwrap();
        Tensor::zeros_cut(gpu, "test", 1, 2, &ranges).unwrap()
    };
    let (two, three) = (tensor(2), tensor(3));
    let words = ["12 and 12 features", "--max-binding-bytes"];
    let labels = gpu.zeros("labels", 2).unwrap();

    let writer = ScheduleWriter::new(gpu, Optimizer::default(), 1, 1).unwrap();
    let tallies = loss::ErrorTallies::new(gpu, &two).unwrap();
    let squared_error = |targets, gradients| {
        let outputs = Activated { values: &two, activation: Activation::Linear };
        let targets = Targets { values: targets, labels: &labels, schedule: &writer.schedule };
        loss::mean_squared_error(gpu, outputs, targets, gradients, &tallies, &labels)
    };
    squared_error(&two, Some(&two)).unwrap();
    assert_names(squared_error(&three, None), &words);
    assert_names(squared_error(&two, Some(&three)), &words);

    let index = gather::SampleIndex { buffer: gpu.zeros("index", 2).unwrap(), steps: 1 };
    gather::rows(gpu, &two, &index, &labels, &two).unwrap();
    assert_names(gather::rows(gpu, &two, &index, &labels, &three), &words);

    let scales = gpu.zeros("scales", 1).unwrap();
    let standards = Standards { means: two.clone(), scales: scales.clone() };
    standardize::forward(gpu, &two, &standards, &tensor(2)).unwrap();
    assert_names(standardize::forward(gpu, &three, &standards, &three), &words);
    let standards = Standards { means: three.clone(), scales };
    assert_names(standardize::inverse(gpu, &two, &standards, &three), &words);

    // A layer's rows may be cut otherwise than their activation only where each lies within one shard.
    let network = Network::new(gpu, &[layer(3, 12)], 1, None).unwrap();
    let workspace = Workspace {
        activations: vec![Tensor::zeros(gpu, "input", 1, 2, 3).unwrap(), two],
        gradients: Vec::new(),
    };
    assert_names(network.forward(gpu, &workspace), &["12 features", "otherwise than its layer", words[1]]);
}

#[test]
fn a_binding_limit_that_is_too_small_is_refused_by_name() {
    let options = GpuOptions { max_binding_bytes: Some(SMALL_BINDING - 1), ..Default::default() };
    // The devices of the other tests are opened first, and with them the drivers quietened.
    assert_eq!(small_gpu().max_binding_bytes(), SMALL_BINDING);
    let error = fedfunnel::gpu::Gpu::open(&options).unwrap_err();
    assert!(error.is_usage());
    assert_names(Err::<(), _>(error), &["--max-binding-bytes", "65535", "65536"]);
}
