//! The shapes of the widest autoencoder, one direction at a time: more rows or columns than a device has
//! workgroups in a direction (65,535), in as little memory as shows it.

use crate::parameters::{lying, rows_are};
use crate::support::{assert_tensor, gpu, values, wide};
use fedfunnel::gpu::Tensor;
use fedfunnel::model::{Network, Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::gather::{self, SampleIndex};
use fedfunnel::ops::standardize::{self, Standards};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::dense::{self, DenseShape};
use fedfunnel::reference::standardize as twin;

/// The parameters of the CIFAR-10 classifier.
const WIDTH: usize = 550_570;

fn tensor(batch: usize, width: usize, content: &[f32]) -> Tensor {
    let tensor = Tensor::zeros(gpu(), "wide", 1, batch, width).unwrap();
    tensor.write(gpu(), content);
    tensor
}

#[test]
fn a_wide_snapshot_is_gathered_and_standardised() {
    let content = values(2 * WIDTH, 1);
    let rows = tensor(2, WIDTH, &content);
    let batch = tensor(1, WIDTH, &vec![9.0; WIDTH]);
    let index = SampleIndex { buffer: gpu().upload("index", &[1u32]).unwrap(), steps: 1 };
    let labels = gpu().zeros("labels", 1).unwrap();
    gpu().run(&gather::rows(gpu(), &rows, &index, &labels, &batch).unwrap()).unwrap();
    assert_tensor("gathered", gpu(), &batch, &wide(&content[WIDTH..]), Tolerance::Exact);

    let means = values(WIDTH, 2);
    let scales = gpu().upload("scale", &[0.5f32]).unwrap();
    let standards = Standards { means: tensor(1, WIDTH, &means), scales };
    let into = tensor(1, WIDTH, &vec![9.0; WIDTH]);
    gpu().run(&standardize::forward(gpu(), &batch, &standards, &into).unwrap()).unwrap();
    let expected = twin::forward(&wide(&content[WIDTH..]), &wide(&means), 0.5);
    assert_tensor("standardised", gpu(), &into, &expected, Tolerance::Balanced);
    gpu().run(&standardize::inverse(gpu(), &into, &standards, &batch).unwrap()).unwrap();
    assert_tensor("and back", gpu(), &batch, &wide(&content[WIDTH..]), Tolerance::Balanced);
}

/// One step of a layer whose matrix has `WIDTH` rows, in both layouts and for columns that are and are not
/// multiples of four.
#[test]
fn a_wide_layer_is_trained() {
    for (inputs, outputs) in [(4, WIDTH), (3, WIDTH), (WIDTH, 4), (WIDTH, 3)] {
        let what = format!("{inputs} to {outputs}");
        let spec = lying(rows_are(inputs > outputs), "0.".into(), inputs, outputs);
        let sgd = Optimizer { kind: OptimizerKind::Sgd, momentum: 0.0, lr: 0.5, ..Default::default() };
        let network = Network::new(gpu(), &[spec], 1, Some(&sgd)).unwrap();
        let shape = DenseShape { replicas: 1, batch: 1, inputs, outputs };
        let start = values(inputs * outputs + outputs, 3);
        network.parameters.write(gpu(), 0, &start);
        let (x, dy) = (values(inputs, 4), values(outputs, 5));
        let workspace = network.workspace(gpu(), 1, true).unwrap();
        workspace.input().write(gpu(), &x);
        workspace.output_gradient().unwrap().write(gpu(), &dy);
        let mut writer = ScheduleWriter::new(gpu(), sgd, 1, 1).unwrap();
        writer.write(gpu(), 1, |_, _| 1);
        gpu().run(&network.forward(gpu(), &workspace).unwrap()).unwrap();
        gpu().run(&network.backward(gpu(), &workspace, writer.rule()).unwrap()).unwrap();

        let (weights, biases) = (wide(&start[..inputs * outputs]), wide(&start[inputs * outputs..]));
        let y = dense::forward(&wide(&x), &weights, &biases, shape, Default::default());
        // Permissive for the narrow side: its sums run over 550,570 terms.
        assert_tensor(&what, gpu(), workspace.output(), &y, Tolerance::Permissive);
        let (dw, db) = dense::backward_weight(&wide(&dy), &wide(&x), shape);
        let moved: Vec<f64> =
            wide(&start).iter().zip(dw.iter().chain(&db)).map(|(w, g)| w - 0.5 * g).collect();
        let actual = &network.parameters.read(gpu()).unwrap()[0];
        assert_close(&what, actual, &moved, Tolerance::Balanced);
        assert!(compare(&what, actual, &wide(&start), Tolerance::Permissive).is_err(), "{what}");
    }
}
