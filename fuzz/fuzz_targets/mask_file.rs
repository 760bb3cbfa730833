//! Arbitrary bytes as a model that is a seed and a mask: refused in words, or one that is written as it was read, and that
//! is refused for a classifier or gives it all of its weights. The sum at the end is set right, so that what it covers is
//! reached.

#![no_main]

use fedfunnel::model::{MaskFile, ModelSpec};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzzed.mask");
    let summed = [bytes, &crc32c::crc32c(bytes).to_le_bytes()].concat();
    for bytes in [bytes, &summed] {
        let Ok(file) = MaskFile::from_bytes(bytes, path) else { continue };
        let again = MaskFile::from_bytes(&file.to_bytes(), path).expect("what was written");
        assert_eq!(again, file);
        let spec = ModelSpec::load("mnist-mlp").and_then(ModelSpec::classifier).expect("a classifier");
        if let Ok(weights) = file.weights(&spec, path) {
            assert_eq!(weights.len(), spec.parameters());
        }
    }
});
