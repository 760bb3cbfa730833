//! Codecs that are set up on made-up logs, and axes in f64.

use crate::support::{gpu, pipeline_with};
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::{Kept, Learned, LocalData, Pipeline, Round, SetupJob, Setups, ShareJob, Values};
use fedfunnel::federation::Parts;
use fedfunnel::progress::Quiet;
use fedfunnel::reference::random::uniform_tensor;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::training::Snapshots;

/// Snapshots of each of so many collaborators, `[N][S, P]`: around a mean of its own, further from it in some directions
/// than in others.
pub fn made_up_logs(collaborators: u32, snapshots: u32, width: usize) -> Vec<Snapshots> {
    let log = |who: u32| {
        let mean = uniform_tensor(width, who, 1_000, 11, 0.5);
        let mut log = Snapshots::new("made up");
        for snapshot in 0..snapshots {
            let away = uniform_tensor(width, who, snapshot, 12, 1.0 / (1.0 + snapshot as f32));
            log.push(mean.iter().zip(away).map(|(mean, away)| mean + away).collect(), 0, 0);
        }
        log
    };
    (0..collaborators).map(log).collect()
}

/// Weights of so many collaborators that nobody has logged.
pub fn made_up_weights(collaborators: u32, width: usize, number: u32) -> Vec<Vec<f32>> {
    (0..collaborators).map(|who| uniform_tensor(width, who, 2_000 + number, 13, 1.0)).collect()
}

/// A codec that is set up, and what both sides keep of each collaborator.
pub struct Sides {
    pub codec: Pipeline,
    pub senders: Vec<Kept>,
    pub receivers: Vec<Kept>,
    /// What each collaborator shipped.
    pub shipped: Vec<Vec<u8>>,
    /// What the aggregator made of it for all.
    pub sent_back: Option<Vec<u8>>,
    width: usize,
}

impl Sides {
    pub fn new(text: &str, logs: &[Snapshots]) -> Self {
        Self::with_autoencoder(text, logs, None)
    }

    pub fn with_autoencoder(
        text: &str,
        logs: &[Snapshots],
        autoencoder: Option<&AutoencoderSettings>,
    ) -> Self {
        let width = logs[0].width();
        let codec = pipeline_with(&Parts::default(), text, width, autoencoder).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(folder.path(), Identity::new("test", text), Start::New).unwrap();
        let place = Place { gpu: Some(gpu()), data_dir: None, folder, command: "a test" };
        let mut observer = Quiet;
        let mut run = Run::open(place, &mut observer).unwrap();
        let ids: Vec<_> = (0..logs.len() as u32).collect();
        let mut senders = vec![Kept::default(); logs.len()];
        let mut receivers = senders.clone();
        let shipped = codec
            .setup(&mut SetupJob {
                run: &mut run,
                name: "learning",
                gpu: gpu(),
                ids: &ids,
                logs,
                kept: senders.iter_mut().collect(),
                learned: &mut Learned::default(),
                setups: &mut Setups::default(),
            })
            .unwrap();
        for (kept, bytes) in receivers.iter_mut().zip(&shipped) {
            codec.install(bytes, kept).unwrap();
        }
        let sent_back = codec.is_shared().then(|| {
            let kept = receivers.iter().collect();
            codec.share(&mut ShareJob { run: &mut run, name: "sharing", gpu: gpu(), kept }).unwrap()
        });
        if let Some(bytes) = &sent_back {
            senders.iter_mut().for_each(|kept| codec.adopt(gpu(), bytes, kept).unwrap());
            receivers.iter_mut().for_each(|kept| codec.install(bytes, kept).unwrap());
        }
        Self { codec, senders, receivers, shipped, sent_back, width }
    }

