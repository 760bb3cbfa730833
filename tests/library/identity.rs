//! What makes a run another one.

use fedfunnel::run::Identity;
use std::path::Path;

#[test]
fn what_differs_is_named() {
    let folder = Path::new("run");
    let run = |settings: &str, inputs: &[(&str, &str)]| Identity {
        inputs: inputs.iter().map(|(what, digest)| (what.to_string(), digest.to_string())).collect(),
        ..Identity::new("simulate", settings)
    };
    let own = run("rounds = 3\nseed = 1\n", &[("data mnist", "aa"), ("model m", "bb")]);
    assert!(own.check_same(&own.clone(), folder).is_ok());
    for (earlier, words) in [
        (run("rounds = 3\nseed = 2\n", &[]), "`seed = 2`, now `seed = 1`"),
        (run("rounds = 3\n", &[]), "`seed = 1` is new"),
        (run("rounds = 3\nseed = 1\nx = 2\n", &[]), "`x = 2`, which is missing now"),
        (run(&own.settings, &[("data mnist", "aa"), ("model m", "cc")]), "model m is not what it was"),
        (run(&own.settings, &[("data mnist", "aa")]), "model m is not what it was"),
        (Identity { verb: "train".into(), ..own.clone() }, "holds a run of fedfunnel train"),
    ] {
        let said = own.check_same(&earlier, folder).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
        assert_ne!(own.digest(), earlier.digest());
    }
}
