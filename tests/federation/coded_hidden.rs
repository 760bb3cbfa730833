//! Codes of autoencoders whose decoders are not linear: trained through hidden layers and convolutions, and with `prior`,
//! for which the aggregator has the encoder too.

use crate::support::gpu;
use fedfunnel::codec::{
    Context, Kept, Learned, LocalData, Pipeline, PipelineSpec, Round, SetupJob, Setups, Values, message_bytes,
};
use fedfunnel::data::{DataDir, Dataset, epoch_order, load};
use fedfunnel::federation::Parts;
use fedfunnel::model::{AutoencoderSpec, ClassifierSpec, Layout, ModelSpec, Optimizer, OptimizerKind};
use fedfunnel::progress::Quiet;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::training::{
    Cohort, CohortEpoch, Evaluator, ResidentImages, SnapshotEvery, Snapshots, train_epoch,
};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::OnceLock;

/// Collaborators, with as many images each.
const COLLABORATORS: usize = 2;
const IMAGES: usize = 100;
const IDS: [u32; COLLABORATORS] = [0, 1];

/// Ten tanh values on both sides of eight floats.
const DENSE: &str = "name = \"dense\"\nkind = \"autoencoder\"\nwidths = [6370, 10, 8, 10, 6370]\n\
                     hidden_activation = \"tanh\"\n";
/// The values at the end of it are tanh's too.
const BOUNDED: &str = "name = \"bounded\"\nkind = \"autoencoder\"\nwidths = [6370, 8, 6370]\n\
                       output_activation = \"tanh\"\n";
/// A window for each row, and one for each column of what that made.
const CONV: &str = "name = \"conv\"\nkind = \"autoencoder\"\nhidden_activation = \"tanh\"\n[conv]\ninputs = 6370\n\
                    latent = 8\nsegments = [[8, 784], [1, 8], [10, 8], [1, 10]]\n\
                    layers = [{ channels = 4, kernel = [1, 784], stride = [1, 784] }, \
                    { channels = 4, kernel = [10, 1], stride = [10, 1] }]\n";
/// Several layers that are linear all the same.
const CHAIN: &str = "name = \"chain\"\nkind = \"autoencoder\"\nwidths = [6370, 10, 8, 10, 6370]\n\
                     hidden_activation = \"linear\"\n";

const TUNE: &str = "{ stage = \"tune\", epochs = 3, batch = 25, lr = 0.02 }";

/// What collaborators have trained on images of their own.
struct Training {
    spec: ClassifierSpec,
    images: ResidentImages,
    /// Of each collaborator, on its own images.
    evaluators: Vec<Evaluator>,
    logs: Vec<Snapshots>,
    /// The mean of the last snapshots.
    global: Vec<f32>,
    /// What two epochs made of that.
    weights: Vec<Vec<f32>>,
}

fn order(who: u32, epoch: u64) -> Vec<u32> {
    let own = epoch_order(IMAGES, who.into(), epoch, true);
    own.into_iter().map(|place| who * IMAGES as u32 + place).collect()
}

fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i]).sum::<f32>() / rows.len() as f32).collect()
}

