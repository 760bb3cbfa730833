//! `shaders/conv3x3_tiles.wgsl`, by an adapter that poses as a GPU.

use super::cases::{FAST, GENERAL, NEAR_MISSES, ODD, TILES, VALID};
use super::gradients::{given, gradient};
use super::products::{backward, forward};
use super::rig::{Case, RATE_SCALE, Rig};
use crate::mlp::trained;
use crate::support::{SMALL_BINDING, assert_tensor, plain_gpu, posing, posing_gpu, processor, wide};
use fedfunnel::gpu::{DeviceClass, Gpu, Tensor};
use fedfunnel::model::{ClassifierSpec, ModelSpec};
use fedfunnel::ops::Activation;
use fedfunnel::ops::conv::conv3x3_tiles;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

const PRODUCT: &str = "conv3x3_tiles_product";
const GRADIENT: &str = "conv3x3_tiles_weight_gradient";
const CHUNKS: &str = "conv3x3_tiles_gradient_chunks";

/// What a CPU takes for its own kernels are for a GPU's too, whatever their size.
fn all() -> impl Iterator<Item = Case> {
    TILES.iter().chain(FAST.iter().map(|(case, _)| case)).chain(ODD).chain(VALID).copied()
}

#[test]
fn forward_passes_agree_with_their_twin_for_every_activation() {
    let every = TILES.iter().chain(VALID).flat_map(|case| Activation::ALL.map(|own| case.activation(own)));
    for case in every.chain(all()) {
        let (rig, output, expected) = forward(posing_gpu(), case);
        assert_tensor(&format!("{case:?}"), posing_gpu(), &output, &expected, Tolerance::Balanced);
        assert!(rig.reached.iter().eq([&PRODUCT]), "{case:?}: {:?}", rig.reached);
        let (weights, biases) = rig.read_parameters();
        assert!(weights == rig.weights && biases == rig.biases, "{case:?}: the layer was changed");
    }
}

#[test]
fn input_gradients_agree_with_their_twin_for_every_activation() {
    let every = TILES.iter().chain(VALID).flat_map(|case| Activation::ALL.map(|before| (*case, before)));
    for (case, before) in every.chain(all().map(|case| (case, Activation::Tanh))) {
        // The layer's own activation is behind dy and must not be looked at.
        let case = case.activation(Activation::Sigmoid);
        let (rig, into, [expected, bare]) = backward(posing_gpu(), case, before);
        let what = format!("{case:?}, {before:?}");
        assert_tensor(&what, posing_gpu(), &into, &expected, Tolerance::Balanced);
        assert!(rig.reached.iter().eq([&PRODUCT]), "{what}: {:?}", rig.reached);
        if before != Activation::Linear {
            let outcome = compare("dx", &into.read(posing_gpu()).unwrap(), &bare, Tolerance::Permissive);
            assert!(outcome.is_err(), "{what}: no derivative was taken");
        }
    }
}

/// A workgroup takes four samples of this size; the last one has room for three that the batch has not. A processor's
/// tiles of an image without padding end beyond it.
#[test]
fn nothing_is_written_beyond_a_batch() {
    let valid = Case::valid([1, 5, 3, 5], [7, 9]);
    let same = Case::same([1, 5, 3, 5], [5, 7]);
    for (gpu, case) in
        [(posing_gpu(), same), (posing_gpu(), valid), (processor(), valid), (processor(), valid.transposed())]
    {
        let mut rig = Rig::new(gpu, case);
        let (x, _) = given(case);
        let (input, width) = (rig.tensor(rig.layer.inputs(), &x), rig.layer.outputs());
        let output = Tensor::zeros(gpu, "test", 1, 8, width).unwrap();
        output.write(gpu, &vec![9.0; 8 * width]);
        rig.run(&rig.layer.forward(gpu, &rig.parameter_arenas(), &input, &output).unwrap());
        let written: Vec<_> = output.read(gpu).unwrap().iter().map(|&value| value != 9.0).collect();
        assert!(written[..5 * width].iter().all(|&written| written), "{case:?}");
        assert!(!written[5 * width..].contains(&true), "{case:?}");
    }
}

#[test]
fn gradients_agree_with_their_twin() {
    let mut reached = BTreeSet::new();
    for case in all() {
        let (x, dy) = given(case);
        let (rig, [moved, formed]) = gradient(posing_gpu(), case, &x, &dy);
        let (dw, db) = case.backward_weight(&wide(&dy), &wide(&x));
        let step = |g: &[f64]| g.iter().map(|g| -f64::from(RATE_SCALE) * g).collect::<Vec<_>>();
        for (what, actual, expected) in [
            ("dw", &formed.0, &dw),
            ("db", &formed.1, &db),
            ("weights", &moved.0, &step(&dw)),
            ("biases", &moved.1, &step(&db)),
        ] {
            assert_close(&format!("{what} of {case:?}"), actual, expected, Tolerance::Balanced);
        }
        assert!(rig.reached.contains(GRADIENT), "{case:?}: {:?}", rig.reached);
        reached.extend(rig.reached);
    }
    // Sums of several chunks are among them. Biases come with the weights, but for those of transposed layers.
    let wanted = ["conv_bias_gradient", "conv_plane_chunks", CHUNKS, GRADIENT, "optimizer_sgd"];
    assert_eq!(reached, BTreeSet::from(wanted));
}

