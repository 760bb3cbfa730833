//! `shaders/optimizer.wgsl`: steps on gradients that lie in memory, against the twins' steps; and the
//! settings and the moved tensors that the tests of whole layers use too.

use crate::support::{gpu, values, wide};
use fedfunnel::model::{Moments, Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::optimizer::{Gradients, apply};
use fedfunnel::ops::{Arena, TrainedArena, UpdateRule};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::optimizer::{Adam, Sgd, adam, adamw, sgd};

/// Every rule, with and without each of its parts.
pub fn optimizers() -> [Optimizer; 6] {
    use OptimizerKind::{Adam, AdamW, Sgd};
    let optimizer = |kind, momentum, weight_decay| Optimizer {
        kind,
        lr: 0.02,
        momentum,
        weight_decay,
        // A short memory, so that three steps show a wrong decay.
        beta1: 0.7,
        beta2: 0.9,
        // A large one: Adam divides a gradient by its own size, and one that cancels to almost nothing
        // would come out as large as the others, its rounding with it.
        epsilon: 1e-3,
        moments: Moments::F32,
    };
    [
        optimizer(Sgd, 0.0, 0.0),
        optimizer(Sgd, 0.9, 0.1),
        optimizer(Adam, 0.0, 0.0),
        optimizer(Adam, 0.0, 0.1),
        optimizer(AdamW, 0.0, 0.0),
        optimizer(AdamW, 0.0, 0.5),
    ]
}

/// The settings with one of them off, and which one that is.
pub fn wrong_settings() -> [(&'static str, Optimizer, Optimizer); 9] {
    let [_, sgd, _, adam, _, adamw] = optimizers();
    [
        ("momentum", sgd, Optimizer { momentum: 0.89, ..sgd }),
        ("penalty of SGD", sgd, Optimizer { weight_decay: 0.09, ..sgd }),
        ("rate", sgd, Optimizer { lr: 0.0201, ..sgd }),
        ("beta1", adam, Optimizer { beta1: 0.71, ..adam }),
        ("beta2", adam, Optimizer { beta2: 0.91, ..adam }),
        ("epsilon", adam, Optimizer { epsilon: 2e-3, ..adam }),
        ("penalty of Adam", adam, Optimizer { weight_decay: 0.09, ..adam }),
        ("decoupling", adam, Optimizer { kind: OptimizerKind::AdamW, ..adam }),
        ("decay of AdamW", adamw, Optimizer { weight_decay: 0.49, ..adamw }),
    ]
}

/// One tensor of one replica with its moments, moved by a twin.
#[derive(Clone)]
pub struct Moved {
    pub p: Vec<f64>,
    pub m: Vec<f64>,
    pub v: Vec<f64>,
    taken: u32,
}

impl Moved {
    pub fn new(p: &[f64]) -> Self {
        Self { p: p.to_vec(), m: vec![0.0; p.len()], v: vec![0.0; p.len()], taken: 0 }
    }

    /// As it lies somewhere after so many steps.
    pub fn at([p, m, v]: [&[f32]; 3], taken: u32) -> Self {
        Self { p: wide(p), m: wide(m), v: wide(v), taken }
    }

    pub fn step(&mut self, g: &[f64], optimizer: &Optimizer, rate_scale: f32) {
        self.taken += 1;
        let learning_rate = f64::from(optimizer.lr) * f64::from(rate_scale);
        let weight_decay = f64::from(optimizer.weight_decay);
        let settings = Adam {
            learning_rate,
            beta1: optimizer.beta1.into(),
            beta2: optimizer.beta2.into(),
            epsilon: optimizer.epsilon.into(),
            weight_decay,
        };
        match optimizer.kind {
            OptimizerKind::Sgd => {
                let settings = Sgd { learning_rate, momentum: optimizer.momentum.into(), weight_decay };
                sgd(&mut self.p, g, &mut self.m, settings);
            }
            OptimizerKind::Adam => adam(&mut self.p, g, &mut self.m, &mut self.v, self.taken, settings),
            OptimizerKind::AdamW => adamw(&mut self.p, g, &mut self.m, &mut self.v, self.taken, settings),
        }
    }
}

/// A part of all replicas' tensors, one behind the other.
pub fn joined(twins: &[Moved], part: impl Fn(&Moved) -> &Vec<f64>) -> Vec<f64> {
    twins.iter().flat_map(|twin| part(twin).iter().copied()).collect()
}

/// How many samples replica `r` has in a step: the second replica rests in the second step.
pub fn samples(replica: usize, step: usize, batch: usize) -> usize {
    if replica == 1 && step == 1 { 0 } else { batch }
}

const STEPS: usize = 3;
const RATE_SCALE: f32 = 0.75;
/// What lies around the parameters.
const GUARD: f32 = 77.0;

/// R, how many parameters there are, and how many elements lie before them.
const CASES: [[usize; 3]; 5] = [[1, 1, 0], [1, 64, 0], [3, 65, 3], [3, 130, 7], [5, 1003, 4]];

/// Parameters and moments, `[R][count]`, after the last step.
struct Outcome {
    /// Parameters, first moments, second moments.
    device: [Vec<f32>; 3],
    twins: Vec<Moved>,
}

impl Outcome {
    fn disagreement(&self, tolerance: Tolerance) -> Result<(), String> {
        let [p, m, v] = &self.device;
        compare("parameters", p, &joined(&self.twins, |twin| &twin.p), tolerance)?;
        compare("first moments", m, &joined(&self.twins, |twin| &twin.m), tolerance)?;
        compare("second moments", v, &joined(&self.twins, |twin| &twin.v), tolerance)
    }
}

/// Three steps, on the device by `optimizer` and in the twin by `twin_optimizer`.
fn run([replicas, count, lead]: [usize; 3], optimizer: &Optimizer, twin_optimizer: &Optimizer) -> Outcome {
    let stride = (lead + count + 5).next_multiple_of(4);
    let own = |replica: usize| replica * stride + lead..replica * stride + lead + count;
    let start = values(replicas * count, 1);
    let mut content = vec![GUARD; replicas * stride];
    for replica in 0..replicas {
        content[own(replica)].copy_from_slice(&start[replica * count..][..count]);
    }
    let upload = |content: &[f32]| gpu().upload("memory", content).unwrap();
    let arena = TrainedArena {
        parameters: Arena { buffer: upload(&content), stride },
        first_moments: upload(&vec![0.0; content.len()]),
        second_moments: Some(upload(&vec![0.0; content.len()])),
    };
    let buffer = upload(&vec![0.0; replicas * count]);
    let gradients = Gradients { buffer: &buffer, replicas, count, offset: lead, rate_scale: RATE_SCALE };
    let mut writer = ScheduleWriter::new(gpu(), *optimizer, replicas, STEPS).unwrap();
    writer.write(gpu(), STEPS, |replica, step| samples(replica, step, 4));
    let plan = [apply(gpu(), &arena, writer.rule(), gradients).unwrap()];
    let entry = if optimizer.kind == OptimizerKind::Sgd { "optimizer_sgd" } else { "optimizer_adam" };
    assert_eq!(plan[0].name(), entry);

    let mut twins: Vec<_> = wide(&start).chunks(count).map(Moved::new).collect();
    for step in 0..STEPS {
        // Another gradient in every step, of another size.
        let shrink = 1.0 / (1 + step) as f32;
        let g: Vec<f32> = values(replicas * count, 10 + step as u32).iter().map(|g| g * shrink).collect();
        gpu().write(&buffer, 0, &g);
        gpu().run_steps(&plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        for (replica, g) in wide(&g).chunks(count).enumerate() {
            if samples(replica, step, 4) > 0 {
                twins[replica].step(g, twin_optimizer, RATE_SCALE);
            }
        }
    }
    let memory = [&arena.parameters.buffer, &arena.first_moments, arena.second_moments.as_ref().unwrap()];
    let device = [0, 1, 2].map(|place| {
        let around = if place == 0 { GUARD } else { 0.0 };
        let mut all: Vec<f32> = gpu().read(memory[place]).unwrap();
        let values: Vec<f32> = (0..replicas).flat_map(|r| all[own(r)].to_vec()).collect();
        (0..replicas).for_each(|replica| all[own(replica)].fill(around));
        assert!(all.iter().all(|&value| value == around), "memory around the parameters was written");
        values
    });
    Outcome { device, twins }
}

#[test]
fn steps_agree_with_their_twin_for_every_optimiser() {
    for case in CASES {
        for optimizer in optimizers() {
            let outcome = run(case, &optimizer, &optimizer);
            // Strict but for the parameters of Adam, whose quotients carry the rounding of the moments.
            let [_, m, v] = &outcome.device;
            assert_close("first moments", m, &joined(&outcome.twins, |twin| &twin.m), Tolerance::Strict);
            assert_close("second moments", v, &joined(&outcome.twins, |twin| &twin.v), Tolerance::Strict);
            outcome
                .disagreement(Tolerance::Balanced)
                .unwrap_or_else(|e| panic!("{case:?}, {optimizer:?}: {e}"));
        }
    }
}

/// A replica that rests keeps parameters and moments to the last bit, and its count of steps.
#[test]
fn a_resting_replica_stands_still() {
    for optimizer in optimizers() {
        let three = run([3, 65, 3], &optimizer, &optimizer);
        assert!(three.disagreement(Tolerance::Balanced).is_ok());
        // As if it had not rested, or had rested for good, it is not.
        let mut wrong = run([3, 65, 3], &optimizer, &optimizer);
        let g = wide(&values(3 * 65, 11));
        wrong.twins[1].step(&g[65..130], &optimizer, RATE_SCALE);
        assert!(wrong.disagreement(Tolerance::Permissive).is_err(), "{optimizer:?}");
        wrong.twins[1] = Moved::new(&wide(&values(3 * 65, 1))[65..130]);
        assert!(wrong.disagreement(Tolerance::Permissive).is_err(), "{optimizer:?}");
    }
}

#[test]
fn a_wrong_setting_fails() {
    for (what, right, wrong) in wrong_settings() {
        let outcome = run([3, 130, 7], &right, &wrong);
        assert!(outcome.disagreement(Tolerance::Balanced).is_err(), "a wrong {what} passes");
    }
}

/// Adam without second moments is refused before anything runs.
#[test]
fn adam_without_second_moments_is_an_error() {
    let memory = || gpu().zeros("memory", 4).unwrap();
    let (parameters, buffer) = (Arena { buffer: memory(), stride: 4 }, memory());
    let arena = TrainedArena { parameters, first_moments: memory(), second_moments: None };
    let gradients = Gradients { buffer: &buffer, replicas: 1, count: 4, offset: 0, rate_scale: 1.0 };
    let [sgd, _, adam, ..] = optimizers();
    let writer = ScheduleWriter::new(gpu(), adam, 1, 1).unwrap();
    let rule = |optimizer| UpdateRule { optimizer, schedule: &writer.schedule };
    assert!(apply(gpu(), &arena, rule(&sgd), gradients).is_ok());
    let error = apply(gpu(), &arena, rule(&adam), gradients).unwrap_err().to_string();
    assert!(error.contains("second moments"), "{error}");
}
