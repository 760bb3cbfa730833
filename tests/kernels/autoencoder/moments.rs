//! Moments of two bytes in whole trainings: as good as those of four in half the memory, gone on with from a file,
//! and refused where a layer cannot have them.

use super::*;
use fedfunnel::model::Moments;
use fedfunnel::model::state::{StateFile, StateWriter};

const WIDTH: usize = 1_201;
const SNAPSHOTS: u32 = 7;

fn rows() -> Vec<Vec<f32>> {
    (0..SNAPSHOTS).map(|row| values(WIDTH, 70 + row)).collect()
}

fn trainer(gpu: &Gpu, rows: &[Vec<f32>], moments: Moments, batch: Option<usize>) -> Trainer {
    let optimizer = Optimizer { lr: 3e-3, moments, ..Default::default() };
    let train = [support::slices(rows)];
    let settings = &AutoencoderSettings { optimizer, batch, ..Default::default() };
    let spec = &spec(&[WIDTH, 32, WIDTH], "");
    Trainer::new(gpu, &Training { spec, settings, seed: 3, train: &train, held_out: &[] }).unwrap()
}

#[test]
fn half_the_memory_learns_as_much() {
    let rows = rows();
    for batch in [None, Some(3)] {
        for gpu in [gpu(), plain_gpu()] {
            let [wide, half] = [Moments::F32, Moments::Bf16].map(|moments| {
                let mut trainer = trainer(gpu, &rows, moments, batch);
                let start = trainer.measure_train().unwrap()[0].relative_l2;
                trainer.train(60, &mut |_| ()).unwrap();
                [start, trainer.measure_train().unwrap()[0].relative_l2]
            });
            assert_eq!(wide[0], half[0]);
            assert!(wide[1] < 0.2 * wide[0] && (half[1] / wide[1] - 1.0).abs() < 0.05, "{wide:?}, {half:?}");
        }
    }
    let bytes = |moments| {
        let rehearsal = gpu().rehearsal();
        drop(trainer(&rehearsal, &rows, moments, None));
        let parts = rehearsal.peak_memory().parts;
        ["first moments", "second moments"].map(|part| parts[part])
    };
    let [wide, half] = [Moments::F32, Moments::Bf16].map(bytes);
    assert!(wide.iter().zip(half).all(|(&wide, half)| half <= wide / 2 + 16), "{wide:?}, {half:?}");
}

#[test]
fn training_goes_on_from_a_file_as_if_it_had_not_stopped() {
    let (rows, folder) = (rows(), tempfile::tempdir().unwrap());
    let path = folder.path().join("state.safetensors");
    let weights = |trainer: &Trainer| trainer.network().parameters.read(gpu()).unwrap();
    let mut whole = trainer(gpu(), &rows, Moments::Bf16, None);
    whole.train(3, &mut |_| ()).unwrap();
    let network = whole.network();
    let mut file = StateWriter::create(&path, &network.state_shapes(), &Default::default()).unwrap();
    network.put_state(gpu(), &mut file).unwrap();
    file.finish().unwrap();
    let (taken, halfway) = (whole.taken().to_vec(), weights(&whole));
    whole.train(2, &mut |_| ()).unwrap();
    let file = StateFile::open(&path).unwrap();
    let mut second = trainer(gpu(), &rows, Moments::Bf16, None);
    second.resume(&file, &taken, 3).unwrap();
    assert_eq!(weights(&second), halfway);
    second.train(2, &mut |_| ()).unwrap();
    assert!(weights(&second) == weights(&whole) && weights(&whole) != halfway);
    // Moments of the other kind are laid out otherwise.
    let mut other = trainer(gpu(), &rows, Moments::F32, None);
    let error = other.resume(&file, &taken, 3).unwrap_err().to_string();
    assert!(error.contains("laid out otherwise"), "{error}");
}

#[test]
fn layers_that_cannot_have_them_are_refused() {
    let optimizer = Optimizer { moments: Moments::Bf16, ..Default::default() };
    let network =
        |layers: &[NetworkLayer], rule: &Optimizer| Network::new(gpu(), layers, 1, Some(rule)).map(drop);
    let dense = |latent: usize| spec(&[WIDTH, latent, WIDTH], "").network();
    network(&dense(32), &optimizer).unwrap();
    let conv = ModelSpec::load("ae-conv-mnist").unwrap().autoencoder().unwrap().network();
    for (layers, words) in [(dense(30), "1201 inputs and 30 outputs"), (conv, "convolutions")] {
        let error = network(&layers, &optimizer).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("moments"), "{error}");
        network(&layers, &Optimizer::default()).unwrap();
    }
}
