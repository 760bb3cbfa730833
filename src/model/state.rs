//! Parameters as safetensors files with PyTorch's names and layouts.

use super::Parameters;
use crate::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The tensors of one replica (`flat` in `state_dict` order) as a safetensors file's bytes.
pub fn to_bytes(parameters: &Parameters, flat: &[f32], metadata: HashMap<String, String>) -> Result<Vec<u8>> {
    let mut start = 0;
    let views = parameters
        .tensors
        .iter()
        .map(|tensor| {
            let values = &flat[start..start + tensor.len()];
            start += tensor.len();
            view(&tensor.shape, values).map(|view| (tensor.name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    serialize(views, metadata)
}

/// An f32 tensor for a safetensors file.
pub fn view<'a>(shape: &[usize], values: &'a [f32]) -> Result<TensorView<'a>> {
    // Safetensors are little-endian, as is every platform that wgpu's native backends run on.
    TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(values)).map_err(internal)
}

/// A safetensors file's bytes: the same for the same content.
pub fn serialize(views: Vec<(&str, TensorView<'_>)>, metadata: HashMap<String, String>) -> Result<Vec<u8>> {
    let mut bytes = safetensors::serialize(views, None::<HashMap<String, String>>).map_err(internal)?;
    // The library writes metadata in the order of a hash map, another one in every run. So the sorted ones
    // are put into its header here: a length of eight bytes, a JSON object, spaces up to a multiple of 8.
    let sorted: BTreeMap<_, _> = metadata.into_iter().collect();
    let metadata = serde_json::to_string(&sorted).map_err(internal)?;
    let length = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length)) as usize;
    let tensors = bytes[8..8 + length].trim_ascii_end().strip_prefix(b"{").unwrap_or_default();
    let comma = if tensors == b"}" { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{metadata}{comma}").into_bytes();
    header.extend_from_slice(tensors);
    header.resize(header.len().next_multiple_of(8), b' ');
    header.splice(0..0, (header.len() as u64).to_le_bytes());
    bytes.splice(0..8 + length, header);
    Ok(bytes)
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::device(
        format!("a tensor could not be laid out: {error}"),
        "this is a fault of fedfunnel; report it",
    )
}

/// A safetensors file in memory.
pub struct StateFile {
    path: std::path::PathBuf,
    bytes: Vec<u8>,
}

impl StateFile {
    /// Reads a file and checks that it is whole.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let file = Self { path: path.into(), bytes };
        file.parse()?;
        Ok(file)
    }

    fn parse(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes).map_err(|e| {
            Error::file(
                &self.path,
                format!("it is no whole safetensors file ({e})"),
                "write it again, with fedfunnel or with PyTorch's safetensors.torch.save_file",
            )
        })
    }

    /// The file's own notes.
    pub fn metadata(&self) -> Result<HashMap<String, String>> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes)
            .map_err(|e| Error::file(&self.path, format!("its header is broken ({e})"), "write it again"))?;
        Ok(header.metadata().clone().unwrap_or_default())
    }

    /// An f32 tensor with its shape. All of its values are finite.
    pub fn tensor(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let file = self.parse()?;
        let tensor = file.tensor(name).map_err(|_| {
            let mut there = file.names();
            there.sort_unstable();
            let more = if there.len() > 12 { ", ..." } else { "" };
            there.truncate(12);
            Error::file(
                &self.path,
                format!("there is no tensor {name:?}, only {}{more}", there.join(", ")),
                "use a file of the right kind and model",
            )
        })?;
        if tensor.dtype() != Dtype::F32 {
            return Err(Error::file(
                &self.path,
                format!("tensor {name:?} is {:?}", tensor.dtype()),
                "store it as float32",
            ));
        }
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::file(
                &self.path,
                format!("value {place} of tensor {name:?} is {}, no finite number", values[place]),
                "write it again from a training that did not diverge (use a smaller rate)",
            ));
        }
        Ok((tensor.shape().to_vec(), values))
    }

    /// The values of a model's parameters in `state_dict` order. Names and shapes have to match.
    pub fn parameters(&self, parameters: &Parameters, model: &str) -> Result<Vec<f32>> {
        let mut flat = Vec::with_capacity(parameters.count());
        for tensor in &parameters.tensors {
            let (shape, values) = self.tensor(&tensor.name)?;
            if shape != tensor.shape {
                return Err(Error::file(
                    &self.path,
                    format!(
                        "tensor {:?} has shape {shape:?}, and {model} needs {:?}",
                        tensor.name, tensor.shape
                    ),
                    "use a file that was saved from the same model",
                ));
            }
            flat.extend(values);
        }
        let known = |name: &&str| parameters.tensors.iter().any(|tensor| tensor.name == **name);
        match self.parse()?.names().into_iter().filter(|name| !known(name)).min() {
            None => Ok(flat),
            Some(name) => Err(Error::file(
                &self.path,
                format!("it has a tensor {name:?}, and {model} has none of that name"),
                "use a file that was saved from the same model",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_is_the_same_bytes_and_reads_back() {
        let values = [1.0, -2.5, 3.0];
        let notes = || (0..20).map(|n| (format!("key{n}"), format!("\"{n}\"\n")));
        let write = |metadata: HashMap<String, String>| {
            serialize(vec![("b", view(&[3], &values).unwrap()), ("a", view(&[0], &[]).unwrap())], metadata)
                .unwrap()
        };
        let bytes = write(notes().collect());
        for _ in 0..10 {
            assert_eq!(bytes, write(notes().collect()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (bytes, count) in [(bytes, 20), (write(HashMap::new()), 0)] {
            std::fs::write(&path, &bytes).unwrap();
            let file = StateFile::open(&path).unwrap();
            assert_eq!(file.tensor("b").unwrap(), (vec![3], values.to_vec()));
            assert_eq!(file.metadata().unwrap().len(), count);
        }
        std::fs::write(&path, serialize(Vec::new(), notes().collect()).unwrap()).unwrap();
        let metadata = StateFile::open(&path).unwrap().metadata().unwrap();
        assert_eq!(metadata, notes().collect());
    }
}