/// More strips than a GPU wants chunks, so that a workgroup walks over several and the last over fewer; and a
/// replica's sums, of ones, so that a strip that is left out shows.
#[test]
fn gradients_of_large_batches_are_added_up_whole() {
    let valid = Case::valid([2, 137, 1, 1], [34, 33]);
    for case in [Case::same([2, 137, 1, 1], [32, 31]), Case::same([1, 1027, 1, 1], [3, 2]), valid] {
        let layer = case.layer();
        let [x, dy] = [layer.inputs(), layer.outputs()].map(|width| vec![1.0; case.lines() * width]);
        let (_, [_, (dw, db)]) = gradient(posing_gpu(), case, &x, &dy);
        let (expected_dw, expected_db) = case.backward_weight(&wide(&dy), &wide(&x));
        assert_close("dw", &dw, &expected_dw, Tolerance::Exact);
        assert_close("db", &db, &expected_db, Tolerance::Exact);
    }
}

/// Weights of which one binding holds a single chunk, where a GPU wants several.
#[test]
fn chunks_are_no_more_than_one_binding_holds() {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    let gpu = GPU.get_or_init(|| posing(Some(SMALL_BINDING), DeviceClass::Gpu));
    let case = Case::same([1, 9, 31, 31], [3, 5]);
    let (x, dy) = given(case);
    for (gpu, chunked) in [(gpu, false), (posing_gpu(), true)] {
        let (rig, [_, (dw, _)]) = gradient(gpu, case, &x, &dy);
        assert_close("dw", &dw, &case.backward_weight(&wide(&dy), &wide(&x)).0, Tolerance::Balanced);
        assert!(rig.reached.contains(GRADIENT), "{:?}", rig.reached);
        assert_eq!(rig.reached.contains(CHUNKS), chunked, "{:?}", rig.reached);
    }
}

/// The same sums in every run, to the bit.
#[test]
fn gradients_are_the_same_in_every_run() {
    let case = TILES[1];
    let (x, dy) = given(case);
    let run = || gradient(posing_gpu(), case, &x, &dy).1;
    assert_eq!(run(), run());
}

#[test]
fn the_cases_reach_every_variant() {
    let chosen = all().flat_map(|case| conv3x3_tiles::variants(case.shape.output_size, case.batch));
    let chosen: BTreeSet<_> = chosen.map(|kernel| format!("{kernel:?}")).collect();
    assert_eq!(chosen, conv3x3_tiles::ALL.map(|kernel| format!("{kernel:?}")).into());
}

#[test]
fn other_convolutions_keep_to_the_reference() {
    for case in GENERAL.iter().chain(NEAR_MISSES).copied() {
        let (rig, output, expected) = forward(posing_gpu(), case);
        assert_tensor(&format!("{case:?}"), posing_gpu(), &output, &expected, Tolerance::Balanced);
        assert!(!rig.reached.contains(PRODUCT), "{case:?}: {:?}", rig.reached);
        let (x, dy) = given(case);
        let (rig, [_, formed]) = gradient(posing_gpu(), case, &x, &dy);
        assert!(!rig.reached.contains(GRADIENT), "{case:?}: {:?}", rig.reached);
        let (dw, db) = case.backward_weight(&wide(&dy), &wide(&x));
        for (what, actual, expected) in [("dw", &formed.0, &dw), ("db", &formed.1, &db)] {
            assert_close(&format!("{what} of {case:?}"), actual, expected, Tolerance::Balanced);
        }
    }
}

fn spec() -> ClassifierSpec {
    let text = "name = \"m\"\nkind = \"classifier\"\ninput = [1, 4, 6]\n\
                [[layers]]\nkind = \"conv\"\noutputs = 5\nkernel = 3\nactivation = \"relu\"\n\
                [[layers]]\nkind = \"conv\"\noutputs = 9\nkernel = 3\nactivation = \"tanh\"\n\
                [[layers]]\nkind = \"dense\"\noutputs = 5\n";
    ModelSpec::parse(text, Path::new("m")).unwrap().classifier().unwrap()
}

#[test]
fn a_training_is_what_it_is_by_the_reference() {
    let (tiles, reference) = (trained(posing_gpu(), &spec()), trained(plain_gpu(), &spec()));
    for (tiles, reference) in tiles.0.iter().zip(&reference.0) {
        assert_close("parameters", tiles, &wide(reference), Tolerance::Permissive);
    }
    let tallies: Vec<f32> = tiles.1.iter().map(|&tally| tally as f32).collect();
    assert_close("tallies", &tallies, &reference.1, Tolerance::Permissive);
    let outcome = compare("another replica", &tiles.0[0], &wide(&reference.0[1]), Tolerance::Permissive);
    assert!(outcome.is_err());
}
