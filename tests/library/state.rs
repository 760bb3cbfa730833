//! Files of tensors: the same content is the same bytes.

use fedfunnel::model::state::{StateFile, StateWriter, TensorShape};
use std::collections::HashMap;

#[test]
fn the_same_content_is_the_same_bytes_and_reads_back() {
    let notes = || (0..20).map(|n| (format!("key{n}"), format!("\"{n}\"\n"))).collect();
    let shapes = [TensorShape::new("b", &[3]), TensorShape::new("a", &[0])];
    let values = [1.0, -2.5, 3.0];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let write = |shapes: &[TensorShape], metadata: HashMap<String, String>| {
        let mut file = StateWriter::create(&path, shapes, &metadata).unwrap();
        if file.has("b") {
            // In any order.
            file.put("b", 2, &values[2..]).unwrap();
            file.put("b", 0, &values[..2]).unwrap();
        }
        file.finish().unwrap();
        std::fs::read(&path).unwrap()
    };
    let bytes = write(&shapes, notes());
    for _ in 0..10 {
        assert_eq!(bytes, write(&shapes, notes()));
    }
    for metadata in [notes(), HashMap::new()] {
        let bytes = write(&shapes, metadata.clone());
        assert!(bytes.len().is_multiple_of(4) && (bytes.len() - 12).is_multiple_of(8));
        let file = StateFile::open(&path).unwrap();
        let tensor = file.tensor("b").unwrap();
        assert_eq!((tensor.shape.clone(), tensor.values().unwrap()), (vec![3], values.to_vec()));
        assert!(file.tensor("a").unwrap().is_empty());
        assert_eq!(file.metadata().unwrap(), metadata);
    }
    write(&[], notes());
    assert_eq!(StateFile::open(&path).unwrap().metadata().unwrap(), notes());
}
