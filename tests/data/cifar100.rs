//! What the reader of CIFAR-100's batches takes, and what it says about everything else.

use crate::support::{gzipped, image, own};
use std::path::Path;

/// A record whose pixels are all `pixel` but the last blue one.
fn record(superclass: u8, class: u8, pixel: u8) -> Vec<u8> {
    let mut record = vec![pixel; 2 + 3072];
    (record[0], record[1]) = (superclass, class);
    record[3073] = 7;
    record
}

fn write(folder: &Path, train: &[u8], test: &[u8]) {
    std::fs::write(folder.join("train.bin"), train).unwrap();
    std::fs::write(folder.join("test.bin"), test).unwrap();
}

#[test]
fn classes_are_labels_and_superclasses_are_groups() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar-100-binary");
    std::fs::create_dir(&inner).unwrap();
    write(&inner, &[record(11, 99, 3), record(2, 0, 4), record(11, 35, 5)].concat(), &record(19, 41, 6));
    for place in [folder.path(), &inner] {
        let data = own(place).unwrap();
        assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[99, 0, 35][..], &[41][..]));
        assert_eq!((data.train.classes, data.test.classes), (100, 100));
        assert_eq!((image(&data.train, 1)[0], image(&data.train, 1)[3071]), (4, 7));
        let groups = data.train.groups.unwrap();
        assert_eq!(
            (&groups.names[..], &groups.of[..]),
            (&["2".to_string(), "11".into()][..], &[1, 0, 1][..])
        );
        assert_eq!(data.test.groups, None);
    }
    std::fs::write(inner.join("test.bin.gz"), gzipped(&record(0, 1, 2))).unwrap();
    std::fs::remove_file(inner.join("test.bin")).unwrap();
    assert_eq!(own(&inner).unwrap().test.labels, [1]);
}

#[test]
fn damaged_batches_are_named() {
    let good = record(1, 2, 3);
    let cut = &good[..good.len() - 1];
    let cases: [(&[u8], &[u8], &[&str]); 5] = [
        (cut, &good, &["train.bin", "it has 3,073 bytes, not a whole number of records of 3,074"]),
        (&good, &[], &["test.bin", "it is empty"]),
        (&record(20, 0, 0), &good, &["train.bin", "record 0 has superclass 20, but CIFAR-100 has 0 to 19"]),
        (&good, &record(0, 100, 0), &["test.bin", "record 0 has class 100, but CIFAR-100 has 0 to 99"]),
        (&gzipped(&good)[..40], &good, &["train.bin"]),
    ];
    for (train, test, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), train, test);
        let said = own(folder.path()).unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    }
}

#[test]
fn a_missing_batch_and_the_python_version_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.bin"), record(0, 0, 0)).unwrap();
    let said = own(folder.path()).unwrap_err().to_string();
    assert!(said.contains("test.bin is missing; put train.bin and test.bin"), "{said}");
    for names in [&["cifar-100-python/train"][..], &["train", "test", "meta"]] {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "pickled").unwrap();
        }
        let said = own(folder.path()).unwrap_err().to_string();
        assert!(said.contains("the Python version of CIFAR-100; use the binary version"), "{said}");
    }
}
