//! Numpy's arrays, looked at before the library sees them.

use crate::errors::{kind, value};
use numpy::{
    Element, PyArray1, PyArray2, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArray1,
    PyReadonlyArray2, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::prelude::*;

/// An array of any type. `due` is what it should be: "float32".
pub fn untyped<'a, 'py>(
    field: &str,
    given: &'a Bound<'py, PyAny>,
    due: &str,
) -> PyResult<&'a Bound<'py, PyUntypedArray>> {
    given.cast::<PyUntypedArray>().map_err(|_| {
        let found = given.get_type().name().map_or("something else".into(), |name| name.to_string());
        let mend = format!("pass numpy.asarray(...) of {due} values");
        kind(field, format!("{found} where a numpy array of {due} is due"), &mend)
    })
}

/// An array's `T` values, neighbours in C order.
fn check<T: Element>(field: &str, array: &Bound<'_, PyUntypedArray>, axes: usize, due: &str) -> PyResult<()> {
    if !array.dtype().is_equiv_to(&dtype::<T>(array.py())) {
        let problem = format!("an array of {} where {due} is due", array.dtype());
        return Err(kind(field, problem, &format!("convert it by .astype(\"{due}\")")));
    }
    if array.ndim() != axes {
        let problem = format!("an array of shape {:?} where {axes} axes are due", array.shape());
        return Err(value(field, problem, "reshape it"));
    }
    if !array.is_c_contiguous() {
        return Err(value(field, "an array with gaps", "pass numpy.ascontiguousarray of it"));
    }
    Ok(())
}

/// Weights: one vector of float32.
pub fn vector<'py>(field: &str, given: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, f32>> {
    let array = untyped(field, given, "float32")?;
    check::<f32>(field, array, 1, "float32")?;
    Ok(given.cast::<PyArray1<f32>>()?.try_readonly()?)
}

/// The same with as many values as a model has parameters.
pub fn weights<'py>(
    field: &str,
    given: &Bound<'py, PyAny>,
    parameters: usize,
) -> PyResult<PyReadonlyArray1<'py, f32>> {
    let vector = vector(field, given)?;
    expect_length(field, vector.len(), parameters)?;
    Ok(vector)
}

/// Refuses another number of weights than the model has.
pub fn expect_length(field: &str, found: usize, parameters: usize) -> PyResult<()> {
    if found == parameters {
        return Ok(());
    }
    let problem = format!("{found} values for a model of {parameters} parameters");
    Err(value(field, problem, "pass all weights of the model, in the order of its state_dict"))
}

/// A tensor of float32 of any shape; what is no array, as PyTorch's tensors, is made one by numpy.
pub fn tensor<'py>(field: &str, given: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, f32>> {
    let numpy = given.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (given,))?;
    let array = numpy.call_method1("ascontiguousarray", (array,))?;
    // It makes a line of what has no axes.
    let array = array.call_method1("reshape", (given.getattr("shape")?,))?;
    let any = untyped(field, &array, "float32")?;
    check::<f32>(field, any, any.ndim(), "float32")?;
    Ok(array.cast::<PyArrayDyn<f32>>()?.try_readonly()?)
}

/// Rows of float32.
pub fn matrix<'py>(field: &str, given: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray2<'py, f32>> {
    let array = untyped(field, given, "float32")?;
    check::<f32>(field, array, 2, "float32")?;
    Ok(given.cast::<PyArray2<f32>>()?.try_readonly()?)
}

/// The bytes and the shape of images, `[N, C, H, W]`, or `[N, H, W]` of one channel.
pub fn images(field: &str, given: &Bound<'_, PyAny>) -> PyResult<(Vec<u8>, [usize; 4])> {
    let array = untyped(field, given, "uint8")?;
    let shape = match *array.shape() {
        [n, height, width] => [n, 1, height, width],
        [n, channels, height, width] => [n, channels, height, width],
        ref other => {
            let problem = format!("an array of shape {other:?}");
            return Err(value(field, problem, "pass images as [N, C, H, W], or as [N, H, W] of one channel"));
        }
    };
    check::<u8>(field, array, array.ndim(), "uint8")?;
    let flat = array.call_method1("reshape", (-1,))?;
    Ok((flat.cast::<PyArray1<u8>>()?.try_readonly()?.as_slice()?.to_vec(), shape))
}

/// Labels, `[N]` of any whole numbers from 0 to 255.
pub fn labels(field: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let array = untyped(field, given, "uint8")?;
    if !matches!(array.dtype().kind(), b'u' | b'i') {
        let problem = format!("an array of {} where whole numbers are due", array.dtype());
        return Err(kind(field, problem, "convert it by .astype(\"uint8\")"));
    }
    if array.ndim() != 1 {
        let problem = format!("an array of shape {:?} where one axis is due", array.shape());
        return Err(value(field, problem, "pass one label for each image"));
    }
    let wide = array.call_method1("astype", ("int64",))?;
    let wide = wide.cast::<PyArray1<i64>>()?.try_readonly()?;
    let narrow = |&label: &i64| {
        u8::try_from(label)
            .map_err(|_| value(field, format!("a label of {label}"), "use classes from 0 to 255"))
    };
    wide.as_slice()?.iter().map(narrow).collect()
}
