//! Classifiers: trained and tested by the kernels, with weights as arrays.

use crate::data::{check, dataset};
use crate::device::{self, Device};
use crate::errors::{detached, kind, raise, value};
use crate::process::OfProcess;
use crate::{arrays, convert};
use fedfunnel::data::{Dataset, derive_seed, epoch_order};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{ClassifierSpec, Layout, ModelSpec, Network, Optimizer, OptimizerKind};
use fedfunnel::ops::augment::Augmentation;
use fedfunnel::training::{Cohort, CohortEpoch, Evaluator, Inputs, SnapshotEvery, Snapshots, train_epoch};
use fedfunnel::{Error, Result};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A classifier with its weights.
///
/// Classifier(spec, device=None, *, seed=0, statistics=None)
///
/// spec        a built-in model ("mnist-mlp", "cifar10-vgg3", ...), the path of a .toml, or the same as a dict
/// seed        of the initial weights
/// statistics  (mean, deviation) of each channel, of values from 0 to 1, where images are standardised
///
/// Weights are one float32 vector [P] in the order of PyTorch's `state_dict`.
#[pyclass(module = "fedfunnel")]
pub struct Classifier(OfProcess<Held>);

pub struct Held {
    pub gpu: Gpu,
    pub spec: ClassifierSpec,
    pub layout: Layout,
    pub inputs: Inputs,
    weights: Vec<f32>,
    snapshots: Snapshots,
}

/// How a call trains.
struct Work {
    epochs: u64,
    batch: usize,
    optimizer: Optimizer,
    seed: u64,
    changes: Augmentation,
    owner: u32,
    first_epoch: u64,
    shuffle: bool,
    snapshots: Option<SnapshotEvery>,
}

/// What an epoch came to.
#[derive(serde::Serialize)]
struct Metrics {
    epoch: u64,
    loss: f64,
    accuracy: f64,
    samples: usize,
    seconds: f64,
}

/// The spec that was given: a name, a path, or a dict.
pub fn spec_of(given: &Bound<'_, PyAny>) -> PyResult<ClassifierSpec> {
    if let Ok(dict) = given.cast::<PyDict>() {
        let mut table = convert::table("spec", dict)?;
        table.entry("kind").or_insert("classifier".into());
        table.entry("name").or_insert("classifier".into());
        let text = table.to_string();
        return ModelSpec::parse(&text, Path::new("spec")).and_then(ModelSpec::classifier).map_err(raise);
    }
    // Paths of pathlib are names too.
    let Ok(path) = given.extract::<PathBuf>() else {
        let name = given.get_type().name()?;
        return Err(kind("spec", format!("a value of the type {name}"), "pass a name, a path or a dict"));
    };
    let name = path.to_string_lossy();
    ModelSpec::load(&name).and_then(ModelSpec::classifier).map_err(raise)
}

impl Held {
    fn new(gpu: Gpu, spec: ClassifierSpec, seed: u32, inputs: Inputs) -> Result<Self> {
        let parameters = Network::new(&gpu, &spec.network(), 1, None)?.parameters;
        parameters.initialize(&gpu, seed, true)?;
        let weights = parameters.read(&gpu)?.swap_remove(0);
        let (layout, snapshots) = (spec.layout(), Snapshots::new(&spec));
        Ok(Self { gpu, spec, layout, inputs, weights, snapshots })
    }

    /// Trains with a new optimiser. What an error ends leaves the weights of the last whole epoch, or those of before
    /// where it is that training diverged.
    fn train(
        &mut self,
        data: &Dataset,
        work: &Work,
        said: &mut dyn FnMut(&Metrics) -> Result<()>,
    ) -> Result<Vec<Metrics>> {
        let seed = work.seed as u32;
        let images = self.inputs.upload_changed(&self.gpu, data, work.changes, seed)?;
        let mut cohort = Cohort::new(&self.gpu, &self.spec, &images, 1, work.batch, work.optimizer)?;
        cohort.restart_from(&self.weights)?;
        if work.snapshots.is_some() {
            self.snapshots = Snapshots::new(&self.spec);
        }
        let (mut all, before) = (Vec::new(), self.weights.clone());
        for epoch in 0..work.epochs {
            let start = Instant::now();
            let number = work.first_epoch + epoch;
            let orders = [epoch_order(data.len(), work.seed, number, work.shuffle)];
            let owners = [work.owner];
            let now =
                CohortEpoch { number, owners: &owners, epochs_before: epoch, snapshots: work.snapshots };
            let into = std::slice::from_mut(&mut self.snapshots);
            let tally = train_epoch(&mut cohort, &orders, now, into, &mut |_| ())?[0];
            if !tally.loss.is_finite() {
                let problem =
                    format!("training diverged in epoch {} (the loss is {})", epoch + 1, tally.loss);
                self.weights = before;
                return Err(Error::diverged("lr", problem, "use a smaller rate"));
            }
            self.weights = cohort.parameters()?.swap_remove(0);
            let metrics = Metrics {
                epoch: epoch + 1,
                loss: tally.loss,
                accuracy: tally.accuracy,
                samples: tally.samples,
                seconds: start.elapsed().as_secs_f64(),
            };
            said(&metrics)?;
            all.push(metrics);
        }
        Ok(all)
    }
}

