//! A trained autoencoder as one file or several.

use crate::gpu::Gpu;
use crate::model::state::{StateSet, StateSetWriter, TensorGroups, TensorShape};
use crate::model::{AutoencoderSpec, ModelSpec, NetworkLayer, Parameters, WeightsOf};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// More bytes of an autoencoder than this become several files, unless a run asks for another size.
pub const MAX_FILE_BYTES: u64 = 1_000_000_000;

const STEM: &str = "autoencoder";
const MEANS: &str = "standard.means";
const SCALE: &str = "standard.scale";

/// What was taken out of the snapshots before training: their mean, and one scale for all values.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    /// P means.
    pub means: Vec<f32>,
    /// The scale.
    pub scale: f32,
}

impl Standard {
    /// Weights from standardised values, of which the first is number `first`.
    pub fn restore<'a>(&'a self, first: usize, values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        values.iter().zip(&self.means[first..]).map(|(value, mean)| value * self.scale + mean)
    }
}

/// An autoencoder that is to be saved.
#[derive(Clone, Copy, Debug)]
pub struct TrainedAutoencoder<'a> {
    /// Its shape.
    pub spec: &'a AutoencoderSpec,
    /// The classifier whose weights it takes.
    pub model: &'a WeightsOf,
    /// Its parameters, on the device; the first replica is saved.
    pub parameters: &'a Parameters,
    /// What was taken out of the snapshots.
    pub standard: &'a Standard,
}

impl TrainedAutoencoder<'_> {
    /// Writes it as it comes from the device: PyTorch's names under `encoder.` and `decoder.`, and `standard.means`,
    /// `standard.scale`. More than `max_file_bytes` of it are cut into files of the encoder and files of the decoder.
    /// Gives the file or the index to read it from.
    pub fn save(&self, gpu: &Gpu, folder: &Path, max_file_bytes: u64) -> Result<PathBuf> {
        let Self { spec, model, parameters, standard } = self;
        let (encoder, decoder) =
            TensorShape::of(parameters).into_iter().partition(|tensor| tensor.name.starts_with("encoder."));
        let shared = vec![TensorShape::new(MEANS, &[standard.means.len()]), TensorShape::new(SCALE, &[1])];
        let groups = TensorGroups { parts: vec![encoder, decoder], shared };
        let text = ModelSpec::Autoencoder((*spec).clone()).to_toml()?;
        let mut metadata = HashMap::from([("spec".into(), text)]);
        model.note(&mut metadata)?;
        let mut files = StateSetWriter::create(folder, STEM, &groups, &metadata, max_file_bytes)?;
        files.put_parameters(gpu, parameters, 0)?;
        files.put(MEANS, 0, &standard.means)?;
        files.put(SCALE, 0, &[standard.scale])?;
        files.finish()
    }
}

/// The halves of an autoencoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Weights to codes.
    Encoder,
    /// Codes to weights.
    Decoder,
}

impl Half {
    /// Its layers.
    pub fn layers(self, spec: &AutoencoderSpec) -> Vec<NetworkLayer> {
        let mut encoder = spec.network();
        let decoder = encoder.split_off(spec.encoder_layers());
        match self {
            Self::Encoder => encoder,
            Self::Decoder => decoder,
        }
    }
}

/// An autoencoder in files, of which nothing but the headers has been read. Each half can be used where the
/// other's file is missing.
#[derive(Debug)]
pub struct AutoencoderFile {
    /// Its shape.
    pub spec: AutoencoderSpec,
    /// The classifier whose weights it takes.
    pub model: WeightsOf,
    files: StateSet,
}

impl AutoencoderFile {
    /// Opens a file, an index, or the folder of either.
    pub fn open(path: &Path) -> Result<Self> {
        let files = StateSet::open(path, STEM)?;
        let path = files.path().to_path_buf();
        let mut metadata = files.metadata()?;
        let (Some(spec), Some(model)) = (metadata.remove("spec"), WeightsOf::read(&metadata, &path)?) else {
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
        let file = Self { spec, model, files };
        file.check_shapes()?;
        Ok(file)
    }

    /// Checks the tensors whose files are there.
    fn check_shapes(&self) -> Result<()> {
        for (name, wanted) in self.spec.network().iter().flat_map(NetworkLayer::tensors) {
            if self.files.is_present(&name)? {
                self.files.file_of(&name)?.tensor(&name)?.expect_shape(&wanted, "its spec")?;
            }
        }
        Ok(())
    }

    /// What standardises weights for it, from the file of one half.
    pub fn standard(&self, half: Half) -> Result<Standard> {
        let layers = half.layers(&self.spec);
        let first =
            layers.iter().flat_map(NetworkLayer::tensors).next().map_or(String::new(), |(name, _)| name);
        let mut file = self.files.file_of(&first)?;
        if !file.has(MEANS)? {
            // In files that others have cut, the standards are where the index says.
            file = self.files.file_of(MEANS)?;
        }
        let means = file.tensor(MEANS)?.values()?;
        let scale = file.tensor(SCALE)?.values()?;
        match scale.first() {
            Some(&scale) if means.len() == self.spec.inputs() && scale > 0.0 => Ok(Standard { means, scale }),
            _ => Err(Error::file(
                file.path(),
                "its standards do not fit its spec",
                "write it again with fedfunnel autoencoder train",
            )),
        }
    }

    /// Uploads those of its tensors that `parameters` has to one replica, piece by piece.
    pub fn upload(&self, gpu: &Gpu, parameters: &Parameters, replica: usize) -> Result<()> {
        for tensor in &parameters.tensors {
            let file = self.files.file_of(&tensor.name)?;
            let stored = file.tensor(&tensor.name)?;
            stored.expect_shape(&tensor.shape, "its spec")?;
            stored.upload(gpu, parameters, replica, tensor)?;
        }
        Ok(())
    }
}

/// Where the parameters of a half come from.
#[derive(Clone, Copy, Debug)]
pub enum HalfParameters<'a> {
    /// From memory, in `state_dict` order.
    Values(&'a [f32]),
    /// From files.
    File(&'a AutoencoderFile),
}

impl HalfParameters<'_> {
    pub(super) fn upload(&self, gpu: &Gpu, parameters: &Parameters, replica: usize) -> Result<()> {
        match self {
            Self::Values(values) => {
                parameters.write(gpu, replica, values);
                Ok(())
            }
            Self::File(file) => file.upload(gpu, parameters, replica),
        }
    }
}
