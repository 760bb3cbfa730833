//! The widest autoencoder, 352,915,690 parameters, over two steps against PyTorch's in float64
//! (`tests/goldens/make_wide_golden.py`).
//!
//! A binary of its own with one test, since it takes 4.3 GB on the device.

use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::{AutoencoderSpec, ModelSpec, Network, Optimizer, ReconstructionLoss, ScheduleWriter};
use fedfunnel::ops::loss::ErrorTallies;
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::random::{bits, uniform, uniform_tensor};
use safetensors::SafeTensors;
use std::path::Path;

const WIDTH: usize = 550_570;
const LATENT: usize = 320;
const BATCH: usize = 8;
const STEPS: usize = 2;
const SEED: u32 = 7;
const INPUT_SEED: u32 = 500;
const SAMPLE_SEED: u32 = 600;
const SAMPLED: usize = 1024;

struct Golden(Vec<u8>);

impl Golden {
    fn open() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/wide_autoencoder.safetensors");
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// A tensor of either precision.
    fn values(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        match view.dtype() {
            safetensors::Dtype::F64 => bytemuck::pod_collect_to_vec(view.data()),
            _ => bytemuck::pod_collect_to_vec::<u8, f32>(view.data()).into_iter().map(f64::from).collect(),
        }
    }
}

/// How a tensor differs from its initial values.
#[derive(Clone, Debug)]
struct Changes {
    name: String,
    /// Of the sampled places.
    sampled: Vec<f64>,
    /// The sum of all magnitudes, and the root of the sum of all squares.
    norms: [f64; 2],
    /// How far from zero the tensor's values reach.
    bound: f32,
}

fn places(position: u32, length: usize) -> Vec<usize> {
    if length <= SAMPLED {
        (0..length).collect()
    } else {
        (0..SAMPLED as u32).map(|i| bits(i, 0, position, SAMPLE_SEED) as usize % length).collect()
    }
}

/// Every tensor's changes, read piece by piece: all of them would take 1.4 GB.
fn read_changes(gpu: &Gpu, network: &Network, spec: &AutoencoderSpec) -> Vec<Changes> {
    let layers = spec.network();
    let bounds = layers.iter().flat_map(|layer| [layer.bounds().0, layer.bounds().1]);
    let tensors = network.parameters.tensors.iter().zip(bounds).enumerate();
    tensors
        .map(|(position, (tensor, bound))| {
            let position = position as u32;
            let wanted = places(position, tensor.len());
            let mut order: Vec<usize> = (0..wanted.len()).collect();
            order.sort_by_key(|&sample| wanted[sample]);
            let (mut sampled, mut sums) = (vec![f64::NAN; wanted.len()], [0.0f64; 2]);
            let take = &mut |first: usize, run: &[f32]| {
                let change = |at: usize| {
                    let initial = uniform(bits(at as u32, 0, position, SEED), bound);
                    f64::from(run[at - first]) - f64::from(initial)
                };
                for at in first..first + run.len() {
                    let change = change(at);
                    sums[0] += change.abs();
                    sums[1] += change * change;
                }
                let from = order.partition_point(|&sample| wanted[sample] < first);
                for &sample in order[from..].iter().take_while(|&&s| wanted[s] < first + run.len()) {
                    sampled[sample] = change(wanted[sample]);
                }
                Ok(())
            };
            network.parameters.read_tensor(gpu, 0, tensor, take).unwrap();
            Changes { name: tensor.name.clone(), sampled, norms: [sums[0], sums[1].sqrt()], bound }
        })
        .collect()
}

/// Half the distance from a float of this size to the next.
fn half_spacing(bound: f32) -> f64 {
    f64::from(bound.next_up() - bound) / 2.0
}

/// Where changes after so many steps disagree with the golden of `step`.
///
/// A change is a difference of two weights. Each step rounds a weight once, by up to half the distance between
/// floats of its size: 0.1 % of what the encoder's rate of 5.8e-8 moves it by. That much is allowed for each step
/// beside `Permissive`'s 0.1 % of the largest change, which is for Adam: it divides a gradient by its own
/// size, so that one near epsilon comes out with the rounding of the 550,570 terms that made it. PyTorch's own
/// float32 is off by up to 0.1 % in all. No entry may lie beyond.
fn disagreements(golden: &Golden, step: usize, all: &[Changes]) -> Vec<String> {
    let mut found = Vec::new();
    for Changes { name, sampled, norms, bound } in all {
        let rounding = step as f64 * half_spacing(*bound);
        let expected = golden.values(&format!("changes.{step}.{name}"));
        assert_eq!(sampled.len(), expected.len());
        let nearest: Vec<f32> = sampled
            .iter()
            .zip(&expected)
            .map(|(actual, expected)| {
                let off = actual - expected;
                (expected + off.signum() * (off.abs() - rounding).max(0.0)) as f32
            })
            .collect();
        let what = format!("changes of {name} after step {step}");
        found.extend(compare(&what, &nearest, &expected, Tolerance::Permissive).err());
        let expected = golden.values(&format!("norms.{step}.{name}"));
        for (actual, expected) in norms.iter().zip(&expected) {
            let what = format!("norm of the {what}");
            found.extend(compare(&what, &[*actual as f32], &[*expected], Tolerance::Permissive).err());
        }
    }
    found
}

