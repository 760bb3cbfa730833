//! Plain values between Python and the library: dicts as tables, results as dicts.

use crate::errors::{kind, value};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Serialize;

/// A dict as a table; fields that are None are left out.
pub fn table(field: &str, dict: &Bound<'_, PyDict>) -> PyResult<toml::Table> {
    let mut table = toml::Table::new();
    for (key, given) in dict.iter() {
        let key: String =
            key.extract().map_err(|_| kind(field, format!("a key {key}"), "use text as keys"))?;
        if !given.is_none() {
            let inner = toml_value(&format!("{field}.{key}"), &given)?;
            table.insert(key, inner);
        }
    }
    Ok(table)
}

fn toml_value(field: &str, given: &Bound<'_, PyAny>) -> PyResult<toml::Value> {
    if let Ok(flag) = given.cast::<PyBool>() {
        return Ok(toml::Value::Boolean(flag.is_true()));
    }
    if given.is_instance_of::<PyInt>() {
        let number = given.extract::<i64>();
        return number
            .map(toml::Value::Integer)
            .map_err(|_| value(field, format!("{given} is too large"), "use a smaller number"));
    }
    if given.is_instance_of::<PyFloat>() {
        return Ok(toml::Value::Float(given.extract()?));
    }
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(toml::Value::String(text.extract()?));
    }
    if let Ok(dict) = given.cast::<PyDict>() {
        return Ok(toml::Value::Table(table(field, dict)?));
    }
    if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() {
        let items = given.try_iter()?.map(|item| toml_value(field, &item?));
        return Ok(toml::Value::Array(items.collect::<PyResult<_>>()?));
    }
    let name = given.get_type().name()?;
    Err(kind(field, format!("a value of the type {name}"), "use numbers, text, lists and dicts"))
}

/// What the library has, as dicts, lists and numbers, in its order.
pub fn to_python<'py>(py: Python<'py>, given: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(given)
        .map_err(|e| PyRuntimeError::new_err(format!("a result could not be handed over: {e}")))?;
    from_json(py, &text)
}

/// The same of JSON.
pub fn from_json<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (text,))
}
