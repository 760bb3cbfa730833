//! `strategies`: every strategy and part, its options, and where it is from.

use crate::support::{run_in, succeed_in};
use fedfunnel::federation::Strategies;
use serde_json::Value;
use std::path::Path;

fn said(arguments: &[&str]) -> String {
    succeed_in(Path::new("."), &[&["strategies"], arguments].concat()).stdout
}

#[test]
fn all_strategies_are_listed_and_each_is_explained() {
    let (list, json) = (said(&[]), said(&["--json"]));
    let all: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    let explained = Strategies::default().explained();
    assert_eq!(all.len(), explained.len());
    for (listed, part) in all.iter().zip(&explained) {
        assert_eq!((&listed["name"], &listed["field"]), (&part.name.into(), &part.field.into()));
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(part.name)), "{list}");
    }
    for name in ["krum", "qfedavg", "adam", "fednova", "plain"] {
        let page = said(&[name]);
        for part in Strategies::default().explain(name).expect("a name") {
            for text in [
                part.about.summary,
                part.about.source,
                part.about.good_for,
                part.about.sends,
                part.about.needs,
            ] {
                assert!(page.contains(text), "{text}: {page}");
            }
            for option in part.about.options {
                assert!(page.contains(option.name) && page.contains(option.meaning), "{page}");
            }
        }
    }
    let one: Vec<Value> = serde_json::from_str(&said(&["fednova", "--json"])).expect("JSON");
    assert_eq!(one[0]["parts"], serde_json::json!(["nova", "replace", "plain"]));
}

#[test]
fn a_strategy_that_is_not_there_is_answered_with_the_nearest() {
    let ran = run_in(Path::new("."), &["strategies", "krumm"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("krumm") && ran.stderr.contains("did you mean krum?"), "{}", ran.stderr);
}
