//! Single-step synthetic features (Zhou et al. 2023, "Communication-efficient Federated Learning with Single-Step Synthetic
//! Features Compressor", arXiv 2302.10429): a few made-up images with soft labels, whose gradient at the global model is
//! the update.
//!
//! With `g` the global model, `F(x, y)` the mean cross entropy of its classifier, and `u` what there is to send:
//!
//! ```text
//! x, y = argmin 1 - |cos(grad_g F(x, y), u)|          by Adam on x and on the scores whose softmax y is
//! s    = <u, grad_g F> / |grad_g F|^2
//! u'   = s grad_g F(x, y)                             what arrives
//! ```
//!
//! What `x` adds to the gradient is a second derivative. For classifiers of dense layers the [host] has it exactly. For
//! others, with `v` the derivative of the cosine by the gradient, it is that of the images as the weights move along `v`, from
//! passes to either side on the [device]:
//!
//! ```text
//! grad_x <grad_g F, v> = (grad_x F(g + e v) - grad_x F(g - e v)) / 2e
//! grad_y <grad_g F, v> = -(z(g + e v) - z(g - e v)) / 2eB           with z the logits of B images
//! ```
//!
//! It leaves `x`, `y` and `s` to the stages behind it. What the images cannot say is lost, unless `feedback` stands before
//! it, as in the paper.

mod device;
mod host;
mod passes;
mod search;
mod softmax;

use crate::codec::{
    About, Context, FreeOption, FreeRange, Given, Incoming, Kept, Make, OptionAbout, Options, Outgoing,
    Round, Stage, StageKind, Values,
};
use crate::gpu::Gpu;
use crate::model::NetworkLayer;
use crate::{Error, Result};
use host::Host;
use passes::Passes;
use search::Search;
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new("synthetic", Make::Plain(make))
    .about(About {
        summary: "made-up images with soft labels whose gradient is the update",
        source: "Zhou et al. 2023, 3SFC (arXiv 2302.10429)",
        options: &[
            OptionAbout::new("images", "1", "how many"),
            OptionAbout::new("steps", "50, or 10 with convolutions", "steps of the search for them"),
            OptionAbout::new("lr", "0.1", "their rate"),
        ],
        good_for: "models that are much larger than an image; behind delta",
        example: "delta+feedback+synthetic(images=1,steps=2)",
    })
    .free(FreeOption { name: "images", range: FreeRange::Between(1, 64), instead: &[] });

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "usual_images")]
    images: usize,
    steps: Option<usize>,
    #[serde(default = "usual_rate")]
    lr: f64,
}

fn usual_images() -> usize {
    1
}

fn usual_rate() -> f64 {
    0.1
}

/// Steps of the search on the host.
const STEPS: usize = 50;
/// Those of classifiers with convolutions, on the device: each is as much work as 7/3 images in training, and takes longer
/// than that, since so few images leave a device idle. The first few bring most: an update of the CIFAR-10 classifier that
/// one image says is found to a cosine of 0.77 to 0.80 in 10, and of 0.86 in 30.
const STEPS_OF_PASSES: usize = 10;
/// The most collaborators whose images are searched for together on the device.
const TOGETHER: usize = 16;
/// Weights of a classifier of dense layers up to which the host is faster than any device, which takes six waits for each
/// step.
const SMALL: usize = 1 << 18;

fn make(context: &Context<'_>, options: &Options) -> Result<Box<dyn Stage>> {
    let Settings { images, steps, lr } = options.parse()?;
    let layers = context.layout.layers().to_vec();
    let (Some(first), Some(last)) = (layers.first(), layers.last()) else {
        let problem = "it takes gradients of a classifier, and the weights are of none";
        return Err(options.refuse(problem, "leave synthetic out"));
    };
    let host = Host::new(&layers);
    let steps = steps.unwrap_or(if host.is_some() { STEPS } else { STEPS_OF_PASSES });
    let search = Search { images, width: first.inputs(), classes: last.outputs(), steps, lr };
    let parameters = context.parameters();
    if images == 0 || count(&search) > parameters {
        let most = parameters.saturating_sub(1) / (search.width + search.classes);
        let problem = format!("{images} images for an update of {parameters} values");
        return Err(options.refuse(problem, format!("set images to 1 or more and up to {most}")));
    }
    if !(1..=10_000).contains(&steps) {
        return Err(options.refuse(format!("{steps} steps"), "set steps to 1 to 10000, such as 50"));
    }
    if !(lr > 0.0 && lr.is_finite()) {
        return Err(options.refuse(format!("a rate of {lr}"), "set lr above 0, such as 0.1"));
    }
    Ok(Box::new(Synthetic { search, layers, host, parameters }))
}

