//! fedfunnel for Python: what `import fedfunnel` finds in the extension `fedfunnel._fedfunnel`.
//!
//! A class here holds what the library has and nothing else: arrays come in as numpy's, are looked at, and go to the
//! library; the interpreter's lock is let go while the library works.

mod arrays;
mod classifier;
mod codec;
mod codec_state;
mod codec_text;
mod convert;
mod data;
mod device;
mod errors;
mod interrupts;
mod observer;
mod process;
mod savings;
mod simulate;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _fedfunnel {
    #[pymodule_export]
    use super::classifier::Classifier;
    #[pymodule_export]
    use super::codec::Codec;
    #[pymodule_export]
    use super::data::{load_data, partition};
    #[pymodule_export]
    use super::device::{Device, devices};
    #[pymodule_export]
    use super::savings::savings;
    #[pymodule_export]
    use super::simulate::simulate;
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("PREPASS_EPOCH", fedfunnel::federation::PREPASS_EPOCH)
    }
}
