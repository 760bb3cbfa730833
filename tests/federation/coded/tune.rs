//! Codes that are trained through their decoders.

use super::support::{Sides, floats_of, left_by};
use crate::support::gpu;
use fedfunnel::autoencoder::AutoencoderSettings;
use fedfunnel::codec::LocalData;
use fedfunnel::data::{DataDir, Dataset, epoch_order, load};
use fedfunnel::model::{ClassifierSpec, ModelSpec, Optimizer};
use fedfunnel::training::{
    Cohort, CohortEpoch, Evaluator, Inputs, ResidentImages, SnapshotEvery, Snapshots, train_epoch,
};
use std::cell::RefCell;
use std::sync::OnceLock;

/// Steps enough on few images.
const TUNE: &str = "{ stage = \"tune\", batch = 25, lr = 0.1 }";

/// Images of each of two collaborators.
const EACH: usize = 150;

/// Two collaborators that have trained alone, and one round further from the average.
pub struct Bed {
    spec: ClassifierSpec,
    images: ResidentImages,
    pub logs: Vec<Snapshots>,
    pub global: Vec<f32>,
    weights: Vec<Vec<f32>>,
}

fn order(who: u32, epoch: u64) -> Vec<u32> {
    let first = who * EACH as u32;
    epoch_order(EACH, u64::from(who), epoch, true).into_iter().map(|place| first + place).collect()
}

pub fn bed() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(|| {
        let data = load("mnist-sample", &DataDir::new("nowhere")).unwrap();
        let images = Inputs::default().upload(gpu(), &data.train.limit(2 * EACH).unwrap()).unwrap();
        let spec = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
        let mut cohort = Cohort::new(gpu(), &spec, &images, 2, 32, Optimizer::default()).unwrap();
        cohort.network.parameters.initialize(gpu(), 5, true).unwrap();
        let mut logs = vec![Snapshots::new(&spec); 2];
        let epoch = |cohort: &mut Cohort, number: u64, logs: &mut [Snapshots]| {
            let snapshots = (!logs.is_empty()).then_some(SnapshotEvery::Steps(2));
            let epoch = CohortEpoch { number, owners: &[0, 1], epochs_before: number, snapshots };
            let orders = [order(0, number), order(1, number)];
            train_epoch(cohort, &orders, epoch, logs, &mut |_| ()).unwrap();
        };
        (0..4).for_each(|number| epoch(&mut cohort, number, &mut logs));
        let own = cohort.parameters().unwrap();
        let global: Vec<_> = own[0].iter().zip(&own[1]).map(|(a, b)| (a + b) / 2.0).collect();
        cohort.restart_from(&global).unwrap();
        epoch(&mut cohort, 4, &mut []);
        let weights = cohort.parameters().unwrap();
        Bed { spec, images, logs, global, weights }
    })
}

impl Bed {
    /// A round of a codec, which is not the first: what is sent, and what arrives.
    fn round(&self, sides: &mut Sides) -> (Vec<Vec<u8>>, Vec<Vec<f32>>) {
        self.round_number(2, sides)
    }

    /// The round of a number.
    pub fn round_number(&self, number: u32, sides: &mut Sides) -> (Vec<Vec<u8>>, Vec<Vec<f32>>) {
        let mut steps = 0;
        let mut progress = |more| steps += more;
        let local = LocalData {
            spec: &self.spec,
            images: &self.images,
            batch: 32,
            largest_share: EACH,
            most_together: 2,
            order: &order,
            progress: RefCell::new(&mut progress),
        };
        let payloads = sides.send(number, &self.global, &self.weights, Some(&local));
        let is_tuned = sides.codec.epochs() > 0;
        assert_eq!(steps > 0, is_tuned, "steps of tuning are heard of");
        let arrived = sides.receive(number, &self.global, &payloads);
        (payloads, arrived)
    }

    /// The loss of each model on the images of its collaborator.
    pub fn losses(&self, models: &[Vec<f32>]) -> Vec<f64> {
        let data = load("mnist-sample", &DataDir::new("nowhere")).unwrap();
        let own = |(who, model): (usize, &Vec<f32>)| {
            let (own, pixels) = (who * EACH..(who + 1) * EACH, data.train.shape.pixels());
            let images = data.train.images[own.start * pixels..own.end * pixels].to_vec();
            let own = Dataset { images, labels: data.train.labels[own].to_vec(), ..data.train.clone() };
            let images = Inputs::default().upload(gpu(), &own).unwrap();
            Evaluator::new(gpu(), &self.spec, &images, 1).unwrap().evaluate(&[model]).unwrap()[0].loss
        };
        models.iter().enumerate().map(own).collect()
    }
}

fn difference(a: &[f32], b: &[f32]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect()
}

/// Holds what tuning makes of a codec of a learned stage to what it is without: `directions` are the decoders'.
fn check(plain: &mut Sides, tuned: &mut Sides, directions: &[Vec<Vec<f64>>]) -> [Vec<Vec<u8>>; 2] {
    assert_eq!(plain.shipped, tuned.shipped);
    let (untuned_payloads, untuned) = bed().round(plain);
    let (payloads, arrived) = bed().round(tuned);
    let (before, after) = (bed().losses(&untuned), bed().losses(&arrived));
    for who in 0..2 {
        assert!(after[who] < 0.97 * before[who], "{}: {before:?} {after:?}", tuned.codec.label());
        let moved = difference(&arrived[who], &untuned[who]);
        assert!(moved.iter().any(|moved| moved.abs() > 1e-3), "it moves");
        // Weights are rounded to f32 wherever they are.
        let left = left_by(&directions[who], &moved);
        assert!(left < 1e-4, "{left}");
        // The negative control: the collaborator's own weights lie outside of what its code can say.
        let left = left_by(&directions[who], &difference(&bed().weights[who], &untuned[who]));
        assert!(left > 0.1, "{left}");
        assert_eq!(payloads[who].len(), untuned_payloads[who].len());
    }
    [untuned_payloads, payloads]
}

