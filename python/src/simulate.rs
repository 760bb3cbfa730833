//! Whole simulations.

use crate::convert::{from_json, table};
use crate::device::{self, Device};
use crate::errors::{detached, kind, value};
use crate::observer::Told;
use fedfunnel::data::DataDir;
use fedfunnel::federation::{Parts, SUMMARY, SimulationSpec, Summary, check, write_models, write_summary};
use fedfunnel::gpu::Gpu;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start, is_finished};
use fedfunnel::story::simulation_report;
use fedfunnel::{Error, Result, files};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// What a simulation came to.
struct Outcome {
    /// As JSON, in its order.
    summary: String,
    /// The rounds of each federation, by its label, as JSON.
    rounds: Vec<(String, String)>,
    /// The last global model of each; none of a run that was finished before.
    weights: Vec<(String, Vec<f32>)>,
}

/// Where and how it runs.
struct Asked {
    out: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    start: Start,
}

fn json(given: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(given).map_err(|e| Error::fault(format!("a result could not be handed over: {e}")))
}

/// The results of a run that its folder holds.
fn finished(out: &Path) -> Result<Outcome> {
    let summary = files::read_text(&out.join(SUMMARY))?;
    let path = out.join("metrics.jsonl");
    let mut rounds: Vec<(String, Vec<String>)> = Vec::new();
    for line in files::read_text(&path)?.lines() {
        let found: Json = serde_json::from_str(line).map_err(|e| {
            Error::file(&path, format!("it cannot be read ({e})"), "run again with overwrite=True")
        })?;
        let (Some(label), Some(_)) = (found["run"].as_str(), found.get("round")) else { continue };
        match rounds.iter_mut().find(|(known, _)| known == label) {
            Some((_, lines)) => lines.push(line.into()),
            None => rounds.push((label.into(), vec![line.into()])),
        }
    }
    let list = |(label, lines): (String, Vec<String>)| (label, format!("[{}]", lines.join(",")));
    Ok(Outcome { summary, rounds: rounds.into_iter().map(list).collect(), weights: Vec::new() })
}

fn run(gpu: &Gpu, spec: &SimulationSpec, asked: Asked, observer: &mut Told) -> Result<Outcome> {
    let Asked { out, data_dir, start } = asked;
    let (data_dir, parts) = (DataDir::resolve(data_dir)?, Parts::default());
    check(spec, &parts, &data_dir)?;
    let identity = spec.identify(Identity::new("simulate", &spec.to_toml()?), &parts, &data_dir)?;
    let passing = match out {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?),
    };
    let folder = match (&out, &passing) {
        (Some(out), _) => out,
        (None, Some(passing)) => passing.path(),
        (None, None) => return Err(Error::fault("a run has no folder")),
    };
    if is_finished(folder, &identity, start)? {
        return finished(folder);
    }
    let folder = RunFolder::open(folder, identity, start)?;
    let place =
        Place { gpu: Some(gpu), data_dir: Some(&data_dir), folder, command: "fedfunnel.simulate(...)" };
    let mut run = Run::open(place, observer)?;
    let outcome = match fedfunnel::federation::simulate(&mut run, spec, &parts) {
        Ok(outcome) => outcome,
        Err(error) => return Err(run.fail(error)),
    };
    let summary = Summary::of(&outcome, &gpu.adapter);
    if out.is_some() {
        write_summary(&mut run, &outcome, &summary)?;
        write_models(&run, &outcome)?;
        let report = simulation_report(&run, &outcome)?;
        run.write_report(&report)?;
    }
    run.close()?;
    let rounds = outcome.federations.iter().map(|one| Ok((one.label.clone(), json(&one.rounds)?)));
    Ok(Outcome {
        summary: json(&summary)?,
        rounds: rounds.collect::<Result<_>>()?,
        weights: outcome.federations.into_iter().map(|one| (one.label, one.model)).collect(),
    })
}

/// The spec: a name, a path or a dict, with other values of some fields.
fn spec_of(given: &Bound<'_, PyAny>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<SimulationSpec> {
    let settings = settings.map(|settings| table("settings", settings)).transpose()?.unwrap_or_default();
    let lines: Vec<_> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let said = |error: Error| error.renamed(|field| field.trim_start_matches("--set ").to_string());
    if let Ok(dict) = given.cast::<PyDict>() {
        let mut spec = table("spec", dict)?;
        spec.entry("name").or_insert("simulation".into());
        let spec: Result<SimulationSpec> =
            fedfunnel::settings::parse(&spec.to_string(), Path::new("spec"), &lines);
        let spec = spec.map_err(|error| crate::errors::raise(said(error)))?;
        spec.check(&Parts::default()).map_err(crate::errors::raise)?;
        return Ok(spec);
    }
    let Ok(path) = given.extract::<PathBuf>() else {
        let name = given.get_type().name()?;
        return Err(kind("spec", format!("a value of the type {name}"), "pass a name, a path or a dict"));
    };
    SimulationSpec::load(&path.to_string_lossy(), &lines).map_err(|error| crate::errors::raise(said(error)))
}

/// Runs a simulation to its end; gives (summary, rounds by codec, last weights by codec).
#[pyfunction]
#[pyo3(signature = (spec, out = None, *, settings = None, progress = None, device = None, data_dir = None,
    resume = false, overwrite = false))]
#[expect(clippy::too_many_arguments, reason = "each is a keyword")]
pub fn simulate<'py>(
    py: Python<'py>,
    spec: &Bound<'py, PyAny>,
    out: Option<PathBuf>,
    settings: Option<&Bound<'py, PyDict>>,
    progress: Option<Py<PyAny>>,
    device: Option<&Bound<'py, Device>>,
    data_dir: Option<PathBuf>,
    resume: bool,
    overwrite: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let start = match (resume, overwrite) {
        (true, true) => {
            return Err(value("resume", "it cannot go on with what it replaces", "leave one of the two out"));
        }
        (true, false) => Start::Resume,
        (false, true) => Start::Overwrite,
        (false, false) => Start::New,
    };
    let spec = spec_of(spec, settings)?;
    let gpu = device::of(py, device)?;
    let mut observer = Told::new(progress);
    let asked = Asked { out, data_dir, start };
    let Outcome { summary, rounds, weights } = detached(py, || run(&gpu, &spec, asked, &mut observer))?;
    let (by_label, models) = (PyDict::new(py), PyDict::new(py));
    rounds.iter().try_for_each(|(label, rounds)| by_label.set_item(label, from_json(py, rounds)?))?;
    weights.into_iter().try_for_each(|(label, model)| models.set_item(label, model.into_pyarray(py)))?;
    PyTuple::new(py, [from_json(py, &summary)?, by_label.into_any(), models.into_any()])
}
