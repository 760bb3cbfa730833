//! The test images on the device, and what models come to on them.

use super::results::Tested;
use crate::Result;
use crate::training::{Evaluator, Tally};

/// The test images, with colours and, where a collaborator sees such, without.
#[derive(Debug)]
pub struct TestSets {
    pub(super) plain: Evaluator,
    pub(super) gray: Option<Evaluator>,
    /// Which collaborators see no colours.
    pub(super) grayscale: Vec<bool>,
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
