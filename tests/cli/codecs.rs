//! `codecs`: every stage, its options, and where it is from.

use crate::support::{run_in, succeed_in};
use fedfunnel::codec::Stages;
use fedfunnel::federation::Systems;
use serde_json::Value;
use std::path::Path;

fn said(arguments: &[&str]) -> String {
    succeed_in(Path::new("."), &[&["codecs"], arguments].concat()).stdout
}

#[test]
fn all_stages_are_listed_and_each_is_explained() {
    let (list, json) = (said(&[]), said(&["--json"]));
    let all: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    let explained = Stages::default().explained();
    // Behind the stages stand the systems.
    let systems = Systems::default();
    assert_eq!(all.len(), explained.len() + systems.all().len());
    for (system, kind) in all[explained.len()..].iter().zip(systems.all()) {
        assert_eq!((&system["name"], &system["stages"]), (&kind.name.into(), &kind.stages.into()));
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(kind.name)), "{list}");
        let page = said(&[kind.name]);
        for option in kind.about.options {
            assert!(page.contains(option.name) && page.contains(option.meaning), "{page}");
        }
        assert!(page.contains(kind.about.summary) && page.contains(kind.about.source), "{page}");
    }
    for (stage, kind) in all.iter().zip(&explained) {
        assert_eq!(stage["name"], kind.name);
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(kind.name)), "{list}");
        let page = said(&[kind.name]);
        for option in kind.about.options {
            assert!(page.contains(option.name) && page.contains(option.meaning), "{page}");
        }
        for text in [kind.about.summary, kind.about.source, kind.about.good_for, kind.about.example] {
            assert!(page.contains(text), "{text}: {page}");
        }
    }
    let one: Value = serde_json::from_str(&said(&["topk", "--json"])).expect("JSON");
    assert_eq!((&one["free"], &one["options"][0]["name"]), (&"count".into(), &"part".into()));
}

#[test]
fn a_stage_that_is_not_there_is_answered_with_the_nearest() {
    let ran = run_in(Path::new("."), &["codecs", "topkk"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("topkk") && ran.stderr.contains("did you mean topk?"), "{}", ran.stderr);
}
