//! How the bytes of images become what a model takes.

use super::ResidentImages;
use crate::data::Dataset;
use crate::gpu::Gpu;
use crate::ops::augment::Augmentation;
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

const STATISTICS: &str = "inputs.statistics";
const GRAYSCALE: &str = "inputs.grayscale";

/// How the bytes of every image become inputs, in training and in tests. Snapshots carry it along, since a model works
/// on such inputs only. By default bytes become 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// For each channel the mean that is subtracted and the deviation that is divided by.
    pub statistics: Option<Vec<(f32, f32)>>,
    /// Whether colours are replaced by their luma.
    pub grayscale: bool,
}

impl Inputs {
    /// Uploads images as such inputs.
    pub fn upload(&self, gpu: &Gpu, dataset: &Dataset) -> Result<ResidentImages> {
        self.upload_changed(gpu, dataset, Augmentation::default(), 0)
    }

    /// Uploads images that are changed by chance as well.
    pub fn upload_changed(
        &self,
        gpu: &Gpu,
        dataset: &Dataset,
        changes: Augmentation,
        seed: u32,
    ) -> Result<ResidentImages> {
        let images = match &self.statistics {
            None => ResidentImages::upload(gpu, dataset)?,
            Some(statistics) => ResidentImages::upload_standardized(gpu, dataset, statistics)?,
        };
        images.with_changes(Augmentation { grayscale: self.grayscale, ..changes }, seed)
    }

    /// Notes them in the metadata of a file.
    pub(super) fn note(&self, metadata: &mut HashMap<String, String>) {
        if let Some(statistics) = &self.statistics {
            let pairs: Vec<_> = statistics.iter().map(|(mean, std)| format!("{mean} {std}")).collect();
            metadata.insert(STATISTICS.into(), pairs.join(","));
        }
        if self.grayscale {
            metadata.insert(GRAYSCALE.into(), "true".into());
        }
    }

    /// Reads what [`note`](Self::note) wrote.
    pub(super) fn read(metadata: &HashMap<String, String>, path: &Path) -> Result<Self> {
        let statistics = match metadata.get(STATISTICS) {
            None => None,
            Some(text) => Some(statistics(text).ok_or_else(|| {
                let problem = format!("its metadata has {STATISTICS} = {text:?}");
                Error::file(path, problem, "write it again: a mean and a deviation for each channel")
            })?),
        };
        Ok(Self { statistics, grayscale: metadata.get(GRAYSCALE).is_some_and(|value| value == "true") })
    }
}

/// `mean deviation,mean deviation,...`
fn statistics(text: &str) -> Option<Vec<(f32, f32)>> {
    let number = |text: &str| text.parse().ok().filter(|number: &f32| number.is_finite());
    let pair = |text: &str| {
        let (mean, deviation) = text.split_once(' ')?;
        Some((number(mean)?, number(deviation)?))
    };
    text.split(',').map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inputs: &Inputs) -> Inputs {
        let mut metadata = HashMap::new();
        inputs.note(&mut metadata);
        Inputs::read(&metadata, Path::new("x")).unwrap()
    }

    #[test]
    fn what_is_noted_is_read_bit_for_bit() {
        let statistics = Some(vec![(0.491_400_87, 0.1), (1.0 / 3.0, f32::MIN_POSITIVE), (0.0, 1e30)]);
        for inputs in [Inputs::default(), Inputs { statistics, grayscale: true }] {
            assert_eq!(read(&inputs), inputs);
        }
    }

    #[test]
    fn broken_notes_are_refused() {
        for text in ["", "1", "1 2,", "1 2 3", "a b", "NaN 1", "0 inf"] {
            let metadata = HashMap::from([(STATISTICS.to_string(), text.to_string())]);
            let error = Inputs::read(&metadata, Path::new("mine.safetensors")).unwrap_err().to_string();
            assert!(error.contains("mine.safetensors") && error.contains(STATISTICS), "{error}");
        }
    }
}
