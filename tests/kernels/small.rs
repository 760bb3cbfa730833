//! Training in the span of the snapshots, against training at full width.

use crate::support::{gpu, slices, small_gpu, values, wide};
use fedfunnel::autoencoder::pca::Pca;
use fedfunnel::autoencoder::small::{
    FactoredBank, FactoredDecoder, FactoredEncoders, Precision, SmallTrainer,
};
use fedfunnel::autoencoder::{
    AutoencoderSettings, DecoderBank, DecoderState, Encoder, HalfParameters, Trainer, Training,
};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{Activation, AutoencoderSpec, Optimizer, OptimizerKind};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};

pub const WIDTH: usize = 4099;
/// Near the largest at which the encoder does not diverge.
const SGD_RATE: f32 = 0.2;

fn spec(latent: usize, latent_activation: Activation) -> AutoencoderSpec {
    AutoencoderSpec {
        name: "test".into(),
        widths: vec![WIDTH, latent, WIDTH],
        latent_activation,
        hidden_activation: Activation::Relu,
        output_activation: Activation::Linear,
        initializer: Default::default(),
        scale_rates: true,
        activations: Vec::new(),
        rates: None,
        conv: None,
    }
}

/// Snapshots of weights that go some way and tremble: around one start, along a few directions that fade.
pub fn snapshots(count: usize) -> Vec<Vec<f32>> {
    let start = values(WIDTH, 1);
    let directions: Vec<Vec<f32>> = (0..4).map(|place| values(WIDTH, 10 + place)).collect();
    let snapshot = |s: usize| {
        let tremble = values(WIDTH, 100 + s as u32);
        let at = s as f32 / count as f32;
        let part = |d: usize| 0.1 * (at * (d + 1) as f32 * 2.0).sin() / (d + 1) as f32;
        (0..WIDTH)
            .map(|n| start[n] + (0..4).map(|d| part(d) * directions[d][n]).sum::<f32>() + 0.01 * tremble[n])
            .collect()
    };
    (0..count).map(snapshot).collect()
}

fn sgd(weight_decay: f32) -> Optimizer {
    Optimizer { kind: OptimizerKind::Sgd, lr: SGD_RATE, momentum: 0.9, weight_decay, ..Default::default() }
}

fn wide_weights(
    gpu: &Gpu,
    spec: &AutoencoderSpec,
    rows: &[Vec<f32>],
    (settings, seed): (&AutoencoderSettings, u32),
    epochs: usize,
) -> Vec<f32> {
    let training = Training { spec, settings, seed, train: &[slices(rows)], held_out: &[] };
    let mut trainer = Trainer::new(gpu, &training).unwrap();
    trainer.train(epochs, &mut |_| {}).unwrap();
    trainer.network().parameters.read(gpu).unwrap().swap_remove(0)
}

/// One of seed 3 that takes all snapshots at once, for so many epochs in all.
fn small_trainer(
    gpu: &Gpu,
    spec: &AutoencoderSpec,
    (optimizer, epochs): (Optimizer, usize),
    rows: &[Vec<f32>],
    held_out: &[Vec<f32>],
) -> SmallTrainer {
    let settings = &AutoencoderSettings { optimizer, epochs, ..Default::default() };
    let (train, held_out) = ([slices(rows)], [slices(held_out)]);
    let training = Training { spec, settings, seed: 3, train: &train, held_out: &held_out };
    SmallTrainer::new(gpu, &training).unwrap()
}

