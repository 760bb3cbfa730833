//! Where results may be written, and what is read.

use fedfunnel::files::{check_output_file, check_output_folder, read_text, write_atomic};
use std::path::Path;

#[test]
fn an_output_folder_is_checked_without_being_made() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    check_output_folder("--out", &deep).unwrap();
    check_output_folder("--out", Path::new("not-there-yet")).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(folder.path().join("a"), "").unwrap();
    let error = check_output_folder("--out", &deep).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("a is a file; name a folder"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_called_one() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("gone", &link).unwrap();
    for out in [link.clone(), link.join("deep")] {
        let error = check_output_folder("--out", &out).unwrap_err();
        let said = error.to_string();
        assert!(error.is_usage() && said.contains("link is a link to gone, which is not there; "), "{said}");
    }
    std::fs::create_dir(folder.path().join("gone")).unwrap();
    check_output_folder("--out", &link).unwrap();
    check_output_folder("--out", &link.join("deep")).unwrap();
}

#[test]
fn an_output_file_is_checked_without_being_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/trace.json");
    check_output_file("--trace", &path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let error = check_output_file("--trace", folder.path()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("is a folder; name a file"), "{error}");
    std::fs::write(folder.path().join("deep"), "").unwrap();
    assert!(check_output_file("--trace", &path).unwrap_err().is_usage());
}

#[test]
fn text_that_is_not_utf_8_is_named_by_its_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"a = 1\nb = \"\xff\"").unwrap();
    let error = read_text(file.path()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("line 2 is not UTF-8"), "{error}");
}

#[test]
fn the_first_write_in_a_folder_removes_leftovers_there() {
    let folder = tempfile::tempdir().unwrap();
    let leftover = folder.path().join(".fedfunnel-4242-Ab3xYz");
    std::fs::write(&leftover, [0; 1000]).unwrap();
    write_atomic(&folder.path().join("new"), b"").unwrap();
    assert!(!leftover.exists());
}
