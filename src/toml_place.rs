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