    /// The payloads of these weights.
    pub fn send<'a>(
        &mut self,
        number: u32,
        global: &'a [f32],
        weights: &[Vec<f32>],
        local: Option<&'a LocalData<'a>>,
    ) -> Vec<Vec<u8>> {
        let round = Round { number, seed: 0, global, gpu: gpu(), local };
        let each = (0..).zip(&mut self.senders).zip(weights);
        let updates = each.map(|((who, kept), weights)| (who, kept, Values::Host(weights.clone())));
        let sent = self.codec.describe(&round, updates.collect()).unwrap().into_iter().map(|written| {
            let said: usize = written.parts().iter().map(|part| part.bytes).sum();
            assert_eq!(said, written.len(), "{}: {:?}", self.codec.label(), written.parts());
            written.into_bytes()
        });
        sent.collect()
    }

    /// What the aggregator makes of payloads.
    pub fn receive(&self, number: u32, global: &[f32], payloads: &[Vec<u8>]) -> Vec<Vec<f32>> {
        let round = Round { number, seed: 0, global, gpu: gpu(), local: None };
        let each = (0..).zip(&self.receivers).zip(payloads);
        let payloads = each.map(|((who, kept), bytes)| (who, kept, bytes.as_slice()));
        let mut values = self.codec.receive(&round, payloads.collect()).unwrap();
        Values::take_all(gpu(), values.iter_mut().collect()).unwrap()
    }

    /// Lets the aggregator keep what it does of payloads.
    pub fn keep(&mut self, number: u32, global: &[f32], payloads: &[Vec<u8>]) {
        let round = Round { number, seed: 0, global, gpu: gpu(), local: None };
        let each = (0..).zip(&self.receivers).zip(payloads);
        let payloads = each.map(|((who, kept), bytes)| (who, kept, bytes.as_slice()));
        let received = self.codec.take_in(&round, payloads.collect()).unwrap();
        self.receivers.iter_mut().zip(received).for_each(|(kept, received)| kept.merge(received.news));
    }

    /// There and back.
    pub fn through(&mut self, number: u32, global: &[f32], weights: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let payloads = self.send(number, global, weights, None);
        self.receive(number, global, &payloads)
    }

    /// What all collaborators' decoders make of one code, in the first round: `D(z)`.
    pub fn decoded(&self, code: &[f32]) -> Vec<Vec<f32>> {
        let bytes: Vec<u8> = code.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.receive(1, &vec![0.0; self.width], &vec![bytes; self.receivers.len()])
    }

    /// What each value of a code of `floats` adds to the weights of each collaborator, `[N][Z][P]`, by difference.
    pub fn directions(&self, floats: usize) -> Vec<Vec<Vec<f64>>> {
        let origins = self.decoded(&vec![0.0; floats]);
        let mut all = vec![Vec::new(); origins.len()];
        for place in 0..floats {
            let mut code = vec![0.0; floats];
            code[place] = 1.0;
            for ((all, moved), origin) in all.iter_mut().zip(self.decoded(&code)).zip(&origins) {
                all.push(moved.iter().zip(origin).map(|(m, o)| f64::from(*m) - f64::from(*o)).collect());
            }
        }
        all
    }
}

/// Axes and their mean, in f64.
#[derive(Clone, Debug)]
pub struct Axes {
    pub rows: Vec<Vec<f64>>,
    pub mean: Vec<f64>,
}

impl Axes {
    /// Of the floats that were shipped; gives also what stands behind them.
    pub fn shipped(bytes: &[u8], floats: usize, width: usize) -> (Self, Vec<f64>) {
        let values = floats_of(bytes);
        let mut lines = values.chunks(width).map(<[f64]>::to_vec);
        let rows = lines.by_ref().take(floats).collect();
        let mean = lines.next().unwrap();
        (Self { rows, mean }, values[(floats + 1) * width..].to_vec())
    }

    /// `E(w)`
    pub fn code(&self, weights: &[f32]) -> Vec<f64> {
        let product = |row: &Vec<f64>| {
            row.iter().zip(weights).zip(&self.mean).map(|((a, &w), m)| a * (f64::from(w) - m)).sum()
        };
        self.rows.iter().map(product).collect()
    }

    /// `D(z)`
    pub fn decoded(&self, code: &[f64]) -> Vec<f64> {
        let mut sum = self.mean.clone();
        for (row, value) in self.rows.iter().zip(code) {
            sum.iter_mut().zip(row).for_each(|(sum, axis)| *sum += axis * value);
        }
        sum
    }
}

/// The floats of bytes.
pub fn floats_of(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What these directions leave of a vector, relative to its length.
pub fn left_by(directions: &[Vec<f64>], vector: &[f64]) -> f64 {
    let (mut left, mut axes) = (vector.to_vec(), Vec::<Vec<f64>>::new());
    let without = |axes: &[Vec<f64>], vector: &mut Vec<f64>| {
        for axis in axes {
            let part = dot(axis, vector);
            vector.iter_mut().zip(axis).for_each(|(value, axis)| *value -= part * axis);
        }
    };
    for direction in directions {
        let mut axis = direction.clone();
        without(&axes, &mut axis);
        let length = dot(&axis, &axis).sqrt();
        axes.push(axis.into_iter().map(|value| value / length).collect());
    }
    without(&axes, &mut left);
    (dot(&left, &left) / dot(vector, vector)).sqrt()
}
