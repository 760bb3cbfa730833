//! What is kept comes back from checkpoints.

use fedfunnel::codec::Store;
use fedfunnel::model::state::{StateFile, StateWriter};
use std::collections::HashMap;

fn saved(store: &Store, path: &std::path::Path) -> StateFile {
    let mut file = StateWriter::create(path, &store.shapes("side"), &HashMap::new()).unwrap();
    store.save("side", &mut file).unwrap();
    file.finish().unwrap();
    StateFile::open(path).unwrap()
}

#[test]
fn what_is_kept_comes_back_and_what_is_sealed_is_saved_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::default();
    store.of_mut(7).put("mean", vec![1.0, -0.0, f32::MIN_POSITIVE]);
    store.of_mut(7).scope_mut("1").put_bytes("payload", vec![1, 2, 3, 255, 0]);
    store.of_mut(3).scope_mut("0").scope_mut("2").put("error", vec![0.5]);
    let first = saved(&store, &folder.path().join("first"));
    let mut read = Store::default();
    read.load("side", &[3, 7], &first).unwrap();
    assert_eq!(read, store);
    assert_eq!(read.of(3).scope("0").scope("2").get("error"), Some(&[0.5f32][..]));
    // Sealed, only what changes is saved again, and goes over what was read first.
    store.seal();
    assert!(store.shapes("side").is_empty());
    store.of_mut(3).scope_mut("0").scope_mut("2").put("error", vec![-0.25]);
    assert_eq!(store.shapes("side").len(), 1);
    let second = saved(&store, &folder.path().join("second"));
    read.load("side", &[3, 7], &second).unwrap();
    assert_eq!(read.of(3).scope("0").scope("2").get("error"), Some(&[-0.25f32][..]));
    assert_eq!(read.of(7).get("mean"), Some(&[1.0, -0.0, f32::MIN_POSITIVE][..]));
    assert_eq!(read.of(7).scope("1").bytes("payload"), Some(&[1u8, 2, 3, 255, 0][..]));
    // The negative control: another collaborator has nothing.
    assert!(read.of(4).get("mean").is_none() && read.of(7).expect("error").is_err());
}
