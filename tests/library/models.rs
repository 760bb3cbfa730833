//! Specs of models: the paper's numbers, what can be changed from outside, and faults by name.

use fedfunnel::model::{AutoencoderSpec, ModelSpec, NetworkLayer, Rates, built_in_autoencoders};
use std::path::Path;

#[test]
fn the_paper_s_models_have_the_paper_s_numbers_of_parameters() {
    let classifier = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
    assert_eq!(classifier.parameters(), 15_910);
    // That of the benchmarks of federated simulators.
    let convolutional = ModelSpec::load("cifar10-tff").unwrap().classifier().unwrap();
    assert_eq!(convolutional.parameters(), 1_626_442);
    let prefix = |layer| match layer {
        NetworkLayer::Dense(layer) => layer.prefix,
        other => panic!("{other:?}"),
    };
    let names: Vec<_> = classifier.network().into_iter().map(prefix).collect();
    assert_eq!(names, ["0.", "2."]);
    let autoencoder = ModelSpec::load("ae-mnist").unwrap().autoencoder().unwrap();
    assert_eq!(autoencoder.parameters(), 1_034_182);
    assert_eq!(autoencoder.decoder_parameters(), 32 * 15_910 + 15_910);
    let names: Vec<_> = autoencoder.network().into_iter().map(prefix).collect();
    assert_eq!(names, ["encoder.0.", "decoder.0."]);
    let wide = ModelSpec::load("ae-cifar10").unwrap().autoencoder().unwrap();
    assert_eq!(wide.parameters(), 352_915_690);
    assert_eq!(wide.decoder_parameters(), 176_732_970);
    assert_eq!(format!("{:.1}", wide.inputs() as f64 / wide.latent() as f64), "1720.5");
}

#[test]
fn convolutional_autoencoders_are_small_and_as_narrow_as_the_dense_ones() {
    for (name, dense, parameters, decoder) in
        [("ae-conv-mnist", "ae-mnist", 17_540, 8_756), ("ae-conv-cifar10", "ae-cifar10", 562_416, 281_056)]
    {
        let spec = ModelSpec::load(name).unwrap().autoencoder().unwrap();
        let dense = ModelSpec::load(dense).unwrap().autoencoder().unwrap();
        assert_eq!((spec.inputs(), spec.latent()), (dense.inputs(), dense.latent()), "{name}");
        assert_eq!((spec.parameters(), spec.decoder_parameters()), (parameters, decoder), "{name}");
        let layers = spec.network();
        let tensors = layers.iter().flat_map(NetworkLayer::tensors);
        let counted: usize = tensors.map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(counted, parameters, "{name}");
        let latent = spec.clone().with_latent("--latent", 3).unwrap();
        assert_eq!((latent.latent(), latent.encoder_layers()), (3, 3), "{name}");
        assert_eq!(latent.network()[2].inputs(), spec.latent(), "{name}");
        // A file carries its spec as TOML.
        let text = toml::to_string(&ModelSpec::Autoencoder(latent.clone())).unwrap();
        assert_eq!(ModelSpec::parse(&text, Path::new(name)).unwrap(), ModelSpec::Autoencoder(latent));
    }
    assert_eq!(built_in_autoencoders(), "ae-mnist, ae-cifar10, ae-conv-mnist, ae-conv-cifar10");
}

/// The factors of `--layer-rates encoder=1e-7,decoder=3e-3` and of a list, on a rate of 1e-3.
#[test]
fn layers_learn_at_their_own_rates() {
    let rates = |spec: &AutoencoderSpec| -> Vec<f32> {
        let rate = |layer| match layer {
            NetworkLayer::Dense(layer) => layer.layer.rate_scale,
            NetworkLayer::Conv(layers) => layers[0].layer.rate_scale,
            other => panic!("{other:?}"),
        };
        spec.network().into_iter().map(rate).collect()
    };
    let wide = ModelSpec::load("ae-cifar10").unwrap().autoencoder().unwrap();
    assert_eq!(rates(&wide), [32.0 / 550_570.0, 1.0]);
    let given: Rates = "encoder=1e-7,decoder=3e-3".parse().unwrap();
    let own = wide.clone().with_rates("--layer-rates", given.times(1e3)).unwrap();
    assert_eq!(rates(&own), [1e-7 * 1e3, 3e-3 * 1e3]);
    let deep = wide.with_hidden("--hidden", &[512]).unwrap();
    assert_eq!(deep.widths, [550_570, 512, 320, 512, 550_570]);
    assert_eq!(rates(&deep), [32.0 / 550_570.0, 32.0 / 512.0, 1.0, 1.0]);
    let listed = deep.clone().with_rates("--layer-rates", Rates::Layers(vec![0.5, 2.0, 3.0, 4.0]));
    assert_eq!(rates(&listed.unwrap()), [0.5, 2.0, 3.0, 4.0]);
    let error = deep.with_rates("--layer-rates", Rates::Layers(vec![1.0; 2])).unwrap_err().to_string();
    assert!(error.contains("2 rates for 4 layers"), "{error}");
    let conv = ModelSpec::load("ae-conv-mnist").unwrap().autoencoder().unwrap();
    assert_eq!(rates(&conv), [32.0 / 784.0, 32.0 / 160.0, 1.0, 1.0]);
    let error = conv.with_hidden("--hidden", &[64]).unwrap_err().to_string();
    assert!(error.contains("convolutions"), "{error}");
}

