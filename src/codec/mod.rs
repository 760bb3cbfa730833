//! How an update crosses the wire: a [`Pipeline`] of [`Stage`]s makes bytes of it and undoes them in reverse order.
//!
//! A stage keeps nothing itself. What a side has to keep lies in [`Kept`], one [`Store`] for each side, by collaborator
//! id; the aggregator's is filled from bytes alone.

mod about;
mod budget;
mod byte_coder;
mod coded;
mod costs;
mod explained;
mod given;
mod kept;
mod known_encoder;
mod learned;
mod local;
mod message;
mod options;
mod parked;
mod pipeline;
mod pipeline_spec;
mod pipeline_text;
mod presets;
mod refusals;
mod registry;
mod set_up_once;
mod setups;
mod shipped;
pub mod stages;
mod state_file;
mod store;
mod sub_model;
mod values;

pub use about::{About, FreeOption, FreeRange, Linear, OptionAbout};
pub use budget::{Fitted, Found, Sizing};
pub use byte_coder::ByteCoder;
pub use coded::{CodePart, Tune};
pub use costs::{Costs, DecoderCost, decoder_costs};
pub use explained::Explained;
pub use given::Given;
pub use kept::{Kept, KeptId, expect_length};
pub use known_encoder::KnownEncoder;
pub use learned::{Decoder, Learned};
pub use local::{LocalData, OrderOf};
pub use message::{Message, MessageKind, MessageView, message_bytes};
pub use options::{NoOptions, Options, PartSpec};
pub use parked::Parking;
pub use pipeline::{Pipeline, Received};
pub use pipeline_spec::PipelineSpec;
pub use presets::{PRESETS, Preset};
pub use registry::{Context, Make, StageKind, Stages};
pub use setups::Setups;
pub use shipped::{DecoderPart, ShippedDecoder};
pub use state_file::{CodecState, CodecStateNotes, Side};
pub use store::Store;
pub use sub_model::SubModel;
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

    /// Hears once, before anything is encoded, what it is given. Errors where it cannot work on that.
    fn given(&mut self, given: Given) -> Result<()> {
        let _ = given;
        Ok(())
    }

    /// What the next stage is given, where this one leaves as many values as it is given.
    fn gives(&self, given: Given) -> Given {
        given
    }

    /// How many values it leaves for the next stage of `count` that it is given; `None` where that depends on the
    /// values, and a number has to be sent along.
    fn leaves(&self, count: usize, kept: &Kept) -> Option<usize> {
        let _ = kept;
        Some(count)
    }

    /// The part of the weights that this collaborator is sent and trains in the round of this number; none where it is
    /// all of them. `seed` is the federation's.
    fn sub_model(&self, number: u32, seed: u64, who: u32) -> Option<SubModel> {
        let _ = (number, seed, who);
        None
    }

    /// Sender: leaves in `values` what the next stage takes, and writes to `side` what undoes this one.
    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()>;

    /// Receiver: reads `side`, and makes of `values` the `due` values that `encode` was given. What the aggregator keeps
    /// of it from here on goes into `news`.
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
    /// each collaborator, and sends back. Both sides keep that in place of what was shipped, by
    /// [`adopt`](Self::adopt) and [`install_shared`](Self::install_shared).
    fn share(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        let _ = job;
        Err(Error::fault(format!("{} shares nothing", self.label())))
    }

    /// The aggregator's side of it: keeps one that is for all. It does so once, and has it of each collaborator.
    fn install_shared(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.install(bytes, kept)
    }

    /// A collaborator's side of it: keeps what encodes for the decoder that came back. What is kept before may be nothing,
    /// as of those that have logged no weights, and decides nothing: all keep the same.
    fn adopt(&self, gpu: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let _ = (gpu, bytes, kept);
        Ok(())
    }

    /// Whether the aggregator decodes with what it has decoded before.
    fn keeps_arrivals(&self) -> bool {
        false
    }

    /// Whether collaborators ship more than their setups, as rounds go on.
    fn refreshes(&self) -> bool {
        false
    }

    /// Before a collaborator sends in a round: what it ships on top of its setup, where that is due. It keeps the same
    /// already.
    fn refresh(&self, round: &Round<'_>, kept: &mut Kept) -> Result<Option<Vec<u8>>> {
        let _ = (round, kept);
        Ok(None)
    }

    /// Where its codes are sums of axes: what puts these, `[n, P]`, in the place of the last ones.
    fn replacing(&self, axes: &[f32], kept: &Kept) -> Result<Vec<u8>> {
        let _ = (axes, kept);
        Err(Error::fault(format!("{} has no axes", self.label())))
    }

    /// Either side: keeps the axes that were shipped so.
    fn replace_axes(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let _ = (bytes, kept);
        Err(Error::fault(format!("{} has no axes", self.label())))
    }

    /// How many of its axes can be replaced; none where codes are not sums of a collaborator's own axes.
    fn own_axes(&self) -> usize {
        0
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

    /// Refuses a stage of which what it could not say must not be added to what it is given next time.
    fn check_fed_back(&self) -> Result<()> {
        Ok(())
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

    /// Whether the aggregator [joins](Self::join) what it gets of all collaborators before it decodes it.
    fn is_joint(&self) -> bool {
        false
    }

    /// The values of all updates as one, weighted by `weights`, where it is joint. `kept` is what the aggregator keeps
    /// for it of the federation, not of a collaborator.
    fn join(
        &self,
        round: &Round<'_>,
        batch: &mut [Incoming<'_>],
        weights: &[f64],
        kept: &mut Kept,
    ) -> Result<Vec<f32>> {
        let _ = (round, batch, weights, kept);
        Err(Error::fault(format!("{} joins nothing", self.label())))
    }

    /// Where it makes codes: what turns those of a collaborator into weights. `kept` is the aggregator's.
    fn decoder(&self, gpu: &Gpu, kept: &Kept) -> Result<CodeDecoder> {
        let _ = (gpu, kept);
        let problem = format!("{} has no decoder that a code can be trained through", self.label());
        Err(Error::setting("codecs: tune", problem, "leave tune out, or use pca or autoencoder"))
    }

    /// What that decoder is made of, so that the same one is known again; none where it has to be made again whenever
    /// collaborators change.
    fn decoder_id(&self, kept: &Kept) -> Option<KeptId> {
        let _ = kept;
        None
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

    /// Refuses what the aggregator keeps of the federation for a joint stage, as a checkpoint has it, where updates cannot
    /// be joined with it.
    fn check_joint(&self, kept: &Kept) -> Result<()> {
        let _ = kept;
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
    /// What it keeps besides or instead, once the whole update is decoded. A message that is refused changes nothing.
    pub news: Kept,
    /// Whether the collaborator left its update out of the round. Its values are zeros, and are not averaged.
    pub is_left_out: bool,
}

impl<'a> Incoming<'a> {
    /// Of a message that nothing has been read of.
    pub fn new(who: u32, due: usize, side: Reader<'a>, kept: &'a Kept) -> Self {
        let (values, news) = (Values::default(), Kept::default());
        Self { who, values, due, side, kept, news, is_left_out: false }
    }
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
    /// How many collaborators log.
    pub collaborators: usize,
    /// How many snapshots each of them logs at most.
    pub snapshots: usize,
    /// How many collaborators, with or without logs, encode side by side.
    pub together: usize,
}
