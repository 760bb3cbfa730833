//! Decoders with hidden layers: their values among the parameters, and the parameters' gradients among the values'.

use crate::support::{gpu, posing_gpu, values, wide};
use fedfunnel::ops::code::{self, Collected, Decoded, Run};
use fedfunnel::ops::{Activation, Arena};
use fedfunnel::reference::code as twin;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};

/// Two runs of one decoder, in another order among its values than among the parameters; elements of a replica's
/// parameters.
const CASES: [([Run; 2], usize); 3] = [
    (
        [
            Run { count: 1, source: 1, width: 2, destination: 0 },
            Run { count: 1, source: 0, width: 2, destination: 2 },
        ],
        4,
    ),
    (
        [
            Run { count: 64, source: 6, width: 84, destination: 80 },
            Run { count: 77, source: 7, width: 84, destination: 1 },
        ],
        772,
    ),
    (
        [
            Run { count: 1031, source: 5, width: 16_000, destination: 14_800 },
            Run { count: 14_001, source: 1040, width: 16_000, destination: 3 },
        ],
        15_912,
    ),
];

/// Factors of so many replicas, each of another size.
fn scales(replicas: usize) -> Vec<f32> {
    [0.75, -0.3, 0.01][..replicas].to_vec()
}

#[test]
fn spread_values_agree_with_their_twin() {
    for gpu in [gpu(), posing_gpu()] {
        for (runs, stride) in CASES {
            for replicas in [1, 3] {
                let width = runs[0].width;
                let (now, before) = (values(replicas * width, 1), values(replicas * width, 2));
                let (base, memory) = (values(replicas * stride, 3), values(replicas * stride + 9, 4));
                let scales = scales(replicas);
                let upload = |content: &[f32]| gpu.upload("memory", content).unwrap();
                let (scales_buffer, now_buffer, before_buffer) =
                    (upload(&scales), upload(&now), upload(&before));
                let decoded = Decoded { scales: &scales_buffer, now: &now_buffer, before: &before_buffer };
                let (arena, base_buffer) = (Arena { buffer: upload(&memory), stride }, upload(&base));
                let dispatch = |run| code::spread(gpu, &arena, &base_buffer, decoded, run, replicas).unwrap();
                gpu.run(&runs.map(dispatch)).unwrap();
                let actual: Vec<f32> = gpu.read(&arena.buffer).unwrap();
                assert_eq!(actual[replicas * stride..], memory[replicas * stride..], "behind the parameters");
                for (replica, actual) in actual[..replicas * stride].chunks(stride).enumerate() {
                    let what = format!("replica {replica} of {replicas}, {stride} of {width}");
                    // A replica's parameters, where the runs are what the twin says.
                    let expected = |scale: f32, [now, before]: [&[f32]; 2]| {
                        let mut line = wide(&memory[replica * stride..][..stride]);
                        for run in runs {
                            let from = replica * width + run.source..replica * width + run.source + run.count;
                            let (now, before) = (wide(&now[from.clone()]), wide(&before[from]));
                            let base = wide(&base[replica * stride + run.destination..][..run.count]);
                            let spread = twin::spread(&base, scale.into(), &now, &before);
                            line[run.destination..][..run.count].copy_from_slice(&spread);
                        }
                        line
                    };
                    let right = expected(scales[replica], [&now, &before]);
                    assert_close(&what, actual, &right, Tolerance::Strict);
                    for i in 0..stride {
                        let is_own = runs
                            .iter()
                            .any(|run| (run.destination..run.destination + run.count).contains(&i));
                        assert!(
                            is_own || actual[i] == memory[replica * stride + i],
                            "{what}: {i} was written"
                        );
                    }
                    let other_scale = expected(scales[replica] * 1.1, [&now, &before]);
                    let swapped = expected(scales[replica], [&before, &now]);
                    for (mistake, wrong) in [("another scale", other_scale), ("the start as now", swapped)] {
                        let outcome = compare(&what, actual, &wrong, Tolerance::Strict);
                        assert!(outcome.is_err(), "{what}: {mistake} passes");
                    }
                }
            }
        }
    }
}

#[test]
fn collected_gradients_agree_with_their_twin() {
    for gpu in [gpu(), posing_gpu()] {
        for (runs, stride) in CASES {
            for replicas in [1, 3] {
                let width = runs[0].width;
                let (slopes, memory) = (values(replicas * stride, 5), values(replicas * width + 9, 6));
                let now = values(replicas * width, 7);
                let scales = scales(replicas);
                let upload = |content: &[f32]| gpu.upload("memory", content).unwrap();
                let (scales_buffer, gradients, into) = (upload(&scales), upload(&slopes), upload(&memory));
                let now_buffer = upload(&now);
                let arena = Arena { buffer: gpu.zeros("arena", replicas * stride).unwrap(), stride };
                let run_with = |activation| -> Vec<f32> {
                    let collected =
                        Collected { scales: &scales_buffer, values: &now_buffer, activation, into: &into };
                    let dispatch =
                        |run| code::collect(gpu, &arena, &gradients, collected, run, replicas).unwrap();
                    gpu.run(&runs.map(dispatch)).unwrap();
                    gpu.read(&into).unwrap()
                };
                let expected_of = |activation: Activation, scales: &[f32], shift: usize| {
                    let mut all = wide(&memory);
                    for (replica, run) in (0..replicas).flat_map(|r| runs.map(|run| (r, run))) {
                        // The run's place, or the one before it.
                        let from = replica * stride + run.destination - shift.min(run.destination);
                        let at = replica * width + run.source..replica * width + run.source + run.count;
                        let (slopes, now) = (wide(&slopes[from..][..run.count]), wide(&now[at.clone()]));
                        let collected = twin::collect(scales[replica].into(), &slopes, &now, activation);
                        all[at].copy_from_slice(&collected);
                    }
                    all
                };
                let what = format!("{replicas} of {width} from {stride}");
                for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
                    let (what, actual) = (format!("{what}, {activation:?}"), run_with(activation));
                    let expected = |activation| expected_of(activation, &scales, 0);
                    assert_close(&what, &actual, &expected(activation), Tolerance::Strict);
                    let linear =
                        compare(&what, &actual, &expected(Activation::Linear), Tolerance::Permissive);
                    assert!(width < 3 || linear.is_err(), "{what}: no activation passes");
                }
                let expected = |scales: &[f32], shift| expected_of(Activation::Linear, scales, shift);
                let actual = run_with(Activation::Linear);
                // A product is rounded once; all around it is what it was.
                assert_close(&what, &actual, &expected(&scales, 0), Tolerance::Exact);
                let larger: Vec<f32> = scales.iter().map(|scale| scale * 1.1).collect();
                for (mistake, wrong) in
                    [("another scale", expected(&larger, 0)), ("another place", expected(&scales, 1))]
                {
                    let outcome = compare(&what, &actual, &wrong, Tolerance::Permissive);
                    assert!(outcome.is_err(), "{what}: {mistake} passes");
                }
            }
        }
    }
}
