//! Settings from outside of a spec.

use fedfunnel::Result;
use fedfunnel::settings::with_settings;

fn set(settings: &[&str]) -> Result<toml::Table> {
    let root = "rounds = 3\nbatch = 2".parse::<toml::Table>().unwrap();
    with_settings(&root, &settings.iter().map(|setting| setting.to_string()).collect::<Vec<_>>())
}

#[test]
fn nothing_after_a_line_break_is_lost() {
    for setting in [
        "rounds=5\nbatch=32",
        "rounds=5\r\nbatch=32",
        "rounds=5\n[optimizer]\nlr=1",
        "data=mnist\nbatch=32",
        "rounds\nbatch=32",
        "rounds=5 # five\nbatch=32",
    ] {
        let said = set(&[setting]).unwrap_err().to_string();
        assert!(said.contains("it has more than one line; give each setting a --set of its own"), "{said}");
    }
    assert_eq!(set(&["rounds=5\n"]).unwrap()["rounds"].as_integer(), Some(5));
    let codecs = set(&["codecs=[\n  \"raw\",\n  \"pca\",\n]"]).unwrap();
    assert_eq!(codecs["codecs"].as_array().map(Vec::len), Some(2));
}
