//! What `fedfunnel data list` says is there.

use fedfunnel::data::{DataDir, Presence, list, source};

#[test]
fn the_list_tells_absent_incomplete_and_present() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::new(folder.path());
    let mnist = || list(&data_dir).into_iter().find(|status| status.name == "mnist").unwrap();
    assert_eq!((mnist().presence, mnist().bytes), (Presence::Absent, 0));
    assert_eq!(mnist().how, "fedfunnel data fetch mnist");
    let files = source::SOURCES[0].files;
    std::fs::create_dir(data_dir.folder("mnist")).unwrap();
    for file in files {
        assert_ne!(mnist().presence, Presence::Present);
        let handle = std::fs::File::create(data_dir.folder("mnist").join(file.name)).unwrap();
        assert_ne!(mnist().presence, Presence::Present);
        handle.set_len(file.bytes).unwrap();
    }
    assert_eq!((mnist().presence, mnist().bytes), (Presence::Present, 54_950_048));
    assert_eq!(mnist().how, "--data mnist");
}

#[cfg(unix)]
#[test]
fn the_list_as_json_of_a_folder_that_is_not_utf_8() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let statuses = list(&DataDir::new(OsString::from_vec(b"data-\xff".to_vec())));
    let json = serde_json::to_value(&statuses).unwrap();
    assert_eq!(json[0]["folder"], "data-\u{fffd}/mnist");
    assert_eq!(json[3]["folder"], serde_json::Value::Null);
}

#[test]
fn the_list_as_json() {
    let statuses = list(&DataDir::new("nowhere"));
    let json = serde_json::to_value(&statuses).unwrap();
    assert_eq!(json[0]["presence"], "absent");
    assert_eq!((&json[1]["name"], &json[1]["train"]), (&"cifar10".into(), &50_000.into()));
    for (place, train) in [(3, 6000), (4, 1200)] {
        assert_eq!(json[place]["presence"], "embedded");
        assert_eq!(json[place]["train"], train);
    }
    let names: Vec<_> = statuses.iter().map(|status| status.name).collect();
    assert_eq!(names, source::known_names());
}