impl Classifier {
    /// What it holds. Errors in a fork.
    pub fn held(&self) -> PyResult<&Held> {
        self.0.get()
    }
}

#[pymethods]
impl Classifier {
    #[new]
    #[pyo3(signature = (spec, device = None, *, seed = 0, statistics = None))]
    fn new(
        py: Python<'_>,
        spec: &Bound<'_, PyAny>,
        device: Option<&Bound<'_, Device>>,
        seed: u32,
        statistics: Option<Vec<(f32, f32)>>,
    ) -> PyResult<Self> {
        let spec = spec_of(spec)?;
        if let Some(given) = statistics.as_ref().filter(|given| given.len() != spec.input[0]) {
            let problem = format!("{} of them for {} channels", given.len(), spec.input[0]);
            return Err(value("statistics", problem, "pass (mean, deviation) for each channel"));
        }
        let gpu = device::of(py, device)?;
        let inputs = Inputs { statistics, grayscale: false };
        Ok(Self(OfProcess::new(detached(py, || Held::new(gpu, spec, seed, inputs))?)))
    }

    /// Trains on images (uint8 [N, C, H, W], or [N, H, W] of one channel) with labels (whole numbers [N]); gives a dict
    /// for each epoch: epoch, loss, accuracy, samples, seconds.
    ///
    /// The optimiser begins anew with each call, as in a round of a federation. A collaborator of a simulation sees
    /// its images in the same order where `seed` is the simulation's, `collaborator` its id, and `first_epoch` the
    /// number of epochs in the rounds before.
    ///
    /// snapshots  log the weights after each "epoch", or after every so many steps
    /// flip, crop mirror images at random, and shift them by up to so many pixels
    /// progress   called with the dict of each epoch when it ends
    ///
    /// Ctrl-C ends it, and leaves the weights of the last whole epoch.
    #[pyo3(signature = (images, labels, epochs = 1, *, batch = 64, lr = 1e-3, optimizer = "adam", momentum = 0.9,
        weight_decay = 0.0, seed = 0, collaborator = None, first_epoch = 0, shuffle = true, flip = false, crop = 0,
        snapshots = None, progress = None))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword")]
    fn train<'py>(
        &mut self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
        epochs: u64,
        batch: usize,
        lr: f32,
        optimizer: &str,
        momentum: f32,
        weight_decay: f32,
        seed: u32,
        collaborator: Option<u32>,
        first_epoch: u64,
        shuffle: bool,
        flip: bool,
        crop: usize,
        snapshots: Option<&Bound<'py, PyAny>>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let held = self.0.get_mut()?;
        let data = dataset(images, labels, 1)?;
        check(&held.spec, &data)?;
        fedfunnel::settings::refuse_zeros(&[("epochs", epochs == 0), ("batch", batch == 0)])
            .map_err(raise)?;
        if crop > data.shape.height.min(data.shape.width) {
            let problem = format!("{crop} pixels of padding around {} images", data.shape);
            return Err(value("crop", problem, "use a few pixels, such as 4"));
        }
        let rule = optimizer.parse::<OptimizerKind>();
        let rule =
            rule.map_err(|_| value("optimizer", format!("{optimizer:?} is none"), "use sgd, adam or adamw"))?;
        let optimizer = Optimizer { kind: rule, lr, momentum, weight_decay, ..Optimizer::default() };
        let plain = |field: String| field.trim_start_matches('.').to_string();
        optimizer.check("").map_err(|error| raise(error.renamed(plain)))?;
        let snapshots = snapshots.map(|every| {
            let every = every.str()?.to_string();
            every
                .parse()
                .map_err(|problem| value("snapshots", problem, "use \"epoch\", or a number of steps"))
        });
        let work = Work {
            epochs,
            batch,
            optimizer,
            seed: collaborator.map_or(seed.into(), |who| derive_seed(seed.into(), who.into())),
            changes: Augmentation { flip, pad: crop, grayscale: false },
            owner: collaborator.unwrap_or(0),
            first_epoch,
            shuffle,
            snapshots: snapshots.transpose()?,
        };
        let metrics = detached(py, || {
            held.train(&data, &work, &mut |metrics| match &progress {
                None => Ok(()),
                Some(progress) => crate::observer::call(|py| {
                    progress.call1(py, (convert::to_python(py, metrics)?,)).map(drop)
                }),
            })
        })?;
        convert::to_python(py, &metrics)
    }

    /// Loss, accuracy (0 to 1) and samples, as a dict, on images and labels as `train` takes them.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        labels: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let held = self.0.get()?;
        let data = dataset(images, labels, 1)?;
        check(&held.spec, &data)?;
        let tally = detached(py, || {
            let images = held.inputs.upload(&held.gpu, &data)?;
            let evaluator = Evaluator::new(&held.gpu, &held.spec, &images, 1)?;
            Ok(evaluator.evaluate(&[&held.weights])?[0])
        })?;
        let found = PyDict::new(py);
        found.set_item("loss", tally.loss)?;
        found.set_item("accuracy", tally.accuracy)?;
        found.set_item("samples", tally.samples)?;
        Ok(found.into_any())
    }

    /// All weights, float32 [P]: a copy. Set it to such a vector.
    #[getter]
    fn weights<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_slice(py, &self.0.on_host().weights)
    }

    #[setter]
    fn set_weights(&mut self, weights: &Bound<'_, PyAny>) -> PyResult<()> {
        let held = self.0.get_mut()?;
        let given = arrays::weights("weights", weights, held.layout.parameters())?;
        held.weights.copy_from_slice(given.as_slice()?);
        Ok(())
    }

    /// The weights by PyTorch's names and shapes: a dict of float32 arrays.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let held = self.0.on_host();
        let dict = PyDict::new(py);
        for tensor in held.layout.tensors() {
            let array = PyArray1::from_slice(py, &held.weights[tensor.range.clone()]);
            dict.set_item(&tensor.name, array.reshape(tensor.shape.clone())?)?;
        }
        Ok(dict)
    }

    /// Takes weights by PyTorch's names: a dict of float32 arrays, or of PyTorch's tensors in the processor's memory.
    fn load_state_dict(&mut self, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let held = self.0.get_mut()?;
        let mut weights = vec![0.0; held.layout.parameters()];
        let tensors = held.layout.tensors();
        if let Some(name) =
            state.keys().iter().map(|key| key.to_string()).find(|key| !tensors.iter().any(|t| t.name == *key))
        {
            let mend = "use the weights of the same model";
            return Err(value("state", format!("there is no tensor {name:?} in {}", held.spec.name), mend));
        }
        for tensor in tensors {
            let field = format!("state[{:?}]", tensor.name);
            let Some(given) = state.get_item(&tensor.name)? else {
                return Err(value(&field, "it is not there", "pass every tensor of the model"));
            };
            let array = arrays::tensor(&field, &given)?;
            if array.shape() != tensor.shape {
                let problem = format!(
                    "it has shape {:?}, and {} needs {:?}",
                    array.shape(),
                    held.spec.name,
                    tensor.shape
                );
                return Err(value(&field, problem, "use the weights of the same model"));
            }
            weights[tensor.range.clone()].copy_from_slice(array.as_slice()?);
        }
        held.weights = weights;
        Ok(())
    }

    /// The weights that the last call of `train` with `snapshots` has logged, float32 [S, P]: a copy.
    #[getter]
    fn snapshots<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let held = self.0.on_host();
        let rows = held.snapshots.rows();
        let shape = [rows.len(), held.layout.parameters()];
        rows.concat().into_pyarray(py).reshape(shape)
    }

    /// P
    #[getter]
    fn parameters(&self) -> usize {
        self.0.on_host().layout.parameters()
    }

    /// The model's name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.on_host().spec.name
    }

    fn __repr__(&self) -> String {
        format!("Classifier({:?}, parameters={})", self.name(), self.parameters())
    }
}
