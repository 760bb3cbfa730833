//! How an update crosses the wire: a [`Pipeline`] of [`Stage`]s makes bytes of it and undoes them in reverse order.
//!
//! A stage keeps nothing itself. What a side has to keep lies in [`Kept`], one [`Store`] for each side, by collaborator
//! id; the aggregator's is filled from bytes alone.

mod about;
mod budget;
mod coded;
mod costs;
mod kept;
mod known_encoder;
mod learned;
mod local;
mod message;
mod options;
mod pipeline;
mod pipeline_spec;
mod pipeline_text;
mod refusals;
mod registry;
mod set_up_once;
mod setups;
mod shipped;
pub mod stages;
mod state_file;
mod values;

pub use about::{About, FreeOption, FreeRange, OptionAbout};
pub use budget::{Fitted, Found, Sizing};
pub use coded::{CodePart, Tune};
pub use costs::{Costs, DecoderCost, decoder_costs};
pub use kept::{Kept, Store, expect_length};
pub use known_encoder::KnownEncoder;
pub use learned::{Decoder, Learned};
pub use local::{LocalData, OrderOf};
pub use message::{Message, MessageKind, message_bytes};
pub use options::{NoOptions, Options, PartSpec};
pub use pipeline::Pipeline;
pub use pipeline_spec::PipelineSpec;
pub use registry::{Context, Make, StageKind, Stages};
pub use setups::Setups;
pub use shipped::{DecoderPart, ShippedDecoder};
pub use state_file::{CodecState, Side};
pub use values::Values;

use crate::bytes::{Reader, Writer};
use crate::gpu::Gpu;
use crate::ops::code::Rounding;
use crate::run::Run;
use crate::training::{CodeDecoder, Snapshots};
use crate::{Error, Result};

/// One step between weights and bytes, and back.
pub trait Stage: Send + Sync {
    /// Its part of a pipeline's label: `topk(0.01)`.
    fn label(&self) -> String;

    /// How many values it leaves for the next stage of `count` that it is given; `None` where that depends on the
    /// values, and a number has to be sent along.
    fn leaves(&self, count: usize, kept: &Kept) -> Option<usize> {
        let _ = kept;
        Some(count)
    }

    /// Sender: leaves in `values` what the next stage takes, and writes to `side` what undoes this one.
    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()>;

    /// Receiver: reads `side`, and makes of `values` the `due` values that `encode` was given.
    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()>;

    /// The label of the stage that learns, where that is one inside of this.
    fn learned_label(&self) -> Option<String> {
        None
    }

    /// Once, before the first update, where its kind learns: learns from logs, fills what collaborators keep, and gives
    /// what each of them ships.
    fn setup(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let _ = job;
        Ok(Vec::new())
    }