#[test]
fn hidden_widths_are_mirrored_and_larger_than_the_latent() {
    let text = "name = \"uneven\"\nkind = \"autoencoder\"\nwidths = [99, 64, 8, 99]\n\
                activations = [\"tanh\", \"linear\", \"sigmoid\"]";
    let uneven = ModelSpec::parse(text, Path::new("uneven")).unwrap().autoencoder().unwrap();
    assert_eq!((uneven.encoder_layers(), uneven.latent(), uneven.decoder_parameters()), (2, 8, 891));
    // Its three activations would not fit two layers.
    let error = uneven.clone().with_hidden("--hidden", &[]).unwrap_err().to_string();
    assert!(error.contains("--hidden: 3 activations for the 2 layers of uneven"), "{error}");
    let plain = AutoencoderSpec { activations: Vec::new(), ..uneven };
    assert_eq!(plain.clone().with_hidden("--hidden", &[]).unwrap().widths, [99, 8, 99]);
    assert_eq!(plain.clone().with_hidden("--hidden", &[70, 9]).unwrap().widths, [99, 70, 9, 8, 9, 70, 99]);
    for wrong in [&[8][..], &[0], &[70, 3], &[usize::MAX]] {
        let error = plain.clone().with_hidden("--hidden", wrong).unwrap_err().to_string();
        assert!(error.contains("--hidden"), "{error}");
    }
}

#[test]
fn faults_in_a_convolutional_spec_are_named() {
    let whole = "name = \"x\"\nkind = \"autoencoder\"\n[conv]\ninputs = 40\nlatent = 4\n\
                 segments = [[5, 6], [1, 10]]\n\
                 layers = [{ channels = 2, kernel = [2, 3], stride = [2, 3] }]";
    ModelSpec::parse(whole, Path::new("mine.toml")).unwrap();
    for (from, to, words) in [
        ("inputs = 40", "inputs = 41", vec!["conv.segments", "40 values", "41 weights"]),
        ("[1, 10]", "[0, 10]", vec!["conv.inputs", "zeros"]),
        ("[1, 10]", "[4294967296, 4294967296]", vec!["conv.segments", "too many"]),
        ("latent = 4", "latent = 20", vec!["conv.latent", "features"]),
        ("latent = 4", "latent = 0", vec!["conv.latent"]),
        ("channels = 2", "channels = 0", vec!["conv.layers[0].channels"]),
        ("channels = 2", "channels = 9", vec!["conv.layers", "not fewer"]),
        ("stride = [2, 3]", "stride = 0", vec!["conv.layers[0].stride"]),
        ("stride = [2, 3]", "stride = 4", vec!["conv.layers[0].kernel", "no smaller"]),
        ("layers = [{ channels = 2, kernel = [2, 3], stride = [2, 3] }]", "layers = []", vec!["conv.layers"]),
        ("kernel", "kernal", vec!["kernal", "did you mean `kernel`"]),
        ("[conv]", "widths = [40, 4, 40]\n[conv]", vec!["widths", "conv"]),
        ("[conv]", "rates = [1.0]\n[conv]", vec!["rates", "1 rates for 4 layers"]),
        ("[conv]", "rates = { middle = 1.0 }\n[conv]", vec!["rates", "middle", "encoder.0"]),
        ("[conv]", "activations = [\"relu\"]\n[conv]", vec!["activations", "4 layers"]),
    ] {
        let text = whole.replacen(from, to, 1);
        assert_ne!(text, whole, "{from}");
        let error = ModelSpec::parse(&text, Path::new("mine.toml")).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.contains("mine.toml"), "{error}");
        words.iter().for_each(|word| assert!(error.contains(word), "{to}: {error}"));
    }
    let wide = "name = \"x\"\nkind = \"autoencoder\"\n[conv]\ninputs = 550570\n\
                layers = [{ channels = 2, kernel = 70000, stride = 70000 }]";
    let error = ModelSpec::parse(wide, Path::new("mine.toml")).unwrap_err().to_string();
    assert!(error.contains("too large a window"), "{error}");
}

#[test]
fn a_latent_stays_the_narrowest_width() {
    let text = "name = \"deep\"\nkind = \"autoencoder\"\nwidths = [9, 5, 2, 5, 9]";
    let deep = ModelSpec::parse(text, Path::new("deep")).unwrap().autoencoder().unwrap();
    assert_eq!(deep.clone().with_latent("--latent", 4).unwrap().widths, [9, 5, 4, 5, 9]);
    for wrong in [0, 5, 6, 9, usize::MAX] {
        let error = deep.clone().with_latent("--latent", wrong).unwrap_err().to_string();
        assert!(error.contains("--latent") && error.contains("use 1 to 4"), "{error}");
    }
}

#[test]
fn faults_in_a_spec_are_named() {
    for (text, words) in [
        ("name = \"x\"\nkind = \"autoencoder\"\nwidths = [8, 9, 8]", vec!["latent", "smaller"]),
        ("name = \"x\"\nkind = \"autoencoder\"\nwidths = [8, 2, 7]", vec!["8 in and 7 out"]),
        ("name = \"x\"\nkind = \"autoencoder\"\nwidhts = [8, 2, 8]", vec!["widhts", "widths"]),
        ("name = \"x\"\nkind = \"classifier\"\ninput = [1, 2, 3]\nlayers = []", vec!["layers"]),
        (
            "name = \"x\"\nkind = \"autoencoder\"\nwidths = [9999999999, 9999999998, 9999999999]",
            vec!["widths", "smaller"],
        ),
        (
            "name = \"x\"\nkind = \"classifier\"\ninput = [4294967296, 4294967296, 1]\n\
             layers = [{ kind = \"dense\", outputs = 2 }]",
            vec!["input", "smaller"],
        ),
    ] {
        let error = ModelSpec::parse(text, Path::new("mine.toml")).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word) && error.contains("mine.toml"), "{error}");
        }
    }
}
