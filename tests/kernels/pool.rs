//! `shaders/pool.wgsl`: max and average pooling, forward and back.

use crate::support::{assert_tensor, gpu, values, wide};
use fedfunnel::gpu::{Gpu, Tensor};
use fedfunnel::ops::pool::{Pool, PoolKind};
use fedfunnel::ops::{Activated, Activation};
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::finite_difference::central_gradient;
use fedfunnel::reference::{activation, pool as twin};

/// A pool and its batch.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// R, B, C
    planes: [usize; 3],
    size: [usize; 2],
    window: usize,
    stride: usize,
    /// Whole numbers, few of them, so that most windows hold their largest value several times.
    ties: bool,
}

const fn case(planes: [usize; 3], size: [usize; 2], window: usize, stride: usize) -> Case {
    Case { planes, size, window, stride, ties: false }
}

const fn tied(case: Case) -> Case {
    Case { ties: true, ..case }
}

const CASES: &[Case] = &[
    case([1, 2, 3], [6, 8], 2, 2),
    case([3, 2, 3], [4, 6], 2, 2),
    // A row and a column are left over.
    case([1, 2, 3], [7, 9], 2, 2),
    case([3, 1, 5], [8, 10], 3, 3),
    // Windows that overlap, with and without a remainder.
    case([3, 2, 3], [7, 9], 3, 2),
    case([1, 2, 2], [8, 10], 3, 2),
    case([1, 1, 2], [7, 9], 3, 1),
    case([3, 2, 1], [5, 6], 2, 1),
    // Pixels between windows that none of them sees.
    case([1, 2, 3], [7, 9], 2, 3),
    // The whole image, and nothing but the pixel itself.
    case([3, 2, 3], [3, 3], 3, 3),
    case([1, 2, 3], [5, 7], 1, 1),
    // More pixels than a workgroup has lanes.
    case([1, 2, 3], [19, 31], 2, 2),
    tied(case([3, 2, 3], [6, 8], 2, 2)),
    tied(case([1, 2, 3], [7, 9], 3, 2)),
    tied(case([1, 2, 3], [7, 9], 3, 1)),
];

impl Case {
    fn pool(&self, kind: PoolKind) -> Pool {
        let Case { planes: [_, _, channels], size, window, stride, .. } = *self;
        Pool { kind, channels, input_size: size, window, stride }
    }

    fn twin(&self) -> twin::PoolShape {
        let Case { planes, size, window, stride, .. } = *self;
        let planes = planes.iter().product();
        twin::PoolShape { planes, size, window: [window; 2], stride: [stride; 2] }
    }

    fn inputs(&self, before: Activation) -> Vec<f32> {
        let inputs = values(self.planes.iter().product::<usize>() * self.size[0] * self.size[1], 3);
        // Rounded after the activation, so that there are ties whichever it is.
        let tie = |x: f64| if self.ties { (2.0 * x).round() / 2.0 } else { x };
        inputs.into_iter().map(|x| tie(before.apply(f64::from(x))) as f32).collect()
    }

    fn tensor(&self, gpu: &Gpu, width: usize, content: &[f32]) -> Tensor {
        let tensor = Tensor::zeros(gpu, "test", self.planes[0], self.planes[1], width).unwrap();
        tensor.write(gpu, content);
        tensor
    }
}

/// The twin's forward pass.
fn forward(case: &Case, kind: PoolKind, x: &[f64]) -> Vec<f64> {
    match kind {
        PoolKind::Max => twin::max_forward(x, case.twin()).0,
        PoolKind::Average => twin::average_forward(x, case.twin()),
    }
}

/// The twin's way back, before any derivative.
fn backward(case: &Case, kind: PoolKind, x: &[f64], dy: &[f64]) -> Vec<f64> {
    match kind {
        PoolKind::Max => twin::max_backward(dy, &twin::max_forward(x, case.twin()).1, case.twin()),
        PoolKind::Average => twin::average_backward(dy, case.twin()),
    }
}