/// Values that images, labels and the scale are.
fn count(search: &Search) -> usize {
    search.images.saturating_mul(search.width + search.classes).saturating_add(1)
}

struct Synthetic {
    search: Search,
    layers: Vec<NetworkLayer>,
    /// The classifier on the host, where it can be one there.
    host: Option<Host>,
    parameters: usize,
}

impl Synthetic {
    /// The classifier on the host, where that is faster.
    fn host(&self, gpu: &Gpu) -> Option<&Host> {
        self.host.as_ref().filter(|_| gpu.class().is_cpu() || self.parameters <= SMALL)
    }
}

impl Stage for Synthetic {
    fn label(&self) -> String {
        let Search { images, steps, lr, .. } = self.search;
        format!("synthetic({images}, {steps}, {lr})")
    }

    fn given(&mut self, given: Given) -> Result<()> {
        let (problem, mend) = match given {
            Given::Changes | Given::Missed => return Ok(()),
            Given::Weights => {
                ("weights are no gradient, and what a round changed is", "list delta before it")
            }
            Given::Code | Given::Rest => (
                "it makes gradients of all weights, and the stages before it leave something else",
                "list it before them, behind delta or feedback",
            ),
        };
        Err(Error::setting("codecs: synthetic", problem, mend))
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(count(&self.search))
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for together in batch.chunks_mut(TOGETHER) {
            let mut updates = Vec::with_capacity(together.len());
            for outgoing in together.iter_mut() {
                let update = outgoing.values.take(round.gpu)?;
                if let Some(value) = update.iter().find(|value| !value.is_finite()) {
                    let problem = format!("collaborator {} has a value of {value} to send", outgoing.who);
                    return Err(Error::diverged("codecs: synthetic", problem, "use a smaller optimizer.lr"));
                }
                updates.push((outgoing.who, update));
            }
            let (global, number) = (round.global, round.number);
            let found = match self.host(round.gpu) {
                Some(host) => host.find(&self.search, global, &updates, number),
                None => device::find(&self.search, (round.gpu, &self.layers), global, &updates, number)?,
            };
            for (outgoing, found) in together.iter_mut().zip(found) {
                outgoing.values = Values::Host([found.images, found.labels, vec![found.scale]].concat());
            }
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let malformed =
            |problem: String| Error::message(problem, "use the same model and codec on both sides");
        let (count, pixels) = (count(&self.search), self.search.images * self.search.width);
        for together in batch.chunks_mut(TOGETHER) {
            let mut sent = Vec::with_capacity(together.len());
            for incoming in together.iter_mut() {
                let values = incoming.values.take(round.gpu)?;
                if incoming.due != self.parameters
                    || round.global.len() != self.parameters
                    || values.len() != count
                {
                    return Err(malformed(format!(
                        "an update of {} values is of another model",
                        incoming.due
                    )));
                }
                if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                    return Err(malformed(format!("a made-up image has a value of {value}")));
                }
                sent.push(values);
            }
            let parts = sent.iter().map(|values| {
                let (images, rest) = values.split_at(pixels);
                let labels = rest[..rest.len() - 1].iter().map(|&label| f64::from(label));
                (images, labels.collect::<Vec<_>>())
            });
            let (images, labels): (Vec<_>, Vec<_>) = parts.unzip();
            let labels: Vec<_> = labels.iter().map(Vec::as_slice).collect();
            let gradients = match self.host(round.gpu) {
                Some(host) => {
                    let each = images.iter().zip(&labels);
                    each.map(|(images, labels)| host.gradient(round.global, images, labels)).collect()
                }
                None => {
                    let (count, own) = (together.len(), self.search.images);
                    let passes = Passes::to_weights(round.gpu, &self.layers, count, own)?;
                    passes.set_weights(together.iter().map(|_| round.global));
                    passes.weight_gradients(&passes.logits(&images)?, &labels)?
                }
            };
            for ((incoming, sent), mut gradient) in together.iter_mut().zip(&sent).zip(gradients) {
                gradient.iter_mut().for_each(|value| *value *= sent[count - 1]);
                if let Some(value) = gradient.iter().find(|value| !value.is_finite()) {
                    return Err(malformed(format!("the gradient of made-up images has a value of {value}")));
                }
                incoming.values = Values::Host(gradient);
            }
        }
        Ok(())
    }
}
