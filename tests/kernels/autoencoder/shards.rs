//! An autoencoder in one shard, in six and in 37 uneven ones is trained to the same weights and losses.

use super::*;

const SNAPSHOTS: usize = 9;
const EPOCHS: usize = 4;
const SHARDS: [usize; 3] = [1, 6, 37];

/// Widths of a funnel, and replicas.
const CASES: &[(&[usize], usize)] = &[
    (&[18_415, 32, 18_415], 1),
    (&[12_301, 64, 32, 64, 12_301], 3),
    // The kernels of other widths: by four columns, and by one.
    (&[18_415, 36, 18_415], 1),
    (&[20_101, 30, 20_101], 1),
];

/// Each rule, and how closely shards have to agree under it.
///
/// The first layer's sums over its rows end where a shard does, and so are rounded otherwise: on lavapipe codes of
/// 18,415 terms in 1, 6 and 37 shards lie within 1.3e-6 of the f64 twin and as far from each other. Given the codes of
/// the cut run, the run in one shard has the same decoder after a step to the last bit, so that this is all that
/// shards change. Adam divides a gradient by its own size and epsilon, and makes that larger where a gradient nearly
/// cancels. Of the first case, the worst weight over the `Strict` limit: 188 with PyTorch's epsilon of 1e-8, 2.0 with 1e-5,
/// 0.35 with 1e-4, 0.16 with 1e-3. So `Strict` is asked for with 1e-4, and with 1e-8 `Permissive`. SGD is at a rate
/// under which losses fall: at 10 they rise to 80, and with them the rounding of shards and of other kernels alike.
fn rules() -> [(Optimizer, Tolerance); 4] {
    let with = |kind, lr, weight_decay| Optimizer { kind, lr, weight_decay, ..Default::default() };
    let [adam, adamw] = [with(OptimizerKind::Adam, 1e-3, 0.0), with(OptimizerKind::AdamW, 1e-3, 0.5)];
    [
        (Optimizer { epsilon: 1e-4, ..adam }, Tolerance::Strict),
        (Optimizer { epsilon: 1e-4, ..adamw }, Tolerance::Strict),
        (with(OptimizerKind::Sgd, 0.3, 1e-3), Tolerance::Strict),
        (adam, Tolerance::Permissive),
    ]
}

/// The smallest binding that cuts both wide matrices into so many shards: a row and its bias side by side,
/// and room for the other side's biases and for padding, as `ParameterPlan` lays them out.
fn binding(widths: &[usize], replicas: usize, shards: usize) -> Option<u64> {
    let (rows, columns) = (widths[0], widths[1]);
    let row = (columns + 1) * replicas * 4;
    let spare = (columns.next_multiple_of(4) + 4) * replicas * 4;
    (shards > 1).then_some((rows.div_ceil(shards) * row + spare) as u64)
}

/// Snapshots `[R][S][P]`; `spoil` gets the first of them.
fn snapshots(width: usize, replicas: usize, spoil: impl Fn(&mut [f32])) -> Vec<Vec<Vec<f32>>> {
    let mut all: Vec<Vec<Vec<f32>>> = (0..replicas)
        .map(|replica| {
            // One collaborator has fewer than the others.
            let count = SNAPSHOTS - usize::from(replica == 1);
            (0..count).map(|row| values(width, (40 + 20 * replica + row) as u32)).collect()
        })
        .collect();
    spoil(&mut all[0][0]);
    all
}

fn train(
    gpu: &Gpu,
    (widths, replicas): (&[usize], usize),
    optimizer: Optimizer,
    batch: Option<usize>,
    spoil: impl Fn(&mut [f32]),
) -> (Outcome, usize) {
    let all = snapshots(widths[0], replicas, spoil);
    let rows: Vec<Vec<&[f32]>> = all.iter().map(|own| own.iter().map(Vec::as_slice).collect()).collect();
    let settings = &AutoencoderSettings { optimizer, batch, ..Default::default() };
    let training = Training { spec: &spec(widths, ""), settings, seed: 7, train: &rows, held_out: &[] };
    let mut trainer = Trainer::new(gpu, &training).unwrap();
    let mut losses = Vec::new();
    for _ in 0..EPOCHS {
        trainer.train(1, &mut |_| ()).unwrap();
        losses.push(trainer.take_losses(1).unwrap().iter().map(|&loss| loss as f32).collect());
    }
    let parameters = &trainer.network().parameters;
    let tensors = parameters.tensors.iter().map(|t| (t.name.clone(), t.len())).collect();
    let outcome = Outcome { tensors, parameters: parameters.read(gpu).unwrap(), losses };
    (outcome, parameters.arenas.len())
}

