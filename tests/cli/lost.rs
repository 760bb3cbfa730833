//! A device that is lost in the midst of a run: one clear sentence, and a command that ends the run.

use crate::resume::{check_alike, left_by};
use crate::support::*;

#[test]
fn a_run_whose_device_is_lost_says_the_command_that_goes_on_and_ends_as_one_that_kept_it() {
    let folder = temporary();
    small_colour_models(folder.path());
    let words = |out: &str, more: &[&str]| -> Vec<String> {
        let own = ["simulate", "colour.toml", "-q", "--set", "codecs=[\"raw\",\"pca\"]", "--out", out];
        own.iter().chain(more).map(|word| word.to_string()).collect()
    };
    let run = |words: &[String]| {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        run_in(folder.path(), &words)
    };
    assert_eq!(run(&words("whole", &[])).code, 0);
    let whole = left_by(&folder.path().join("whole"));
    for after in [1, 15, 60] {
        let out = format!("lost-{after}");
        let lost = run(&words(&out, &[&format!("--lose-device-after={after}")]));
        assert_eq!((lost.code, lost.stdout.as_str()), (1, ""), "{}", lost.stderr);
        let lines: Vec<_> = lost.stderr.lines().collect();
        let &[go_on, error] = lines.as_slice() else { panic!("{}", lost.stderr) };
        assert!(error.starts_with("error: ") && error.contains("was lost while it worked"), "{error}");
        assert!(error.contains("what was saved before is whole"), "{error}");
        assert!(
            go_on.starts_with("go on with: fedfunnel simulate ") && go_on.ends_with(" --resume"),
            "{go_on}"
        );
        assert!(go_on.contains(&format!("--out {out}")) && !go_on.contains("lose"), "{go_on}");
        let resumed = run(&words(&out, &["--resume"]));
        assert_eq!(resumed.code, 0, "{}", resumed.stderr);
        check_alike(&format!("lost after {after} submits"), &left_by(&folder.path().join(&out)), &whole);
    }
}
