//! The line of a mistake in a TOML text.
//!
//! `toml` knows the place of most mistakes, but not of those inside of an enum tagged by `kind`: serde reads such a
//! table whole first. The part at fault there is found by leaving parts out.

use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// A step from a table or an array to what lies in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To an element, counted from 0.
    Item(usize),
}

/// The tag of an enum. Without it no other key is read.
const TAG: &str = "kind";

/// The line of the byte at `place`, counted from 1.
pub fn line_at(text: &str, place: usize) -> usize {
    // A text that ends too early does so in its last line, not in an empty one after that.
    let before = &text.as_bytes()[..place.min(text.len().saturating_sub(1))];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// The line of the mistake that keeps `text` from being a `T`; none where it concerns the text as a whole.
pub fn line<T: DeserializeOwned>(error: &toml::de::Error, text: &str) -> Option<usize> {
    let span = error.span();
    let within_a_line = |span: &Range<usize>| {
        text.get(span.clone()).is_some_and(|part| !part.is_empty() && !part.contains('\n'))
    };
    if let Some(span) = span.clone().filter(within_a_line) {
        return Some(line_at(text, span.start));
    }
    let Ok(root) = text.parse::<Table>() else {
        // It is no TOML, and the parser says where that begins.
        return span.map(|span| line_at(text, span.start));
    };
    // A key that is missing at the top has no line.
    culprit::<T>(&root, error.message()).and_then(|path| line_of(text, &path))
}

/// The line of what the path leads to in a text.
pub fn line_of(text: &str, path: &[Step]) -> Option<usize> {
    locate(text, path).map(|span| line_at(text, span.start))
}

/// The path to the smallest part of a table that is at fault when that is no `T`, for the reason in `message`.
/// None where no part is, or where the reason is another one.
pub fn culprit<T: DeserializeOwned>(root: &Table, message: &str) -> Option<Vec<Step>> {
    let fails = |root: &Table| root.clone().try_into::<T>().is_err_and(|error| error.message() == message);
    if !fails(root) {
        return None;
    }
    let mut path = Vec::new();
    while let Some(step) = next_step(root, &path, message, &fails) {
        path.push(step);
    }
    Some(path).filter(|path| !path.is_empty())
}

/// The part of what the path leads to without which the whole does not fail in that way.
fn next_step(root: &Table, path: &[Step], message: &str, fails: &dyn Fn(&Table) -> bool) -> Option<Step> {
    // What is missing is missing in a table or an array, and no other value is at fault.
    let is_missing = message.starts_with("missing");
    let changed = |change: &dyn Fn(&mut Part<'_>)| {
        let mut root = root.clone();
        change(&mut part(&mut root, path)?);
        Some(fails(&root))
    };
    match part(&mut root.clone(), path)? {
        Part::Table(table) => {
            let suspects =
                table.iter().filter(|(_, value)| !is_missing || value.is_table() || value.is_array());
            let mut keys: Vec<String> = suspects.map(|(key, _)| key.clone()).collect();
            keys.sort_by_key(|key| key == TAG);
            let without = |key: &String| {
                changed(&|part| {
                    if let Part::Table(table) = part {
                        table.remove(key);
                    }
                })
            };
            keys.into_iter().find(|key| without(key) == Some(false)).map(Step::Key)
        }
        Part::Array(array) => {
            let of_only = |items: usize| {
                changed(&|part| {
                    if let Part::Array(array) = part {
                        array.truncate(items);
                    }
                })
            };
            let suspect = |item: &usize| !is_missing || array[*item].is_table() || array[*item].is_array();
            // Where an empty array is as wrong, the fault is not in its elements.
            let first = (0..=array.len()).find(|&items| of_only(items) == Some(true))?.checked_sub(1)?;
            Some(first).filter(suspect).map(Step::Item)
        }
    }
}

/// A value with parts.
enum Part<'a> {
    Table(&'a mut Table),
    Array(&'a mut Vec<Value>),
}

fn part<'a>(root: &'a mut Table, path: &[Step]) -> Option<Part<'a>> {
    let mut part = Part::Table(root);
    for step in path {
        let value = match (part, step) {
            (Part::Table(table), Step::Key(key)) => table.get_mut(key),
            (Part::Array(array), Step::Item(item)) => array.get_mut(*item),
            _ => None,
        };
        part = match value? {
            Value::Table(table) => Part::Table(table),
            Value::Array(array) => Part::Array(array),
            _ => return None,
        };
    }
    Some(part)
}

