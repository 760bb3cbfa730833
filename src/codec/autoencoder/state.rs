//! A trained autoencoder as a file.

use crate::model::state::{self, StateFile};
use crate::model::{AutoencoderSpec, ModelSpec, Network};
use crate::{Error, Result};
use safetensors::tensor::TensorView;
use std::collections::HashMap;
use std::path::Path;

/// What was taken out of the snapshots before training: their mean, and one scale for all values.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    /// P means.
    pub means: Vec<f32>,
    /// The scale.
    pub scale: f32,
}

impl Standard {
    /// Weights from standardised values.
    pub fn restore<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        values.iter().zip(&self.means).map(|(value, mean)| value * self.scale + mean)
    }
}

/// An autoencoder that was trained and can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoencoderFile {
    /// Its shape.
    pub spec: AutoencoderSpec,
    /// The model whose weights it takes.
    pub model: String,
    /// Its parameters in `state_dict` order, the encoder's first.
    pub parameters: Vec<f32>,
    /// What standardises weights for it.
    pub standard: Standard,
}

impl AutoencoderFile {
    /// Writes it: PyTorch's names under `encoder.` and `decoder.`, and `standard.means`, `standard.scale`.
    pub fn save(&self, path: &Path, network: &Network) -> Result<()> {
        let mut views: Vec<(&str, TensorView<'_>)> = Vec::new();
        let mut start = 0;
        for tensor in &network.parameters.tensors {
            let values = &self.parameters[start..start + tensor.len()];
            start += tensor.len();
            views.push((&tensor.name, state::view(&tensor.shape, values)?));
        }
        let scale = [self.standard.scale];
        views.push(("standard.means", state::view(&[self.standard.means.len()], &self.standard.means)?));
        views.push(("standard.scale", state::view(&[1], &scale)?));
        let spec = toml::to_string(&ModelSpec::Autoencoder(self.spec.clone())).map_err(|e| {
            Error::device(
                format!("a spec could not be written: {e}"),
                "this is a fault of fedfunnel; report it",
            )
        })?;
        let metadata = HashMap::from([("spec".into(), spec), ("model".into(), self.model.clone())]);
        crate::files::write_atomic(path, &state::serialize(views, metadata)?)
    }

    /// Reads it back.
    pub fn load(path: &Path) -> Result<Self> {
        let file = StateFile::open(path)?;
        let mut metadata = file.metadata()?;
        let (Some(spec), Some(model)) = (metadata.remove("spec"), metadata.remove("model")) else {
            return Err(Error::file(
                path,
                "it is no autoencoder of fedfunnel's (no spec and model are named)",
                "write one with fedfunnel autoencoder train",
            ));
        };
        // A spec inside a file is the file's fault, not that of a setting.
        let spec =
            ModelSpec::parse(&spec, Path::new("its spec")).and_then(ModelSpec::autoencoder).map_err(|e| {
                Error::file(path, e.to_string(), "write it again with fedfunnel autoencoder train")
            })?;
        let mut parameters = Vec::new();
        for layer in spec.network() {
            for (name, wanted) in
                [("weight", vec![layer.outputs, layer.inputs]), ("bias", vec![layer.outputs])]
            {
                let name = format!("{}{name}", layer.prefix);
                let (shape, values) = file.tensor(&name)?;
                if shape != wanted {
                    return Err(Error::file(
                        path,
                        format!("tensor {name:?} has shape {shape:?}, its spec says {wanted:?}"),
                        "write it again with fedfunnel autoencoder train",
                    ));
                }
                parameters.extend(values);
            }
        }
        let (_, means) = file.tensor("standard.means")?;
        let (_, scale) = file.tensor("standard.scale")?;
        match scale.first() {
            Some(&scale) if means.len() == spec.inputs() && scale > 0.0 => {
                Ok(Self { spec, model, parameters, standard: Standard { means, scale } })
            }
            _ => Err(Error::file(
                path,
                "its standards do not fit its spec",
                "write it again with fedfunnel autoencoder train",
            )),
        }
    }
}
