//! Models of several tensors, batches of several collaborators, and rounds one after the other.

use crate::support::gpu;
use fedfunnel::Result;
use fedfunnel::codec::{Context, Kept, Pipeline, PipelineSpec, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::model::Layout;
use fedfunnel::reference::random::uniform_tensor;

/// Layers of 12 x 30 and 7 x 12 weights, and one of 3 x 2 x 2 x 2; each has biases.
pub fn layout() -> Layout {
    let shapes = [vec![12, 30], vec![12], vec![7, 12], vec![7], vec![3, 2, 2, 2], vec![3]];
    Layout::new(shapes.into_iter().enumerate().map(|(place, shape)| (format!("{place}.weight"), shape)))
}

/// A pipeline as a spec writes it, for a model of these tensors.
pub fn pipeline(text: &str, layout: &Layout) -> Result<Pipeline> {
    let table: toml::Table = format!("codec = {text}").parse().expect("TOML");
    let spec = PipelineSpec::try_from(table["codec"].clone()).expect("a pipeline");
    Parts::default().stages.pipeline(&spec, &Context { layout, seed: 0, autoencoder: None })
}

/// Why a pipeline cannot be made.
pub fn refused(text: &str, layout: &Layout) -> String {
    let error = pipeline(text, layout).err().unwrap_or_else(|| panic!("{text} is made"));
    assert!(error.is_usage(), "{error}");
    error.to_string()
}

/// Round `number` of a federation of seed `seed`.
pub fn round(seed: u64, number: u32, global: &[f32]) -> Round<'_> {
    Round { number, seed, global, gpu: gpu(), local: None }
}

/// The updates of collaborators 3, 5, 7, ... in a round there and back: payloads, and what arrives.
pub fn batch_through(
    codec: &Pipeline,
    round: &Round<'_>,
    kept: &mut [Kept],
    updates: &[Vec<f32>],
) -> (Vec<Vec<u8>>, Vec<Vec<f32>>) {
    let who = |place: usize| 3 + 2 * place as u32;
    let sent = kept
        .iter_mut()
        .zip(updates)
        .enumerate()
        .map(|(place, (kept, update))| (who(place), kept, Values::Host(update.clone())));
    let sent = codec.send(round, sent.collect()).expect("encoded");
    let nothing = Kept::default();
    let payloads = sent.iter().enumerate().map(|(place, bytes)| (who(place), &nothing, bytes.as_slice()));
    let mut arrived = codec.receive(round, payloads.collect()).expect("decoded");
    let arrived = Values::take_all(gpu(), arrived.iter_mut().collect()).expect("read");
    (sent, arrived)
}

/// One update there and back in a round, by a collaborator that has sent nothing before.
pub fn once(codec: &Pipeline, round: &Round<'_>, update: &[f32]) -> (Vec<u8>, Vec<f32>) {
    let (mut sent, mut arrived) = batch_through(codec, round, &mut [Kept::default()], &[update.to_vec()]);
    (sent.remove(0), arrived.remove(0))
}

/// Values in [-1, 1), different ones for each `tensor`.
pub fn values(length: usize, tensor: u32) -> Vec<f32> {
    uniform_tensor(length, 0, tensor, 17, 1.0)
}

/// The sum of squares.
pub fn energy(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum()
}

/// That of the difference.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    energy(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
}

/// What holds of each stage in company: each collaborator of a batch is sent as by itself, what stands before and around
/// it does not change that, and with `feedback` all that there was arrives or is owed.
pub fn assert_works_in_company(stage: &str, layout: &Layout) {
    let width = layout.parameters();
    let global = values(width, 90);
    let updates: Vec<_> = (0..3).map(|tensor| values(width, tensor)).collect();
    let alone = pipeline(&format!("[{stage}]"), layout).unwrap();
    let together = batch_through(&alone, &round(4, 2, &global), &mut vec![Kept::default(); 3], &updates);
    let (sent, arrived) = once(&alone, &round(4, 2, &global), &updates[0]);
    assert_eq!((&sent, &arrived), (&together.0[0], &together.1[0]), "{stage}");

    let delta = pipeline(&format!("[\"delta\",{stage}]"), layout).unwrap();
    let weights: Vec<_> = updates[0].iter().zip(&global).map(|(update, global)| update + global).collect();
    let (_, got) = once(&delta, &round(4, 2, &global), &weights);
    let moved: Vec<_> = arrived.iter().zip(&global).map(|(value, global)| value + global).collect();
    assert!(distance(&got, &moved) < 1e-6 * energy(&moved), "{stage}");

    let fed = pipeline(&format!("[\"feedback\",{stage}]"), layout).unwrap();
    let mut kept = vec![Kept::default(); 3];
    let mut missing: Vec<_> = vec![vec![0f64; width]; 3];
    for number in 1..=6 {
        let (_, arrived) = batch_through(&fed, &round(4, number, &global), &mut kept, &updates);
        for ((missing, update), arrived) in missing.iter_mut().zip(&updates).zip(arrived) {
            for place in 0..width {
                missing[place] += f64::from(update[place]) - f64::from(arrived[place]);
            }
        }
    }
    for (kept, missing) in kept.iter().zip(missing) {
        let owed = kept.scope("0").get("error").expect("an error");
        let missing: Vec<_> = missing.into_iter().map(|value| value as f32).collect();
        assert!(distance(owed, &missing) < 1e-6 * (energy(&missing) + 1.0), "{stage}");
    }
}

/// Rounds with what is kept are the same to the bit, whether or not that has been through a checkpoint on the way, and
/// what a checkpoint has is looked at.
pub fn assert_goes_on(stage: &str, layout: &Layout) {
    use fedfunnel::codec::Store;
    use fedfunnel::model::state::{StateFile, StateWriter};
    let width = layout.parameters();
    let codec = pipeline(&format!("[\"feedback\",{stage}]"), layout).unwrap();
    let (global, updates) = (vec![0.0; width], [values(width, 1)]);
    let mut whole = [Kept::default()];
    let play = |numbers: std::ops::RangeInclusive<u32>, kept: &mut [Kept]| -> Vec<Vec<u8>> {
        numbers
            .map(|number| batch_through(&codec, &round(1, number, &global), kept, &updates).0.remove(0))
            .collect()
    };
    let due = play(1..=4, &mut whole);
    let mut first = [Kept::default()];
    assert_eq!(play(1..=2, &mut first), due[..2], "{stage}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let mut store = Store::default();
    *store.of_mut(3) = first[0].clone();
    let mut file = StateWriter::create(&path, &store.shapes("side"), &Default::default()).unwrap();
    store.save("side", &mut file).unwrap();
    file.finish().unwrap();
    let mut read = Store::default();
    read.load("side", &[3], &StateFile::open(&path).unwrap()).unwrap();
    codec.check_kept(width, &[read.of(3)], &[&Kept::default()]).unwrap();
    let mut rest = [read.take(3)];
    assert_eq!(play(3..=4, &mut rest), due[2..], "{stage}");
}
