//! `savings`: the figures of the paper, and what cannot be computed.

use crate::support::{number, run_in, succeed_in, temporary};
use serde_json::Value;

/// The CIFAR-10 pair in the paper's federation.
const PAPER: &str = "savings --parameters 550570 --latent 320 --rounds 40 --collaborators 2";

fn words<'a>(all: &'a [&str]) -> Vec<&'a str> {
    all.iter().flat_map(|part| part.split_whitespace()).collect()
}

fn json(more: &str) -> Value {
    let ran = succeed_in(std::path::Path::new("."), &words(&[PAPER, "--json", more]));
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn json_has_the_figures_of_the_paper() {
    let each = json("--decoders each");
    assert!((number(&each, "uplink_ratio") - 0.1246).abs() < 1e-4, "{each}");
    assert!((number(&each, "break_even_rounds") - 321.187).abs() < 1e-3, "{each}");
    assert_eq!(each["decoder_parameters"], 176_732_970);
    assert!(each["break_even_collaborators"].is_null() && each["rounds_for_target"].is_null());
    assert!(number(&each, "both_ways_ratio") > number(&each, "uplink_ratio"));
    let halved = json("--decoder-parameters 176457845 --target-ratio 2");
    assert!((number(&halved, "break_even_rounds") - 320.7).abs() < 0.05, "{halved}");
    assert!((number(&halved, "rounds_for_target") - 641.7).abs() < 0.5, "{halved}");
    let shared = json("--decoders shared");
    assert!((number(&shared, "break_even_collaborators") - 8.03).abs() < 0.01, "{shared}");
}

#[test]
fn people_get_words_and_a_plot_and_files() {
    let folder = temporary();
    let all = words(&[PAPER, "--html deep/page.html --svg plot.svg --over collaborators"]);
    let ran = succeed_in(folder.path(), &all);
    for word in ["322 rounds", "8.026 times", "Collaborators", "* uplink", "deep/page.html", "plot.svg"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let page = std::fs::read_to_string(folder.path().join("deep/page.html")).expect("a page");
    assert!(page.contains("plot-savings-over-rounds") && page.contains("plot-savings-over-collaborators"));
    assert!(std::fs::read_to_string(folder.path().join("plot.svg")).expect("a plot").starts_with("<svg"));
}

#[test]
fn what_cannot_be_computed_is_said() {
    for (more, code, said) in [
        ("--rounds 0", 2, "--rounds: 0"),
        ("--target-ratio 0", 2, "--target-ratio"),
        ("--target-ratio nan", 2, "--target-ratio"),
        ("--decoders 0", 2, "0 decoders"),
        ("--decoders some", 2, "some"),
        ("--latent -1", 2, "-1"),
        ("--latent 18446744073709551615", 2, "cannot be counted"),
        ("--latent 550570", 0, "never breaks even"),
        ("--target-ratio 2000", 0, "cannot be reached"),
    ] {
        let replaced = more.split_whitespace().next().unwrap_or_default();
        // The same argument is not given twice.
        let base: Vec<_> = words(&[PAPER]);
        let place = base.iter().position(|word| *word == replaced);
        let base = base.iter().enumerate().filter(|(at, _)| place.is_none_or(|p| *at != p && *at != p + 1));
        let all: Vec<_> = base.map(|(_, word)| *word).chain(more.split_whitespace()).collect();
        let ran = run_in(std::path::Path::new("."), &all);
        assert_eq!(ran.code, code, "{more}: {}{}", ran.stdout, ran.stderr);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains(said),
            "{more}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
}
