//! What is not downloaded.

use fedfunnel::data::fetch;
use std::path::Path;

#[test]
fn names_that_are_not_downloaded() {
    for sample in ["mnist-sample", "cifar10-sample"] {
        let error = fetch(sample, Path::new("x"), &|_| {}).unwrap_err().to_string();
        assert!(error.contains("needs no download"), "{error}");
    }
    assert!(fetch("mnits", Path::new("x"), &|_| {}).unwrap_err().to_string().contains("\"mnist\"?"));
}
