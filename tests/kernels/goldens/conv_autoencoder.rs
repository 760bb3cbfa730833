//! A small convolutional autoencoder of two segments, ten steps of Adam, against PyTorch.

use crate::golden::Golden;
use crate::support::gpu;
use fedfunnel::model::{
    AutoencoderSpec, ModelSpec, Network, NetworkLayer, Optimizer, ScheduleWriter, Workspace,
};
use fedfunnel::ops::loss::{self, ErrorTallies, Targets};
use fedfunnel::reference::compare::{Tolerance, compare};
use std::path::Path;

const STEPS: usize = 10;
const BATCH: usize = 5;

const SPEC: &str = r#"
name = "small"
kind = "autoencoder"
activations = ["tanh", "linear", "tanh", "linear"]
scale_rates = false

[conv]
inputs = 57
segments = [[6, 8], [1, 9]]
layers = [
    { channels = 3, kernel = [3, 4], stride = [2, 3] },
    { channels = 2, kernel = [2, 3], stride = [2, 2] },
]
"#;

fn parse(text: &str) -> AutoencoderSpec {
    ModelSpec::parse(text, Path::new("small")).unwrap().autoencoder().unwrap()
}

/// Losses `[R][STEPS]` and final parameters `[R]` of `replicas` replicas that all start and see as the
/// golden's did.
fn train(spec: &AutoencoderSpec, replicas: usize, lr: f32) -> (Vec<Vec<f64>>, Vec<Vec<f32>>) {
    let golden = Golden::open("conv_autoencoder");
    let optimizer = Optimizer { lr, ..Optimizer::default() };
    let network = Network::new(gpu(), &spec.network(), replicas, Some(&optimizer)).unwrap();
    let initial =
        names(spec).iter().flat_map(|name| golden.f32(&format!("initial.{name}"))).collect::<Vec<_>>();
    network.parameters.write_all(gpu(), &initial);
    let workspace: Workspace = network.workspace(gpu(), BATCH, true).unwrap();
    workspace.input().write(gpu(), &golden.f32("snapshots").repeat(replicas));
    let labels: Vec<u32> = (0..replicas * BATCH).map(|place| place as u32).collect();
    let labels = gpu().upload("labels", &labels).unwrap();
    let mut writer = ScheduleWriter::new(gpu(), optimizer, replicas, STEPS).unwrap();
    writer.write(gpu(), STEPS, |_, _| BATCH);
    let tallies = ErrorTallies::new(gpu(), workspace.output()).unwrap();
    let mut plan = network.forward(gpu(), &workspace).unwrap();
    plan.extend(
        loss::mean_squared_error(
            gpu(),
            network.outputs_of(&workspace),
            Targets { values: workspace.input(), labels: &labels, schedule: &writer.schedule },
            workspace.output_gradient(),
            &tallies,
            &gpu().zeros("spare", 4).unwrap(),
        )
        .unwrap(),
    );
    plan.extend(network.backward(gpu(), &workspace, writer.rule()).unwrap());
    let mut losses = vec![Vec::new(); replicas];
    for step in 0..STEPS as u32 {
        gpu().run_steps(&plan, step..step + 1, &mut |_| ()).unwrap();
        for (losses, sums) in losses.iter_mut().zip(tallies.take(gpu()).unwrap().chunks(BATCH)) {
            losses.push(sums.iter().sum::<f64>() / (BATCH * spec.inputs()) as f64);
        }
    }
    (losses, network.parameters.read(gpu()).unwrap())
}

fn names(spec: &AutoencoderSpec) -> Vec<String> {
    spec.network().iter().flat_map(NetworkLayer::tensors).map(|(name, _)| name).collect()
}

/// Where the training differs from the golden.
fn differences(spec: &AutoencoderSpec, replicas: usize, lr: f32) -> Vec<String> {
    let golden = Golden::open("conv_autoencoder");
    let (losses, parameters) = train(spec, replicas, lr);
    let mut found = Vec::new();
    for (losses, parameters) in losses.iter().zip(&parameters) {
        let losses: Vec<f32> = losses.iter().map(|loss| *loss as f32).collect();
        found.extend(compare("losses", &losses, &golden.f64("losses"), Tolerance::Balanced).err());
        let mut rest = parameters.as_slice();
        for name in names(spec) {
            let expected = golden.f64(&format!("final.{name}"));
            let (own, after) = rest.split_at(expected.len());
            found.extend(compare(&name, own, &expected, Tolerance::Balanced).err());
            rest = after;
        }
        assert!(rest.is_empty());
    }
    found
}

#[test]
fn a_convolutional_autoencoder_learns_as_in_pytorch() {
    for replicas in [1, 3] {
        let found = differences(&parse(SPEC), replicas, 1e-2);
        assert!(found.is_empty(), "{replicas} replicas: {found:?}");
    }
}

/// What the golden does not notice, it does not prove.
#[test]
fn a_wrong_convolutional_autoencoder_is_caught() {
    for (mistake, right, wrong) in [
        ("an activation", r#"["tanh", "linear", "tanh", "linear"]"#, r#"["tanh", "tanh", "tanh", "linear"]"#),
        ("a rate of one layer", "scale_rates = false", "rates = [1.0, 1.0, 1.0, 1.1]"),
        ("a rate of the encoder", "scale_rates = false", "rates = { encoder = 0.9 }"),
    ] {
        let changed = SPEC.replace(right, wrong);
        assert_ne!(changed, SPEC, "{mistake}");
        assert!(!differences(&parse(&changed), 1, 1e-2).is_empty(), "{mistake} passes");
    }
    assert!(!differences(&parse(SPEC), 1, 2e-2).is_empty(), "another rate passes");
}
