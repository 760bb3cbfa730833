//! What is kept comes back from checkpoints.

use fedfunnel::codec::{Kept, Parking, Store};
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

#[test]
fn what_is_past_the_limit_lies_in_the_folder_and_is_read_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let values = |who: u32| -> Vec<f32> { (0..1_000).map(|place| (who * 7 + place) as f32 / 3.0).collect() };
    let filled = |parking: Option<u64>| {
        let mut store = Store::default();
        if let Some(limit) = parking {
            store.park_in(Parking { folder: folder.path().into(), limit });
        }
        for who in 0..50 {
            store.of_mut(who).scope_mut("0").put("error", values(who));
            store.of_mut(who).scope_mut("1").put_bytes("payload", vec![who as u8; 301]);
            store.of_mut(who).put("few", vec![who as f32]);
        }
        store.settle().unwrap();
        store
    };
    let (plain, mut parked, ample) = (filled(None), filled(Some(40_000)), filled(Some(1 << 20)));
    assert_eq!((plain.bytes_in_memory(), ample.bytes_in_memory()), (50 * 4_301, 50 * 4_301));
    assert!(parked.bytes_in_memory() <= 40_000, "{}", parked.bytes_in_memory());
    assert_eq!(parked, plain);
    for who in 0..50 {
        assert_eq!(parked.of(who).scope("0").get("error"), Some(&values(who)[..]));
        assert_eq!(parked.of(who).scope("0").id("error"), plain.of(who).scope("0").id("error"));
        assert_eq!(parked.of(who).scope("1").bytes("payload"), Some(&vec![who as u8; 301][..]));
    }
    // Checkpoints have it as they have what lies in memory, and a limit holds while one is read.
    let [first, second] =
        [(&plain, "a"), (&parked, "b")].map(|(s, name)| saved(s, &folder.path().join(name)));
    let mut read = Store::default();
    read.park_in(Parking { folder: folder.path().into(), limit: 40_000 });
    read.load("side", &(0..50).collect::<Vec<_>>(), &second).unwrap();
    assert!(read == plain && read.bytes_in_memory() <= 40_000);
    assert_eq!(first.names().unwrap(), second.names().unwrap());
    // What changes lies in memory until that is too much again; the others stay as they were.
    for round in 0..200u32 {
        parked.of_mut(round % 50).scope_mut("0").put("error", values(round));
        parked.settle().unwrap();
        assert!(parked.bytes_in_memory() <= 40_000);
    }
    for who in 0..50 {
        assert_eq!(parked.of(who).scope("0").get("error"), Some(&values(150 + who)[..]));
        assert_eq!(parked.of(who).scope("1").bytes("payload"), Some(&vec![who as u8; 301][..]));
    }
    // Nothing of it has a name, so that nothing is left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn what_several_have_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::default();
    store.park_in(Parking { folder: folder.path().into(), limit: 0 });
    let mut shared = Kept::default();
    shared.put("mean", vec![1.0; 1_000]);
    for who in 0..10 {
        store.of_mut(who).merge(shared.clone());
    }
    store.settle().unwrap();
    assert_eq!(store.bytes_in_memory(), 0);
    assert!((0..10).all(|who| store.of(who).get("mean") == shared.get("mean")));
    assert!((0..10).all(|who| std::ptr::eq(store.of(who).get("mean").unwrap(), shared.get("mean").unwrap())));
}
