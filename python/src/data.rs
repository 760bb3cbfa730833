//! Data sets, and how they are dealt out.

use crate::errors::{detached, raise, value};
use crate::{arrays, convert};
use fedfunnel::data::{self, DataDir, DataPair, Dataset, ImageShape, Partition};
use fedfunnel::model::ClassifierSpec;
use numpy::{IntoPyArray, PyArray1, PyArray4, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;

/// Images with labels, of shapes that fit each other.
pub fn dataset(images: &Bound<'_, PyAny>, labels: &Bound<'_, PyAny>, classes: usize) -> PyResult<Dataset> {
    let (pixels, [count, channels, height, width]) = arrays::images("images", images)?;
    let labels = arrays::labels("labels", labels)?;
    if labels.len() != count {
        let problem = format!("{} labels for {count} images", labels.len());
        return Err(value("labels", problem, "pass one for each image"));
    }
    if count == 0 {
        return Err(value("images", "there are none", "pass one or more"));
    }
    let shape = ImageShape { channels, height, width };
    let classes = labels.iter().map(|&label| usize::from(label) + 1).max().unwrap_or(1).max(classes);
    Ok(Dataset { name: "the array".into(), images: pixels, labels, shape, classes, groups: None })
}

type Half<'py> = (Bound<'py, PyArray4<u8>>, Bound<'py, PyArray1<u8>>);

fn arrays_of(py: Python<'_>, half: Dataset) -> PyResult<Half<'_>> {
    let ImageShape { channels, height, width } = half.shape;
    let shape = [half.labels.len(), channels, height, width];
    Ok((half.images.into_pyarray(py).reshape(shape)?, half.labels.into_pyarray(py)))
}

/// A data set as ((images, labels), (test images, test labels)): uint8 arrays [N, C, H, W] and [N].
///
/// `mnist-sample` and `cifar10-sample` are in the package; `mnist` and `cifar10` lie in the data folder, where
/// `fedfunnel data fetch` puts them; or the path of a folder.
#[pyfunction]
#[pyo3(signature = (name = "mnist-sample", data_dir = None))]
pub fn load_data<'py>(
    py: Python<'py>,
    name: &str,
    data_dir: Option<PathBuf>,
) -> PyResult<(Half<'py>, Half<'py>)> {
    let pair = detached(py, || data::load(name, &DataDir::resolve(data_dir)?))?;
    Ok((arrays_of(py, pair.train)?, arrays_of(py, pair.test)?))
}

/// Deals samples out to collaborators as a simulation of this seed does: an int64 array of sample numbers for each.
///
/// `how` is the table `partition` of a spec, such as {"kind": "dirichlet", "alpha": 0.5}; equal shares at random
/// where it is left out.
#[pyfunction]
#[pyo3(signature = (images, labels, collaborators, *, seed = 0, how = None))]
pub fn partition<'py>(
    images: &Bound<'py, PyAny>,
    labels: &Bound<'py, PyAny>,
    collaborators: usize,
    seed: u32,
    how: Option<&Bound<'py, PyDict>>,
) -> PyResult<Vec<Bound<'py, PyArray1<i64>>>> {
    let py = images.py();
    let partition = match how {
        None => Partition::default(),
        Some(how) => {
            let table = convert::table("how", how)?;
            table.try_into::<Partition>().map_err(|e| {
                let problem = e.message().trim().replace('\n', " ");
                value("how", problem, "see docs/data.md for the kinds")
            })?
        }
    };
    let dataset = dataset(images, labels, 1)?;
    let shares = detached(py, || partition.deal(&dataset, collaborators, u64::from(seed)))?;
    let array =
        |share: Vec<usize>| share.into_iter().map(|place| place as i64).collect::<Vec<_>>().into_pyarray(py);
    Ok(shares.into_iter().map(array).collect())
}

/// Refuses images that a classifier does not take.
pub fn check(spec: &ClassifierSpec, data: &Dataset) -> PyResult<()> {
    let without_samples = || Dataset {
        name: data.name.clone(),
        images: Vec::new(),
        labels: Vec::new(),
        shape: data.shape,
        classes: data.classes,
        groups: None,
    };
    let pair = DataPair { train: without_samples(), test: without_samples() };
    spec.check_data(&pair).map_err(|error| raise(error.renamed(|_| "images".into())))
}