impl Training {
    /// The same for all tests.
    fn get() -> &'static Self {
        static TRAINING: OnceLock<Training> = OnceLock::new();
        TRAINING.get_or_init(|| Self::new(tempfile::tempdir().unwrap().path()))
    }

    fn new(folder: &Path) -> Self {
        let text = "name = \"small\"\nkind = \"classifier\"\ninput = [1, 28, 28]\n[[layers]]\nkind = \"dense\"\n\
                    outputs = 8\nactivation = \"relu\"\n[[layers]]\nkind = \"dense\"\noutputs = 10\n";
        let spec = ModelSpec::parse(text, Path::new("own")).unwrap().classifier().unwrap();
        let data = load("mnist-sample", &DataDir::new(folder.join("data"))).unwrap().train;
        let images = ResidentImages::upload(gpu(), &data.clone().limit(COLLABORATORS * IMAGES).unwrap());
        let images = images.unwrap();
        let pixels = data.shape.pixels();
        let evaluators = (0..COLLABORATORS).map(|who| {
            let own = who * IMAGES..(who + 1) * IMAGES;
            let own = Dataset {
                images: data.images[own.start * pixels..own.end * pixels].to_vec(),
                labels: data.labels[own].to_vec(),
                ..data.clone()
            };
            Evaluator::new(gpu(), &spec, &ResidentImages::upload(gpu(), &own).unwrap(), 1).unwrap()
        });
        let evaluators = evaluators.collect();
        let optimizer = Optimizer { kind: OptimizerKind::Adam, lr: 2e-3, ..Optimizer::default() };
        let mut cohort = Cohort::new(gpu(), &spec, &images, COLLABORATORS, 10, optimizer).unwrap();
        cohort.network.parameters.initialize(gpu(), 3, true).unwrap();
        let mut logs = vec![Snapshots::new(&spec); COLLABORATORS];
        let train = |cohort: &mut Cohort, epochs: std::ops::Range<u64>, logs: &mut [Snapshots]| {
            for number in epochs {
                let orders: Vec<_> = IDS.iter().map(|&who| order(who, number)).collect();
                let snapshots = Some(SnapshotEvery::Steps(4));
                let epoch = CohortEpoch { number, owners: &IDS, epochs_before: number, snapshots };
                train_epoch(cohort, &orders, epoch, logs, &mut |_| ()).unwrap();
            }
            cohort.parameters().unwrap()
        };
        let global = mean(&train(&mut cohort, 0..4, &mut logs));
        cohort.restart_from(&global).unwrap();
        let mut later = vec![Snapshots::new(&spec); COLLABORATORS];
        let weights = train(&mut cohort, 4..6, &mut later);
        Self { spec, images, evaluators, logs, global, weights }
    }

    fn loss(&self, who: usize, weights: &[f32]) -> f64 {
        self.evaluators[who].evaluate(&[weights]).unwrap()[0].loss
    }

    fn local<'a>(&'a self, progress: &'a mut dyn FnMut(u32)) -> LocalData<'a> {
        LocalData {
            spec: &self.spec,
            images: &self.images,
            batch: 10,
            largest_share: 1,
            most_together: COLLABORATORS,
            order: &order,
            progress: RefCell::new(progress),
        }
    }
}

/// Both sides after a setup.
struct Sides {
    autoencoder: AutoencoderSpec,
    pipelines: Pipelines,
    collaborators: Vec<Kept>,
    aggregator: Vec<Kept>,
    shipped: Vec<Vec<u8>>,
}

/// Pipelines around the same autoencoder.
struct Pipelines(fedfunnel::autoencoder::AutoencoderSettings);

impl Pipelines {
    fn of(&self, text: &str) -> Pipeline {
        let table: toml::Table = format!("codec = [{text}]").parse().unwrap();
        let spec = PipelineSpec::try_from(table["codec"].clone()).unwrap();
        let context = Context { layout: &Layout::flat(6370), seed: 5, autoencoder: Some(&self.0) };
        Parts::default().stages.pipeline(&spec, &context).unwrap()
    }
}

