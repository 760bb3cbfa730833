//! Logs of one JSON object a line.

use fedfunnel::report::JsonLines;
use serde_json::json;

#[test]
fn lines_are_there_at_once_and_outlive_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run/metrics.jsonl");
    let mut log = JsonLines::create(&path).expect("created with its folder");
    log.push(&json!({"round": 1, "text": "two\nlines"})).expect("pushed");
    // No flush, no finish: another reader sees the line already.
    let text = std::fs::read_to_string(&path).expect("read");
    assert_eq!(text, "{\"round\":1,\"text\":\"two\\nlines\"}\n");

    // What a crash leaves is what was pushed.
    std::mem::forget(log);
    assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
}

#[test]
fn a_value_that_is_no_json_leaves_the_log_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("metrics.jsonl");
    let mut log = JsonLines::create(&path).expect("created");
    let keys_are_no_text = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(log.push(&keys_are_no_text).is_err());
    log.push(&json!([1])).expect("pushed");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "[1]\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let mut log = JsonLines::create("/dev/full").expect("the device that is always full");
    let message = log.push(&json!(1)).expect_err("no space").to_string();
    assert!(message.contains("/dev/full"), "{message}");
}
