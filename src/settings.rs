//! Specs of runs: TOML files, built in or the user's own, with any field set from outside.

use crate::{Error, Result, files};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A built-in spec's text by its name, which `field` gives, or that of the user's own by its path, and where it is
/// from. `what` is what they are: "simulation".
pub fn find(
    field: &str,
    built_in: &[(&str, &str)],
    what: &str,
    name_or_path: &str,
) -> Result<(String, PathBuf)> {
    let path = PathBuf::from(name_or_path);
    if let Some((_, text)) = built_in.iter().find(|(name, _)| *name == name_or_path) {
        return Ok((text.to_string(), path));
    }
    if path.extension().is_some() || path.exists() {
        return Ok((files::read_text(&path)?, path));
    }
    let names = || built_in.iter().map(|(name, _)| *name);
    let mend = match files::nearest(name_or_path, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}, or give a .toml file", names().collect::<Vec<_>>().join(", ")),
    };
    Err(Error::setting(field, format!("there is no {what} {name_or_path:?}"), mend))
}

/// Reads a spec and applies `key=value` settings.
pub fn parse<T: DeserializeOwned>(text: &str, origin: &Path, settings: &[String]) -> Result<T> {
    // The file is held to the form first, so that its own mistakes are shown in its own lines.
    let spec = files::parse_toml(text, origin)?;
    if settings.is_empty() {
        return Ok(spec);
    }
    with_settings(&files::parse_toml(text, origin)?, settings)
}

/// Makes a spec of a table that is right by itself, with `key=value` settings applied.
pub fn with_settings<T: DeserializeOwned>(root: &toml::Table, settings: &[String]) -> Result<T> {
    apply(root, settings)?.try_into().map_err(|error| blame::<T>(root, settings, &error))
}

/// Refuses fields, each with whether it is 0, where that does nothing.
pub fn refuse_zeros(fields: &[(&str, bool)]) -> Result<()> {
    match fields.iter().find(|(_, is_zero)| *is_zero) {
        Some((field, _)) => Err(Error::setting(*field, "0 does nothing", "use 1 or more")),
        None => Ok(()),
    }
}

/// A spec as TOML, every default filled in.
pub fn to_toml(spec: &impl Serialize) -> Result<String> {
    toml::to_string(spec).map_err(|e| Error::fault(format!("a spec could not be written: {e}")))
}

/// Puts the values of `over` into `base`, tables within tables likewise.
pub fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Sets `key=value` pairs in a spec; keys may be dotted, values are TOML or else plain text.
fn apply(root: &toml::Table, settings: &[String]) -> Result<toml::Table> {
    let mut root = root.clone();
    for setting in settings {
        let wrong = |problem: &str| {
            Error::setting(
                format!("--set {setting}"),
                problem.to_string(),
                "write it as key=value, e.g. rounds=5",
            )
        };
        let (key, value) = setting.split_once('=').ok_or_else(|| wrong("it has no ="))?;
        let as_toml = format!("value = {value}").parse::<toml::Table>().ok();
        // What follows a line break is a part of the value where that is an array, say, and otherwise a setting of
        // its own that would be lost.
        let goes_on = |text: &str| text.trim().contains(['\n', '\r']);
        let is_one_value = as_toml.as_ref().is_some_and(|table| table.len() == 1);
        if goes_on(key) || (goes_on(value) && !is_one_value) {
            let mend = "give each setting a --set of its own, as --set rounds=5 --set batch=32";
            return Err(Error::setting(format!("--set {setting}"), "it has more than one line", mend));
        }
        let value = as_toml
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.trim().to_string()));
        let mut parts: Vec<&str> = key.trim().split('.').collect();
        let last = parts.pop().filter(|last| !last.is_empty()).ok_or_else(|| wrong("it has no key"))?;
        let mut table = &mut root;
        for part in parts {
            table = table
                .entry(part)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()))
                .as_table_mut()
                .ok_or_else(|| wrong("it goes through a value that is no table"))?;
        }
        table.insert(last.to_string(), value);
    }
    Ok(root)
}

/// Finds the setting that is at fault: the one without which all is well, or else the first that goes
/// wrong by itself.
fn blame<T: DeserializeOwned>(root: &toml::Table, settings: &[String], error: &toml::de::Error) -> Error {
    let outcome = |settings: &[String]| {
        apply(root, settings).ok().map(toml::Table::try_into::<T>).and_then(|result| result.err())
    };
    let without = |place: usize| {
        let others = settings.iter().enumerate().filter(|(other, _)| *other != place);
        outcome(&others.map(|(_, setting)| setting.clone()).collect::<Vec<_>>())
    };
    let alone = |place: usize| outcome(&settings[place..=place]);
    let place = (0..settings.len())
        .find(|&place| without(place).is_none())
        .or_else(|| (0..settings.len()).find(|&place| alone(place).is_some()));
    let (problem, mend) = match place {
        Some(place) => files::toml_problem(&alone(place).unwrap_or_else(|| error.clone())),
        None => files::toml_problem(error),
    };
    let field = place.map_or("--set".to_string(), |place| format!("--set {}", settings[place]));
    Error::setting(field, problem, mend)
}