/// Sets a pipeline up.
fn set_up(folder: &Path, training: &Training, autoencoder: &str, stages: &str) -> Sides {
    let path = folder.join("autoencoder.toml");
    std::fs::write(&path, autoencoder).unwrap();
    let settings = format!(
        "model = {:?}\nepochs = 60\n[optimizer]\nkind = \"adam\"\nlr = 3e-3\n",
        path.to_str().unwrap()
    );
    let pipelines = Pipelines(toml::from_str(&settings).unwrap());
    let run_folder =
        RunFolder::open(&folder.join("run"), Identity::new("simulate", stages), Start::New).unwrap();
    let data_dir = DataDir::new(folder.join("data"));
    let place = Place { gpu: Some(gpu()), data_dir: Some(&data_dir), folder: run_folder, command: "a test" };
    let mut observer = Quiet;
    let mut run = Run::open(place, &mut observer).unwrap();
    let mut collaborators = vec![Kept::default(); COLLABORATORS];
    let pipeline = pipelines.of(stages);
    let shipped = pipeline.setup(&mut SetupJob {
        run: &mut run,
        name: "learning",
        gpu: gpu(),
        ids: &IDS,
        logs: &training.logs,
        kept: collaborators.iter_mut().collect(),
        learned: &mut Learned::default(),
        setups: &mut Setups::default(),
    });
    let shipped = shipped.unwrap();
    let mut aggregator = vec![Kept::default(); COLLABORATORS];
    for (bytes, kept) in shipped.iter().zip(&mut aggregator) {
        pipeline.install(bytes, kept).unwrap();
    }
    let kept: Vec<_> = collaborators.iter().collect();
    pipeline.check_kept(6370, &kept, &aggregator.iter().collect::<Vec<_>>()).unwrap();
    let autoencoder = pipelines.0.shape(6370).unwrap();
    Sides { autoencoder, pipelines, collaborators, aggregator, shipped }
}

/// What the aggregator makes of messages.
fn receive(pipeline: &Pipeline, round: &Round<'_>, kept: &[Kept], sent: &[Vec<u8>]) -> Vec<Vec<f32>> {
    let payloads = IDS.iter().zip(kept).zip(sent).map(|((&who, kept), bytes)| (who, kept, bytes.as_slice()));
    let mut received = pipeline.receive(round, payloads.collect()).unwrap();
    received.iter_mut().map(|values| values.take(gpu()).unwrap()).collect()
}

/// Messages of these weights.
fn send(pipeline: &Pipeline, round: &Round<'_>, kept: &mut [Kept], weights: &[Vec<f32>]) -> Vec<Vec<u8>> {
    let updates = IDS.iter().zip(kept).zip(weights);
    let updates = updates.map(|((&who, kept), weights)| (who, kept, Values::Host(weights.clone())));
    pipeline.send(round, updates.collect()).unwrap()
}

/// What a pipeline of one stage keeps, as a pipeline of its own.
fn alone(kept: &[Kept], part: &str) -> Vec<Kept> {
    let own = |kept: &Kept| {
        let mut own = Kept::default();
        *own.scope_mut("0") = kept.scope("0").scope(part).clone();
        own
    };
    kept.iter().map(own).collect()
}

#[test]
fn tuned_codes_decode_to_a_lower_loss_on_both_sides_alike() {
    let training = Training::get();
    for autoencoder in [DENSE, BOUNDED, CONV, CHAIN] {
        let folder = tempfile::tempdir().unwrap();
        let stages = format!("\"prior\", \"autoencoder\", \"f16\", {TUNE}");
        let mut sides = set_up(folder.path(), training, autoencoder, &stages);
        let (tuned, untuned) =
            (sides.pipelines.of(&stages), sides.pipelines.of("\"prior\", \"autoencoder\", \"f16\""));
        let steps = Cell::new(0);
        let mut progress = |taken| steps.set(steps.get() + taken);
        let local = training.local(&mut progress);
        for number in 1..3 {
            let round = Round { number, seed: 0, global: &training.global, gpu: gpu(), local: Some(&local) };
            let name = format!("{} in round {number}", sides.autoencoder.name);
            let plain = send(&untuned, &round, &mut sides.collaborators.clone(), &training.weights);
            let sent = send(&tuned, &round, &mut sides.collaborators, &training.weights);
            // Eight halves each.
            assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16], "{name}");
            let arrived = receive(&tuned, &round, &sides.aggregator, &sent);
            let mirrored = alone(&sides.collaborators, "mirror");
            assert_eq!(arrived, receive(&tuned, &round, &mirrored, &sent), "{name}: sides differ");
            let before = receive(&untuned, &round, &sides.aggregator, &plain);
            for who in 0..COLLABORATORS {
                // The control: as far in the other direction.
                let each = before[who].iter().zip(&arrived[who]);
                let astray: Vec<_> = each.map(|(before, arrived)| before + (before - arrived)).collect();
                let [tuned, untuned, astray] =
                    [&arrived[who], &before[who], &astray].map(|weights| training.loss(who, weights));
                let losses = format!("{tuned} after tuning, {untuned} before, {astray} astray");
                assert!(tuned < untuned && untuned < astray, "{name}: {losses}");
            }
        }
        // Four steps of 25 images in three epochs of two rounds.
        assert_eq!(steps.get(), 4 * 3 * 2, "{}", sides.autoencoder.name);
    }
}

