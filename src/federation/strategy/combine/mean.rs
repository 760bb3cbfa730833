//! The mean, weighted or not.

use crate::Result;
use crate::codec::{Kept, NoOptions, Values};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use crate::gpu::{Buffer, Dispatch, Gpu, Tensor};
use crate::ops::reduce::{self, Replicas};

/// As specs name it.
pub const MEAN: CombineKind = CombineKind {
    name: "mean",
    about: PartAbout {
        summary: "the mean of the updates, weighted by numbers of images",
        source: "McMahan et al. 2017, FedAvg (arXiv 1602.05629)",
        good_for: "collaborators that mean well",
        ..PartAbout::NOTHING
    },
    make: |options| options.parse::<NoOptions>().map(|_| Box::<Mean>::default() as _),
};

/// As specs name the mean in which every update counts the same.
pub const PLAIN_MEAN: CombineKind = CombineKind {
    name: "plain-mean",
    about: PartAbout {
        summary: "the mean of the updates, each counting the same",
        source: "Karimireddy et al. 2020, SCAFFOLD (arXiv 1910.06378)",
        good_for: "participants that were drawn by their numbers of images, and rules whose papers have it",
        ..PartAbout::NOTHING
    },
    make: |options| options.parse::<NoOptions>().map(|_| Box::new(Mean::plain()) as _),
};

/// The mean, weighted by the collaborators' numbers of images (FedAvg, McMahan et al. 2017), on the device.
#[derive(Debug, Default)]
pub struct Mean {
    /// Whether every update counts the same instead.
    is_plain: bool,
    /// Where updates are put that come from the host.
    updates: Option<Tensor>,
    average: Option<(Tensor, Average)>,
    kept: Kept,
}

impl Combine for Mean {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let gpu = round.gpu;
        let tensor =
            match Values::tensor_of(&arrived.iter().map(|arrived| &arrived.update).collect::<Vec<_>>()) {
                Some(tensor) => tensor,
                None => self.upload(gpu, arrived)?,
            };
        if self.average.as_ref().is_none_or(|(own, _)| !own.is_same_memory(&tensor)) {
            self.average = Some((tensor.clone(), Average::new(gpu, &tensor)?));
        }
        let weight = |arrived: &Arrived| if self.is_plain { 1.0 } else { arrived.samples as f32 };
        let weights: Vec<f32> = arrived.iter().map(weight).collect();
        match &self.average {
            Some((_, average)) => average.run(gpu, &weights),
            None => Ok(Vec::new()),
        }
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}

impl Mean {
    /// The mean in which every update counts the same.
    pub fn plain() -> Self {
        Self { is_plain: true, ..Self::default() }
    }

    fn upload(&mut self, gpu: &Gpu, arrived: &[Arrived]) -> Result<Tensor> {
        let (count, width) = (arrived.len(), arrived.first().map_or(0, |arrived| arrived.update.len()));
        let fits = |tensor: &Tensor| (tensor.replicas, tensor.width) == (count, width);
        let tensor = match self.updates.take().filter(fits) {
            Some(tensor) => tensor,
            None => Tensor::zeros(gpu, "updates", count, 1, width)?,
        };
        for (line, arrived) in arrived.iter().enumerate() {
            match &arrived.update {
                Values::Host(values) => tensor.write_line(gpu, line, values),
                Values::Device { tensor: from, line: place } => {
                    tensor.write_line(gpu, line, &from.read_line(gpu, *place)?);
                }
            }
        }
        self.updates = Some(tensor.clone());
        Ok(tensor)
    }
}

/// The weighted average over the replicas of a tensor `[R, 1, P]`.
#[derive(Debug)]
struct Average {
    weights: Buffer,
    result: Tensor,
    dispatches: Vec<Dispatch>,
}

impl Average {
    fn new(gpu: &Gpu, updates: &Tensor) -> Result<Self> {
        let weights = gpu.zeros("sample counts", updates.replicas)?;
        let result = Tensor::zeros_cut(gpu, "average", 1, 1, &updates.ranges())?;
        let dispatches = updates
            .shards
            .iter()
            .zip(&result.shards)
            .map(|(from, to)| {
                let width = from.range.len;
                let replicas =
                    Replicas { values: &from.buffer, count: updates.replicas, first: 0, stride: width };
                reduce::average_replicas(gpu, replicas, &weights, &to.buffer, 0, width)
            })
            .collect::<Result<_>>()?;
        Ok(Self { weights, result, dispatches })
    }

    fn run(&self, gpu: &Gpu, samples: &[f32]) -> Result<Vec<f32>> {
        gpu.write(&self.weights, 0, samples);
        gpu.run(&self.dispatches)?;
        self.result.read(gpu)
    }
}
