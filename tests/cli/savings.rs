//! `savings`: the figures of the paper and of messages, and what cannot be computed. That they are those of a
//! federation's ledger is tested where one is run, in `simulate`.

use crate::support::{number, run_in, succeed_in, temporary};
use serde_json::Value;

/// The CIFAR-10 pair in the paper's federation.
const PAPER: &str = "savings --parameters 550570 --latent 320 --rounds 40 --collaborators 2";

fn words<'a>(all: &'a [&str]) -> Vec<&'a str> {
    all.iter().flat_map(|part| part.split_whitespace()).collect()
}

fn json(more: &str) -> Value {
    planned(&format!("{PAPER} {more}"))
}

/// What `savings` with these arguments says to machines.
pub fn planned(arguments: &str) -> Value {
    let ran = succeed_in(std::path::Path::new("."), &words(&[arguments, "--json"]));
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn json_has_the_figures_of_the_paper() {
    let each = json("--decoders each --paper --decoder-parameters 176732970");
    assert!((number(&each, "uplink_ratio") - 0.1246).abs() < 1e-4, "{each}");
    assert!((number(&each, "break_even_rounds") - 321.187).abs() < 1e-3, "{each}");
    assert_eq!(each["decoder_parameters"], 176_732_970);
    assert!(each["break_even_collaborators"].is_null() && each["rounds_for_target"].is_null());
    assert!(number(&each, "both_ways_ratio") > number(&each, "uplink_ratio"));
    let halved = json("--paper --target-ratio 2");
    assert_eq!(halved["decoder_parameters"], 176_457_845);
    assert!((number(&halved, "break_even_rounds") - 320.7).abs() < 0.05, "{halved}");
    assert!((number(&halved, "uplink_ratio") - 0.1248).abs() < 5e-5, "{halved}");
    assert!((number(&halved, "rounds_for_target") - 641.7).abs() < 0.5, "{halved}");
    assert_eq!((&halved["counting"], &halved["decoder"]["header_bytes"]), (&"paper".into(), &0.into()));
    let shared = json("--decoders shared --paper --decoder-parameters 176732970");
    assert!((number(&shared, "break_even_collaborators") - 8.03).abs() < 0.01, "{shared}");
}

#[test]
fn json_has_what_a_decoder_is_made_of() {
    let part = |name: &str, floats: u64| serde_json::json!({"name": name, "floats": floats});
    let mnist = "savings --parameters 15910 --latent 32 --rounds 10 --collaborators 2";
    let dense = planned(mnist);
    let parts =
        [("weights", 509_120), ("biases", 15_910), ("means", 15_910), ("scale", 1)].map(|(n, f)| part(n, f));
    assert_eq!(dense["decoder"]["parts"], Value::from(parts.to_vec()));
    for (field, due) in
        [("floats", 540_941), ("payload_bytes", 2_163_764), ("header_bytes", 3), ("message_bytes", 2_163_767)]
    {
        assert_eq!(dense["decoder"][field], due, "{dense}");
    }
    assert_eq!((&dense["update_message_bytes"], &dense["code_message_bytes"]), (&63_643.into(), &131.into()));
    assert!((number(&dense, "break_even_rounds") - 34.0686).abs() < 1e-4, "{dense}");
    // Weights and biases are told apart where there is one dense layer.
    let deep = planned(&format!("{mnist} --decoder-parameters 2000000"));
    assert_eq!(deep["decoder"]["parts"][0], part("parameters", 2_000_000));
    assert_eq!(deep["decoder"]["floats"], 2_015_911);
    let factored = planned(&format!("{mnist} --snapshots 16"));
    assert_eq!(factored["decoder"]["parts"][0], part("snapshot values", 15 * 15_910));
    assert_eq!(factored["counting"]["small_space"]["snapshots"], 16);
    assert!(number(&factored, "break_even_rounds") < 17.0, "{factored}");
    // Of as many snapshots as the code has floats the matrix is smaller.
    let many = planned(&format!("{mnist} --snapshots 40"));
    assert_eq!(many["decoder"], dense["decoder"]);
}

#[test]
fn people_get_words_and_a_plot_and_files() {
    let folder = temporary();
    let all = words(&[PAPER, "--html deep/page.html --svg plot.svg --over collaborators"]);
    let ran = succeed_in(folder.path(), &all);
    for word in
        ["323 rounds (322.2)", "8.051 times", "Collaborators", "* uplink", "deep/page.html", "plot.svg"]
    {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let made_of = "A decoder ships 176,182,400 weights, 550,570 biases, 550,570 means and 1 scale: 177,283,541 floats or \
                   709,134,164 bytes, 709,134,167 with 3 bytes of headers.";
    assert!(ran.stdout.contains(made_of), "{}", ran.stdout);
    let page = std::fs::read_to_string(folder.path().join("deep/page.html")).expect("a page");
    assert!(page.contains("plot-savings-over-rounds") && page.contains("plot-savings-over-collaborators"));
    assert!(std::fs::read_to_string(folder.path().join("plot.svg")).expect("a plot").starts_with("<svg"));
}

#[test]
fn the_command_of_a_page_says_the_same_again() {
    for (more, said) in [
        ("--paper", "as the paper counts it, 176,457,845 parameters"),
        ("--snapshots 16", "8,258,550 snapshot values, 4,815 coefficients"),
        ("--snapshots 400", "Its factors would take 88"),
        ("--decoder-parameters 9000000", "9,000,000 parameters"),
    ] {
        let folder = temporary();
        let first = succeed_in(folder.path(), &words(&[PAPER, more, "--target-ratio 2 --html page.html"]));
        assert!(first.stdout.contains(said), "{more}: {}", first.stdout);
        let page = std::fs::read_to_string(folder.path().join("page.html")).expect("a page");
        let from = page.find("fedfunnel savings --parameters").expect("a command");
        let command = page[from..].split('<').next().unwrap_or_default();
        let again = succeed_in(folder.path(), &command.split_whitespace().skip(1).collect::<Vec<_>>());
        assert_eq!(first.stdout, again.stdout, "{command}");
    }
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
        ("--decoder-parameters 18446744073709551615", 2, "cannot be counted"),
        ("--snapshots 1", 2, "--snapshots: one"),
        ("--snapshots 4 --decoder-parameters 9", 2, "--decoder-parameters"),
        ("--snapshots 4 --paper", 2, "--paper"),
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
