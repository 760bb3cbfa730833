//! The kernels against their twin.

use crate::support::{gpu, posing_gpu, small_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::ops::Arena;
use fedfunnel::ops::directions::DirectionKind::{Normal, Rademacher};
use fedfunnel::ops::directions::{
    DirectionKind, DrawnStep, Factors, Probe, ProbeSettings, SlopeForm, Stretch,
};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::directions as twin;

const KINDS: [DirectionKind; 2] = [Rademacher, Normal];
const REACH: f32 = 0.01;
const RATE: f32 = 0.003;
const STEPS: usize = 4;
const SLOTS: usize = 9;
const BATCH: usize = 5;

/// R, and how many weights each has.
const CASES: [[usize; 2]; 5] = [[1, 1], [1, 263], [3, 67], [3, 2_051], [2, 5_001]];

/// The second replica rests in the second step. Direction 7 is drawn twice.
fn drawn(replica: usize, step: usize) -> DrawnStep {
    let rests = replica == 1 && step == 1;
    let number = [7, 2, 0, 7][step];
    DrawnStep { key: [11, replica as u32], number, samples: if rests { 0 } else { BATCH - 1 } }
}

/// Losses ahead and behind of the samples of a step.
fn losses(replica: usize, step: usize) -> [Vec<f32>; 2] {
    let of = |tensor: u32| values(BATCH, 100 + tensor + 2 * (replica * STEPS + step) as u32);
    [of(0), of(1)]
}

/// Parts of weights: the place of the first weight of each, and where it lies in memory of its own.
fn parts(count: usize, cuts: &[usize]) -> Vec<Stretch> {
    let ends: Vec<_> = cuts.iter().copied().filter(|&cut| cut < count).chain([count]).collect();
    let first = |place: usize| if place == 0 { 0 } else { ends[place - 1] };
    let part = |place| Stretch { first: first(place), offset: 3 * place, count: ends[place] - first(place) };
    (0..ends.len()).map(part).collect()
}

/// Memory of a part, whose weights are `[R][P]`.
fn arena(gpu: &Gpu, part: Stretch, weights: &[Vec<f32>]) -> Arena {
    let stride = (part.offset + part.count + 1).next_multiple_of(4);
    let mut laid_out = vec![77.0f32; stride * weights.len()];
    for (memory, own) in laid_out.chunks_exact_mut(stride).zip(weights) {
        memory[part.offset..][..part.count].copy_from_slice(&own[part.first..][..part.count]);
    }
    Arena { buffer: gpu.upload("weights", &laid_out).unwrap(), stride }
}

/// The weights of all parts, `[R][P]`, with what is beside them untouched.
fn read(gpu: &Gpu, parts: &[(Stretch, Arena)], replicas: usize) -> Vec<Vec<f32>> {
    let mut all = vec![Vec::new(); replicas];
    for (part, arena) in parts {
        let values: Vec<f32> = gpu.read(&arena.buffer).unwrap();
        for (own, memory) in all.iter_mut().zip(values.chunks_exact(arena.stride)) {
            let (own_values, after) = memory[part.offset..].split_at(part.count);
            assert!(memory[..part.offset].iter().chain(after).all(|&guard| guard == 77.0));
            own.extend_from_slice(own_values);
        }
    }
    all
}

/// What steps came to on the device.
struct Walked {
    /// Weights tried ahead and behind in each step, and the base after it, `[steps][3][R][P]`.
    tried: Vec<[Vec<Vec<f32>>; 3]>,
    record: Vec<f32>,
    totals: Vec<f32>,
}

fn walk(
    gpu: &Gpu,
    [replicas, count]: [usize; 2],
    cuts: &[usize],
    kind: DirectionKind,
    slopes: SlopeForm,
) -> Walked {
    let begun: Vec<_> = (0..replicas as u32).map(|replica| values(count, replica)).collect();
    let of = |weights: &[Vec<f32>]| -> Vec<_> {
        parts(count, cuts).into_iter().map(|part| (part, arena(gpu, part, weights))).collect()
    };
    let (base, tried) = (of(&begun), of(&begun));
    let settings = ProbeSettings {
        kind,
        slopes,
        reach: REACH,
        rate: RATE,
        replicas,
        batch: BATCH,
        // More room than steps.
        steps: STEPS + 2,
        slots: SLOTS,
    };
    let probe = Probe::new(gpu, settings).unwrap();
    probe.write_draws(gpu, STEPS, drawn);
    let (mut steps, mut turns) = (Vec::new(), Vec::new());
    for (place, ((part, base), (_, tried))) in base.iter().zip(&tried).enumerate() {
        steps.push(probe.step(gpu, base, tried, *part, place == 0).unwrap());
        turns.push(probe.turn(gpu, base, tried, *part, place == 0).unwrap());
    }
    let run = |plan: &[_], step: usize| gpu.run_steps(plan, step as u32..step as u32 + 1, &mut |_| ());
    let mut walked = Walked { tried: Vec::new(), record: Vec::new(), totals: Vec::new() };
    let tallies = |step: usize, place: usize| -> Vec<f32> {
        let of = |replica| losses(replica, step)[place].iter().flat_map(|&loss| [loss, 1.0]).collect();
        (0..replicas).flat_map(|replica| -> Vec<f32> { of(replica) }).collect()
    };
    for step in 0..STEPS {
        run(&steps, step).unwrap();
        if let Some(last) = walked.tried.last_mut() {
            last[2] = read(gpu, &base, replicas);
        }
        let ahead = read(gpu, &tried, replicas);
        gpu.write(&probe.ahead, 0, &tallies(step, 0));
        run(&turns, step).unwrap();
        gpu.write(&probe.behind, 0, &tallies(step, 1));
        walked.tried.push([ahead, read(gpu, &tried, replicas), Vec::new()]);
    }
    run(&steps, STEPS).unwrap();
    walked.tried[STEPS - 1][2] = read(gpu, &base, replicas);
    // Behind the last step what is tried is where steps go on from.
    assert_eq!(read(gpu, &tried, replicas), walked.tried[STEPS - 1][2]);
    walked.record = gpu.read(&probe.record).unwrap();
    walked.totals = gpu.read(&probe.totals).unwrap();
    walked
}

/// Holds what steps came to against the twin, whose rate is `factor` times as large.
fn hold(
    [replicas, count]: [usize; 2],
    kind: DirectionKind,
    slopes: SlopeForm,
    walked: &Walked,
    factor: f64,
) -> Result<(), String> {
    let (reach, rate) = (f64::from(REACH), factor * f64::from(RATE));
    for replica in 0..replicas {
        let mut base = wide(&values(count, replica as u32));
        let mut record = vec![0.0; SLOTS];
        let mut totals = [0.0; 2];
        for step in 0..STEPS {
            let DrawnStep { key, number, samples } = drawn(replica, step);
            let [ahead, behind, after] = &walked.tried[step];
            if samples > 0 {
                let z = twin::direction(kind, count, key, number);
                for (tried, sign) in [(ahead, 1.0), (behind, -1.0)] {
                    let mut due = base.clone();
                    twin::walk(&mut due, &z, sign * reach);
                    compare("tried", &tried[replica], &due, Tolerance::Strict)?;
                }
                let [ahead, behind] = losses(replica, step).map(|losses| wide(&losses));
                let more: f64 = ahead.iter().zip(&behind).map(|(a, b)| a - b).sum();
                let mut slope = more / (2.0 * reach * samples as f64);
                if let SlopeForm::Byte(unit) = slopes {
                    slope = f64::from(unit) * twin::byte_value(slope / f64::from(unit));
                }
                record[number as usize] += slope;
                totals[0] += ahead.iter().sum::<f64>();
                totals[1] += BATCH as f64;
                twin::walk(&mut base, &z, -rate * slope);
            }
            compare("base", &after[replica], &base, Tolerance::Strict)?;
        }
        compare("record", &walked.record[replica * SLOTS..][..SLOTS], &record, Tolerance::Balanced)?;
        let own = walked.totals[2 * replica * BATCH..][..2 * BATCH].chunks_exact(2);
        let sums = own.fold([0.0f32; 2], |sums, pair| [sums[0] + pair[0], sums[1] + pair[1]]);
        compare("totals", &sums, &totals, Tolerance::Balanced)?;
    }
    Ok(())
}

#[test]
fn steps_along_directions_agree_with_their_twin() {
    for case in CASES {
        for kind in KINDS {
            for slopes in [SlopeForm::Exact, SlopeForm::Byte(0.25)] {
                let walked = walk(gpu(), case, &[], kind, slopes);
                hold(case, kind, slopes, &walked, 1.0).unwrap_or_else(|error| panic!("{case:?}: {error}"));
                assert!(hold(case, kind, slopes, &walked, 1.01).is_err(), "{case:?}");
            }
        }
    }
}

#[test]
fn neither_cuts_nor_replicas_nor_classes_of_devices_change_a_bit() {
    let case = [3, 2_051];
    for kind in KINDS {
        let whole = walk(gpu(), case, &[], kind, SlopeForm::Exact);
        for (gpu, cuts) in [(gpu(), &[5, 6, 1_030][..]), (small_gpu(), &[2_048]), (posing_gpu(), &[2_049])] {
            let cut = walk(gpu, case, cuts, kind, SlopeForm::Exact);
            assert!(cut.tried == whole.tried && cut.record == whole.record, "{cuts:?}");
        }
        let alone = walk(gpu(), [1, case[1]], &[], kind, SlopeForm::Exact);
        for (alone, whole) in alone.tried.iter().zip(&whole.tried) {
            assert!(alone.iter().zip(whole).all(|(alone, whole)| alone[0] == whole[0]));
        }
    }
}

/// More blocks than lanes share a dispatch, so that each lane takes several.
#[test]
fn more_weights_than_lanes_agree_too() {
    let case = [1, 9_000_001];
    let walked = walk(gpu(), case, &[], Rademacher, SlopeForm::Exact);
    hold(case, Rademacher, SlopeForm::Exact, &walked, 1.0).unwrap();
}

/// Families of directions, and what is gone along each.
fn families(replica: usize) -> (Vec<[u32; 2]>, Vec<Vec<f32>>) {
    let mut factors: Vec<_> = [9, 4, 1].into_iter().map(|count| values(count, 50 + replica as u32)).collect();
    // Nobody has drawn these four.
    factors[0][4..8].fill(0.0);
    (vec![[5, 6], [7, 8], [5, 9]], factors)
}

fn replayed(gpu: &Gpu, [replicas, count]: [usize; 2], cuts: &[usize], kind: DirectionKind) -> Vec<Vec<f32>> {
    let begun: Vec<_> = (0..replicas as u32).map(|replica| values(count, replica)).collect();
    let all: Vec<_> = (0..replicas).map(families).collect();
    let factors: Vec<Vec<_>> =
        all.iter().map(|(_, factors)| factors.iter().map(Vec::as_slice).collect()).collect();
    let factors = Factors::upload(gpu, &all[0].0, &factors).unwrap();
    let weights: Vec<_> =
        parts(count, cuts).into_iter().map(|part| (part, arena(gpu, part, &begun))).collect();
    for (part, arena) in &weights {
        gpu.run(&factors.replay(gpu, kind, arena, *part).unwrap()).unwrap();
    }
    read(gpu, &weights, replicas)
}

#[test]
fn what_is_replayed_agrees_with_its_twin_whatever_is_cut() {
    for case @ [replicas, count] in CASES {
        for kind in KINDS {
            let weights = replayed(gpu(), case, &[], kind);
            assert!(replayed(posing_gpu(), case, &[1, 6, 2_045], kind) == weights);
            assert_eq!(weights.len(), replicas);
            for (replica, weights) in weights.iter().enumerate() {
                let (keys, factors) = families(replica);
                let mut factors: Vec<_> = factors.iter().map(|line| wide(line)).collect();
                let mut due = wide(&values(count, replica as u32));
                twin::replay(&mut due, kind, &keys, &factors);
                assert_close("weights", weights, &due, Tolerance::Balanced);
                // The negative control: one factor is another one.
                factors[1][3] += 0.01;
                let mut due = wide(&values(count, replica as u32));
                twin::replay(&mut due, kind, &keys, &factors);
                assert!(compare("weights", weights, &due, Tolerance::Balanced).is_err());
            }
        }
    }
}

/// The slopes of steps, each of another direction, replayed: `w - rate * slope * z` has the bits of the steps.
#[test]
fn a_replay_has_the_bits_of_the_steps_one_after_the_other() {
    let count = 2_051;
    for kind in KINDS {
        for slopes in [SlopeForm::Exact, SlopeForm::Byte(0.25)] {
            let begun = values(count, 1);
            let part = Stretch { first: 0, offset: 0, count };
            let of = |weights: &[f32]| arena(gpu(), part, &[weights.to_vec()]);
            let (base, tried, weights) = (of(&begun), of(&begun), of(&begun));
            let settings = ProbeSettings {
                kind,
                slopes,
                reach: REACH,
                rate: RATE,
                replicas: 1,
                batch: BATCH,
                steps: STEPS,
                slots: STEPS,
            };
            let probe = Probe::new(gpu(), settings).unwrap();
            let draw = |_, step| DrawnStep { key: [1, 2], number: step as u32, samples: BATCH };
            probe.write_draws(gpu(), STEPS, draw);
            let step = [probe.step(gpu(), &base, &tried, part, true).unwrap()];
            let turn = [probe.turn(gpu(), &base, &tried, part, true).unwrap()];
            for number in 0..=STEPS {
                let run =
                    |plan| gpu().run_steps(plan, number as u32..number as u32 + 1, &mut |_| ()).unwrap();
                run(&step);
                gpu().write(&probe.ahead, 0, &values(2 * BATCH, 60 + number as u32));
                run(&turn);
                gpu().write(&probe.behind, 0, &values(2 * BATCH, 70 + number as u32));
            }
            let record: Vec<f32> = gpu().read(&probe.record).unwrap();
            assert!(record.iter().all(|slope| *slope != 0.0));
            let factors: Vec<_> = record.iter().map(|slope| -RATE * slope).collect();
            let factors = Factors::upload(gpu(), &[[1, 2]], &[vec![&factors]]).unwrap();
            gpu().run(&factors.replay(gpu(), kind, &weights, part).unwrap()).unwrap();
            let bits = |arena: &Arena| gpu().read::<u32>(&arena.buffer).unwrap();
            assert!(bits(&weights) == bits(&base), "{kind:?}, {slopes:?}");
            assert!(bits(&weights) != begun.iter().map(|w| w.to_bits()).collect::<Vec<_>>());
        }
    }
}

/// More directions than a lane adds up in one dispatch, in one family and in several.
#[test]
fn many_directions_are_replayed_in_several_dispatches() {
    let count = 70;
    let part = Stretch { first: 0, offset: 0, count };
    for (families, directions, dispatches) in [(1, 20_003, 2), (3, 9_001, 3), (5, 5_000, 2)] {
        let keys: Vec<_> = (0..families).map(|family| [family, 3]).collect();
        let all: Vec<_> = (0..families).map(|family| values(directions, family)).collect();
        let weights = arena(gpu(), part, &[values(count, 1)]);
        let lines = [all.iter().map(Vec::as_slice).collect()];
        let factors = Factors::upload(gpu(), &keys, &lines).unwrap();
        let plan = factors.replay(gpu(), Rademacher, &weights, part).unwrap();
        assert_eq!(plan.len(), dispatches);
        gpu().run(&plan).unwrap();
        let mut due = wide(&values(count, 1));
        let factors: Vec<_> = all.iter().map(|line| wide(line)).collect();
        twin::replay(&mut due, Rademacher, &keys, &factors);
        let actual = &gpu().read::<f32>(&weights.buffer).unwrap()[..count];
        assert_close("weights", actual, &due, Tolerance::Balanced);
    }
}

#[test]
fn factors_of_other_families_than_there_are_keys_are_refused() {
    let line: &[f32] = &[1.0];
    let error = Factors::upload(gpu(), &[[1, 2]], &[vec![line, line]]).unwrap_err();
    assert!(error.to_string().contains("families"), "{error}");
}
