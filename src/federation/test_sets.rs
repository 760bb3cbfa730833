//! The test images on the device, and what models come to on them.

use super::results::Tested;
use crate::Result;
use crate::training::{Evaluator, Tally};
use std::collections::BTreeSet;

/// The test images, with colours and, where a collaborator sees such, without.
#[derive(Debug)]
pub struct TestSets {
    pub(super) plain: Evaluator,
    pub(super) gray: Option<Evaluator>,
    /// The collaborators that see no colours.
    pub(super) grayscale: BTreeSet<u32>,
}

impl TestSets {
    /// For collaborators who all see images as they are.
    pub fn plain(plain: Evaluator) -> Self {
        Self { plain, gray: None, grayscale: BTreeSet::new() }
    }

    /// Tests models on all kinds of images.
    pub fn all<M: AsRef<[f32]>>(&self, models: &[M]) -> Result<Vec<Tested>> {
        let plain = self.plain.evaluate(models)?;
        let gray = self.gray.as_ref().map(|gray| gray.evaluate(models)).transpose()?;
        let each = plain.into_iter().enumerate();
        Ok(each.map(|(place, plain)| Tested { plain, gray: gray.as_ref().map(|g| g[place]) }).collect())
    }

    /// Tests the models of these collaborators, each on images like its own.
    pub fn local<M: AsRef<[f32]>>(&self, who: &[u32], models: &[M]) -> Result<Vec<Tally>> {
        Ok(self.with_global(who, models, None)?.0)
    }

    /// The same, and a global model on all kinds of images in the same dispatches.
    pub fn round<M: AsRef<[f32]>>(
        &self,
        who: &[u32],
        models: &[M],
        global: &[f32],
    ) -> Result<(Vec<Tally>, Tested)> {
        let (local, tested) = self.with_global(who, models, Some(global))?;
        Ok((local, tested.unwrap_or_default()))
    }

    fn with_global<M: AsRef<[f32]>>(
        &self,
        who: &[u32],
        models: &[M],
        global: Option<&[f32]>,
    ) -> Result<(Vec<Tally>, Option<Tested>)> {
        let mut local = vec![Tally::default(); models.len()];
        let mut kind = |evaluator: &Evaluator, grayscale: bool| -> Result<Option<Tally>> {
            let is_of_kind = |place: &usize| self.grayscale.contains(&who[*place]) == grayscale;
            let of_kind: Vec<usize> = (0..models.len()).filter(is_of_kind).collect();
            let tested: Vec<&[f32]> = of_kind.iter().map(|&c| models[c].as_ref()).chain(global).collect();
            let tallies = evaluator.evaluate(&tested)?;
            of_kind.iter().zip(&tallies).for_each(|(&c, tally)| local[c] = *tally);
            Ok(tallies.get(of_kind.len()).copied())
        };
        let plain = kind(&self.plain, false)?;
        let gray = self.gray.as_ref().map_or(Ok(None), |gray| kind(gray, true))?;
        Ok((local, plain.map(|plain| Tested { plain, gray })))
    }
}
