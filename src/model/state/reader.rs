//! Reading a safetensors file where it lies.

use super::first_unusable;
use crate::gpu::Gpu;
use crate::model::{ParameterTensor, Parameters};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of the length that a file begins with.
const LENGTH: usize = 8;

/// What `DataParallel` and `torch.compile` put before the names of a model's tensors.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// A safetensors file that is mapped into memory: a value is read from the disk when it is looked at.
pub struct StateFile {
    path: PathBuf,
    bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    /// Its header, which is parsed once: the state of a cohort has many tensors.
    header: Metadata,
    /// Where the tensors begin.
    start: usize,
}

/// What the header of a file says of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorAbout {
    /// Its name.
    pub name: String,
    /// The type of its values, as the format calls it: `F32`.
    pub kind: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its size.
    pub bytes: u64,
}

impl std::fmt::Debug for StateFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("StateFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl StateFile {
    /// Opens a file and checks that its header is right and that it is as long as that says.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(path, map(path).map_err(Error::io("read", path))?)
    }

    /// A file that is in memory already; errors call it `path`.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        Self::of(path, Box::new(bytes))
    }

    fn of(path: &Path, bytes: Box<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self> {
        let (length, header) = SafeTensors::read_metadata((*bytes).as_ref()).map_err(|e| {
            Error::file(
                path,
                format!("it is no whole safetensors file ({e})"),
                "write it again, with fedfunnel or with PyTorch's safetensors.torch.save_file",
            )
        })?;
        Ok(Self { path: path.into(), bytes, header, start: LENGTH + length })
    }

    /// All of its bytes.
    pub(super) fn all_bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the header says of a tensor, and its bytes.
    fn find(&self, name: &str) -> Option<(&TensorInfo, &[u8])> {
        let info = self.header.info(name)?;
        let (from, to) = info.data_offsets;
        Some((info, self.all_bytes().get(self.start + from..self.start + to)?))
    }

    /// The file's own notes.
    pub fn metadata(&self) -> Result<HashMap<String, String>> {
        Ok(self.header.metadata().clone().unwrap_or_default())
    }

    /// Whether it has a tensor of this name.
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.header.info(name).is_some())
    }

    /// The names of its tensors, in order.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = self.header.offset_keys();
        names.sort_unstable();
        Ok(names)
    }

    /// What the header says of each tensor, of values of any type, in the order in which they lie in the file.
    pub fn tensors(&self) -> Vec<TensorAbout> {
        let about = |name: String| {
            let info = self.header.info(&name)?;
            let (from, to) = info.data_offsets;
            let (kind, shape) = (format!("{:?}", info.dtype), info.shape.clone());
            Some(TensorAbout { name, kind, shape, bytes: (to - from) as u64 })
        };
        self.header.offset_keys().into_iter().filter_map(about).collect()
    }

    /// The bytes of a tensor of any type, unchecked; none where it is not there.
    pub fn tensor_bytes(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(|(_, bytes)| bytes)
    }

    /// A tensor of bytes; `None` where it is one of values.
    pub fn bytes(&self, name: &str) -> Result<Option<&[u8]>> {
        let (info, bytes) = self.find(name).ok_or_else(|| self.lacks(name))?;
        Ok((info.dtype == Dtype::U8).then_some(bytes))
    }

    /// An f32 tensor, its values unchecked.
    pub fn tensor<'a>(&'a self, name: &'a str) -> Result<StoredTensor<'a>> {
        let (info, bytes) = self.find(name).ok_or_else(|| self.lacks(name))?;
        if info.dtype != Dtype::F32 {
            let problem = format!("tensor {name:?} is {:?}", info.dtype);
            return Err(Error::file(&self.path, problem, "store it as float32"));
        }
        Ok(StoredTensor { path: &self.path, name, shape: info.shape.clone(), bytes })
    }

    /// The error for a tensor that is not there.
    fn lacks(&self, name: &str) -> Error {
        let mut there = self.header.offset_keys();
        if there.is_empty() {
            let problem = format!("it holds notes and no tensors, where {name:?} is looked for");
            return Error::file(&self.path, problem, "use a file of the right kind and model");
        }
        there.sort_unstable();
        let more = if there.len() > 12 { ", ..." } else { "" };
        there.truncate(12);
        let problem = format!("there is no tensor {name:?}, only {}{more}", there.join(", "));
        Error::file(&self.path, problem, "use a file of the right kind and model")
    }

    /// Uploads a model's parameters to one replica. Names and shapes have to match, but for what wrappers of PyTorch put
    /// before all names; values may be of any type of floats.
    pub fn upload(&self, gpu: &Gpu, parameters: &Parameters, replica: usize, model: &str) -> Result<()> {
        let prefix = self.prefix();
        let named = |tensor: &ParameterTensor| format!("{prefix}{}", tensor.name);
        for tensor in &parameters.tensors {
            let name = named(tensor);
            let (info, _) = self.find(&name).ok_or_else(|| self.lacks(&name))?;
            check_shape(&self.path, &name, &info.shape, &tensor.shape, model)?;
        }
        let known = |name: &&String| parameters.tensors.iter().any(|tensor| named(tensor) == **name);
        if let Some(name) = self.header.offset_keys().iter().filter(|name| !known(name)).min() {
            let problem = format!("it has a tensor {name:?}, and {model} has none of that name");
            return Err(Error::file(&self.path, problem, "use a file that was saved from the same model"));
        }
        for tensor in &parameters.tensors {
            let name = named(tensor);
            match self.widened(&name) {
                None => self.tensor(&name)?.upload(gpu, parameters, replica, tensor)?,
                Some(values) => {
                    check_finite(&self.path, &name, 0, &values)?;
                    parameters.write_tensor(gpu, replica, tensor, &mut |start, into| {
                        into.copy_from_slice(&values[start..][..into.len()]);
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }

    /// What wrappers of PyTorch have put before all of its names.
    fn prefix(&self) -> String {
        let names = self.header.offset_keys();
        let mut prefix = String::new();
        let of_all = |prefix: &str| !names.is_empty() && names.iter().all(|name| name.starts_with(prefix));
        while let Some(next) = WRAPPERS.iter().map(|own| format!("{prefix}{own}")).find(|next| of_all(next)) {
            prefix = next;
        }
        prefix
    }

    /// The values of a tensor of floats that are not f32; none where they are, or are no floats.
    fn widened(&self, name: &str) -> Option<Vec<f32>> {
        let (info, bytes) = self.find(name)?;
        Some(match info.dtype {
            Dtype::F16 => {
                bytes.as_chunks().0.iter().map(|two| half::f16::from_le_bytes(*two).to_f32()).collect()
            }
            Dtype::BF16 => {
                bytes.as_chunks().0.iter().map(|two| half::bf16::from_le_bytes(*two).to_f32()).collect()
            }
            Dtype::F64 => bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight) as f32).collect(),
            _ => return None,
        })
    }
}

fn check_shape(path: &Path, name: &str, shape: &[usize], wanted: &[usize], model: &str) -> Result<()> {
    if shape == wanted {
        return Ok(());
    }
    let problem = format!("tensor {name:?} has shape {shape:?}, and {model} needs {wanted:?}");
    Err(Error::file(path, problem, "use a file that was saved from the same model"))
}

fn check_finite(path: &Path, name: &str, start: usize, values: &[f32]) -> Result<()> {
    match first_unusable(values) {
        None => Ok(()),
        Some((place, value)) => Err(Error::file(
            path,
            format!("value {} of tensor {name:?} is {value}, no finite number", start + place),
            "write it again from a training that did not diverge (use a smaller rate)",
        )),
    }
}

/// A file's bytes: mapped, or read where it is something that cannot be mapped, as a pipe is.
fn map(path: &Path) -> std::io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if !about.is_file() || about.len() == 0 {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        return Ok(Box::new(bytes));
    }
    // SAFETY: the bytes change only where a program writes into this very file. fedfunnel never does: it puts a new
    // file in the place of an old one, whose mapping stays as it is.
    let mapping = unsafe { memmap2::Mmap::map(&file)? };
    Ok(Box::new(mapping))
}

/// A tensor in a mapped file.
#[derive(Clone, Debug)]
pub struct StoredTensor<'a> {
    path: &'a Path,
    name: &'a str,
    /// Its shape.
    pub shape: Vec<usize>,
    bytes: &'a [u8],
}

