//! Arbitrary bytes as models, snapshots, autoencoders and specs: an error each, never a panic.

use crate::support::{fixtures, temporary};
use fedfunnel::autoencoder::{AutoencoderFile, Half};
use fedfunnel::federation::SimulationSpec;
use fedfunnel::model::ModelSpec;
use fedfunnel::model::state::StateFile;
use fedfunnel::training::Snapshots;
use std::path::Path;
use std::time::{Duration, Instant};

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }
}

/// Damages a file in one of the ways files get damaged. Headers are hit more often than payloads.
fn damage(dice: &mut Dice, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let header = bytes.len().min(600);
    match dice.below(6) {
        0 => bytes.truncate(dice.below(whole.len())),
        1 => bytes.truncate(dice.below(header)),
        2 => (0..1 + dice.below(8)).for_each(|_| bytes[dice.below(header)] = dice.roll() as u8),
        3 => bytes[..8].copy_from_slice(&dice.roll().to_le_bytes()),
        4 => {
            // A digit of a shape or of an offset.
            let digits: Vec<_> = (8..header).filter(|&at| bytes[at].is_ascii_digit()).collect();
            if !digits.is_empty() {
                bytes[digits[dice.below(digits.len())]] = b'0' + dice.below(10) as u8;
            }
        }
        _ => bytes = (0..dice.below(400)).map(|_| dice.roll() as u8).collect(),
    }
    bytes
}

/// Loads a file as everything; what loads is whole and finite.
fn load_all(path: &Path) {
    if let Ok(file) = StateFile::open(path) {
        let _ = file.metadata();
        for name in ["0.weight", "2.bias", "snapshots", "encoder.0.weight", "standard.scale"] {
            let Ok(tensor) = file.tensor(name) else { continue };
            assert_eq!(tensor.shape.iter().product::<usize>(), tensor.len());
            if let Ok(values) = tensor.values() {
                assert!(values.iter().all(|value| value.is_finite()));
            }
        }
    }
    if let Ok(snapshots) = Snapshots::load(path) {
        let rows = snapshots.rows();
        assert_eq!(rows.len(), snapshots.len());
        assert!(rows.iter().all(|row| row.len() == snapshots.width()));
        assert!(rows.iter().all(|row| row.iter().all(|value| value.is_finite())));
    }
    if let Ok(autoencoder) = AutoencoderFile::open(path) {
        for half in [Half::Encoder, Half::Decoder] {
            if let Ok(standard) = autoencoder.standard(half) {
                assert_eq!(standard.means.len(), autoencoder.spec.inputs());
                assert!(standard.means.iter().all(|mean| mean.is_finite()) && standard.scale > 0.0);
            }
        }
    }
}

#[test]
fn damaged_tensor_files_never_panic() {
    let folder = temporary();
    let path = folder.path().join("damaged.safetensors");
    let fixtures = fixtures();
    let files = [fixtures.model(), fixtures.snapshots(), fixtures.autoencoder()];
    let whole = files.map(|file| std::fs::read(file).expect("a shared file"));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let start = Instant::now();
    for round in 0..900 {
        std::fs::write(&path, damage(&mut dice, &whole[round % 3])).expect("written");
        load_all(&path);
        if start.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    // The control: what is not damaged loads.
    std::fs::write(&path, &whole[0]).expect("written");
    let file = StateFile::open(&path).expect("a whole file");
    assert_eq!(file.tensor("0.weight").expect("of this model").shape, [20, 784]);
}

#[test]
fn damaged_specs_never_panic() {
    let specs = [
        include_str!("../../models/mnist-mlp.toml"),
        include_str!("../../models/ae-mnist.toml"),
        include_str!("../../models/experiments/demo.toml"),
    ];
    let folder = temporary();
    let path = folder.path().join("damaged.toml");
    let mut dice = Dice(42);
    let numbers =
        ["0", "-1", "1e400", "nan", "18446744073709551615", "4294967296", "\"x\"", "[]", "{}", "[[1]]"];
    let start = Instant::now();
    for round in 0..3000 {
        let text = specs[round % 3];
        let mut bytes = text.as_bytes().to_vec();
        match dice.below(4) {
            0 => bytes.truncate(dice.below(text.len())),
            1 => (0..1 + dice.below(4)).for_each(|_| bytes[dice.below(text.len())] = dice.roll() as u8),
            2 => {
                // Another value in a line that sets one.
                let lines: Vec<_> = text.lines().collect();
                let at = dice.below(lines.len());
                let changed = lines.iter().enumerate().map(|(n, line)| match line.split_once('=') {
                    Some((key, _)) if n == at => format!("{key}= {}", numbers[dice.below(numbers.len())]),
                    _ => line.to_string(),
                });
                bytes = changed.collect::<Vec<_>>().join("\n").into_bytes();
            }
            _ => bytes = (0..dice.below(200)).map(|_| 32 + dice.below(95) as u8).collect(),
        }
        std::fs::write(&path, &bytes).expect("written");
        let name = path.to_str().expect("UTF-8");
        if let Ok(spec) = ModelSpec::load(name) {
            let _ =
                (spec.clone().classifier().map(|s| s.parameters()), spec.autoencoder().map(|s| s.latent()));
        }
        let _ = SimulationSpec::load(name, &[]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = SimulationSpec::load("demo", &[text.lines().next().unwrap_or_default().to_string()]);
        if start.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
}
