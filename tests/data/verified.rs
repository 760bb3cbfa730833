//! Data sets of the table, with others' files in their folders.

use crate::support::{gzipped, idx};
use fedfunnel::data::{DataDir, load};
use std::path::Path;

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