#[test]
fn what_a_code_cannot_say_comes_from_the_global_model() {
    let training = Training::get();
    for autoencoder in [DENSE, BOUNDED, CONV] {
        let folder = tempfile::tempdir().unwrap();
        let mut sides = set_up(folder.path(), training, autoencoder, "\"prior\", \"autoencoder\"");
        let shape = &sides.autoencoder;
        // The encoder is counted with the decoder, which has means and a scale with it.
        let due = message_bytes(4 * (shape.parameters() + shape.inputs() + 1));
        let shipped = sides.shipped.iter().map(|bytes| message_bytes(bytes.len()));
        assert_eq!(shipped.collect::<Vec<_>>(), [due; COLLABORATORS], "{}", shape.name);

        let (prior, plain) =
            (sides.pipelines.of("\"prior\", \"autoencoder\""), sides.pipelines.of("\"autoencoder\""));
        let round = Round { number: 2, seed: 0, global: &training.global, gpu: gpu(), local: None };
        let sent = send(&prior, &round, &mut sides.collaborators, &training.weights);
        let arrived = receive(&prior, &round, &sides.aggregator, &sent);

        // By codes and decoders alone.
        let (mut senders, receivers) =
            (alone(&sides.collaborators, "learned"), alone(&sides.aggregator, "learned"));
        let codes = send(&plain, &round, &mut senders, &training.weights);
        assert_eq!(sent, codes, "{}: the code is that of the weights", shape.name);
        let decoded = receive(&plain, &round, &receivers, &codes);
        let globals = vec![training.global.clone(); COLLABORATORS];
        let own = send(&plain, &round, &mut senders, &globals);
        let own = receive(&plain, &round, &receivers, &own);
        let none = vec![vec![0; 4 * shape.latent()]; COLLABORATORS];
        let none = receive(&plain, &round, &receivers, &none);
        for who in 0..COLLABORATORS {
            let moved = |origins: &[f32]| -> Vec<f32> {
                let each = training.global.iter().zip(decoded[who].iter().zip(origins));
                each.map(|(global, (decoded, origin))| global + (decoded - origin)).collect()
            };
            assert_eq!(arrived[who], moved(&own[who]), "{}", shape.name);
            // The control: the origin of codes is not that of the global model.
            assert_ne!(arrived[who], moved(&none[who]), "{}", shape.name);
        }

        // A message of another length is refused in words.
        for (bytes, problem) in
            [(&sides.shipped[0][4..], "use the same model"), (&[0; 9], "9 bytes are no decoder")]
        {
            let said = prior.install(bytes, &mut Kept::default()).unwrap_err().to_string();
            assert!(said.contains(problem), "{said}");
        }
    }
}

#[test]
fn encoders_stay_at_home_where_nothing_needs_them() {
    let training = Training::get();
    for (autoencoder, stages) in
        [(DENSE, "\"autoencoder\", \"f16\", \"tune\""), (CHAIN, "\"prior\", \"autoencoder\"")]
    {
        let folder = tempfile::tempdir().unwrap();
        let sides = set_up(folder.path(), training, autoencoder, stages);
        let shape = &sides.autoencoder;
        let due = 4 * (shape.decoder_parameters() + shape.inputs() + 1);
        assert_eq!(sides.shipped.iter().map(Vec::len).collect::<Vec<_>>(), [due; COLLABORATORS]);
        let learned = sides.aggregator[0].scope("0").scope("learned");
        assert!(learned.get("encoder").is_none(), "{}: {stages}", shape.name);
    }
}