/// The place of the last key or element on the path.
fn locate(text: &str, path: &[Step]) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let whole = root.span();
    let mut value = Spanned::new(whole, DeValue::Table(root.into_inner()));
    let mut place = None;
    for step in path {
        value = match (value.into_inner(), step) {
            (DeValue::Table(table), Step::Key(key)) => {
                let (name, value) = table.into_iter().find(|(name, _)| name.get_ref() == key)?;
                place = Some(name.span());
                value
            }
            (DeValue::Array(array), Step::Item(item)) => {
                let value = array.into_iter().nth(*item)?;
                place = Some(value.span());
                value
            }
            _ => return None,
        };
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use crate::federation::SimulationSpec;
    use crate::model::ModelSpec;
    use crate::settings;
    use std::path::Path;

    /// What is said of a text that is no such spec.
    type Read = fn(&str) -> Option<String>;

    /// Specs of all kinds, with how each is read.
    fn specs() -> Vec<(&'static str, Read)> {
        fn model(text: &str) -> Option<String> {
            ModelSpec::parse(text, Path::new("own")).err().map(|error| error.to_string())
        }
        fn simulation(text: &str) -> Option<String> {
            settings::parse::<SimulationSpec>(text, Path::new("own"), &[])
                .err()
                .map(|error| error.to_string())
        }
        fn experiment(text: &str) -> Option<String> {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("own");
            std::fs::write(&path, text).unwrap();
            let said = Experiment::load(path.to_str().unwrap(), Some("smoke"), &[]).err()?.to_string();
            Some(said.replace(path.to_str().unwrap(), "own"))
        }
        vec![
            (include_str!("../models/mnist-mlp.toml"), model),
            (include_str!("../models/cifar10-vgg3.toml"), model),
            (include_str!("../models/ae-cifar10.toml"), model),
            (include_str!("../models/ae-conv-cifar10.toml"), model),
            (include_str!("../models/experiments/demo.toml"), simulation),
            (include_str!("../models/experiments/mnist.toml"), simulation),
            (include_str!("../models/experiments/fig4-mnist-ae.toml"), experiment),
            (include_str!("../models/experiments/fig8-colour-imbalance.toml"), experiment),
            (include_str!("../models/experiments/fig5-mnist-validation.toml"), experiment),
        ]
    }

    /// The text with the key of one line misspelt, where it has one that is looked at; and that key.
    fn misspelt(text: &str, line: usize) -> Option<(String, String)> {
        let lines: Vec<_> = text.lines().collect();
        let (key, rest) = match lines[line].trim_start_matches('[') {
            table if table.len() < lines[line].len() => table.split_once(']')?,
            plain => plain.split_once(" =").filter(|(key, _)| !key.starts_with('#'))?,
        };
        // A kind tells what is expected, and its absence concerns the whole table. What is of other scales is not
        // looked at, and the table of a scale may have what would be missing without it.
        let scale = lines[..=line].iter().rev().find_map(|line| line.strip_prefix('['));
        let unseen = scale.is_some_and(|scale| scale.starts_with("laptop") || scale.starts_with("paper"));
        // Another table would make this one again, without what it needs.
        let made_again = text.contains(&format!("\n[{key}."))
            || key.rsplit('.').next().is_some_and(|last| text.contains(&format!("\n{last} = {{")));
        let of_scale = lines[line].starts_with("[smoke");
        let wrong = format!("{key}x");
        if made_again || of_scale || key == TAG || unseen {
            return None;
        }
        let open = &lines[line][..lines[line].len() - lines[line].trim_start_matches('[').len()];
        let rest = if open.is_empty() { format!(" ={rest}") } else { format!("]{rest}") };
        let changed = format!("{open}{wrong}{rest}");
        let lines = lines.iter().enumerate().map(|(place, own)| if place == line { &changed } else { *own });
        Some((lines.collect::<Vec<_>>().join("\n"), wrong))
    }

    #[test]
    fn a_misspelt_key_is_found_in_its_line_wherever_it_is() {
        let mut tried = 0;
        for (text, read) in specs() {
            assert_eq!(read(text), None);
            for line in 0..text.lines().count() {
                let Some((text, wrong)) = misspelt(text, line) else { continue };
                let indented = text.replace('\n', "\n\t ");
                let last = wrong.rsplit(['.', ' ']).next().unwrap();
                for (text, more) in
                    [(text.replace('\n', "\r\n"), 0), (format!("\n\n{text}\n"), 2), (indented, 0), (text, 0)]
                {
                    let said = read(&text).unwrap_or_else(|| panic!("{wrong} is taken"));
                    let place = format!("own (line {}): unknown field `{last}`", line + 1 + more);
                    assert!(said.starts_with(&place), "{place}: {said}");
                    tried += 1;
                }
            }
        }
        assert!(tried > 300, "{tried}");
    }

    #[test]
    fn a_wrong_value_and_a_missing_one_are_found_as_well() {
        let layers = "name = \"x\"\nkind = \"classifier\"\ninput = [1, 2, 3]\n\n[[layers]]\nkind = \"dense\"\n\
                      outputs = 3\n\n[[layers]]\nkind = \"dense\"\noutputs = 3\n";
        let said = |from: &str, to: &str| {
            assert!(layers.contains(from), "{from}");
            ModelSpec::parse(&layers.replacen(from, to, 1), Path::new("own")).unwrap_err().to_string()
        };
        for (from, to, line) in [
            ("name = \"x\"", "name = 3", "line 1"),
            ("\"classifier\"", "\"clasifier\"", "line 2"),
            ("[1, 2, 3]", "[1,\n 2,\n \"3\"]", "line 5"),
            ("[1, 2, 3]", "[1, 2]", "line 3"),
            ("outputs = 3\n\n", "outputs = -3\n\n", "line 7"),
            ("\"dense\"\noutputs = 3\n\n", "\"dens\"\n\n", "line 6"),
            // The second layer has no number of outputs.
            (
                "outputs = 3\n\n[[layers]]\nkind = \"dense\"\noutputs = 3\n",
                "outputs = 3\n\n[[layers]]\nkind = \"dense\"\n",
                "line 9",
            ),
            // What is no TOML, and what ends too early.
            ("outputs = 3\n\n", "outputs 3\n\n", "line 7"),
            ("outputs = 3\n\n[[layers]]\nkind = \"dense\"\noutputs = 3\n", "outputs = [\n", "line 7"),
        ] {
            assert!(said(from, to).contains(&format!("own ({line})")), "{to}: {}", said(from, to));
        }
        // Nothing has a line there.
        assert!(said("name = \"x\"\n", "").starts_with("own: missing field `name`"));
    }
}
