//! The optimiser's step on codes, and what arrives of them at half precision.

use crate::optimizer::{Moved, joined, optimizers, samples, wrong_settings};
use crate::support::{gpu, posing_gpu, values, wide};
use fedfunnel::gpu::{Buffer, Gpu};
use fedfunnel::model::{Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::code::{self, Codes, PartialSums, Rounding};
use fedfunnel::reference::code::{half, upper_half};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};

const STEPS: usize = 3;
/// What lies behind the values of each code, and behind the sums of each replica.
const GUARD: f32 = 77.0;

/// R, Z, and lanes whose sums make up a gradient.
const CASES: [[usize; 3]; 5] = [[1, 1, 8], [3, 5, 11], [1, 10, 72], [3, 4, 16], [3, 33, 1]];

const ROUNDINGS: [Rounding; 3] = [Rounding::None, Rounding::F16, Rounding::Bf16];

/// What arrives of a code.
fn arrive(code: &[f32], rounding: Rounding) -> Vec<f32> {
    let rounded = |x: &f32| match rounding {
        Rounding::None => *x,
        Rounding::F16 => half::f16::from_f32(x.clamp(-65_504.0, 65_504.0)).to_f32(),
        Rounding::Bf16 => {
            let largest = half::bf16::MAX.to_f32();
            half::bf16::from_f32(x.clamp(-largest, largest)).to_f32()
        }
    };
    code.iter().map(rounded).collect()
}

/// The same by the twin.
fn twin(x: f64, rounding: Rounding) -> f64 {
    match rounding {
        Rounding::None => x,
        Rounding::F16 => half(x),
        Rounding::Bf16 => upper_half(x),
    }
}

fn memory(codes: &Codes) -> [&Buffer; 5] {
    let [first_moments, second_moments] = &codes.moments;
    [&codes.values, &codes.shifts, first_moments, second_moments, &codes.starts]
}

/// Puts guards behind each replica's values.
fn guard(gpu: &Gpu, codes: &Codes) {
    for buffer in memory(codes) {
        let mut all: Vec<f32> = gpu.read(buffer).unwrap();
        for line in all.chunks_mut(codes.stride) {
            assert!(line[codes.floats..].iter().all(|&x| x == 0.0), "codes are not padded with zeros");
            line[codes.floats..].fill(GUARD);
        }
        gpu.write(buffer, 0, &all);
    }
}

/// Codes, shifts, first moments, second moments and starts as they lie on the device, `[R][Z]`; the guards have to be
/// there.
fn read(gpu: &Gpu, codes: &Codes) -> [Vec<f32>; 5] {
    memory(codes).map(|buffer| {
        let all: Vec<f32> = gpu.read(buffer).unwrap();
        let lines = all.chunks(codes.stride).flat_map(|line| {
            let (own, behind) = line.split_at(codes.floats);
            assert!(behind.iter().all(|&x| x == GUARD), "memory behind a code was written");
            own.iter().copied()
        });
        lines.collect()
    })
}

/// Codes and all that belongs to them after the last step, `[R][Z]`.
struct Outcome {
    codes: Vec<f32>,
    shifts: Vec<f32>,
    first_moments: Vec<f32>,
    second_moments: Vec<f32>,
    starts: Vec<f32>,
    twins: Vec<Moved>,
}

impl Outcome {
    fn disagreement(&self, tolerance: Tolerance) -> Result<(), String> {
        compare("codes", &self.codes, &joined(&self.twins, |twin| &twin.p), tolerance)?;
        compare("first moments", &self.first_moments, &joined(&self.twins, |twin| &twin.m), tolerance)?;
        compare("second moments", &self.second_moments, &joined(&self.twins, |twin| &twin.v), tolerance)
    }

    /// Whether the shifts are what this rounding makes of the device's own codes.
    fn shifts_are_of(&self, rounding: Rounding) -> Result<(), String> {
        let arrived = wide(&self.codes).into_iter().map(|x| twin(x, rounding));
        let expected: Vec<f64> = arrived.zip(wide(&self.starts)).map(|(x, start)| x - start).collect();
        compare("shifts", &self.shifts, &expected, Tolerance::Exact)
    }
}

