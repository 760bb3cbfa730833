//! Systems that come with the program.

mod fedkseed;
mod onebyte;

use crate::support::gpu;
use fedfunnel::model::{ModelSpec, Network};

#[test]
fn the_host_draws_the_initial_weights_that_devices_draw() {
    for model in ["mnist-mlp", "cifar10-vgg3"] {
        let classifier = ModelSpec::load(model).and_then(ModelSpec::classifier).expect("a classifier");
        let network = Network::new(gpu(), &classifier.network(), 1, None).expect("a network");
        network.parameters.initialize(gpu(), 5, true).expect("drawn");
        let drawn = network.parameters.read(gpu()).expect("read").remove(0);
        assert_eq!(classifier.initial_weights(5), drawn, "{model}");
        assert_ne!(classifier.initial_weights(6), drawn, "{model}");
    }
}