#[test]
fn a_code_that_is_tuned_fits_the_images_better_and_says_nothing_that_the_axes_do_not() {
    let pca = "{ stage = \"pca\", floats = 4 }";
    let axes = Sides::new(&format!("[{pca}]"), &bed().logs).directions(4);
    for prior in ["", "\"prior\", "] {
        let mut plain = Sides::new(&format!("[{prior}{pca}]"), &bed().logs);
        let mut tuned = Sides::new(&format!("[{prior}{pca}, {TUNE}]"), &bed().logs);
        check(&mut plain, &mut tuned, &axes);
        assert_eq!((plain.codec.epochs(), tuned.codec.epochs()), (0, 1));
        // The same images in the same order come to the same bits; a second one goes through what is held.
        let [first, second] = [0, 1].map(|_| bed().round(&mut tuned));
        assert!(first == second);
    }
}

#[test]
fn a_code_is_tuned_through_an_autoencoder_as_through_axes() {
    let settings: AutoencoderSettings = toml::from_str(
        "model = \"ae-mnist\"\nlatent = 4\nspace = \"small\"\nepochs = 60\n[optimizer]\nkind = \"adam\"\nlr = 3e-2\n",
    )
    .unwrap();
    let new = |text: &str| Sides::with_autoencoder(text, &bed().logs, Some(&settings));
    let directions = new("[\"autoencoder\"]").directions(4);
    let mut plain = new("[\"prior\", \"autoencoder\"]");
    let mut tuned =
        new("[\"prior\", \"autoencoder\", { stage = \"tune\", epochs = 2, batch = 25, lr = 0.1 }]");
    assert_eq!(tuned.codec.label(), "prior+autoencoder(4)+tune(batch=25,epochs=2,lr=0.1)");
    assert_eq!(tuned.codec.epochs(), 2);
    check(&mut plain, &mut tuned, &directions);
}

#[test]
fn a_code_in_halves_is_tuned_in_halves() {
    let code = "\"prior\", { stage = \"pca\", floats = 4 }, \"f16\"";
    let axes = Sides::new("[{ stage = \"pca\", floats = 4 }]", &bed().logs).directions(4);
    let mut plain = Sides::new(&format!("[{code}]"), &bed().logs);
    let mut tuned = Sides::new(&format!("[{code}, {TUNE}]"), &bed().logs);
    let [_, payloads] = check(&mut plain, &mut tuned, &axes);
    let arrived = tuned.receive(2, &bed().global, &payloads);
    for ((payload, arrived), axes) in payloads.iter().zip(&arrived).zip(&axes) {
        let code = payload.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f64());
        let code: Vec<_> = code.collect();
        assert_eq!(code.len(), 4);
        // What arrives is the global model and the halves along the axes.
        for (place, value) in arrived.iter().enumerate() {
            let along: f64 = axes.iter().zip(&code).map(|(axis, value)| axis[place] * value).sum();
            assert!((f64::from(*value) - f64::from(bed().global[place]) - along).abs() < 1e-5);
        }
    }
}

#[test]
fn a_code_is_tuned_around_what_arrives_of_its_residual() {
    let code = "\"prior\", { stage = \"pca\", floats = 4 }";
    let residual = "{ stage = \"residual\", stages = [{ stage = \"ternary\", count = 500 }] }";
    let axes = Sides::new("[{ stage = \"pca\", floats = 4 }]", &bed().logs).directions(4);
    let mut plain = Sides::new(&format!("[{code}, {residual}]"), &bed().logs);
    let mut tuned = Sides::new(&format!("[{code}, {residual}, {TUNE}]"), &bed().logs);
    let [untuned, payloads] = check(&mut plain, &mut tuned, &axes);
    for (untuned, tuned) in untuned.iter().zip(payloads) {
        assert_eq!(untuned[16..], tuned[16..], "the residual is what it is without tuning");
        assert_ne!(floats_of(&untuned[..16]), floats_of(&tuned[..16]));
    }
}

#[test]
fn what_feedback_owes_of_tuned_codes_is_of_those_that_were_sent() {
    // At a rate that moves nothing, a code is sent as without tuning, round after round: what is looked at on the way to
    // it is not sent, and leaves nothing that is owed.
    let code = "{ stage = \"pca\", floats = 4 }, \"feedback\", { stage = \"topk\", part = 0.5 }";
    let mut plain = Sides::new(&format!("[{code}]"), &bed().logs);
    let mut tuned = Sides::new(&format!("[{code}, {{ stage = \"tune\", lr = 1e-30 }}]"), &bed().logs);
    let rounds = [0; 3].map(|_| (bed().round(&mut plain).0, bed().round(&mut tuned).0));
    for (plain, tuned) in &rounds {
        assert_eq!(plain, tuned);
    }
    // The negative control: what is owed changes what is sent.
    assert_ne!(rounds[0].0, rounds[1].0);
}
