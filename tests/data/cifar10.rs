//! What the reader of CIFAR-10's batches takes, and what it says about everything else.

use crate::support::{gzipped, image, nowhere, own};
use fedfunnel::data::{DataDir, DataPair, ImageShape, load};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of a record: label, then three planes of pixels.
const RECORD: usize = 1 + 3 * 32 * 32;
const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
const TEST_BATCH: &str = "test_batch.bin";
/// The folder in the archive.
const FOLDER: &str = "cifar-10-batches-bin";

/// Every batch, in order.
fn names() -> impl Iterator<Item = &'static str> {
    [
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
        TEST_BATCH,
    ]
    .into_iter()
}

/// A record whose pixels are all `pixel` but the last red one.
fn record(label: u8, pixel: u8) -> Vec<u8> {
    let mut record = vec![pixel; RECORD];
    record[0] = label;
    record[1024] = 99;
    record
}

/// Batches of one record each, of two in the test batch; the label tells the batch.
fn batches() -> BTreeMap<&'static str, Vec<u8>> {
    let mut batches: BTreeMap<_, _> =
        names().zip(0u8..).map(|(name, number)| (name, record(number, 10 * number))).collect();
    batches.insert(TEST_BATCH, [record(9, 90), record(5, 50)].concat());
    batches
}

fn write(folder: &Path, batches: &BTreeMap<&str, Vec<u8>>) {
    for (name, content) in batches {
        std::fs::write(folder.join(name), content).unwrap();
    }
}

/// An archive with the batches in a folder, the last first, and another file.
fn archive_of(folder: &str, batches: &BTreeMap<&str, Vec<u8>>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let readme: (&str, &[u8]) = ("readme.html", b"<html>");
    let files = batches.iter().rev().map(|(name, content)| (*name, &content[..]));
    for (name, content) in files.chain([readme]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{folder}/{name}"), content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn error_of(batches: &BTreeMap<&str, Vec<u8>>) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), batches);
    let error = own(folder.path()).unwrap_err().to_string();
    let archive = folder.path().join("own.tar.gz");
    std::fs::write(&archive, gzipped(&archive_of(FOLDER, batches))).unwrap();
    let of_archive = own(&archive).unwrap_err().to_string();
    // Loose or in the archive, the same is said of a batch.
    let tail = |error: &str| error.split_once(".bin").map(|(_, tail)| tail.to_string());
    if batches.len() == names().count() {
        assert_eq!(tail(&error), tail(&of_archive));
    }
    error
}

fn expect(data: &DataPair) {
    assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 1, 2, 3, 4][..], &[9, 5][..]));
    assert_eq!((data.train.shape, data.test.shape, data.train.classes), (SHAPE, SHAPE, 10));
    let fourth = image(&data.train, 3);
    assert_eq!((fourth[0], fourth[1023], fourth[1024], fourth[3071]), (30, 99, 30, 30));
    assert_eq!(image(&data.test, 1)[3071], 50);
    assert_eq!(data.train.images.len(), 5 * 3072);
}

#[test]
fn loose_in_a_folder_or_in_its_sub_folder_plain_or_gzipped() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = own(folder.path()).unwrap_err().to_string();
    assert!(nothing.contains("no images that can be read"), "{nothing}");
    let inner = folder.path().join(FOLDER);
    std::fs::create_dir(&inner).unwrap();
    write(&inner, &batches());
    expect(&own(folder.path()).unwrap());
    expect(&own(&inner).unwrap());
    std::fs::remove_file(inner.join("data_batch_2.bin")).unwrap();
    std::fs::write(inner.join("data_batch_2.bin.gz"), gzipped(&record(1, 10))).unwrap();
    expect(&own(&inner).unwrap());
}

#[test]
fn inside_the_archive_gzipped_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cifar-10-binary.tar.gz");
    let tar = archive_of(FOLDER, &batches());
    for content in [gzipped(&tar), tar] {
        std::fs::write(&path, content).unwrap();
        expect(&own(folder.path()).unwrap());
    }
}