/// All of them made larger by a part, as a rate that is off by it would.
fn stretched(all: &[Changes], by: f64) -> Vec<Changes> {
    let stretch = |changes: &Changes| Changes {
        sampled: changes.sampled.iter().map(|change| change * by).collect(),
        norms: changes.norms.map(|norm| norm * by),
        ..changes.clone()
    };
    all.iter().map(stretch).collect()
}

#[test]
#[ignore = "takes 4.3 GB of device memory and half a minute: cargo test --release -- --ignored"]
fn the_widest_autoencoder_trains_as_in_pytorch() {
    // SAFETY: nothing else runs yet.
    unsafe { fedfunnel::gpu::quieten_drivers() };
    let gpu = Gpu::open(&GpuOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let text = format!("name = \"x\"\nkind = \"autoencoder\"\nwidths = [{WIDTH}, {LATENT}, {WIDTH}]");
    let spec = ModelSpec::parse(&text, Path::new("x")).unwrap().autoencoder().unwrap();
    assert_eq!(spec.parameters(), 352_915_690);
    let optimizer = Optimizer::default();
    let network = Network::new(&gpu, &spec.network(), 1, Some(&optimizer)).unwrap();
    network.parameters.initialize(&gpu, SEED, true).unwrap();
    let workspace = network.reconstruction_workspace(&gpu, BATCH, None).unwrap();
    workspace.input().write(&gpu, &uniform_tensor(BATCH * WIDTH, 0, 0, INPUT_SEED, 3f64.sqrt() as f32));
    let labels = gpu.upload("labels", &(0..BATCH as u32).collect::<Vec<_>>()).unwrap();
    let tallies = ErrorTallies::new(&gpu, workspace.output()).unwrap();
    let mut writer = ScheduleWriter::new(&gpu, optimizer, 1, STEPS + 1).unwrap();
    writer.write(&gpu, STEPS + 1, |_, _| BATCH);
    let loss = ReconstructionLoss { labels: &labels, tallies: &tallies, same_batch: true };
    let plan = network.reconstruction_step(&gpu, &workspace, writer.rule(), &loss).unwrap();

    let golden = Golden::open();
    let (losses, codes) = (golden.values("losses"), golden.values("codes"));
    gpu.run(&plan.prologue).unwrap();
    // Every adapter has a kernel for eight samples that carries the next step's codes on.
    assert!(!plan.prologue.is_empty(), "nothing is carried on");
    let mut after = vec![read_changes(&gpu, &network, &spec)];
    assert!(
        after[0].iter().all(|changes| changes.norms == [0.0, 0.0]),
        "the generator's are not the initial values"
    );
    for step in 0..=STEPS {
        let started = std::time::Instant::now();
        let before = workspace.activations[1].read(&gpu).unwrap();
        gpu.run_steps(&plan.step, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        println!("step {step}: {:.2} s", started.elapsed().as_secs_f64());
        let error: f64 = tallies.take(&gpu).unwrap().iter().sum();
        let loss = (error / (BATCH * WIDTH) as f64) as f32;
        compare("loss", &[loss], &losses[step..=step], Tolerance::Balanced).unwrap();
        let expected = &codes[step * BATCH * LATENT..][..BATCH * LATENT];
        compare("codes", &before, expected, Tolerance::Balanced).unwrap();
        // The control: codes of another step fail.
        let other = &codes[(step + 1) % 3 * BATCH * LATENT..][..BATCH * LATENT];
        assert!(compare("codes", &before, other, Tolerance::Permissive).is_err());
        after.push(read_changes(&gpu, &network, &spec));
    }
    for (step, changes) in after.iter().enumerate().take(STEPS + 1).skip(1) {
        let found = disagreements(&golden, step, changes);
        assert!(found.is_empty(), "{found:#?}");
    }
    // The controls: a step too few, a step too many, and a rate that is off by one percent fail in every tensor.
    let wrong = [
        ("a step too few", &after[1], STEPS),
        ("a step too many", &after[2], 1),
        ("a step too many", &after[3], STEPS),
        ("a larger rate", &stretched(&after[2], 1.01), STEPS),
        ("a smaller rate", &stretched(&after[1], 0.99), 1),
    ];
    for (what, changes, step) in wrong {
        for one in changes {
            let found = disagreements(&golden, step, std::slice::from_ref(one));
            assert!(!found.is_empty(), "{} passes with {what}", one.name);
        }
    }
}
