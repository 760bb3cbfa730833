//! Ten training steps of whole networks against PyTorch's, and cohorts of replicas against single runs.

use crate::golden::Golden;
use crate::parameters::rows_are;
use crate::support::{gpu, small_gpu, wide};
use fedfunnel::gpu::{Buffer, Dispatch, Gpu, Tensor, split_rows};
use fedfunnel::model::{
    Activation, Initializer, LayerSpec, ModelSpec, Network, Optimizer, OptimizerKind, ScheduleWriter,
    Workspace,
};
use fedfunnel::ops::dense::Dense;
use fedfunnel::ops::gather::{ImageShard, NOTHING, SampleIndex};
use fedfunnel::ops::{gather, loss};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use safetensors::Dtype;

mod cifar10;
mod cifar10_gradients;
mod conv_autoencoder;
mod conv_small;

const STEPS: usize = 10;
const SEED: u32 = 7;
/// Samples that the classifier's golden takes in a step.
const BATCH: usize = 16;

/// What came out of a training run.
struct Trained {
    /// `[R][P]` before, after the first step, and after the last.
    initial: Vec<Vec<f32>>,
    first: Vec<Vec<f32>>,
    parameters: Vec<Vec<f32>>,
    /// Name and length of each tensor, in the order of `parameters`.
    tensors: Vec<(String, usize)>,
    /// Mean loss of each replica before each step, `[R][STEPS]`.
    losses: Vec<Vec<f32>>,
    arenas: usize,
    cut_activations: usize,
}

impl Trained {
    /// One replica's tensors by name.
    fn split<'a>(&'a self, flat: &'a [f32]) -> impl Iterator<Item = (&'a str, &'a [f32])> {
        let mut rest = flat;
        self.tensors.iter().map(move |(name, length)| {
            let tensor;
            (tensor, rest) = rest.split_at(*length);
            (name.as_str(), tensor)
        })
    }

    /// Disagreements of one replica with a golden, tensor by tensor and loss by loss.
    fn disagreements(&self, golden: &Golden, replica: usize, tolerance: Tolerance) -> Vec<String> {
        let mut all = Vec::new();
        for (name, tensor) in self.split(&self.parameters[replica]) {
            let expected = wide(&golden.f32(pytorch_name(name)));
            all.extend(compare(name, tensor, &expected, tolerance).err());
        }
        for (step, expected) in golden.losses().iter().enumerate() {
            let what = format!("loss of step {step}");
            all.extend(compare(&what, &self.losses[replica][step..=step], &[*expected], tolerance).err());
        }
        assert_eq!(self.losses[replica].len(), STEPS);
        all
    }

    #[track_caller]
    fn assert_agrees(&self, golden: &Golden) {
        for replica in 0..self.parameters.len() {
            let all = self.disagreements(golden, replica, Tolerance::Balanced);
            assert!(all.is_empty(), "replica {replica}: {all:#?}");
        }
    }
}

/// The goldens call an autoencoder's layers as one `nn.Sequential` does.
fn pytorch_name(name: &str) -> &str {
    match name {
        "encoder.0.weight" => "0.weight",
        "encoder.0.bias" => "0.bias",
        "decoder.0.weight" => "2.weight",
        "decoder.0.bias" => "2.bias",
        other => other,
    }
}