#[test]
fn the_public_way_to_a_folder_and_to_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &batches());
    let name = folder.path().to_string_lossy().to_string();
    let data = load(&name, &nowhere()).unwrap();
    expect(&data);
    assert_eq!(data.train.name, name);
    let path = folder.path().join("renamed.tar.gz");
    std::fs::write(&path, gzipped(&archive_of(FOLDER, &batches()))).unwrap();
    expect(&own(&path).unwrap());
    for name in ["LOUD.TAR.GZ", "Loud.Tgz", "loud.TAR"] {
        let path = folder.path().join(name);
        std::fs::write(&path, gzipped(&archive_of(FOLDER, &batches()))).unwrap();
        expect(&own(&path).unwrap());
    }
    for name in ["x.tar.bz2", "x.TAR.XZ", "x.zip"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "packed").unwrap();
        let said = own(&path).unwrap_err().to_string();
        let mend = "it is an archive of a kind that is not read; unpack it and give its folder, or pack that as .tar.gz";
        assert!(said.contains(name) && said.ends_with(mend), "{said}");
    }
}

#[test]
fn a_known_set_must_have_whole_batches() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::new(folder.path());
    let dir = data_dir.folder("cifar10");
    std::fs::create_dir(&dir).unwrap();
    write(&dir, &batches());
    let error = load("cifar10", &data_dir).unwrap_err().to_string();
    let expected = "data_batch_1.bin: it has 3,073 bytes instead of 30,730,000, which 10,000 records take; \
                    download it again with fedfunnel data fetch cifar10";
    assert!(error.ends_with(expected), "{error}");
    std::fs::remove_file(dir.join("data_batch_4.bin")).unwrap();
    let error = load("cifar10", &data_dir).unwrap_err().to_string();
    assert!(error.contains("data_batch_4.bin is missing; run `fedfunnel data fetch cifar10`"), "{error}");
}

#[test]
fn damaged_batches_are_named() {
    let with = |name: &'static str, content: Vec<u8>| {
        let mut batches = batches();
        batches.insert(name, content);
        error_of(&batches)
    };
    let short = with("data_batch_3.bin", record(1, 1)[..3000].to_vec());
    let expected = "data_batch_3.bin: it has 3,000 bytes, not a whole number of records of 3,073; replace it with an undamaged copy";
    assert!(short.ends_with(expected), "{short}");
    let empty = with("test_batch.bin", Vec::new());
    assert!(empty.ends_with("test_batch.bin: it is empty; replace it with an undamaged copy"), "{empty}");
    let label = with("data_batch_5.bin", [record(9, 1), record(10, 1)].concat());
    let expected = "data_batch_5.bin: record 1 has label 10, but CIFAR-10 has classes 0 to 9; replace it with an undamaged copy";
    assert!(label.ends_with(expected), "{label}");
    let mut batches = batches();
    batches.remove("data_batch_2.bin");
    let missing = error_of(&batches);
    assert!(missing.contains("data_batch_2.bin is missing; put all six batches there"), "{missing}");
}

#[test]
fn a_gzipped_batch_or_an_archive_that_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &batches());
    std::fs::remove_file(folder.path().join("data_batch_1.bin")).unwrap();
    let cut = gzipped(&record(1, 1));
    std::fs::write(folder.path().join("data_batch_1.bin.gz"), &cut[..cut.len() - 9]).unwrap();
    let error = own(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("data_batch_1.bin.gz: its gzip stream ends early; replace it with an undamaged copy"),
        "{error}"
    );

    let path = folder.path().join("cut.tar.gz");
    let archive = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        own(&path).unwrap_err().to_string()
    };
    let tar = archive_of(FOLDER, &batches());
    // Cut after the first of the test batch's two records, which would be a batch by itself.
    for content in [&tar[..512 + RECORD], &gzipped(&tar)[..200], b"no archive at all", &[7; 2000]] {
        let error = archive(content);
        assert!(error.contains("cut.tar.gz: the archive is damaged or ends early ("), "{error}");
        assert!(error.ends_with("; replace it with an undamaged copy"), "{error}");
    }
    let python = archive(&gzipped(&archive_of("cifar-10-batches-py", &batches())));
    assert!(
        python.contains("cifar-10-batches-bin/data_batch_1.bin is not in it; use cifar-10-binary.tar.gz")
    );
}

#[test]
fn the_python_version_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data_batch_1"), "").unwrap();
    let error = own(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it holds the Python version of CIFAR-10; use the binary version"), "{error}");
}
