//! Groups beside the data: a file with a line for each training image, and QMNIST's writers.

use crate::support::{gzipped, idx, own};
use std::path::Path;

/// A folder of four training images and a test image of one pixel.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "train-images-idx3-ubyte", &idx(8, &[4, 1, 1], &[1, 2, 3, 4]));
    write(folder.path(), "train-labels-idx1-ubyte", &idx(8, &[4], &[0, 1, 0, 1]));
    write(folder.path(), "t10k-images-idx3-ubyte", &idx(8, &[1, 1, 1], &[5]));
    write(folder.path(), "t10k-labels-idx1-ubyte", &idx(8, &[1], &[1]));
    folder
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

#[test]
fn a_file_names_the_group_of_each_training_image() {
    let folder = folder();
    let without = own(folder.path()).unwrap();
    assert_eq!(without.train.groups, None);
    write(folder.path(), "train-groups.txt", b"mary\nalan\r\nmary \nada");
    let with = own(folder.path()).unwrap();
    let groups = with.train.groups.clone().unwrap();
    assert_eq!(
        (groups.names, groups.of),
        (vec!["ada".into(), "alan".into(), "mary".into()], vec![2, 1, 2, 0])
    );
    assert_eq!(with.test.groups, None);
    assert_ne!(with.digest(), without.digest());
    std::fs::remove_file(folder.path().join("train-groups.txt")).unwrap();
    write(folder.path(), "train-groups.gz", &gzipped(b"7\n7\n11\n2\n"));
    assert_eq!(own(folder.path()).unwrap().train.groups.unwrap().names, ["2", "7", "11"]);
}

#[test]
fn a_file_of_groups_that_does_not_fit_is_named() {
    let folder = folder();
    for (content, said) in [
        (
            &b"a\nb\n"[..],
            "train-groups.txt: 2 lines for 4 training images; give each image one line, in their order",
        ),
        (b"a\n\nb\nc\n", "train-groups.txt: line 2 is empty; write the name of a group in each line"),
        (b"a\n\xff\nb\nc\n", "train-groups.txt: it is not UTF-8 text; "),
        (&gzipped(b"a\nb\nc\nd\n")[..20], "train-groups.txt: its gzip stream "),
    ] {
        write(folder.path(), "train-groups.txt", content);
        let error = own(folder.path()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn the_writers_of_qmnist_are_groups() {
    let folder = folder();
    std::fs::remove_file(folder.path().join("train-labels-idx1-ubyte")).unwrap();
    let row = |class: i32, writer: i32| [class, 0, writer, 0, 0, 0, 0, 0].map(i32::to_be_bytes).concat();
    let labels = [row(0, 300), row(1, 7), row(0, 300), row(1, 21)].concat();
    write(folder.path(), "qmnist-train-labels-idx2-int", &idx(0x0c, &[4, 8], &labels));
    let groups = own(folder.path()).unwrap().train.groups.unwrap();
    assert_eq!((groups.names, groups.of), (vec!["7".into(), "21".into(), "300".into()], vec![2, 0, 2, 1]));
}
