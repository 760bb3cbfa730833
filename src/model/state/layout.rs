//! The header of a safetensors file, and where it puts the tensors.

use super::internal;
use crate::Result;
use crate::model::Parameters;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::collections::{BTreeMap, HashMap};

/// The name and the shape of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorShape {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// F32, or U8.
    pub(super) dtype: Dtype,
}

impl TensorShape {
    /// An f32 tensor of this name and shape.
    pub fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), dtype: Dtype::F32 }
    }

    /// So many bytes of this name.
    pub fn bytes_of(name: impl Into<String>, count: usize) -> Self {
        Self { name: name.into(), shape: vec![count], dtype: Dtype::U8 }
    }

    /// The tensors of a model in `state_dict` order.
    pub fn of(parameters: &Parameters) -> Vec<Self> {
        parameters.tensors.iter().map(|tensor| Self::new(&tensor.name, &tensor.shape)).collect()
    }

    /// How many values it has.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        (self.dtype.bitsize() / 8 * self.values()) as u64
    }
}

/// The header's bytes, and where each tensor lies.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// With the eight bytes of its length.
    pub header: Vec<u8>,
    /// The offset in the file and the number of values of each tensor.
    pub places: BTreeMap<String, (u64, usize)>,
    /// Bytes of the whole file.
    pub total: u64,
}

impl Layout {
    /// Sorted by name, metadata too: the same content gives the same bytes.
    pub fn new(tensors: &[TensorShape], metadata: &HashMap<String, String>) -> Result<Self> {
        let mut sorted: Vec<_> = tensors.iter().collect();
        // Bytes come last, where they put no values askew.
        sorted.sort_by(|a, b| (a.dtype == Dtype::U8, &a.name).cmp(&(b.dtype == Dtype::U8, &b.name)));
        let mut infos = Vec::new();
        let mut end = 0;
        for tensor in &sorted {
            let start = end;
            end += tensor.bytes() as usize;
            let info =
                TensorInfo { dtype: tensor.dtype, shape: tensor.shape.clone(), data_offsets: (start, end) };
            infos.push((tensor.name.clone(), info));
        }
        // The library writes metadata in the order of a hash map, another one in every run. So the sorted
        // ones are put before its tensors here: a length of eight bytes, a JSON object, spaces up to a
        // multiple of 8.
        let tensors = serde_json::to_string(&Metadata::new(None, infos).map_err(internal)?);
        let tensors = tensors.map_err(internal)?;
        let metadata: BTreeMap<_, _> = metadata.iter().collect();
        let metadata = serde_json::to_string(&metadata).map_err(internal)?;
        let tensors = tensors.strip_prefix('{').unwrap_or_default();
        let comma = if tensors == "}" { "" } else { "," };
        let mut object = format!("{{\"__metadata__\":{metadata}{comma}{tensors}").into_bytes();
        object.resize(object.len().next_multiple_of(8), b' ');
        let header = [&(object.len() as u64).to_le_bytes()[..], &object].concat();
        let first = header.len() as u64;
        let mut places = BTreeMap::new();
        let mut at = first;
        for tensor in &sorted {
            places.insert(tensor.name.clone(), (at, tensor.values()));
            at += tensor.bytes();
        }
        Ok(Self { header, places, total: at })
    }
}