/// Copies are exact; sums and shares are not.
fn tolerance(kind: PoolKind) -> Tolerance {
    if kind == PoolKind::Max { Tolerance::Exact } else { Tolerance::Balanced }
}

/// Runs both ways; returns the outputs and the gradients at what came out of `before`.
fn run(case: &Case, kind: PoolKind, before: Activation, dy: &[f32]) -> [Tensor; 2] {
    let pool = case.pool(kind);
    let lines = case.planes[0] * case.planes[1];
    let x = case.inputs(before);
    let input = case.tensor(gpu(), pool.inputs(), &x);
    let output = case.tensor(gpu(), pool.outputs(), &vec![9.0; lines * pool.outputs()]);
    let gradient = case.tensor(gpu(), pool.outputs(), dy);
    let into = case.tensor(gpu(), pool.inputs(), &vec![9.0; x.len()]);
    let plan = [
        pool.forward(gpu(), &input, &output).unwrap(),
        pool.backward_input(gpu(), &gradient, Activated { values: &input, activation: before }, &into)
            .unwrap(),
    ];
    // Whether windows lie side by side and cover the plane.
    let covered = case.window == case.stride && case.size.iter().all(|size| size % case.window == 0);
    let entries = match kind {
        PoolKind::Max if covered => ["max_pool_forward", "max_pool_backward_tiled"],
        PoolKind::Max => ["max_pool_forward", "max_pool_backward"],
        PoolKind::Average => ["average_pool_forward", "average_pool_backward"],
    };
    assert!(plan.iter().map(|dispatch| dispatch.name()).eq(entries));
    gpu().run(&plan).unwrap();
    [output, into]
}

#[test]
fn both_ways_agree_with_their_twin_for_every_activation() {
    for case in CASES {
        for kind in [PoolKind::Max, PoolKind::Average] {
            for before in Activation::ALL {
                check(case, kind, before);
            }
        }
    }
}

fn check(case: &Case, kind: PoolKind, before: Activation) {
    let what = format!("{kind:?}, {case:?}, {before:?}");
    let lines = case.planes[0] * case.planes[1];
    let dy = values(lines * case.pool(kind).outputs(), 4);
    let [output, into] = run(case, kind, before, &dy);
    let x = wide(&case.inputs(before));
    assert_tensor(&what, gpu(), &output, &forward(case, kind, &x), tolerance(kind));
    let bare = backward(case, kind, &x, &wide(&dy));
    let expected = activation::backward(&bare, &x, before);
    // Gradients of overlapping windows add up, and derivatives round.
    assert_tensor(&what, gpu(), &into, &expected, Tolerance::Balanced);
    let dx = into.read(gpu()).unwrap();
    if before != Activation::Linear && bare != expected {
        assert!(compare("dx", &dx, &bare, Tolerance::Permissive).is_err(), "{what}: no derivative");
    }
}

/// What is left over, or lies between windows, has no part in the outputs: its gradient is zero.
#[test]
fn pixels_of_no_window_have_no_gradient() {
    for (case, unseen) in [(CASES[2], 7 + 9 - 1), (CASES[8], 7 * 9 - 24)] {
        for kind in [PoolKind::Max, PoolKind::Average] {
            let lines = case.planes[0] * case.planes[1];
            let dy = vec![1.0; lines * case.pool(kind).outputs()];
            let [_, into] = run(&case, kind, Activation::Linear, &dy);
            for plane in into.read(gpu()).unwrap().chunks(case.size[0] * case.size[1]) {
                let zeros = plane.iter().filter(|&&gradient| gradient == 0.0).count();
                assert!(zeros == unseen || (kind == PoolKind::Max && zeros > unseen), "{case:?}: {zeros}");
                assert_eq!(plane.last(), Some(&0.0));
            }
        }
    }
}

