//! `shaders/masks.wgsl`: masks over frozen weights and the steps of their scores, against the twins.

use crate::code::cohort::{FEW, MANY, SAMPLES, Shape};
use crate::optimizer::{Moved, joined, optimizers, samples, wrong_settings};
use crate::support::{every_class, gpu, posing_gpu, small_gpu, small_posing_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{Optimizer, OptimizerKind, ScheduleWriter, frozen_weights};
use fedfunnel::ops::Arena;
use fedfunnel::ops::masks::{
    FrozenArena, KeptRule, MaskRule, RankedArena, ScoredArena, TensorPart, find_thresholds,
};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::finite_difference::central_gradient;
use fedfunnel::reference::masks::{self as twin, DrawAt};
use fedfunnel::training::{KeptPart, MaskCohort, MaskKind, MaskSettings, ResidentImages};

/// R, and how many weights each has.
const CASES: [[usize; 2]; 5] = [[1, 4], [1, 260], [3, 68], [3, 1004], [5, 12]];
const STEPS: usize = 3;
const SEED: u32 = 11;

/// Frozen weights and scores; some frozen weights are zero, as padding is.
struct Case {
    replicas: usize,
    count: usize,
    frozen: Vec<f32>,
    numbers: Vec<u32>,
    tensors: Vec<u32>,
    scores: Vec<f32>,
}

impl Case {
    fn new([replicas, count]: [usize; 2]) -> Self {
        let mut frozen = values(count, 1);
        frozen[count - 1] = 0.0;
        // In another order than they lie.
        let numbers = (0..count as u32).map(|i| (i * 7 + 5) % 10_007).collect();
        let tensors = (0..count as u32).map(|i| i % 3).collect();
        let scores = values(replicas * count, 2).iter().map(|score| 3.0 * score).collect();
        Self { replicas, count, frozen, numbers, tensors, scores }
    }

    /// Elements from `from` on, with scores on the device.
    fn arena(&self, gpu: &Gpu, from: usize, optimizer: &Optimizer) -> ScoredArena {
        let frozen = FrozenArena {
            weights: &self.frozen[from..],
            numbers: &self.numbers[from..],
            tensors: &self.tensors[from..],
        };
        let arena = ScoredArena::new(gpu, frozen, self.replicas, optimizer).unwrap();
        let own: Vec<f32> = self.scores.chunks(self.count).flat_map(|own| own[from..].to_vec()).collect();
        gpu.write(&arena.scores.buffer, 0, &own);
        arena
    }

    fn scores_of(&self, replica: usize) -> Vec<f64> {
        wide(&self.scores[replica * self.count..][..self.count])
    }
}

/// Owners of replicas: not their places.
fn owner(replica: usize) -> u32 {
    40 + 13 * replica as u32
}

/// The effective weights `[R, count - from]` of step `step` of an epoch whose window begins at sample 96.
fn drawn(gpu: &Gpu, case: &Case, from: usize, step: u32) -> Vec<f32> {
    let arena = case.arena(gpu, from, &Optimizer::default());
    let owners: Vec<u32> = (0..case.replicas).map(owner).collect();
    let epoch = gpu.upload("epoch", &[&[96, 4], &owners[..]].concat()).unwrap();
    let effective = gpu.zeros("effective", arena.scores.buffer.len()).unwrap();
    let rule = MaskRule::Bernoulli { epoch: &epoch, batch: 8, seed: SEED };
    let plan = [arena.apply(gpu, &effective, rule).unwrap()];
    gpu.run_steps(&plan, 0..step + 1, &mut |_| ()).unwrap();
    gpu.read(&effective).unwrap()
}

/// The same by the twin, whose seed is so much larger. Draws that are too near their probability to be sure of are
/// none.
fn twins_drawn(case: &Case, step: u32, other_seed: u32) -> Vec<Option<f64>> {
    let mut all = Vec::new();
    for replica in 0..case.replicas {
        let at = DrawAt { place: 96 + 8 * step, who: owner(replica), epoch: 4, seed: SEED + other_seed };
        let (scores, uniform) = (case.scores_of(replica), twin::uniform(&case.numbers, at));
        let weights = twin::draw(&scores, &wide(&case.frozen), &uniform);
        for ((weight, score), uniform) in weights.into_iter().zip(scores).zip(uniform) {
            let is_sure = (twin::probability(score) - uniform).abs() > 1e-6;
            all.push(is_sure.then_some(weight));
        }
    }
    all
}

fn agree(actual: &[f32], expected: &[Option<f64>]) -> bool {
    assert_eq!(actual.len(), expected.len());
    actual.iter().zip(expected).all(|(&a, e)| e.is_none_or(|e| f64::from(a) == e))
}

#[test]
fn drawn_masks_agree_with_their_twin() {
    for case in CASES.map(Case::new) {
        for step in [0, 2] {
            let actual = drawn(gpu(), &case, 0, step);
            assert!(agree(&actual, &twins_drawn(&case, step, 0)), "{} of {}", case.count, case.replicas);
            if case.count > 60 {
                for wrong in [twins_drawn(&case, step, 1), twins_drawn(&case, step + 1, 0)] {
                    assert!(!agree(&actual, &wrong), "another seed or step passes");
                }
            }
        }
    }
}

/// What is drawn for a parameter depends on its number, on no place in memory.
#[test]
fn a_part_of_the_weights_is_drawn_as_it_is_among_all() {
    let case = Case::new([3, 68]);
    let (whole, part) = (drawn(gpu(), &case, 0, 1), drawn(small_gpu(), &case, 20, 1));
    let of_whole: Vec<_> = whole.chunks(68).flat_map(|line| line[20..].to_vec()).collect();
    assert_eq!(part, of_whole);
}

#[test]
fn more_weights_than_lanes_are_drawn_too() {
    let case = Case::new([1, 4 * 262_147]);
    assert!(agree(&drawn(gpu(), &case, 0, 0), &twins_drawn(&case, 0, 0)));
}

/// The share of weights that are there is that of their probabilities.
#[test]
fn weights_are_drawn_as_often_as_their_probability_says() {
    let mut case = Case::new([1, 40_000]);
    case.frozen.fill(1.0);
    case.scores.fill((0.2f32 / 0.8).ln());
    let there = drawn(gpu(), &case, 0, 0).iter().sum::<f32>() / 40_000.0;
    assert!((there - 0.2).abs() < 0.01, "{there}");
}

#[test]
fn kept_and_signed_weights_agree_with_their_twins() {
    for case in CASES.map(Case::new) {
        let Case { replicas, count, .. } = case;
        let mut thresholds = values(3 * replicas, 9);
        // A score at the threshold is kept.
        thresholds[0] = case.scores[0];
        let there = gpu().upload("thresholds", &thresholds).unwrap();
        let arena = case.arena(gpu(), 0, &Optimizer::default());
        let effective = gpu().zeros("effective", replicas * count).unwrap();
        let of = |rule| -> Vec<f32> {
            gpu().run(&[arena.apply(gpu(), &effective, rule).unwrap()]).unwrap();
            gpu().read(&effective).unwrap()
        };
        let kept = of(MaskRule::Threshold { thresholds: &there, tensors: 3 });
        let signed = of(MaskRule::Sign);
        for replica in 0..replicas {
            let (scores, frozen) = (case.scores_of(replica), wide(&case.frozen));
            let own = replica * count..(replica + 1) * count;
            let least = wide(&thresholds[3 * replica..][..3]);
            let expected = twin::keep(&scores, &frozen, &case.tensors, &least);
            assert_close("kept", &kept[own.clone()], &expected, Tolerance::Exact);
            if count > 60 {
                let wrong = twin::keep(&scores, &frozen, &case.tensors, &[least[1], least[2], least[0]]);
                assert!(compare("kept", &kept[own.clone()], &wrong, Tolerance::Exact).is_err());
                let wrong = twin::sign(&wide(&case.frozen), &scores);
                assert!(compare("signed", &signed[own.clone()], &wrong, Tolerance::Exact).is_err());
            }
            assert_close("signed", &signed[own], &twin::sign(&scores, &frozen), Tolerance::Exact);
        }
    }
}

/// The kinds of masks, by their twins' gradients.
type Gradient = fn(&[f64], &[f64], &[f64]) -> Vec<f64>;

/// Scores after three steps, on the device and by the twins, which take other settings.
fn stepped(case: &Case, kind: usize, [own, twins]: [&Optimizer; 2]) -> (Vec<f32>, Vec<f64>) {
    let Case { replicas, count, .. } = *case;
    let arena = case.arena(gpu(), 0, own);
    let slopes = values(replicas * count, 5);
    let gradients = gpu().upload("gradients", &slopes).unwrap();
    let unused = gpu().zeros("unused", 8).unwrap();
    let rules = [
        MaskRule::Bernoulli { epoch: &unused, batch: 1, seed: 0 },
        MaskRule::Threshold { thresholds: &unused, tensors: 1 },
        MaskRule::Sign,
    ];
    let of: [Gradient; 3] = [
        twin::bernoulli_gradient,
        |slopes, frozen, _| twin::threshold_gradient(slopes, frozen),
        |slopes, frozen, _| twin::sign_gradient(slopes, frozen),
    ];
    let mut writer = ScheduleWriter::new(gpu(), *own, replicas, STEPS).unwrap();
    writer.write(gpu(), STEPS, |replica, step| samples(replica, step, 4));
    let mut plan = arena.clear_moments(gpu()).unwrap();
    gpu().run(&plan).unwrap();
    plan = vec![arena.step(gpu(), &gradients, rules[kind], writer.rule()).unwrap()];
    gpu().run_steps(&plan, 0..STEPS as u32, &mut |_| ()).unwrap();

    let mut moved: Vec<_> = (0..replicas).map(|replica| Moved::new(&case.scores_of(replica))).collect();
    for step in 0..STEPS {
        for (replica, moved) in moved.iter_mut().enumerate() {
            if samples(replica, step, 4) > 0 {
                let slopes = wide(&slopes[replica * count..][..count]);
                let gradient = of[kind](&slopes, &wide(&case.frozen), &moved.p);
                moved.step(&gradient, twins, 1.0);
            }
        }
    }
    (gpu().read(&arena.scores.buffer).unwrap(), joined(&moved, |twin| &twin.p))
}

#[test]
fn steps_of_scores_agree_with_their_twins() {
    for case in CASES.map(Case::new) {
        for kind in 0..3 {
            for optimizer in optimizers() {
                let (actual, expected) = stepped(&case, kind, [&optimizer, &optimizer]);
                assert_close("scores", &actual, &expected, Tolerance::Balanced);
            }
        }
    }
}

#[test]
fn other_settings_and_other_kinds_disagree() {
    let case = Case::new([3, 1004]);
    for kind in 0..3 {
        for (what, right, wrong) in wrong_settings() {
            let (actual, expected) = stepped(&case, kind, [&right, &wrong]);
            assert!(compare(what, &actual, &expected, Tolerance::Strict).is_err(), "{what} passes");
        }
        let optimizer = optimizers()[0];
        let (actual, _) = stepped(&case, kind, [&optimizer, &optimizer]);
        let (_, other) = stepped(&case, (kind + 1) % 3, [&optimizer, &optimizer]);
        assert!(compare("kind", &actual, &other, Tolerance::Balanced).is_err(), "another kind passes");
    }
}

/// The samples of each replica, one after the other.
fn orders() -> Vec<Vec<u32>> {
    let ends = SAMPLES.iter().scan(0, |end, &count| {
        *end += count as u32;
        Some(*end)
    });
    ends.zip(SAMPLES).map(|(end, count)| (end - count as u32..end).collect()).collect()
}

/// Scores after so many epochs of these replicas in one cohort of a width, `[replicas.len()][P]`.
fn trained(
    gpu: &Gpu,
    shape: Shape,
    settings: MaskSettings,
    replicas: &[usize],
    [width, epochs]: [usize; 2],
) -> Vec<Vec<f32>> {
    let (spec, data) = (shape.spec(), shape.dataset());
    let images = ResidentImages::upload(gpu, &data).unwrap();
    let frozen = frozen_weights(&spec.layout(), SEED);
    let mut cohort = MaskCohort::new(gpu, &spec, &images, width, &frozen, settings).unwrap();
    assert_eq!(cohort.replicas(), width);
    cohort.restart(&start(shape), settings.optimizer.lr).unwrap();
    for replica in 0..width {
        cohort.set_thresholds(replica, &THRESHOLDS);
    }
    let owners: Vec<_> = replicas.iter().map(|&replica| owner(replica)).collect();
    for epoch in 0..epochs {
        let orders = replicas.iter().map(|&replica| orders()[replica].clone()).collect();
        let tallies = cohort.epoch(epoch as u64, &owners, orders, &mut |_| ()).unwrap();
        assert_eq!(tallies.len(), replicas.len());
    }
    let mut scores = cohort.scores().unwrap();
    scores.truncate(replicas.len());
    scores
}

/// From which score on a tensor keeps its weights.
const THRESHOLDS: [f32; 4] = [-0.05, 0.05, 0.1, 0.0];

fn start(shape: Shape) -> Vec<f32> {
    values(shape.parameters(), 3).iter().map(|score| 0.25 * score).collect()
}

fn settings(kind: MaskKind, batch: usize, optimizer: Optimizer) -> MaskSettings {
    MaskSettings { kind, batch, optimizer, seed: SEED }
}

#[test]
fn what_a_collaborator_trains_does_not_depend_on_its_cohort() {
    for kind in [MaskKind::Bernoulli, MaskKind::Threshold, MaskKind::Sign] {
        let settings = settings(kind, 3, Optimizer { lr: 0.1, ..Optimizer::default() });
        let together = trained(gpu(), FEW, settings, &[0, 1, 2], [3, 2]);
        for (replica, own) in together.iter().enumerate() {
            assert_ne!(*own, start(FEW), "{kind:?}: nothing was trained");
            assert_eq!(*own, trained(gpu(), FEW, settings, &[replica], [1, 2])[0], "{kind:?}, {replica}");
        }
        let [other, own] = &trained(gpu(), FEW, settings, &[2, 0], [4, 2])[..] else { panic!("two") };
        assert!(*other == together[2] && *own == together[0], "{kind:?}: in another order");
    }
}

/// Thresholds that follow the scores are those of somebody who sorts each tensor's scores before each step.
#[test]
fn a_part_of_each_tensor_is_kept_as_scores_go() {
    // Processors choose on the host, and GPUs in the steps.
    for gpu in [gpu(), posing_gpu(), small_posing_gpu()] {
        hold_kept_part(gpu);
    }
}

fn hold_kept_part(gpu: &Gpu) {
    let optimizer = Optimizer { kind: OptimizerKind::Sgd, lr: 0.3, momentum: 0.9, ..Optimizer::default() };
    let settings = settings(MaskKind::Threshold, 3, optimizer);
    let (spec, part) = (FEW.spec(), 0.4);
    let images = ResidentImages::upload(gpu, &FEW.dataset()).unwrap();
    let frozen = frozen_weights(&spec.layout(), SEED);
    let cohort = || {
        let mut cohort = MaskCohort::new(gpu, &spec, &images, 1, &frozen, settings).unwrap();
        cohort.restart(&start(FEW), optimizer.lr).unwrap();
        cohort
    };
    let order = orders().into_iter().max_by_key(Vec::len).unwrap();
    let kept = |every| {
        let mut cohort = cohort();
        cohort.keep(KeptPart { part, every }).unwrap();
        cohort.epoch(0, &[owner(0)], vec![order.clone()], &mut |_| ()).unwrap();
        cohort.scores().unwrap().remove(0)
    };
    let by_hand = |every: usize| {
        let mut by_hand = cohort();
        for (step, batch) in order.chunks(settings.batch).enumerate() {
            let scores = by_hand.scores().unwrap().remove(0);
            let threshold = |tensor: &fedfunnel::model::LayoutTensor| {
                let mut own = scores[tensor.range.clone()].to_vec();
                own.sort_by(|a, b| b.total_cmp(a));
                own[((part * own.len() as f64).round() as usize).max(1) - 1]
            };
            if step.is_multiple_of(every) {
                let thresholds: Vec<_> = spec.layout().tensors().iter().map(threshold).collect();
                by_hand.set_thresholds(0, &thresholds);
            }
            by_hand.epoch(0, &[owner(0)], vec![batch.to_vec()], &mut |_| ()).unwrap();
        }
        by_hand.scores().unwrap().remove(0)
    };
    assert_ne!(by_hand(1), start(FEW));
    assert_eq!(kept(1), by_hand(1));
    assert_eq!(kept(2), by_hand(2));
    // The negative control: thresholds of the epoch's beginning are others.
    assert!(order.len() > settings.batch && kept(1_000) != by_hand(1));
}

/// Tensors of several lengths, one of them in two arenas, with equal scores, zeros of both signs, and what is no number.
#[test]
fn thresholds_agree_with_their_twin_to_the_bit() {
    let lengths = [1, 700, 67, 1_300];
    for replicas in [1, 3] {
        let mut scores: Vec<Vec<Vec<f32>>> = (0..replicas)
            .map(|replica| {
                (0..4).map(|tensor| values(lengths[tensor], 10 * replica + tensor as u32)).collect()
            })
            .collect();
        for own in &mut scores {
            own[1].iter_mut().step_by(3).for_each(|score| *score = 0.25);
            own[2].iter_mut().step_by(2).for_each(|score| *score = 0.0);
            own[2].iter_mut().skip(1).step_by(2).for_each(|score| *score = -0.0);
            own[3][5..10].copy_from_slice(&[f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]);
        }
        for kept in [[1, 1, 1, 1], [1, 350, 34, 1_299], [1, 700, 33, 3]] {
            for gpu in every_class() {
                // Of the last tensor 900 scores lie in the first arena, behind padding.
                let part = |tensor, offset, count| TensorPart { tensor, offset, count };
                let parts = [
                    vec![part(1, 0, 700), part(3, 704, 900)],
                    vec![part(3, 0, 400), part(0, 403, 1), part(2, 405, 67)],
                ];
                let strides = [1_608, 472];
                let taken = [[0, 0], [0, 0], [0, 0], [0, 900]];
                let arenas: Vec<_> = (0..2)
                    .map(|arena| {
                        let mut laid_out = vec![9e9f32; replicas as usize * strides[arena]];
                        for (memory, own) in laid_out.chunks_exact_mut(strides[arena]).zip(&scores) {
                            for part in &parts[arena] {
                                let from = taken[part.tensor][arena];
                                memory[part.offset..][..part.count]
                                    .copy_from_slice(&own[part.tensor][from..][..part.count]);
                            }
                        }
                        Arena { buffer: gpu.upload("scores", &laid_out).unwrap(), stride: strides[arena] }
                    })
                    .collect();
                let ranked: Vec<_> = arenas
                    .iter()
                    .zip(&parts)
                    .map(|(scores, parts)| RankedArena { scores, parts: parts.clone() })
                    .collect();
                // The window begins with the third step.
                let epoch = gpu.upload("epoch", &[16u32, 0]).unwrap();
                let rule = KeptRule { kept: &kept, epoch: &epoch, batch: 8, every: 3 };
                let thresholds = gpu.upload("thresholds", &vec![7f32; 4 * replicas as usize]).unwrap();
                let plan = find_thresholds(gpu, &ranked, replicas as usize, rule, &thresholds).unwrap();
                let after = |steps: std::ops::Range<u32>| -> Vec<u32> {
                    gpu.run_steps(&plan, steps, &mut |_| ()).unwrap();
                    gpu.read(&thresholds).unwrap()
                };
                assert!(after(0..1).iter().all(|&word| word == 7f32.to_bits()), "the third step finds none");
                let due = |kept: [usize; 4]| -> Vec<u32> {
                    let of = |own: &Vec<Vec<f32>>| -> Vec<u32> {
                        let each = own.iter().zip(kept);
                        each.map(|(own, kept)| (twin::threshold(&wide(own), kept) as f32).to_bits()).collect()
                    };
                    scores.iter().flat_map(of).collect()
                };
                let no_number = |words: Vec<u32>| -> Vec<u32> {
                    let word = |word| if f32::from_bits(word).is_nan() { 0x7fc0_0000 } else { word };
                    words.into_iter().map(word).collect()
                };
                assert_eq!(no_number(after(1..2)), no_number(due(kept)), "{:?}, {kept:?}", gpu.class());
                // Tallies are those of this time alone.
                assert_eq!(no_number(after(4..5)), no_number(due(kept)));
                assert_ne!(no_number(after(7..8)), no_number(due([1, 200, 67, 700])));
            }
        }
    }
}

/// A step at a rate of one is the gradient of the loss at the effective weights, taken back to the scores.
#[test]
fn a_step_of_scores_is_the_chain_rule_on_the_gradient_of_the_loss() {
    for (gpu, shape) in [(gpu(), FEW), (small_gpu(), MANY)] {
        let frozen = wide(&frozen_weights(&shape.spec().layout(), SEED));
        let numbers: Vec<u32> = (0..frozen.len() as u32).collect();
        let layout = shape.spec().layout();
        let tensor = |of: (u32, usize)| std::iter::repeat_n(of.0, of.1);
        let lengths = layout.tensors().iter().map(|tensor| tensor.range.len());
        let tensors: Vec<u32> = (0..).zip(lengths).flat_map(tensor).collect();
        let scores = wide(&start(shape));
        let sgd = Optimizer { kind: OptimizerKind::Sgd, lr: 1.0, momentum: 0.0, ..Optimizer::default() };
        for kind in [MaskKind::Bernoulli, MaskKind::Threshold, MaskKind::Sign] {
            let moved = trained(gpu, shape, settings(kind, SAMPLES[0], sgd), &[0, 1, 2], [3, 1]);
            for replica in [0, 2] {
                let at = DrawAt { place: 0, who: owner(replica), epoch: 0, seed: SEED };
                let (weights, back): (_, Gradient) = match kind {
                    MaskKind::Bernoulli => {
                        (twin::draw(&scores, &frozen, &twin::uniform(&numbers, at)), twin::bernoulli_gradient)
                    }
                    MaskKind::Threshold => {
                        (twin::keep(&scores, &frozen, &tensors, &wide(&THRESHOLDS)), |slopes, frozen, _| {
                            twin::threshold_gradient(slopes, frozen)
                        })
                    }
                    MaskKind::Sign => (twin::sign(&scores, &frozen), |slopes, frozen, _| {
                        twin::sign_gradient(slopes, frozen)
                    }),
                };
                // Differences of a few weights only, of a large network.
                let few: Vec<usize> = (0..frozen.len()).step_by(frozen.len() / 60).collect();
                let (data, order) = (shape.dataset(), &orders()[replica]);
                let loss = |own: &[f64]| {
                    let mut all = weights.clone();
                    few.iter().zip(own).for_each(|(&place, &weight)| all[place] = weight);
                    shape.loss(&data, order, &all)
                };
                let own = |all: &[f64]| few.iter().map(|&place| all[place]).collect::<Vec<_>>();
                let slopes = central_gradient(loss, &own(&weights), 1e-4);
                let due = back(&slopes, &own(&frozen), &own(&scores));
                let way: Vec<f32> = few
                    .iter()
                    .map(|&place| (scores[place] - f64::from(moved[replica][place])) as f32)
                    .collect();
                let what = format!("{kind:?}, replica {replica}");
                // Differences of scores have lost what their own rounding takes.
                assert_close(&what, &way, &due, Tolerance::Permissive);
                let wrong =
                    back(&slopes, &own(&frozen), &own(&scores).iter().map(|s| s + 0.5).collect::<Vec<_>>());
                let wrong: Vec<_> = wrong.iter().map(|value| value * 1.01).collect();
                assert!(compare(&what, &way, &wrong, Tolerance::Permissive).is_err(), "{what}: others pass");
            }
        }
    }
}