/// Runs the plan step by step and notes losses, as `take` reads and clears them, `[R]`.
fn run(
    gpu: &Gpu,
    network: &Network,
    plan: &[Dispatch],
    cut_activations: usize,
    mut take: impl FnMut(usize) -> Vec<f32>,
) -> Trained {
    let initial = network.parameters.read(gpu).unwrap();
    let mut first = Vec::new();
    let mut losses = vec![Vec::new(); network.replicas()];
    for step in 0..STEPS {
        gpu.run_steps(plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        take(step).iter().enumerate().for_each(|(replica, &loss)| losses[replica].push(loss));
        if step == 0 {
            first = network.parameters.read(gpu).unwrap();
        }
    }
    let tensors = network.parameters.tensors.iter().map(|t| (t.name.clone(), t.len())).collect();
    let parameters = network.parameters.read(gpu).unwrap();
    let arenas = network.parameters.arenas.len();
    Trained { initial, first, parameters, tensors, losses, arenas, cut_activations }
}

/// A classifier of the goldens and how its images are given to it.
struct Classifier {
    model: &'static str,
    inputs: &'static str,
    seed: u32,
    channels: usize,
    /// Values of an image.
    width: usize,
    /// Factor and summand from a byte to an input.
    scale: [f32; 2],
}

const MNIST: Classifier = Classifier {
    model: "mnist-mlp",
    inputs: "mnist_mlp_inputs",
    seed: SEED,
    channels: 1,
    width: 784,
    scale: [1.0 / 255.0, 0.0],
};

/// Trains the MNIST classifier. `batches[r][step]` are the samples of replica `r`: as few as it likes.
fn train_classifier(gpu: &Gpu, optimizer: Optimizer, batches: &[Vec<Vec<u32>>]) -> Trained {
    train(gpu, &MNIST, optimizer, batches)
}

fn train(gpu: &Gpu, classifier: &Classifier, optimizer: Optimizer, batches: &[Vec<Vec<u32>>]) -> Trained {
    let steps = Steps::new(gpu, classifier, optimizer, batches);
    run(gpu, &steps.network, &steps.plan, 0, |step| steps.take_losses(gpu, step))
}

/// A classifier on a device, with all that its steps need.
struct Steps {
    network: Network,
    workspace: Workspace,
    plan: Vec<Dispatch>,
    tallies: Buffer,
    /// Samples of each replica in each step.
    samples: Vec<Vec<usize>>,
}

impl Steps {
    fn new(gpu: &Gpu, classifier: &Classifier, optimizer: Optimizer, batches: &[Vec<Vec<u32>>]) -> Self {
        let &Classifier { seed, channels, width, scale, .. } = classifier;
        let layers = ModelSpec::load(classifier.model).unwrap().classifier().unwrap().network();
        let inputs = Golden::open(classifier.inputs);
        let replicas = batches.len();
        let batch = batches.iter().flatten().map(Vec::len).max().unwrap();
        let network = Network::new(gpu, &layers, replicas, Some(&optimizer)).unwrap();
        network.parameters.initialize(gpu, seed, true).unwrap();
        let workspace = network.workspace(gpu, batch, true).unwrap();

        let pixels = inputs.bytes("images", Dtype::U8);
        let labels = inputs.bytes("labels", Dtype::U8);
        let images: Vec<_> = split_rows(labels.len(), width as u64, gpu.max_binding_bytes())
            .unwrap()
            .into_iter()
            .map(|range| ImageShard {
                pixels: gpu.upload("pixels", &pixels[range.start * width..][..range.len * width]).unwrap(),
                labels: gpu.upload("labels", &labels[range.start..][..range.len]).unwrap(),
                range,
            })
            .collect();
        let mut index = vec![NOTHING; replicas * STEPS * batch];
        for (line, samples) in batches.iter().flatten().enumerate() {
            index[line * batch..][..samples.len()].copy_from_slice(samples);
        }
        let index = SampleIndex { buffer: gpu.upload("index", &index).unwrap(), steps: STEPS };
        let scales = gpu.upload("scales", &scale.repeat(channels)).unwrap();
        let batch_labels = gpu.zeros("batch labels", replicas * batch).unwrap();
        let tallies = gpu.zeros("tallies", replicas * batch * 2).unwrap();
        let spare = gpu.zeros("spare", 4).unwrap();
        let mut writer = ScheduleWriter::new(gpu, optimizer, replicas, STEPS).unwrap();
        writer.write(gpu, STEPS, |replica, step| batches[replica][step].len());

        let mut plan =
            gather::images(gpu, &images, &scales, width / channels, &index, &batch_labels, workspace.input())
                .unwrap();
        plan.extend(network.forward(gpu, &workspace).unwrap());
        plan.push(
            loss::softmax_cross_entropy(
                gpu,
                workspace.output(),
                &batch_labels,
                &writer.schedule,
                workspace.output_gradient(),
                &tallies,
                &spare,
            )
            .unwrap(),
        );
        plan.extend(network.backward(gpu, &workspace, writer.rule()).unwrap());
        let samples = batches.iter().map(|own| own.iter().map(Vec::len).collect()).collect();
        Self { network, workspace, plan, tallies, samples }
    }

    /// The mean loss of each replica in the step that was just taken.
    fn take_losses(&self, gpu: &Gpu, step: usize) -> Vec<f32> {
        let sums: Vec<f32> = gpu.read(&self.tallies).unwrap();
        gpu.write(&self.tallies, 0, &vec![0.0f32; sums.len()]);
        let each = sums.chunks(sums.len() / self.samples.len()).zip(&self.samples);
        each.map(|(own, samples)| own.iter().step_by(2).sum::<f32>() / samples[step].max(1) as f32).collect()
    }
}

/// Trains the goldens' autoencoder on all snapshots at once; `transposed` says of its two layers how they
/// lie on the device.
fn train_autoencoder(gpu: &Gpu, latent: Activation, replicas: usize, transposed: [bool; 2]) -> Trained {
    const ROWS: usize = 11;
    const WIDTH: usize = 403;
    let layer = |prefix: &str, [inputs, outputs]: [usize; 2], activation, transposed| {
        let layer = Dense::new(inputs, outputs, rows_are(transposed), activation);
        LayerSpec { prefix: prefix.into(), layer, initializer: Initializer::Torch }
    };
    let layers = [
        layer("encoder.0.", [WIDTH, 7], latent, transposed[0]),
        layer("decoder.0.", [7, WIDTH], Activation::Linear, transposed[1]),
    ];
    let optimizer = settings(OptimizerKind::Adam);
    let network = Network::new(gpu, &layers, replicas, Some(&optimizer)).unwrap();
    network.parameters.initialize(gpu, SEED, true).unwrap();
    let workspace = network.workspace(gpu, ROWS, true).unwrap();
    let snapshots = Golden::open("autoencoder_inputs").f32("snapshots");
    workspace.input().write(gpu, &snapshots.repeat(replicas));
    let batch_labels = gpu.zeros("labels", replicas * ROWS).unwrap();
    let spare = gpu.zeros("spare", 4).unwrap();
    let tallies = loss::ErrorTallies::new(gpu, workspace.output()).unwrap();
    let mut writer = ScheduleWriter::new(gpu, optimizer, replicas, STEPS).unwrap();
    writer.write(gpu, STEPS, |_, _| ROWS);

    let mut plan = network.forward(gpu, &workspace).unwrap();
    plan.extend(
        loss::mean_squared_error(
            gpu,
            network.outputs_of(&workspace),
            loss::Targets { values: workspace.input(), labels: &batch_labels, schedule: &writer.schedule },
            workspace.output_gradient(),
            &tallies,
            &spare,
        )
        .unwrap(),
    );
    plan.extend(network.backward(gpu, &workspace, writer.rule()).unwrap());
    let cut = |tensor: &&Tensor| tensor.shards.len() > 1;
    let cut_activations = workspace.activations.iter().filter(cut).count();
    run(gpu, &network, &plan, cut_activations, |_| {
        let sums = tallies.take(gpu).unwrap();
        sums.chunks(ROWS).map(|own| (own.iter().sum::<f64>() / (ROWS * WIDTH) as f64) as f32).collect()
    })
}

fn settings(kind: OptimizerKind) -> Optimizer {
    let defaults = Optimizer { kind, ..Default::default() };
    match kind {
        OptimizerKind::Sgd => Optimizer { lr: 0.05, momentum: 0.9, weight_decay: 1e-3, ..defaults },
        OptimizerKind::Adam => defaults,
        OptimizerKind::AdamW => Optimizer { weight_decay: 0.5, ..defaults },
    }
}

/// The samples that the goldens take: sixteen new ones in every step.
fn golden_batches() -> Vec<Vec<u32>> {
    (0..STEPS as u32).map(|step| (step * BATCH as u32..(step + 1) * BATCH as u32).collect()).collect()
}

const CLASSIFIERS: [(&str, OptimizerKind); 3] = [
    ("mnist_mlp_adam", OptimizerKind::Adam),
    ("mnist_mlp_sgd", OptimizerKind::Sgd),
    ("mnist_mlp_adamw", OptimizerKind::AdamW),
];

#[test]
fn the_classifier_trains_as_in_pytorch() {
    for (name, kind) in CLASSIFIERS {
        for gpu in [gpu(), small_gpu()] {
            let trained = train_classifier(gpu, settings(kind), &[golden_batches()]);
            trained.assert_agrees(&Golden::open(name));
        }
    }
}

#[test]
fn the_autoencoders_train_as_in_pytorch() {
    for (name, latent) in
        [("autoencoder_adam", Activation::Linear), ("autoencoder_tanh_adam", Activation::Tanh)]
    {
        let golden = Golden::open(name);
        for transposed in [[true, false], [false, false], [true, true], [false, true]] {
            train_autoencoder(gpu(), latent, 1, transposed).assert_agrees(&golden);
        }
        // Six replicas do not fit the small binding: matrices, inputs and outputs are cut.
        let trained = train_autoencoder(small_gpu(), latent, 6, [true, false]);
        assert!(trained.arenas > 2 && trained.cut_activations == 2, "nothing was cut");
        trained.assert_agrees(&golden);
    }
}

#[test]
fn training_begins_with_pytorch_s_initial_values() {
    let trained = [
        ("mnist_mlp_adam", train_classifier(gpu(), Optimizer::default(), &[golden_batches()])),
        ("autoencoder_adam", train_autoencoder(gpu(), Activation::Linear, 1, [true, false])),
        ("autoencoder_adam", train_autoencoder(small_gpu(), Activation::Linear, 6, [true, false])),
    ];
    for (name, trained) in trained {
        let golden = Golden::open(name);
        for initial in &trained.initial {
            for (tensor, values) in trained.split(initial) {
                let expected = wide(&golden.f32(&format!("initial.{}", pytorch_name(tensor))));
                assert_close(tensor, values, &expected, Tolerance::Exact);
            }
        }
    }
}

/// What a golden does not notice, it does not prove.
#[test]
fn goldens_catch_mistakes() {
    let [adam, sgd, adamw] = CLASSIFIERS.map(|(_, kind)| settings(kind));
    let batches = golden_batches();
    let mut shuffled = golden_batches();
    shuffled.swap(3, 4);
    let mut short = golden_batches();
    short[5].pop();
    for (name, mistake, optimizer, batches) in [
        ("mnist_mlp_sgd", "a little less momentum", Optimizer { momentum: 0.899, ..sgd }, &batches),
        ("mnist_mlp_sgd", "no weight decay", Optimizer { weight_decay: 0.0, ..sgd }, &batches),
        ("mnist_mlp_adam", "another beta2", Optimizer { beta2: 0.9985, ..adam }, &batches),
        ("mnist_mlp_adam", "another rate", Optimizer { lr: 1.001e-3, ..adam }, &batches),
        ("mnist_mlp_adam", "batches out of order", adam, &shuffled),
        ("mnist_mlp_adam", "a sample too few", adam, &short),
        ("mnist_mlp_adamw", "decay as a penalty", Optimizer { kind: OptimizerKind::Adam, ..adamw }, &batches),
    ] {
        let trained = train_classifier(gpu(), optimizer, std::slice::from_ref(batches));
        let all = trained.disagreements(&Golden::open(name), 0, Tolerance::Balanced);
        assert!(!all.is_empty(), "{name} passes with {mistake}");
    }
    let linear = train_autoencoder(gpu(), Activation::Linear, 1, [true, false]);
    let golden = Golden::open("autoencoder_tanh_adam");
    assert!(!linear.disagreements(&golden, 0, Tolerance::Permissive).is_empty());
}

/// A cohort is as many single runs: replicas with full batches, with smaller ones, and one that runs out
/// of samples and rests, each like its own run.
#[test]
fn each_replica_of_a_cohort_trains_as_if_alone() {
    let full = golden_batches();
    // Ten of each sixteen; and four steps of the other order, after which nothing is left.
    let fewer: Vec<Vec<u32>> = full.iter().map(|batch| batch[6..].to_vec()).collect();
    let resting: Vec<Vec<u32>> =
        (0..STEPS).map(|step| if step < 4 { full[STEPS - 1 - step].clone() } else { Vec::new() }).collect();
    for (name, kind) in CLASSIFIERS {
        let optimizer = settings(kind);
        let cohort = [full.clone(), fewer.clone(), resting.clone()];
        let together = train_classifier(gpu(), optimizer, &cohort);
        assert!(together.disagreements(&Golden::open(name), 0, Tolerance::Balanced).is_empty(), "{name}");
        let alone: Vec<_> =
            cohort.iter().map(|own| train_classifier(gpu(), optimizer, std::slice::from_ref(own))).collect();
        let outcome = |replica: usize, run: usize| {
            let tensors = together.split(&together.parameters[replica]);
            let expected = alone[run].split(&alone[run].parameters[0]);
            for ((tensor, actual), (_, expected)) in tensors.zip(expected) {
                compare(tensor, actual, &wide(expected), Tolerance::Balanced)?;
            }
            compare("losses", &together.losses[replica], &wide(&alone[run].losses[0]), Tolerance::Balanced)
        };
        for replica in 0..3 {
            for run in 0..3 {
                let outcome = outcome(replica, run);
                assert_eq!(outcome.is_ok(), replica == run, "{name}, {replica} as {run} alone: {outcome:?}");
            }
        }
    }
}

/// Replicas that are given the same data stay the same to the last bit; one that is not, does not.
#[test]
fn equal_replicas_stay_equal() {
    let full = golden_batches();
    let mut other = golden_batches();
    other[9].reverse();
    other[0][0] = 159;
    let trained = train_classifier(gpu(), settings(OptimizerKind::Adam), &[full.clone(), other, full]);
    assert!(trained.parameters[0] == trained.parameters[2] && trained.losses[0] == trained.losses[2]);
    assert!(trained.parameters[0] != trained.parameters[1] && trained.losses[0] != trained.losses[1]);
}
