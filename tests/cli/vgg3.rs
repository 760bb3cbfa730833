//! The CIFAR-10 classifier from end to end: one step on a few images of the sample.

use crate::support::*;

const PARAMETERS: usize = 550_570;

/// Names and shapes of `nn.Sequential` with three blocks of two convolutions, ReLU and max pooling.
const SHAPES: [(&str, &[usize]); 16] = [
    ("0.weight", &[32, 3, 3, 3]),
    ("0.bias", &[32]),
    ("2.weight", &[32, 32, 3, 3]),
    ("2.bias", &[32]),
    ("5.weight", &[64, 32, 3, 3]),
    ("5.bias", &[64]),
    ("7.weight", &[64, 64, 3, 3]),
    ("7.bias", &[64]),
    ("10.weight", &[128, 64, 3, 3]),
    ("10.bias", &[128]),
    ("12.weight", &[128, 128, 3, 3]),
    ("12.bias", &[128]),
    ("16.weight", &[128, 2048]),
    ("16.bias", &[128]),
    ("18.weight", &[10, 128]),
    ("18.bias", &[10]),
];

#[test]
fn a_convolutional_run_leaves_a_model_that_pytorch_can_load_and_goes_on_from_it() {
    let folder = temporary();
    let run = |arguments: &str| {
        let line = format!("train cifar10-vgg3 --data cifar10-sample --epochs 1 -q {arguments}");
        succeed_in(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
    };
    run("--limit 64 --batch 32 --standardize --snapshots 1 --out run");
    let model = read_tensors(&folder.path().join("run/model.safetensors"));
    assert_eq!(model.tensors.len(), SHAPES.len());
    for (name, shape) in SHAPES {
        assert_eq!(model.tensors[name].0, shape, "{name}");
    }
    assert_eq!(model.metadata["model"], "cifar10-vgg3");
    let flat = model.flat(&SHAPES.map(|(name, _)| name));
    assert_eq!(flat.len(), PARAMETERS);
    assert!(flat.iter().all(|value| value.is_finite()));

    // Snapshots are the parameters in the order of the names.
    let file = read_tensors(&folder.path().join("run/snapshots.safetensors"));
    let (shape, values) = &file.tensors["snapshots"];
    assert_eq!((shape.as_slice(), &*file.metadata["steps"]), (&[2, PARAMETERS][..], "1,2"));
    assert!(values[PARAMETERS..] == flat, "the last snapshot is not the model");
    assert!(values[..PARAMETERS] != flat, "a step changed nothing");

    // At this rate a step changes nothing, so what was read comes back, and gives the same test.
    let how = "--limit 1 --optimizer sgd --momentum 0 --lr 1e-30";
    run(&format!("{how} --init run/model.safetensors --out again"));
    run(&format!("{how} --init again/model.safetensors --out third"));
    let again = read_tensors(&folder.path().join("again/model.safetensors"));
    assert!(again.flat(&SHAPES.map(|(name, _)| name)) == flat, "--init read another model");
    let tested = |out: &str| read_json_lines(&folder.path().join(out).join("metrics.jsonl")).remove(0);
    assert_eq!(tested("again")["test_loss"], tested("third")["test_loss"]);
}
