//! The images of a federation: dealt out, some without colours, and on the device.

use super::spec::SimulationSpec;
use crate::data::{DataDir, DataPair, Dataset, load, partition};
use crate::gpu::Gpu;
use crate::model::ClassifierSpec;
use crate::ops::augment::Augmentation;
use crate::training::{Evaluator, Inputs, ResidentImages, Tally};
use crate::{Error, Result};

/// Images as they are dealt out, on the host.
#[derive(Debug)]
pub struct Deal {
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

impl Deal {
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
        let shares =
            partition(&data.train.labels, spec.collaborators, &spec.partition, u64::from(spec.seed))?;
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

    /// How many test images there are.
    pub fn tests(&self) -> usize {
        self.data.test.len()
    }

    /// The training images on the device.
    pub fn train(&self, gpu: &Gpu) -> Result<ResidentImages> {
        self.inputs.upload_changed(gpu, &self.data.train, self.changes, self.seed)
    }

    /// What tests models on the test images.
    pub fn test(&self, gpu: &Gpu, classifier: &ClassifierSpec) -> Result<TestSets> {
        let models = self.shares.len() + 1;
        let evaluator = |test: &Dataset| -> Result<Evaluator> {
            Evaluator::new(gpu, classifier, &self.inputs.upload(gpu, test)?, models)
        };
        let gray = match self.grayscale.contains(&true) {
            false => None,
            true => {
                let mut test = self.data.test.clone();
                test.take_colours_out(0..test.len())?;
                Some(evaluator(&test)?)
            }
        };
        Ok(TestSets { plain: evaluator(&self.data.test)?, gray, grayscale: self.grayscale.clone() })
    }
}

/// What a model came to on the test images.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tested {
    /// On the images as they are.
    pub plain: Tally,
    /// On the images without colours, where a collaborator sees such.
    pub gray: Option<Tally>,
}

impl Tested {
    /// Accuracy over all kinds of images.
    pub fn accuracy(&self) -> f64 {
        self.gray.map_or(self.plain.accuracy, |gray| (self.plain.accuracy + gray.accuracy) / 2.0)
    }
}

/// The test images, with colours and, where a collaborator sees such, without.
#[derive(Debug)]
pub struct TestSets {
    plain: Evaluator,
    gray: Option<Evaluator>,
    /// Which collaborators see no colours.
    grayscale: Vec<bool>,
}

impl TestSets {
    /// For collaborators who all see images as they are.
    pub fn plain(plain: Evaluator, collaborators: usize) -> Self {
        Self { plain, gray: None, grayscale: vec![false; collaborators] }
    }

    /// Tests models on all kinds of images.
    pub fn all<M: AsRef<[f32]>>(&self, models: &[M]) -> Result<Vec<Tested>> {
        let plain = self.plain.evaluate(models)?;
        let gray = self.gray.as_ref().map(|gray| gray.evaluate(models)).transpose()?;
        let each = plain.into_iter().enumerate();
        Ok(each.map(|(place, plain)| Tested { plain, gray: gray.as_ref().map(|g| g[place]) }).collect())
    }

    /// Tests the models of the collaborators from `first` on, each on images like its own.
    pub fn local(&self, first: usize, models: &[Vec<f32>]) -> Result<Vec<Tally>> {
        Ok(self.with_global(first, models, None)?.0)
    }

    /// The same of all collaborators, and a global model on all kinds of images in the same dispatches.
    pub fn round(&self, models: &[Vec<f32>], global: &[f32]) -> Result<(Vec<Tally>, Tested)> {
        let (local, tested) = self.with_global(0, models, Some(global))?;
        Ok((local, tested.unwrap_or_default()))
    }

    fn with_global(
        &self,
        first: usize,
        models: &[Vec<f32>],
        global: Option<&[f32]>,
    ) -> Result<(Vec<Tally>, Option<Tested>)> {
        let mut local = vec![Tally::default(); models.len()];
        let mut kind = |evaluator: &Evaluator, grayscale: bool| -> Result<Option<Tally>> {
            let of_kind: Vec<usize> =
                (0..models.len()).filter(|c| self.grayscale[first + c] == grayscale).collect();
            let tested: Vec<&[f32]> = of_kind.iter().map(|&c| &models[c][..]).chain(global).collect();
            let tallies = evaluator.evaluate(&tested)?;
            of_kind.iter().zip(&tallies).for_each(|(&c, tally)| local[c] = *tally);
            Ok(tallies.get(of_kind.len()).copied())
        };
        let plain = kind(&self.plain, false)?;
        let gray = self.gray.as_ref().map_or(Ok(None), |gray| kind(gray, true))?;
        Ok((local, plain.map(|plain| Tested { plain, gray })))
    }
}