/// The tensors of the flat parameters, by name.
fn tensors<T>(flat: &[T], latent: usize) -> [(&'static str, &[T]); 4] {
    let (matrix, rest) = flat.split_at(WIDTH * latent);
    let (bias, rest) = rest.split_at(latent);
    let (decoder, decoder_bias) = rest.split_at(WIDTH * latent);
    [("encoder", matrix), ("encoder bias", bias), ("decoder", decoder), ("decoder bias", decoder_bias)]
}

#[test]
fn sgd_in_the_span_gives_the_weights_of_full_width() {
    let all = snapshots(9);
    let (rows, held_out) = all.split_at(7);
    for (gpu, shards) in [(gpu(), false), (small_gpu(), true)] {
        for (latent, activation) in [(12, Activation::Linear), (5, Activation::Tanh)] {
            for (batch, decay) in [(None, 0.0), (Some(3), 1e-4)] {
                let spec = spec(latent, activation);
                let what = format!("{activation:?}, batch {batch:?}, decay {decay}, shards {shards}");
                let epochs = 25;
                let of = |optimizer| AutoencoderSettings { optimizer, batch, epochs, ..Default::default() };
                let settings = of(sgd(decay));
                let expected = wide_weights(gpu, &spec, rows, (&settings, 7), epochs);
                let untrained = wide_weights(gpu, &spec, rows, (&settings, 7), 0);
                let (train, held_out) = ([slices(rows)], [slices(held_out)]);
                let training = Training {
                    spec: &spec,
                    settings: &settings,
                    seed: 7,
                    train: &train,
                    held_out: &held_out,
                };
                let mut small = SmallTrainer::new(gpu, &training).unwrap();
                assert_eq!(small.optimizer_name(), "sgd");
                small.train(epochs, &mut |_| {});
                small.expand().unwrap();
                assert_eq!(small.network().parameters.arenas.len() > 1, shards, "{what}");
                let actual = small.network().parameters.read(gpu).unwrap().swap_remove(0);
                // What was learned is compared, since it is little beside what training began with.
                let learned = |all: &[f32]| -> Vec<f32> {
                    all.iter().zip(&untrained).map(|(w, start)| w - start).collect()
                };
                let (actual, expected) = (learned(&actual), wide(&learned(&expected)));
                for ((name, actual), (_, expected)) in
                    tensors(&actual, latent).into_iter().zip(tensors(&expected, latent))
                {
                    assert_close(&format!("{what}: {name}"), actual, expected, Tolerance::Permissive);
                }
                // One step less, less momentum, or other initial weights are another result.
                let with = |momentum| Optimizer { momentum, ..sgd(decay) };
                for (epochs, optimizer, seed) in
                    [(epochs - 1, with(0.9), 7), (epochs, with(0.89), 7), (epochs, with(0.9), 8)]
                {
                    let settings = AutoencoderSettings { epochs, ..of(optimizer) };
                    let training = Training { settings: &settings, seed, ..training };
                    let mut other = SmallTrainer::new(gpu, &training).unwrap();
                    other.train(epochs, &mut |_| {});
                    other.expand().unwrap();
                    let other = learned(&other.network().parameters.read(gpu).unwrap()[0]);
                    for place in [0, 2] {
                        let expected = tensors(&expected, latent)[place].1;
                        let other = tensors(&other, latent)[place].1;
                        assert!(compare(&what, other, expected, Tolerance::Permissive).is_err(), "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_coordinates_say_is_what_full_width_measures() {
    let all = snapshots(11);
    let (rows, held_out) = all.split_at(8);
    for kind in [OptimizerKind::Sgd, OptimizerKind::Adam] {
        for activation in [Activation::Linear, Activation::Tanh] {
            let spec = spec(6, activation);
            let lr = if kind == OptimizerKind::Sgd { SGD_RATE } else { 0.02 };
            let optimizer = Optimizer { kind, lr, ..Default::default() };
            let mut small = small_trainer(gpu(), &spec, (optimizer, 40), rows, held_out);
            small.train(40, &mut |_| {});
            let point = small.look(40, 0.0);
            small.expand().unwrap();
            let (train, held_out) = small.measure().unwrap();
            let held_out = held_out.unwrap();
            let what = format!("{} {activation:?}", small.optimizer_name());
            for (name, coordinates, full) in [
                ("training", point.relative_l2, train.relative_l2),
                ("held out", point.validation_relative_l2.unwrap(), held_out.relative_l2),
                ("loss", point.validation_loss.unwrap(), held_out.loss),
            ] {
                assert!((coordinates / full - 1.0).abs() < 1e-3, "{what} {name}: {coordinates} {full}");
            }
            // Under one rate for both, the decoder of such a width hardly learns by SGD.
            assert!(kind == OptimizerKind::Sgd || train.relative_l2 < 0.5, "{what}: {train:?}");
        }
    }
}

/// A direction that the basis leaves out is error all the same.
#[test]
fn coordinates_count_what_they_leave_out() {
    let (start, first, second) = (values(WIDTH, 1), values(WIDTH, 2), values(WIDTH, 3));
    let parts = values(12, 4);
    let row = |s: usize| -> Vec<f32> {
        let [large, little] = [parts[2 * s], 4e-4 * parts[2 * s + 1]];
        (0..WIDTH).map(|n| start[n] + large * first[n] + little * second[n]).collect()
    };
    let rows: Vec<Vec<f32>> = (0..6).map(row).collect();
    let optimizer = Optimizer { lr: 0.03, ..Default::default() };
    let spec = spec(2, Activation::Linear);
    let mut small = small_trainer(gpu(), &spec, (optimizer, 600), &rows, &[]);
    let rows = slices(&rows);
    small.train(600, &mut |_| {});
    let point = small.look(600, 0.0);
    small.expand().unwrap();
    let due = Pca::fit(&rows, &[]).unwrap().error(1).relative_l2;
    assert!(due > 1e-4, "{due}");
    for (what, error) in
        [("coordinates", point.relative_l2), ("full width", small.measure().unwrap().0.relative_l2)]
    {
        assert!((error / due - 1.0).abs() < 0.05, "{what}: {error}, and the basis leaves {due}");
    }
}

/// The decoder of each kind of training, and a code for it.
fn trained(gpu: &'static Gpu, kind: OptimizerKind, rows: &[Vec<f32>]) -> (AutoencoderSpec, SmallTrainer) {
    let spec = spec(6, Activation::Linear);
    let lr = if kind == OptimizerKind::Sgd { SGD_RATE } else { 0.02 };
    let optimizer = Optimizer { kind, lr, ..Default::default() };
    let mut small = small_trainer(gpu, &spec, (optimizer, 40), rows, &[]);
    small.train(40, &mut |_| {});
    small.expand().unwrap();
    (spec, small)
}

#[test]
fn a_factored_decoder_is_the_dense_one() {
    let rows = snapshots(7);
    for gpu in [gpu(), small_gpu()] {
        for kind in [OptimizerKind::Sgd, OptimizerKind::Adam] {
            let (spec, small) = trained(gpu, kind, &rows);
            let flat = small.network().parameters.read(gpu).unwrap().swap_remove(0);
            let dense = DecoderState::of(&spec, &flat, small.standard());
            assert_eq!(dense.to_bytes().len(), DecoderState::payload_bytes(&spec));
            let codes = values(2 * 6, 77);
            let bank = DecoderBank::new(gpu, &spec, &[dense.half(), dense.half()], 1).unwrap();
            let expected = wide(&bank.weights(&codes).unwrap());
            for precision in [Precision::F32, Precision::F16] {
                let what = format!("{kind:?} {precision:?}");
                let sent = small.factored(precision).unwrap();
                let bytes = sent.to_bytes();
                assert_eq!(bytes.len(), sent.payload_bytes(precision), "{what}");
                let factored = FactoredDecoder::from_bytes(&spec, &bytes).unwrap();
                assert!(factored == sent, "{what}");
                // f16 has 11 bits: what is exact in f32 is off by parts of a thousand here.
                let tolerance = match precision {
                    Precision::F32 => Tolerance::Balanced,
                    Precision::F16 => Tolerance::Permissive,
                };
                let expanded = factored.expand(gpu, &spec).unwrap();
                let bank = DecoderBank::new(gpu, &spec, &[expanded.half(), expanded.half()], 1).unwrap();
                assert_close(&what, &bank.weights(&codes).unwrap(), &expected, tolerance);
                let direct = FactoredBank::new(gpu, &spec, &[factored.clone(), factored]).unwrap();
                let weights = direct.weights(&codes).unwrap();
                assert_close(&what, &weights, &expected, tolerance);
                if precision == Precision::F16 && kind == OptimizerKind::Adam {
                    assert!(compare(&what, &weights, &expected, Tolerance::Balanced).is_err(), "{what}");
                }
                let swapped: Vec<f32> = codes.iter().copied().cycle().skip(6).take(12).collect();
                let weights = direct.weights(&swapped).unwrap();
                assert!(compare(&what, &weights, &expected, Tolerance::Permissive).is_err(), "{what}");
            }
        }
    }
}

#[test]
fn factored_encoders_are_the_dense_ones() {
    for gpu in [gpu(), small_gpu()] {
        // One has fewer snapshots than the other, and so empty rows beside it.
        let (spec, many) = trained(gpu, OptimizerKind::Adam, &snapshots(7));
        let (_, few) = trained(gpu, OptimizerKind::Adam, &snapshots(4));
        let weights = [snapshots(9).swap_remove(8), snapshots(8).swap_remove(7)];
        let mut expected = Vec::new();
        for (small, row) in [&many, &few].into_iter().zip(&weights) {
            let flat = small.network().parameters.read(gpu).unwrap().swap_remove(0);
            let standard = small.standard();
            let encoder = HalfParameters::Values(&flat[..spec.parameters() - spec.decoder_parameters()]);
            let dense = Encoder::new(gpu, &spec, &[(encoder, standard)], 1).unwrap();
            expected.extend(wide(&dense.codes(&[row]).unwrap()));
        }
        let factors =
            [&many, &few].map(|small| small.encoder_factors().unwrap().expect("no initial weights"));
        let factored = FactoredEncoders::new(gpu, factors.to_vec()).unwrap();
        let codes = factored.codes(&weights).unwrap();
        assert_close("codes", &codes, &expected, Tolerance::Balanced);
        let swapped = factored.codes(&[&weights[1], &weights[0]]).unwrap();
        assert!(compare("swapped", &swapped, &expected, Tolerance::Permissive).is_err());
        let (_, sgd) = trained(gpu, OptimizerKind::Sgd, &snapshots(4));
        assert!(sgd.encoder_factors().unwrap().is_none());
    }
}

#[test]
fn factored_decoders_that_are_none_are_refused() {
    let (spec, small) = trained(gpu(), OptimizerKind::Sgd, &snapshots(4));
    let bytes = small.factored(Precision::F16).unwrap().to_bytes();
    FactoredDecoder::from_bytes(&spec, &bytes).unwrap();
    let mut other = bytes.clone();
    other[0] = 7;
    let mut none = bytes.clone();
    none[1] = 0;
    let mut long = bytes.clone();
    long.push(0);
    for wrong in
        [&[][..], &[3], &[3, 0xff, 0xff, 0xff, 0xff, 0x0f], &bytes[..bytes.len() - 1], &other, &none, &long]
    {
        let error = FactoredDecoder::from_bytes(&spec, wrong).unwrap_err().to_string();
        assert!(error.contains("factored decoder"), "{error}");
    }
}

#[test]
fn what_leaves_the_span_is_refused() {
    let rows = snapshots(4);
    let linear = spec(3, Activation::Linear);
    let hidden = AutoencoderSpec { widths: vec![WIDTH, 8, 3, 8, WIDTH], ..linear.clone() };
    let bent = AutoencoderSpec { output_activation: Activation::Tanh, ..linear.clone() };
    for (spec, kind, rows, words) in [
        (&hidden, OptimizerKind::Sgd, &rows[..], "3 hidden layers"),
        (&bent, OptimizerKind::Sgd, &rows, "not linear"),
        (&linear, OptimizerKind::AdamW, &rows, "span-adam"),
        (&linear, OptimizerKind::Sgd, &rows[..1], "1 snapshots"),
    ] {
        let optimizer = Optimizer { kind, ..Default::default() };
        let settings = &AutoencoderSettings { optimizer, epochs: 1, ..Default::default() };
        let training = Training { spec, settings, seed: 0, train: &[slices(rows)], held_out: &[] };
        let error = SmallTrainer::new(gpu(), &training).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
}
