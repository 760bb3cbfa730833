//! The weights of any model as one vector, to and from safetensors files.

use super::WeightsOf;
use super::spec::{Layout, ModelSpec, built_in_names};
use super::state::{StateFile, StateWriter, TensorShape};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// A file of weights. Its tensors stand in the order of the classifier that it says it is of, or else in that of their
/// names.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsFile {
    /// How its tensors lie in the vector.
    pub layout: Layout,
    /// All values, `[P]`, all of them finite.
    pub values: Vec<f32>,
    metadata: HashMap<String, String>,
}

impl WeightsFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let file = StateFile::open(path)?;
        let metadata = file.metadata()?;
        let of = WeightsOf::read(&metadata, path)?;
        let layout = match of.and_then(layout_of).filter(|layout| is_of(&file, layout)) {
            Some(layout) => layout,
            None => {
                let shape = |name: String| {
                    let shape = file.tensor(&name)?.shape;
                    Ok((name, shape))
                };
                Layout::new(file.names()?.into_iter().map(shape).collect::<Result<Vec<_>>>()?)
            }
        };
        if layout.parameters() == 0 {
            return Err(Error::file(path, "it has no weights", "use a file with a model's tensors"));
        }
        let values = values_of(&file, &layout, "its own model")?;
        Ok(Self { layout, values, metadata })
    }

    /// The values of a file that has the same tensors.
    pub fn read_like(&self, path: &Path) -> Result<Vec<f32>> {
        let file = StateFile::open(path)?;
        let known = |name: &String| self.layout.tensors().iter().any(|tensor| tensor.name == *name);
        if let Some(name) = file.names()?.into_iter().find(|name| !known(name)) {
            let problem = format!("it has a tensor {name:?}, and the global model has none of that name");
            return Err(Error::file(path, problem, "use weights of the same model"));
        }
        values_of(&file, &self.layout, "the global model")
    }

    /// Writes other values of the same tensors.
    pub fn write_like(&self, path: &Path, values: &[f32]) -> Result<()> {
        let tensors = self.layout.tensors();
        let shapes: Vec<_> =
            tensors.iter().map(|tensor| TensorShape::new(&tensor.name, &tensor.shape)).collect();
        let mut file = StateWriter::create(path, &shapes, &self.metadata)?;
        tensors.iter().try_for_each(|tensor| file.put(&tensor.name, 0, &values[tensor.range.clone()]))?;
        file.finish()
    }
}

/// How the tensors of a classifier lie, where it is known what that is.
fn layout_of(of: WeightsOf) -> Option<Layout> {
    let built_in = || built_in_names().any(|name| name == of.name).then(|| ModelSpec::load(&of.name).ok())?;
    let spec = of.spec.clone().or_else(|| built_in()?.classifier().ok());
    spec.map(|spec| spec.layout())
}

/// Whether a file has these tensors and no others.
fn is_of(file: &StateFile, layout: &Layout) -> bool {
    let tensors = layout.tensors();
    file.names().is_ok_and(|names| names.len() == tensors.len())
        && tensors.iter().all(|own| file.tensor(&own.name).is_ok_and(|tensor| tensor.shape == own.shape))
}

fn values_of(file: &StateFile, layout: &Layout, model: &str) -> Result<Vec<f32>> {
    let mut values = vec![0.0; layout.parameters()];
    for tensor in layout.tensors() {
        let stored = file.tensor(&tensor.name)?;
        stored.expect_shape(&tensor.shape, model)?;
        stored.read(0, &mut values[tensor.range.clone()])?;
    }
    Ok(values)
}
