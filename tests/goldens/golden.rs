//! Reads the tensors that PyTorch has computed.

use safetensors::{Dtype, SafeTensors};

/// The content of one file of this folder.
pub struct Golden(Vec<u8>);

impl Golden {
    /// The golden of this name.
    pub fn open(name: &str) -> Self {
        let path = format!("{}/tests/goldens/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        Self(std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// The content of a tensor that has to be of this type.
    pub fn bytes(&self, tensor: &str, dtype: Dtype) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(tensor).unwrap_or_else(|error| panic!("{tensor}: {error}"));
        assert_eq!(view.dtype(), dtype, "{tensor}");
        view.data().to_vec()
    }

    /// A tensor of f32.
    pub fn f32(&self, tensor: &str) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(&self.bytes(tensor, Dtype::F32))
    }

    /// A tensor of f64.
    pub fn f64(&self, tensor: &str) -> Vec<f64> {
        bytemuck::pod_collect_to_vec(&self.bytes(tensor, Dtype::F64))
    }

    /// The mean loss before each step.
    pub fn losses(&self) -> Vec<f64> {
        self.f64("losses")
    }
}