/// Three steps, on the device by `optimizer` and in the twin by `twin_optimizer`.
fn run(
    gpu: &Gpu,
    [replicas, floats, lanes]: [usize; 3],
    rounding: Rounding,
    [optimizer, twin_optimizer]: [&Optimizer; 2],
) -> Outcome {
    let start = values(replicas * floats, 1);
    let codes = Codes::new(gpu, replicas, floats).unwrap();
    let lines: Vec<_> = start.chunks(floats).map(<[f32]>::to_vec).collect();
    let arrived: Vec<_> = lines.iter().map(|code| arrive(code, rounding)).collect();
    // What was there before is forgotten.
    for buffer in memory(&codes) {
        gpu.write(buffer, 0, &vec![GUARD; buffer.len()]);
    }
    codes.restart(gpu, &lines, &arrived);
    guard(gpu, &codes);
    let replica_stride = floats * lanes + 3;
    let buffer = gpu.zeros("sums", replicas * replica_stride).unwrap();
    let sums = PartialSums { buffer, replicas, replica_stride, lanes };
    let mut writer = ScheduleWriter::new(gpu, *optimizer, replicas, STEPS).unwrap();
    writer.write(gpu, STEPS, |replica, step| samples(replica, step, 4));
    let plan = [code::step(gpu, &codes, &sums, writer.rule(), rounding).unwrap()];
    let entry = if optimizer.kind == OptimizerKind::Sgd { "code_sgd" } else { "code_adam" };
    assert_eq!(plan[0].name(), entry);

    let mut twins: Vec<_> = wide(&start).chunks(floats).map(Moved::new).collect();
    for step in 0..STEPS {
        // Another gradient in every step, of another size.
        let shrink = 1.0 / (1 + step) as f32;
        let content: Vec<f32> =
            values(replicas * replica_stride, 10 + step as u32).iter().map(|g| g * shrink).collect();
        gpu.write(&sums.buffer, 0, &content);
        let before = read(gpu, &codes);
        gpu.run_steps(&plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        let after = read(gpu, &codes);
        for (replica, line) in wide(&content).chunks(replica_stride).enumerate() {
            if samples(replica, step, 4) > 0 {
                let g: Vec<f64> = line[..floats * lanes].chunks(lanes).map(|g| g.iter().sum()).collect();
                twins[replica].step(&g, twin_optimizer, 1.0);
            } else {
                let own = replica * floats..(replica + 1) * floats;
                for (before, after) in before.iter().zip(&after) {
                    assert_eq!(before[own.clone()], after[own.clone()], "replica {replica} does not rest");
                }
            }
        }
    }
    let [values, shifts, first_moments, second_moments, starts] = read(gpu, &codes);
    assert_eq!(codes.read(gpu).unwrap().concat(), values);
    assert_eq!(starts, arrived.concat());
    Outcome { codes: values, shifts, first_moments, second_moments, starts, twins }
}

#[test]
fn steps_agree_with_their_twin_for_every_optimiser() {
    for gpu in [gpu(), posing_gpu()] {
        for case in CASES {
            for (optimizer, rounding) in optimizers().iter().flat_map(|o| ROUNDINGS.map(|r| (o, r))) {
                let outcome = run(gpu, case, rounding, [optimizer, optimizer]);
                let agreed = outcome.disagreement(Tolerance::Balanced);
                let agreed = agreed.and_then(|()| outcome.shifts_are_of(rounding));
                agreed.unwrap_or_else(|e| panic!("{case:?}, {optimizer:?}, {rounding:?}: {e}"));
                let other = ROUNDINGS.into_iter().find(|other| *other != rounding).unwrap();
                assert!(outcome.shifts_are_of(other).is_err(), "{case:?}: shifts of {other:?} pass");
            }
        }
    }
}

/// A replica that rests keeps its count of steps too.
#[test]
fn a_resting_replica_s_code_stands_still() {
    for optimizer in optimizers() {
        let case = [3, 5, 11];
        let mut wrong = run(gpu(), case, Rounding::None, [&optimizer; 2]);
        wrong.disagreement(Tolerance::Balanced).unwrap();
        // As if it had stepped once more, or had rested for good, it is not.
        wrong.twins[1].step(&[0.5, -0.5, 0.25, -0.25, 1.0], &optimizer, 1.0);
        assert!(wrong.disagreement(Tolerance::Permissive).is_err(), "{optimizer:?}");
        wrong.twins[1] = Moved::new(&wide(&values(3 * 5, 1))[5..10]);
        assert!(wrong.disagreement(Tolerance::Permissive).is_err(), "{optimizer:?}");
    }
}

#[test]
fn a_wrong_setting_of_a_code_s_optimiser_fails() {
    for (what, right, wrong) in wrong_settings() {
        let outcome = run(gpu(), [3, 33, 1], Rounding::None, [&right, &wrong]);
        assert!(outcome.disagreement(Tolerance::Balanced).is_err(), "a wrong {what} passes");
    }
}

/// All values of half precision, the middles between neighbours, the values of f32 on both sides of these, and what
/// lies beyond the largest; of both signs.
fn awkward_values() -> Vec<f32> {
    let mut all = vec![f32::from_bits(1), f32::MIN_POSITIVE, 1e-30, 65_519.0, 65_536.0, 1e9, f32::MAX];
    for bits in 0..=half::f16::MAX.to_bits() {
        let value = half::f16::from_bits(bits).to_f32();
        // The one after the largest is infinite; its place among the others is the next power of two.
        let next = half::f16::from_bits(bits + 1).to_f32().min(65_536.0);
        let middle = (value + next) / 2.0;
        all.extend([value, middle, middle.next_down(), middle.next_up()]);
    }
    for named in [5.960_464_5e-8, 6.103_515_6e-5, 65_504.0, 65_519.996, 65_520.0] {
        assert!(all.contains(&named), "{named}");
    }
    all.iter().flat_map(|&x| [x, -x]).collect()
}

/// What arrives of these values, of two replicas: a step of size zero leaves a code as it is, so that its shift from zero
/// is what arrives of it.
fn shifts(lines: &[Vec<f32>; 2], rounding: Rounding) -> Vec<f32> {
    let [sgd, ..] = optimizers();
    let width = lines[0].len();
    let codes = Codes::new(gpu(), lines.len(), width).unwrap();
    let zeros = vec![vec![0.0; width]; lines.len()];
    let buffer = gpu().zeros("sums", lines.len() * width).unwrap();
    let sums = PartialSums { buffer, replicas: lines.len(), replica_stride: width, lanes: 1 };
    let mut writer = ScheduleWriter::new(gpu(), sgd, lines.len(), 1).unwrap();
    writer.write(gpu(), 1, |_, _| 1);
    codes.restart(gpu(), &lines[..], &zeros[..]);
    gpu().run(&[code::step(gpu(), &codes, &sums, writer.rule(), rounding).unwrap()]).unwrap();
    let all: Vec<f32> = gpu().read(&codes.shifts).unwrap();
    all.chunks(codes.stride).flat_map(|line| line[..codes.floats].to_vec()).collect()
}

#[test]
fn what_arrives_at_half_precision_is_rounded_to_the_bit() {
    let all = awkward_values();
    let lines = [all.clone(), all.iter().rev().copied().collect()];
    let shifts = |rounding| shifts(&lines, rounding);
    let arrived = shifts(Rounding::F16);
    let sent = lines.concat();
    let expected = arrive(&sent, Rounding::F16);
    for i in 0..sent.len() {
        // Zeros of either sign are one code.
        assert!(
            arrived[i] == expected[i],
            "{:e} arrives as {:e}, not {:e}",
            sent[i],
            arrived[i],
            expected[i]
        );
    }
    let twin: Vec<f64> = wide(&sent).into_iter().map(half).collect();
    assert_close("halves", &arrived, &twin, Tolerance::Exact);

    // Other ways to round are not that: not at all, towards zero, and middles away from zero.
    let refuse = |what: &str, round: &dyn Fn(f32) -> f64| {
        let wrong: Vec<f64> = sent.iter().map(|&x| round(x)).collect();
        assert!(compare(what, &arrived, &wrong, Tolerance::Exact).is_err(), "{what} passes");
    };
    refuse("no rounding", &|x| x.into());
    refuse("rounding towards zero", &|x| {
        let nearest = half(x.into());
        if nearest.abs() > f64::from(x).abs() { half(nearest * (1.0 - 1.0 / 2048.0)) } else { nearest }
    });
    refuse("rounding middles away from zero", &|x| half(f64::from(x) * (1.0 + 1e-9)));
    refuse("infinity", &|x| half::f16::from_f32(x).into());
    assert!(shifts(Rounding::None).iter().zip(&sent).all(|(x, y)| x == y || y.is_subnormal()));
}

#[test]
fn what_arrives_as_upper_halves_is_rounded_to_the_bit() {
    let mut all = vec![f32::MAX, f32::MAX.next_down(), 1e9, 0.0];
    // Every 7th of them, so that all mantissas are there; those that are not normal are zeros on some devices.
    for bits in (0x80..0x7f7f_u32).step_by(7) {
        let [value, next] = [bits << 16, (bits + 1) << 16].map(f32::from_bits);
        let middle = f32::from_bits(bits << 16 | 0x8000);
        all.extend([value, middle, middle.next_down(), middle.next_up(), next]);
    }
    let all: Vec<f32> = all.iter().flat_map(|&x| [x, -x]).collect();
    let lines = [all.clone(), all.iter().rev().copied().collect()];
    let arrived = shifts(&lines, Rounding::Bf16);
    let sent = lines.concat();
    let expected = arrive(&sent, Rounding::Bf16);
    for i in 0..sent.len() {
        assert!(
            arrived[i] == expected[i],
            "{:e} arrives as {:e}, not {:e}",
            sent[i],
            arrived[i],
            expected[i]
        );
    }
    for (expected, sent) in expected.iter().zip(&sent) {
        assert_eq!(f64::from(*expected), upper_half(f64::from(*sent)), "{sent:e}");
    }
    // Cutting the lower half off, and middles away from zero, are not that.
    let wrong: [fn(u32) -> u32; 2] = [|bits| bits & 0xffff_0000, |bits| (bits + 0x8000) & 0xffff_0000];
    for round in wrong {
        assert!(sent.iter().zip(&arrived).any(|(x, arrived)| round(x.to_bits()) != arrived.to_bits()));
    }
}