impl<'a> StoredTensor<'a> {
    /// How many values it has.
    pub fn len(&self) -> usize {
        self.bytes.len() / 4
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// An error where it has another shape than what `model` is made of.
    pub fn expect_shape(&self, wanted: &[usize], model: &str) -> Result<()> {
        check_shape(self.path, self.name, &self.shape, wanted, model)
    }

    /// Copies values from number `start` on, all of them finite.
    pub fn read(&self, start: usize, into: &mut [f32]) -> Result<()> {
        let bytes = &self.bytes[4 * start..][..4 * into.len()];
        // Files of others may lay tensors out at any byte.
        bytemuck::cast_slice_mut::<f32, u8>(into).copy_from_slice(bytes);
        self.check(start, into)
    }

    /// All values, all of them finite.
    pub fn values(&self) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.len()];
        self.read(0, &mut values)?;
        Ok(values)
    }

    /// All values as they lie in the file, unchecked; None where they are not aligned.
    pub fn in_place(&self) -> Option<&'a [f32]> {
        bytemuck::try_cast_slice(self.bytes).ok()
    }

    /// Checks all values where they lie; all of them have to be finite. False where they are not aligned.
    pub fn check_in_place(&self) -> Result<bool> {
        match self.in_place() {
            Some(values) => self.check(0, values).map(|()| true),
            None => Ok(false),
        }
    }

    /// Uploads it as the tensor of a model that has its shape, piece by piece.
    pub fn upload(
        &self,
        gpu: &Gpu,
        parameters: &Parameters,
        replica: usize,
        tensor: &ParameterTensor,
    ) -> Result<()> {
        parameters.write_tensor(gpu, replica, tensor, &mut |start, into| self.read(start, into))
    }

    fn check(&self, start: usize, values: &[f32]) -> Result<()> {
        check_finite(self.path, self.name, start, values)
    }
}
