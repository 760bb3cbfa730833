//! Names and paths that lead to no data set.

use fedfunnel::data::{DataDir, load};

#[test]
fn an_unknown_name_gets_the_nearest_known_one() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::new(folder.path());
    let error = load("mnits", &data_dir).unwrap_err();
    assert!(error.is_usage());
    assert!(error.to_string().contains("did you mean \"mnist\"?"), "{error}");
    let error = load("./no/such/folder", &data_dir).unwrap_err().to_string();
    assert!(error.contains("there is no such folder"), "{error}");
    assert!(
        error.contains("or one of mnist, cifar10, fashion-mnist, mnist-sample, cifar10-sample"),
        "{error}"
    );
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "").unwrap();
    let error = load(&file.to_string_lossy(), &data_dir).unwrap_err().to_string();
    assert!(error.contains("it is a file; give a folder with the four IDX files"), "{error}");
}

#[test]
fn what_is_not_there_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["mnist", "cifar10"] {
        let error = load(name, &DataDir::new(folder.path())).unwrap_err().to_string();
        let (fetch, sample) = (format!("fedfunnel data fetch {name}"), format!("--data {name}-sample"));
        for part in [&*folder.path().to_string_lossy(), &fetch, &sample] {
            assert!(error.contains(part), "{error}");
        }
    }
}