/// PyTorch gives the whole gradient to the first of equals, row by row.
#[test]
fn of_equals_the_first_takes_the_gradient() {
    let case = tied(case([1, 1, 1], [4, 4], 2, 2));
    let pool = case.pool(PoolKind::Max);
    let x = [2.0, 2.0, 0.0, 3.0, 2.0, 2.0, 3.0, 3.0, -1.0, -2.0, -5.0, -5.0, -1.0, -1.0, -4.0, -4.0];
    let input = case.tensor(gpu(), 16, &x);
    let gradient = case.tensor(gpu(), 4, &[1.0, 2.0, 3.0, 4.0]);
    let into = case.tensor(gpu(), 16, &[9.0; 16]);
    let back = pool
        .backward_input(gpu(), &gradient, Activated { values: &input, activation: Activation::Linear }, &into)
        .unwrap();
    gpu().run(&[back]).unwrap();
    let mut expected = [0.0; 16];
    (expected[0], expected[3], expected[8], expected[14]) = (1.0, 2.0, 3.0, 4.0);
    assert_eq!(into.read(gpu()).unwrap(), expected);
}

/// More planes than a dispatch has workgroups in a direction: each lane takes several.
#[test]
fn more_planes_than_workgroups() {
    let most = gpu().max_workgroups() as usize;
    // Small images, or a device with larger grids would need more memory than it is worth.
    let case = case([3, 1, most / 3 + 7], [2, 3], 2, 1);
    assert!(case.twin().planes > most && most < 1 << 20);
    for case in [case, Case { window: 1, stride: 1, ..case }] {
        for kind in [PoolKind::Max, PoolKind::Average] {
            check(&case, kind, Activation::Relu);
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    for kind in [PoolKind::Max, PoolKind::Average] {
        let case = case([1, 2, 2], [5, 6], 3, 2);
        let dy = values(2 * case.pool(kind).outputs(), 4);
        let [_, into] = run(&case, kind, Activation::Linear, &dy);
        let objective = |x: &[f64]| -> f64 {
            forward(&case, kind, x).iter().zip(wide(&dy)).map(|(y, weight)| y * weight).sum()
        };
        let mut expected = central_gradient(objective, &wide(&case.inputs(Activation::Linear)), 1e-6);
        let dx = into.read(gpu()).unwrap();
        compare("dx", &dx, &expected, Tolerance::Balanced).unwrap();
        expected[0] += 0.01;
        assert!(compare("dx", &dx, &expected, Tolerance::Balanced).is_err());
    }
}

/// Twins of another window, stride or kind, and gradients that took the last of equals, have to fail.
#[test]
fn a_wrong_pool_fails() {
    for kind in [PoolKind::Max, PoolKind::Average] {
        let base = CASES[13];
        let dy = values(2 * base.pool(kind).outputs(), 4);
        let [output, into] = run(&base, kind, Activation::Linear, &dy);
        let (y, dx) = (output.read(gpu()).unwrap(), into.read(gpu()).unwrap());
        let x = base.inputs(Activation::Linear);
        let fails = |what: &str, case: &Case, kind: PoolKind, x: &[f64]| {
            let outcome = compare(what, &y, &forward(case, kind, x), Tolerance::Permissive);
            assert!(outcome.is_err(), "{what}, y");
            if case.twin().output_size() == base.twin().output_size() {
                let expected = backward(case, kind, x, &wide(&dy));
                assert!(compare(what, &dx, &expected, Tolerance::Permissive).is_err(), "{what}, dx");
            }
        };
        let wide_x = wide(&x);
        let other = if kind == PoolKind::Max { PoolKind::Average } else { PoolKind::Max };
        fails("the other kind", &base, other, &wide_x);
        fails("a smaller window", &Case { window: 2, ..base }, kind, &wide_x);
        if kind == PoolKind::Max {
            let mut nudged = wide_x.clone();
            // Later pixels a little larger: of equals the last one wins.
            nudged.iter_mut().enumerate().for_each(|(place, x)| *x += 1e-9 * place as f64);
            let expected = backward(&base, kind, &nudged, &wide(&dy));
            assert!(compare("dx", &dx, &expected, Tolerance::Permissive).is_err(), "the last of equals");
        }
    }
}
