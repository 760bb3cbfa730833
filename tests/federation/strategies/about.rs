//! What strategies say of themselves is what they take, and the documents have it.

use super::strategy;
use fedfunnel::federation::{ExplainedPart, Strategies};

/// Options that no part has.
const UNKNOWN: &str = "no_such_option";

fn refusal(part: &ExplainedPart, option: &str) -> Option<String> {
    let role = part.field.rsplit('.').next().unwrap_or_default();
    strategy(&format!("{{{role}={{kind=\"{}\",{option}}}}}", part.name)).err().map(|error| error.to_string())
}

#[test]
fn every_part_says_what_it_is_and_takes_what_it_says() {
    for part in Strategies::default().explained() {
        assert!(!part.about.summary.is_empty() && !part.about.good_for.is_empty(), "{}", part.name);
        if part.parts.is_some() {
            assert!(part.about.options.is_empty(), "the options of {} are those of its parts", part.name);
            continue;
        }
        let listed: Vec<_> = part.about.options.iter().map(|option| option.name).collect();
        let said =
            refusal(&part, &format!("{UNKNOWN}=1")).unwrap_or_else(|| panic!("{} takes it", part.name));
        assert!(said.contains(&format!("unknown field `{UNKNOWN}`")), "{said}");
        for known in said.split('`').skip(3).step_by(2) {
            assert!(listed.contains(&known), "{} takes {known}, and does not say so", part.name);
        }
        for option in part.about.options {
            let said = refusal(&part, &format!("{}=[]", option.name)).unwrap_or_default();
            assert!(!said.contains("unknown field"), "{} does not take {}: {said}", part.name, option.name);
            assert!(!option.meaning.is_empty() && !option.default.is_empty(), "{}", part.name);
        }
    }
}

#[test]
fn every_name_has_a_row_in_the_documents() {
    let page = include_str!("../../../docs/strategies.md");
    for part in Strategies::default().explained() {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", part.name)));
        assert!(row.is_some(), "{} in docs/strategies.md", part.name);
        for option in part.about.options {
            assert!(page.contains(&format!("`{}`", option.name)), "{}: {}", part.name, option.name);
        }
    }
}

#[test]
fn a_name_that_is_not_there_is_answered_with_the_nearest() {
    let error = Strategies::default().explain("krumm").unwrap_err().to_string();
    assert!(error.contains("did you mean krum?"), "{error}");
    // A preset and a part of the same name are both found.
    assert_eq!(Strategies::default().explain("krum").unwrap().len(), 2);
}