    /// The aggregator's side of it: keeps what came.
    fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let _ = (bytes, kept);
        Ok(())
    }

    /// Whether the aggregator makes one decoder for all of those that came.
    fn is_shared(&self) -> bool {
        false
    }

    /// The aggregator's part of a setup where one decoder is for all: what it makes of all that came, which it keeps of
    /// each collaborator, and sends back. Both sides [install](Self::install) that in place of what was shipped.
    fn share(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        let _ = job;
        Err(Error::fault(format!("{} shares nothing", self.label())))
    }

    /// A collaborator's side of it: keeps what encodes for the decoder that came back.
    fn adopt(&self, gpu: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let _ = (gpu, bytes, kept);
        Ok(())
    }

    /// The weights `[P]` that each of these collaborators, by what it keeps, comes to by `epochs` epochs of tuning its
    /// code alone; none where codes are not tuned.
    fn alone(&self, round: &Round<'_>, whose: &[(u32, &Kept)], epochs: u64) -> Result<Option<Vec<Vec<f32>>>> {
        let _ = (round, whose, epochs);
        Ok(None)
    }

    /// Refuses a stage of whose updates the average is no update by itself.
    fn check_averages(&self) -> Result<()> {
        Err(refusals::no_average(&self.label()))
    }

    /// The payload whose update is the average of those of these payloads, by their weights.
    fn average(
        &self,
        round: &Round<'_>,
        payloads: Vec<(u32, &Kept, &[u8])>,
        weights: &[f64],
    ) -> Result<Vec<u8>> {
        let _ = (round, payloads, weights);
        Err(refusals::no_average(&self.label()))
    }

    /// Where it makes codes: what turns those of a collaborator into weights. `kept` is the aggregator's.
    fn decoder(&self, gpu: &Gpu, kept: &Kept) -> Result<CodeDecoder> {
        let _ = (gpu, kept);
        let problem = format!("{} has no decoder that a code can be trained through", self.label());
        Err(Error::setting("codecs: tune", problem, "leave tune out, or use pca or autoencoder"))
    }

    /// Its encoder as the aggregator has it under `prior`, where its decoder is not linear.
    fn known_encoder(&self) -> Option<&dyn KnownEncoder> {
        None
    }

    /// What becomes of the values that it is given, as far as it is the same for each: codes are trained for what
    /// arrives.
    fn rounding(&self) -> Rounding {
        Rounding::None
    }

    /// Epochs that a collaborator trains before it sends.
    fn epochs(&self) -> u64 {
        0
    }

    /// Refuses what collaborators keep, as a checkpoint has it, where no updates can be encoded with it. `count` is how
    /// many values the stage will be given, where that is known.
    fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        let _ = (count, kept);
        Ok(())
    }

    /// Refuses what the aggregator keeps of collaborators, as a checkpoint has it, where no updates can be decoded with
    /// it.
    fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        let _ = (count, kept);
        Ok(())
    }

    /// Refuses what the device has no room for, before it is given any work.
    fn check_room(&self, gpu: &Gpu, expected: ExpectedLogs) -> Result<()> {
        let _ = (gpu, expected);
        Ok(())
    }
}

/// What all stages see of a round. Both sides have the same.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// From 1.
    pub number: u32,
    /// The federation's.
    pub seed: u64,
    /// The global model that the round began with.
    pub global: &'a [f32],
    /// The device.
    pub gpu: &'a Gpu,
    /// What collaborators train with, on their side.
    pub local: Option<&'a LocalData<'a>>,
}

/// An update on its way out.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The collaborator.
    pub who: u32,
    /// What there is to send.
    pub values: Values,
    /// What this stage adds to the message.
    pub side: Writer,
    /// What the collaborator keeps for this stage.
    pub kept: &'a mut Kept,
}

/// An update on its way in.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The collaborator.
    pub who: u32,
    /// What the next stage was given, decoded.
    pub values: Values,
    /// How many values this stage was given.
    pub due: usize,
    /// The message from what this stage added to it on.
    pub side: Reader<'a>,
    /// What the aggregator keeps for this stage.
    pub kept: &'a Kept,
}

/// What a stage learns from.
pub struct SetupJob<'a, 'r> {
    /// The run, which can be stopped and gone on with.
    pub run: &'a mut Run<'r>,
    /// What the names of its own states begin with.
    pub name: &'a str,
    /// The device.
    pub gpu: &'a Gpu,
    /// The collaborators.
    pub ids: &'a [u32],
    /// What each of them logged.
    pub logs: &'a [Snapshots],
    /// What each of them keeps for this stage.
    pub kept: Vec<&'a mut Kept>,
    /// How it went, for the report.
    pub learned: &'a mut Learned,
    /// What other pipelines of this run have learned.
    pub setups: &'a mut Setups,
}

/// What a decoder for all is made of.
pub struct ShareJob<'a, 'r> {
    /// The run, which can be stopped and gone on with.
    pub run: &'a mut Run<'r>,
    /// What the names of its own states begin with.
    pub name: &'a str,
    /// The device.
    pub gpu: &'a Gpu,
    /// What the aggregator keeps of each collaborator for this stage.
    pub kept: Vec<&'a Kept>,
}

/// How much there will be to learn from.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedLogs {
    /// How many collaborators.
    pub collaborators: usize,
    /// How many snapshots each of them logs at most.
    pub snapshots: usize,
}
