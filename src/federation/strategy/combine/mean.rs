//! The weighted mean.

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

/// The mean, weighted by the collaborators' numbers of images (FedAvg, McMahan et al. 2017), on the device.
#[derive(Debug, Default)]
pub struct Mean {
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
        let samples: Vec<f32> = arrived.iter().map(|arrived| arrived.samples as f32).collect();
        match &self.average {
            Some((_, average)) => average.run(gpu, &samples),
            None => Ok(Vec::new()),
        }
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}

impl Mean {
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
