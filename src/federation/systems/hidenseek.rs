//! HideNseek (Vallapuram et al. 2022, arXiv 2206.04385): the aggregator prunes a random network once, before anybody has
//! seen data, and collaborators learn the signs of the weights that are left.
//!
//! ```text
//! left = the weights of the largest synaptic saliency, the part keep of all     before the first round
//! s    = 2 p - 1                                  a collaborator's scores, from the shares p of plus signs
//! w    = |frozen| * sign(s), straight through     of the weights that are left, and zero elsewhere
//! sent = 1 where s is positive, 0 elsewhere       after the last step
//! p    = the mean of what was sent                by numbers of images
//! ```
//!
//! Rounds exchange a value for each weight that is left, and nothing of the others: everybody can draw the network and
//! prune it. The aggregator keeps the mean of the signs and sends it down as it is, so that a sign that collaborators do
//! not agree on is nearer to turning than others. The tested model has the signs that most have.
//!
//! Weights are drawn from a range here: those of one magnitude, as other systems have them, would all be as salient as
//! their layer. Biases are zero.

use super::scores::{ScoreRules, ScoreTrainer, TrainedScores};
use super::{LocalJob, LocallyTrained, System, SystemContext, SystemKind};
use crate::Result;
use crate::codec::{OptionAbout, Options};
use crate::federation::strategy::{Mean, PartAbout, Strategy};
use crate::gpu::Gpu;
use crate::model::{Layout, Optimizer, kept_of, random_weights, synaptic_saliency};
use crate::training::MaskKind;
use serde::Deserialize;

/// As specs name it.
pub(super) const HIDENSEEK: SystemKind = SystemKind {
    name: "hidenseek",
    about: PartAbout {
        summary: "signs of the weights that pruning at the start has left: a bit each up",
        source: "Vallapuram et al. 2022, HideNseek (arXiv 2206.04385)",
        options: &[
            OptionAbout::new("keep", "0.2", "the part of the weights that is left"),
            OptionAbout::new("lr", "0.1", "the rate of Adam on the scores"),
        ],
        good_for: "a fraction of a bit a parameter up",
        ..PartAbout::NOTHING
    },
    stages: "mask",
    make,
};

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    keep: f64,
    lr: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keep: 0.2, lr: 0.1 }
    }
}

fn make(options: &Options, context: &SystemContext<'_>) -> Result<Box<dyn System>> {
    let Settings { keep, lr } = options.parse()?;
    if !(keep > 0.0 && keep <= 1.0) {
        return Err(options.refuse(format!("keep is {keep}"), "use a part above 0 and up to 1, such as 0.2"));
    }
    if !(lr > 0.0 && lr.is_finite()) {
        return Err(options.refuse(format!("lr is {lr}"), "use a number above 0, such as 0.1"));
    }
    let (layout, seed) = (context.classifier.layout(), context.seed as u32);
    let pruned = Pruned::new(&layout, seed, keep);
    if let Some(tensor) = pruned.layout.tensors().iter().find(|tensor| tensor.range.is_empty()) {
        let problem = format!("nothing is left of {} where keep is {keep}", tensor.name);
        return Err(options.refuse(problem, "use a larger keep"));
    }
    let rules = ScoreRules {
        system: HIDENSEEK.name,
        kind: MaskKind::Sign,
        optimizer: Optimizer { lr, ..Optimizer::default() },
        seed,
        kept: None,
    };
    Ok(Box::new(HideNSeek { pruned, trainer: ScoreTrainer::new(rules) }))
}

/// A random network of which only the most salient weights are left.
struct Pruned {
    /// `[P]`, zero where nothing is left.
    weights: Vec<f32>,
    /// Where the V weights are that are left, in order.
    places: Vec<usize>,
    /// How these lie: one tensor for each that has any weights.
    layout: Layout,
}

impl Pruned {
    fn new(layout: &Layout, seed: u32, keep: f64) -> Self {
        let mut weights = random_weights(layout, seed);
        let saliency = synaptic_saliency(layout, &weights);
        let matrices: Vec<_> = layout.tensors().iter().filter(|tensor| tensor.shape.len() > 1).collect();
        let mut places: Vec<_> = matrices.iter().flat_map(|tensor| tensor.range.clone()).collect();
        let left = kept_of(places.len(), keep);
        // The most salient first, and of those that are as salient the first.
        places.sort_unstable_by(|&a, &b| saliency[b].total_cmp(&saliency[a]).then(a.cmp(&b)));
        for &place in &places[left.min(places.len())..] {
            weights[place] = 0.0;
        }
        places.truncate(left);
        places.sort_unstable();
        let of = |range: &std::ops::Range<usize>| {
            places.partition_point(|place| *place < range.end)
                - places.partition_point(|place| *place < range.start)
        };
        let tensors = matrices.iter().map(|tensor| (tensor.name.clone(), vec![of(&tensor.range)]));
        let layout = Layout::new(tensors.collect::<Vec<_>>());
        Self { weights, places, layout }
    }

    /// Values `[V]` of the weights that are left as values `[P]`, zero elsewhere.
    fn spread(&self, values: impl Iterator<Item = f32>) -> Vec<f32> {
        let mut spread = vec![0.0; self.weights.len()];
        self.places.iter().zip(values).for_each(|(&place, value)| spread[place] = value);
        spread
    }
}

struct HideNSeek {
    pruned: Pruned,
    trainer: ScoreTrainer,
}

impl System for HideNSeek {
    fn layout(&self) -> Layout {
        self.pruned.layout.clone()
    }

    /// The signs that were drawn.
    fn initial(&self) -> Vec<f32> {
        let sign = |&place: &usize| if self.pruned.weights[place] < 0.0 { 0.0 } else { 1.0 };
        self.pruned.places.iter().map(sign).collect()
    }

    fn weights(&self, _: &Gpu, values: &[f32]) -> Result<Vec<f32>> {
        let signed = |(&place, &share): (&usize, &f32)| {
            let size = self.pruned.weights[place].abs();
            if share < 0.5 { -size } else { size }
        };
        Ok(self.pruned.spread(self.pruned.places.iter().zip(values).map(signed)))
    }

    fn train(&mut self, job: &LocalJob<'_>) -> Result<Vec<LocallyTrained>> {
        let start = self.pruned.spread(job.start.iter().map(|share| 2.0 * share - 1.0));
        let trained = self.trainer.train(job, &self.pruned.weights, &start)?;
        let result = |TrainedScores { scores, epochs, steps, .. }| {
            let bit = |&place: &usize| if scores[place] < 0.0 { 0.0 } else { 1.0 };
            let own: Vec<f32> = self.pruned.places.iter().map(bit).collect();
            LocallyTrained { sent: own.clone(), own, epochs, steps }
        };
        Ok(trained.into_iter().map(result).collect())
    }

    /// As near to a plus as to a minus.
    fn neutral(&self, start: &[f32]) -> Vec<f32> {
        vec![0.5; start.len()]
    }

    fn strategy(&self) -> Strategy {
        Strategy::replacing(Mean::default())
    }
}
