//! Data sets of the table, with others' files in their folders.

use crate::support::{gzipped, idx, own};
use fedfunnel::data::source::{self, Format, Source, SourceFile};
use fedfunnel::data::{DataDir, load, load_source};
use sha2::{Digest, Sha256};
use std::fs::OpenOptions;
use std::path::Path;

/// The note beside files that were verified.
const RECORD: &str = "verified.json";

/// The four files of a set of three images of 28 x 28.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let images = |count: u32| idx(8, &[count, 28, 28], &vec![7; count as usize * 784]);
    vec![
        ("train-images-idx3-ubyte", images(2)),
        ("train-labels-idx1-ubyte", idx(8, &[2], &[0, 1])),
        ("t10k-images-idx3-ubyte", images(1)),
        ("t10k-labels-idx1-ubyte", idx(8, &[1], &[1])),
    ]
}

fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    files.iter().for_each(|(name, content)| std::fs::write(folder.join(name), content).unwrap());
}

/// An entry of the table with these files.
fn table_of(format: Format, files: &[(&'static str, Vec<u8>)]) -> Source {
    let hash = |content: &[u8]| -> String {
        Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let entry = |(name, content): &(&'static str, Vec<u8>)| SourceFile {
        name,
        bytes: content.len() as u64,
        sha256: Box::leak(hash(content).into_boxed_str()),
    };
    let files: Vec<_> = files.iter().map(entry).collect();
    Source { format, files: Box::leak(files.into_boxed_slice()), ..*source::find("mnist").unwrap() }
}

/// Changes a byte near the end of a file, and gives it this time of modification.
fn tamper(path: &Path, modified: Option<std::time::SystemTime>) {
    let mut content = std::fs::read(path).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    std::fs::write(path, content).unwrap();
    let after = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    OpenOptions::new().write(true).open(path).unwrap().set_modified(modified.unwrap_or(after)).unwrap();
}

#[test]
fn any_other_set_of_such_images_is_not_mnist() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::new(folder.path());
    let dir = data_dir.folder("mnist");
    std::fs::create_dir(&dir).unwrap();
    write(&dir, &files());
    let said = load("mnist", &data_dir).unwrap_err().to_string();
    let shown = dir.display();
    let problem = format!(
        "{shown}/train-images-idx3-ubyte: it is not what mnist has there \
         (train-images-idx3-ubyte: 47,040,016 bytes expected, 1,584 there); "
    );
    let mend = format!(
        "download that with fedfunnel data fetch mnist, or give a set of your own by its path, as --data {shown}"
    );
    assert_eq!(said, format!("{problem}{mend}"));
    // The same gzipped, and by its path, as which it is what it is.
    for (name, content) in files() {
        std::fs::remove_file(dir.join(name)).unwrap();
        std::fs::write(dir.join(format!("{name}.gz")), gzipped(&content)).unwrap();
    }
    assert!(
        load("mnist", &data_dir).unwrap_err().to_string().contains("47,040,016 bytes expected, 1,584 there")
    );
    assert_eq!(load(&dir.to_string_lossy(), &data_dir).unwrap().train.len(), 2);
}

#[test]
fn what_was_verified_is_remembered_until_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let table = table_of(Format::Idx, &files());
    write(dir, &files());
    let images = dir.join("train-images-idx3-ubyte");
    assert_eq!(load_source(&table, dir).unwrap().train.len(), 2);
    assert!(dir.join(RECORD).is_file());
    // With size and time as they were, it is not looked at again.
    let modified = images.metadata().unwrap().modified().unwrap();
    tamper(&images, Some(modified));
    load_source(&table, dir).unwrap();
    // Another time, and it is; the hash differs.
    tamper(&dir.join("t10k-images-idx3-ubyte"), None);
    let said = load_source(&table, dir).unwrap_err().to_string();
    assert!(said.contains("t10k-images-idx3-ubyte: its SHA-256 is "), "{said}");
    // Without the note, or with one that is none, all files are.
    for note in [None, Some("{\"files\": 3}"), Some("")] {
        match note {
            None => std::fs::remove_file(dir.join(RECORD)).unwrap(),
            Some(text) => std::fs::write(dir.join(RECORD), text).unwrap(),
        }
        let said = load_source(&table, dir).unwrap_err().to_string();
        assert!(said.contains("train-images-idx3-ubyte: its SHA-256 is "), "{said}");
    }
}

#[test]
fn a_note_of_another_table_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &files());
    let mut others = files();
    others[0].1[20] ^= 1;
    load_source(&table_of(Format::Idx, &files()), folder.path()).unwrap();
    let said = load_source(&table_of(Format::Idx, &others), folder.path()).unwrap_err().to_string();
    assert!(said.contains("its SHA-256 is "), "{said}");
}

#[test]
fn gzipped_files_are_known_by_their_plain_content() {
    let folder = tempfile::tempdir().unwrap();
    let gz: Vec<_> =
        files().into_iter().map(|(name, content)| (format!("{name}.gz"), gzipped(&content))).collect();
    gz.iter().for_each(|(name, content)| std::fs::write(folder.path().join(name), content).unwrap());
    load_source(&table_of(Format::Idx, &files()), folder.path()).unwrap();
    let noted = std::fs::read_to_string(folder.path().join(RECORD)).unwrap();
    assert!(noted.contains("\"train-images-idx3-ubyte.gz\""), "{noted}");
}

#[test]
fn batches_in_an_archive_are_verified_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    // Of one record each: the table says how many a batch has.
    let names =
        ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    let names = names.map(|name| &*format!("{name}.bin").leak());
    let batches: Vec<_> =
        names.into_iter().zip(0..).map(|(name, number)| (name, vec![number; 3073])).collect();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in &batches {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // As `tar` names files that it was told to take from `.`.
        let path = format!("./cifar-10-batches-bin/{name}");
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, &content[..]).unwrap();
    }
    let path = folder.path().join("cifar-10-binary.tar.gz");
    std::fs::write(&path, gzipped(&builder.into_inner().unwrap())).unwrap();
    let data = own(&path).unwrap();
    assert_eq!((data.train.labels, data.test.labels), (vec![0, 1, 2, 3, 4], vec![5]));
    load_source(&table_of(Format::Cifar10, &batches), folder.path()).unwrap();
    let noted = std::fs::read_to_string(folder.path().join(RECORD)).unwrap();
    assert!(noted.contains("cifar-10-binary.tar.gz") && noted.contains("test_batch.bin"), "{noted}");
    let mut others = batches;
    others[5].1[1] ^= 1;
    let said = load_source(&table_of(Format::Cifar10, &others), folder.path()).unwrap_err().to_string();
    assert!(said.contains("cifar-10-binary.tar.gz: it is not what"), "{said}");
    assert!(said.contains("(test_batch.bin: its SHA-256 is "), "{said}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_verified_each_time() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &files());
    // A folder in the place of the note: for root, permissions forbid nothing.
    std::fs::create_dir(folder.path().join(RECORD)).unwrap();
    std::fs::write(folder.path().join(RECORD).join("x"), "").unwrap();
    let allow =
        |mode| std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    let table = table_of(Format::Idx, &files());
    let outcomes = [(); 2].map(|()| load_source(&table, folder.path()).map(|data| data.train.len()));
    allow(0o755);
    outcomes.into_iter().for_each(|outcome| assert_eq!(outcome.unwrap(), 2));
}
