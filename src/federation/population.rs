//! The images of a federation: dealt out, some without colours, and on the device.

use super::spec::{AttackKind, SimulationSpec};
use super::test_sets::TestSets;
use crate::data::{DataDir, DataPair, Dataset, LabelCounts, load};
use crate::gpu::Gpu;
use crate::model::ClassifierSpec;
use crate::ops::augment::Augmentation;
use crate::training::{Evaluator, Inputs, ResidentImages};
use crate::{Error, Result};

/// Images as they are dealt out, on the host.
#[derive(Debug)]
pub struct Population {
    /// Training images, those of collaborators without colours without colours; test images as they are.
    data: DataPair,
    /// The sample numbers of each collaborator's training images.
    pub shares: Vec<Vec<usize>>,
    inputs: Inputs,
    changes: Augmentation,
    seed: u32,
    /// Which collaborators see no colours.
    grayscale: Vec<bool>,
}

impl Population {
    /// Deals the images of a spec out.
    pub fn new(spec: &SimulationSpec, classifier: &ClassifierSpec, data_dir: &DataDir) -> Result<Self> {
        let mut data = load(&spec.data, data_dir)?;
        classifier.check_data(&data)?;
        if let Some(images) = spec.images {
            data.train = data.train.limit(images)?;
        }
        if let Some(images) = spec.test_images {
            data.test = data.test.limit(images)?;
        }
        let shape = data.train.shape;
        if spec.crop > shape.height.min(shape.width) {
            let problem = format!("{} pixels of padding around {shape} images", spec.crop);
            return Err(Error::setting("crop", problem, "use a few pixels, such as 4"));
        }
        let shares = spec.partition.deal(&data.train, spec.collaborators, u64::from(spec.seed))?;
        if let Some(attack) = spec.attack.as_ref().filter(|attack| attack.kind == AttackKind::LabelFlip) {
            let last = data.train.labels.iter().copied().max().unwrap_or(0);
            for who in attack.attackers(u64::from(spec.seed), spec.collaborators) {
                shares[who as usize]
                    .iter()
                    .for_each(|&at| data.train.labels[at] = last - data.train.labels[at]);
            }
        }
        // Of the images as they came: a grey picture is as bright as it was in colours.
        let statistics = spec.standardize.then(|| data.train.channel_statistics());
        let grayscale: Vec<bool> = (0..spec.collaborators).map(|c| spec.grayscale.contains(&c)).collect();
        for (share, _) in shares.iter().zip(&grayscale).filter(|(_, grayscale)| **grayscale) {
            data.train.take_colours_out(share.iter().copied())?;
        }
        Ok(Self {
            data,
            shares,
            inputs: Inputs { statistics, grayscale: false },
            changes: Augmentation { flip: spec.flip, pad: spec.crop, grayscale: false },
            seed: spec.seed,
            grayscale,
        })
    }

    /// How many training images of which class each collaborator holds.
    pub fn label_counts(&self) -> LabelCounts {
        LabelCounts::of(&self.data.train.labels, self.data.train.classes, &self.shares)
    }

    /// How many test images there are.
    pub fn tests(&self) -> usize {
        self.data.test.len()
    }

    /// The training images on the device.
    pub fn train(&self, gpu: &Gpu) -> Result<ResidentImages> {
        self.inputs.upload_changed(gpu, &self.data.train, self.changes, self.seed)
    }

    /// What tests models on the test images, of which there usually are so many at a time.
    pub fn test(&self, gpu: &Gpu, classifier: &ClassifierSpec, models: usize) -> Result<TestSets> {
        let evaluator = |test: &Dataset| -> Result<Evaluator> {
            Evaluator::new(gpu, classifier, &self.inputs.upload(gpu, test)?, models)
        };
        let gray = if !self.grayscale.contains(&true) {
            None
        } else {
            let mut test = self.data.test.clone();
            test.take_colours_out(0..test.len())?;
            Some(evaluator(&test)?)
        };
        let see_none = (0..).zip(&self.grayscale).filter(|(_, grayscale)| **grayscale);
        let grayscale = see_none.map(|(who, _)| who).collect();
        Ok(TestSets { plain: evaluator(&self.data.test)?, gray, grayscale })
    }
}
