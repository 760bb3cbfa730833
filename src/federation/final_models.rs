//! The global models that federations came to, in a run's folder: a seed and a mask where a model is that, and its
//! weights where they are not too large.

use super::results::{FederationOutcome, Outcome};
use crate::model::state::{StateWriter, TensorShape};
use crate::model::{ClassifierSpec, MASK_ENDING, MaskFile, ModelSpec, WeightsOf};
use crate::report::slugs;
use crate::run::Run;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The folder in that of a run.
pub const MODELS: &str = "models";
/// What says which file is whose.
const INDEX: &str = "index.json";
/// Weights of more bytes are not kept.
const MOST_BYTES: usize = 64 << 20;

/// The models of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalModels {
    /// The classifier's spec, as TOML.
    classifier: String,
    /// One for each federation, in the spec's order.
    pub models: Vec<FinalModel>,
}

/// The model of a federation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalModel {
    /// The federation's label.
    pub run: String,
    /// The file's name in the folder; none where the model is too large to be kept, or has no numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Writes the models of a simulation into the run's folder.
pub fn write_models(run: &Run<'_>, outcome: &Outcome) -> Result<()> {
    let folder = run.path(MODELS);
    std::fs::create_dir_all(&folder).map_err(Error::io("create the folder", &folder))?;
    let names = slugs(outcome.federations.iter().map(|federation| federation.label.as_str()));
    let mut models = Vec::new();
    for (federation, name) in outcome.federations.iter().zip(names) {
        let file = write_model(&folder, &name, &outcome.classifier, outcome.spec.seed, federation)?;
        models.push(FinalModel { run: federation.label.clone(), file });
    }
    let classifier = ModelSpec::Classifier(outcome.classifier.clone()).to_toml()?;
    let index = serde_json::to_string_pretty(&FinalModels { classifier, models });
    let index = index.map_err(|e| Error::fault(format!("models could not be listed: {e}")))?;
    files::write_atomic(&folder.join(INDEX), format!("{index}\n").as_bytes())
}

/// Writes the model of a federation, and gives the file's name where it has one.
fn write_model(
    folder: &Path,
    name: &str,
    classifier: &ClassifierSpec,
    seed: u32,
    federation: &FederationOutcome,
) -> Result<Option<String>> {
    let model = &federation.model;
    if let Some(mask) = MaskFile::of(classifier, seed, model) {
        let name = format!("{name}.{MASK_ENDING}");
        return mask.write(&folder.join(&name)).map(|()| Some(name));
    }
    if 4 * model.len() > MOST_BYTES || model.iter().any(|value| !value.is_finite()) {
        return Ok(None);
    }
    let name = format!("{name}.safetensors");
    write_weights(&folder.join(&name), classifier, model).map(|()| Some(name))
}

/// Writes weights `[P]` with PyTorch's names.
fn write_weights(path: &Path, classifier: &ClassifierSpec, weights: &[f32]) -> Result<()> {
    let mut metadata = HashMap::new();
    WeightsOf::from(classifier).note(&mut metadata)?;
    let layout = classifier.layout();
    let shapes: Vec<_> =
        layout.tensors().iter().map(|tensor| TensorShape::new(&tensor.name, &tensor.shape)).collect();
    let mut file = StateWriter::create(path, &shapes, &metadata)?;
    layout
        .tensors()
        .iter()
        .try_for_each(|tensor| file.put(&tensor.name, 0, &weights[tensor.range.clone()]))?;
    file.finish()
}

impl FinalModels {
    /// Those of the run in a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MODELS).join(INDEX);
        if !path.is_file() {
            let problem = format!("{} holds no models of a finished simulation", folder.display());
            return Err(Error::setting(
                "RUN",
                problem,
                "name the folder of fedfunnel simulate, once it is finished",
            ));
        }
        let text = files::read_text(&path)?;
        serde_json::from_str(&text)
            .map_err(|e| Error::file(&path, format!("it is damaged ({e})"), "run the simulation again"))
    }

    /// The model of the federation of this label; of the only one that is no raw one where none is given.
    pub fn find(&self, label: Option<&str>) -> Result<&FinalModel> {
        let labels = || self.models.iter().map(|model| model.run.as_str());
        match label {
            Some(label) => {
                let found = self.models.iter().find(|model| model.run == label);
                found.ok_or_else(|| files::unknown_name("--run", "federation", label, labels()))
            }
            None => match self.models.as_slice() {
                [only] => Ok(only),
                [raw, only] if raw.run == "raw" => Ok(only),
                _ => {
                    let all = labels().collect::<Vec<_>>().join(", ");
                    let problem = format!("the run has {} federations: {all}", self.models.len());
                    Err(Error::setting("--run", problem, "name one of them"))
                }
            },
        }
    }

    /// Writes the model of a federation of the run in `folder` to a file, as weights or as a seed and a mask by the
    /// ending of its name.
    pub fn export(&self, folder: &Path, model: &FinalModel, out: &Path) -> Result<()> {
        let Some(file) = &model.file else {
            let problem = format!("the model of {} is not kept: it is too large, or diverged", model.run);
            return Err(Error::setting("--run", problem, "export another one"));
        };
        let path = folder.join(MODELS).join(file);
        let ending =
            |path: &Path| path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        match (ending(&path).as_deref(), ending(out).as_deref()) {
            (own, Some(wanted @ (MASK_ENDING | "safetensors"))) if own == Some(wanted) => {
                let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
                files::write_atomic(out, &bytes)
            }
            (_, Some("safetensors")) => {
                let index = PathBuf::from(INDEX);
                let classifier = ModelSpec::parse(&self.classifier, &index)?.classifier()?;
                let weights = MaskFile::read(&path)?.weights(&classifier, &path)?;
                write_weights(out, &classifier, &weights)
            }
            (_, Some(MASK_ENDING)) => {
                let problem = format!("the model of {} is no mask over a random network", model.run);
                Err(Error::setting("--out", problem, "name a .safetensors file"))
            }
            _ => {
                let problem = format!("{} is neither a .safetensors nor a .mask file", out.display());
                Err(Error::setting("--out", problem, "choose one of these endings"))
            }
        }
    }
}