#[test]
fn shards_change_nothing() {
    for &(widths, replicas) in CASES {
        let [one, six, many] = SHARDS.map(|shards| support::open(binding(widths, replicas, shards)));
        for (optimizer, tolerance) in rules() {
            for batch in [None, Some(4)] {
                let what = format!(
                    "{widths:?} x {replicas}, {:?}, epsilon {:e}, batch {batch:?}",
                    optimizer.kind, optimizer.epsilon
                );
                let run = |gpu| train(gpu, (widths, replicas), optimizer, batch, |_| ());
                let (whole, arenas) = run(&one);
                assert_eq!(arenas, 1, "{what}");
                for (gpu, shards) in [(&six, 6), (&many, 37)] {
                    let (cut, arenas) = run(gpu);
                    // An arena for each shard; small layers lie behind the last, or take one more.
                    assert!(arenas >= 2 * shards - 1, "{what}: {arenas} arenas for {shards} shards");
                    let found = cut.disagreements(&whole, tolerance);
                    assert!(found.is_empty(), "{what} in {shards} shards: {found:#?}");
                }
                // The control: where two values beside a boundary change places in one snapshot, it fails.
                let row = widths[0].div_ceil(37);
                let (spoilt, _) =
                    train(&many, (widths, replicas), optimizer, batch, |x| x.swap(row - 1, row));
                let found = spoilt.disagreements(&whole, tolerance);
                assert!(!found.is_empty(), "{what} passes with a boundary off by one");
            }
        }
    }
}

/// Rows of a narrow matrix are short, so that it is cut into few pieces; so many snapshots' values of such a piece fit
/// no binding.
#[test]
fn a_narrow_code_takes_as_many_snapshots_as_a_wide_one() {
    let small = support::small_gpu();
    // The last one's sums over the pieces fill more than one binding.
    for (widths, count) in [
        (&[4099, 4, 4099][..], 30),
        (&[4099, 40, 4099], 30),
        (&[4099, 24, 3, 24, 4099], 20),
        (&[8203, 40, 8203], 50),
    ] {
        let all: Vec<Vec<f32>> = (0..count).map(|row| values(widths[0], 40 + row)).collect();
        let (train, held_out) = all.split_at(all.len() - 4);
        let (train, held_out) = ([support::slices(train)], [support::slices(held_out)]);
        for (optimizer, _) in [rules()[0], rules()[2]] {
            for batch in [None, Some(7)] {
                let run = |gpu: &Gpu| {
                    let settings = &AutoencoderSettings { optimizer, batch, ..Default::default() };
                    let spec = &spec(widths, "hidden_activation = \"tanh\"");
                    let training = Training { spec, settings, seed: 7, train: &train, held_out: &held_out };
                    let mut trainer = Trainer::new(gpu, &training).unwrap();
                    trainer.train(3, &mut |_| ()).unwrap();
                    let measured = [
                        trainer.measure_train().unwrap()[0],
                        trainer.measure_held_out().unwrap().unwrap()[0],
                    ];
                    let losses = trainer.take_losses(3).unwrap()[0];
                    let parameters = &trainer.network().parameters;
                    let tensors = parameters.tensors.iter().map(|t| (t.name.clone(), t.len())).collect();
                    let losses =
                        vec![vec![losses as f32], measured.iter().map(|m| m.relative_l2 as f32).collect()];
                    Outcome { tensors, parameters: parameters.read(gpu).unwrap(), losses }
                };
                let found = run(small).disagreements(&run(gpu()), Tolerance::Balanced);
                assert!(found.is_empty(), "{widths:?}, {count} snapshots, batch {batch:?}: {found:#?}");
            }
        }
    }
}

/// What a device cuts to is the same for all powers of two that snapshots are scaled by.
#[test]
fn snapshots_of_any_size_are_trained_on_alike() {
    let all: Vec<Vec<f32>> = (0..7).map(|row| values(4099, 40 + row)).collect();
    let run = |factor: f32| {
        let scaled: Vec<Vec<f32>> = all.iter().map(|row| row.iter().map(|x| x * factor).collect()).collect();
        let optimizer = Optimizer { kind: OptimizerKind::Sgd, lr: 0.3, ..Default::default() };
        let (spec, train) = (&spec(&[4099, 4, 4099], ""), &[support::slices(&scaled)]);
        let settings = &AutoencoderSettings { optimizer, ..Default::default() };
        let mut trainer =
            Trainer::new(gpu(), &Training { spec, settings, seed: 7, train, held_out: &[] }).unwrap();
        trainer.train(3, &mut |_| ()).unwrap();
        let scale = trainer.standards()[0].scale / factor;
        (trainer.network().parameters.read(gpu()).unwrap(), trainer.measure_train().unwrap(), scale)
    };
    let plain = run(1.0);
    for power in [-100, -80, 60, 100] {
        assert!(run(2f32.powi(power)) == plain, "2^{power}");
    }
}
