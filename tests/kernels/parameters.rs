//! Parameters on the device: writing, reading and initial values are in `state_dict` order, in both
//! layouts, in one arena or in many.

use crate::support::{gpu, small_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{Activation, Initializer, LayerSpec, Network};
use fedfunnel::ops::dense::{Dense, RowsAre};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::random::uniform_tensor;

/// A linear layer of PyTorch's initial values, lying as PyTorch has it.
pub fn layer(inputs: usize, outputs: usize) -> LayerSpec {
    lying(RowsAre::Outputs, "0.".into(), inputs, outputs)
}

/// The same, lying in this way.
pub fn lying(rows_are: RowsAre, prefix: String, inputs: usize, outputs: usize) -> LayerSpec {
    let layer = Dense::new(inputs, outputs, rows_are, Activation::Linear);
    LayerSpec { prefix, layer, initializer: Initializer::Torch }
}

/// How a layer's matrix lies, transposed or as PyTorch has it.
pub fn rows_are(transposed: bool) -> RowsAre {
    if transposed { RowsAre::Inputs } else { RowsAre::Outputs }
}

/// A chain of dense layers; `transposed` says of each how it lies on the device.
fn layers(widths: &[usize], transposed: &[bool]) -> Vec<LayerSpec> {
    let chained = |place: usize| {
        lying(rows_are(transposed[place]), format!("{place}."), widths[place], widths[place + 1])
    };
    (0..transposed.len()).map(chained).collect()
}

/// Shapes that are one arena on the device as it is, and several on the small one.
fn cases() -> Vec<(Vec<LayerSpec>, usize)> {
    let mut cases = Vec::new();
    for replicas in [1, 3] {
        cases.push((layers(&[1501, 12, 1501], &[true, false]), replicas));
        cases.push((layers(&[1501, 12, 1501], &[false, true]), replicas));
        // Odd sizes: the second layer begins at no multiple of four.
        cases.push((layers(&[1103, 17, 1103, 9], &[true, false, true]), replicas));
        cases.push((layers(&[1103, 17, 1103, 9], &[false, false, false]), replicas));
    }
    cases
}

fn network(gpu: &Gpu, layers: &[LayerSpec], replicas: usize) -> Network {
    Network::new(gpu, layers, replicas, None).unwrap()
}

#[test]
fn what_is_written_is_read() {
    for (layers, replicas) in cases() {
        for gpu in [gpu(), small_gpu()] {
            let parameters = network(gpu, &layers, replicas).parameters;
            assert_eq!(
                parameters.arenas.len() > 1,
                gpu.max_binding_bytes() == small_gpu().max_binding_bytes()
            );
            let count = layers.iter().map(LayerSpec::parameters).sum::<usize>();
            assert_eq!(parameters.count(), count);
            let content: Vec<_> = (0..replicas).map(|r| values(count, 50 + r as u32)).collect();
            // Backwards, so that a replica that writes into the next one is found out.
            for replica in (0..replicas).rev() {
                parameters.write(gpu, replica, &content[replica]);
            }
            assert!(parameters.read(gpu).unwrap() == content, "{layers:?}, {replicas} replicas");
            parameters.write_all(gpu, &content[0]);
            assert!(parameters.read(gpu).unwrap().iter().all(|replica| *replica == content[0]));
        }
    }
}

#[test]
fn names_and_shapes_are_pytorch_s() {
    let parameters = network(small_gpu(), &layers(&[1501, 12, 1501], &[true, false]), 1).parameters;
    let tensors: Vec<_> = parameters.tensors.iter().map(|t| (t.name.as_str(), t.shape.clone())).collect();
    let expected = [
        ("0.weight", vec![12, 1501]),
        ("0.bias", vec![12]),
        ("1.weight", vec![1501, 12]),
        ("1.bias", vec![1501]),
    ];
    assert_eq!(tensors, expected);
}

#[test]
fn initial_values_are_those_of_the_reference() {
    const SEED: u32 = 99;
    for (mut layers, replicas) in cases() {
        layers[0].initializer = Initializer::He;
        for gpu in [gpu(), small_gpu()] {
            let parameters = network(gpu, &layers, replicas).parameters;
            for shared_start in [false, true] {
                parameters.initialize(gpu, SEED, shared_start).unwrap();
                for (replica, flat) in parameters.read(gpu).unwrap().iter().enumerate() {
                    let number = if shared_start { 0 } else { replica as u32 };
                    let mut rest = flat.as_slice();
                    for (place, layer) in layers.iter().enumerate() {
                        let (weight_bound, bias_bound) = layer.bounds();
                        let sizes = [layer.layer.inputs * layer.layer.outputs, layer.layer.outputs];
                        for (i, bound) in [weight_bound, bias_bound].into_iter().enumerate() {
                            let tensor = (2 * place + i) as u32;
                            let actual;
                            (actual, rest) = rest.split_at(sizes[i]);
                            let expected = wide(&uniform_tensor(sizes[i], number, tensor, SEED, bound));
                            let what = format!("tensor {tensor} of replica {replica}");
                            assert_close(&what, actual, &expected, Tolerance::Exact);
                            if bound > 0.0 {
                                let other = wide(&uniform_tensor(sizes[i], number, tensor, SEED + 1, bound));
                                let outcome = compare(&what, actual, &other, Tolerance::Permissive);
                                assert!(outcome.is_err(), "{what}: the seed does not matter");
                            }
                        }
                    }
                    assert!(rest.is_empty());
                }
            }
        }
    }
}

/// Replicas are padded to multiples of four elements; with many of them the padding must not push a shard
/// beyond the limit that it was cut to.
#[test]
fn padding_of_many_replicas_is_counted() {
    for replicas in [100, 331] {
        for inputs in 1..9 {
            for outputs in (1..2000 / inputs).step_by(7) {
                for transposed in [false, true] {
                    // A single row that does not fit is refused, and rightly.
                    let (rows, columns) = if transposed { (inputs, outputs) } else { (outputs, inputs) };
                    if rows < 8 || (2 * columns + 8) * replicas * 4 > 60_000 {
                        continue;
                    }
                    let layers = layers(&[inputs, outputs], &[transposed]);
                    if let Err(error) = Network::new(small_gpu(), &layers, replicas, None) {
                        panic!("{inputs} to {outputs}, {replicas} replicas, {transposed}: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn runs_are_all_values_where_they_lie() {
    for replicas in [1, 3] {
        for gpu in [gpu(), small_gpu()] {
            let parameters = network(gpu, &layers(&[1103, 17, 1103, 9], &[false; 3]), replicas).parameters;
            let flat: Vec<f32> = (0..parameters.count()).map(|place| place as f32 + 1.0).collect();
            let mut laid_out = parameters.laid_out(&flat);
            let mut next = 0;
            for run in parameters.runs().unwrap() {
                assert_eq!(run.first, next, "runs follow each other");
                next += run.count;
                let own = &mut laid_out[run.arena][run.offset..][..run.count];
                assert_eq!(own, &flat[run.first..][..run.count]);
                own.fill(0.0);
            }
            assert_eq!(next, flat.len());
            assert!(laid_out.iter().flatten().all(|value| *value == 0.0), "values in no run");
            let is_whole = parameters.arenas.len() == 1;
            assert_eq!(parameters.runs().unwrap().len() == 1, is_whole, "neighbours are one run");
        }
    }
    let transposed = network(gpu(), &layers(&[40, 4], &[true]), 1).parameters;
    assert!(transposed.runs().unwrap_err().to_string().contains("0.weight lies transposed"));
}
