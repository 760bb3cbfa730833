//! The learned codec of Chandar et al. (arXiv 2108.05670): each collaborator trains an autoencoder on its snapshots,
//! keeps the encoder, and ships the decoder.

mod halves;
mod kept;
mod known;
mod learn;

use super::bank::{Bank, check_bank, incoming, outgoing, put_codes, put_lines};
use crate::autoencoder::AutoencoderSettings;
use crate::autoencoder::small::Space;
use crate::codec::{
    Context, ExpectedLogs, Incoming, Kept, KnownEncoder, Make, Options, Outgoing, Round, SetupJob, Stage,
    StageKind,
};
use crate::gpu::Gpu;
use crate::model::AutoencoderSpec;
use crate::training::CodeDecoder;
use crate::{Result, settings};
use halves::{DECODER, Decoders, Encoders};

pub use halves::keep_encoder;

pub(super) const KIND: StageKind = StageKind {
    learns: true,
    needs_autoencoder: |_| true,
    ..StageKind::new("autoencoder", Make::Plain(make))
};

fn make(context: &Context<'_>, options: &Options) -> Result<Box<dyn Stage>> {
    let mut own = context.autoencoder()?.clone();
    if !options.table.is_empty() {
        // What the stage's own table says goes before the spec's table.
        let mut table: toml::Table =
            settings::to_toml(&own)?.parse().map_err(|e| options.refuse(format!("{e}"), ""))?;
        settings::merge(&mut table, options.table.clone());
        own = Options { table, ..options.clone() }.parse()?;
    }
    own.check()?;
    let shape = own.shape(context.parameters)?;
    // What sets it apart from others of the same latent.
    let options = options.table.iter().filter(|(key, _)| *key != "latent");
    let options = options.map(|(key, value)| format!(",{key}={value}")).collect::<String>();
    let label = format!("autoencoder({}{})", shape.latent(), options.replace(['"', ' '], ""));
    Ok(Box::new(Autoencoder { label, ..Autoencoder::new(shape, own, context.seed) }))
}

/// Codes of autoencoders.
pub struct Autoencoder {
    label: String,
    shape: AutoencoderSpec,
    settings: AutoencoderSettings,
    seed: u32,
    encoders: Bank<Encoders>,
    decoders: Bank<Decoders>,
}

impl Autoencoder {
    /// Of this shape, trained like that.
    pub fn new(shape: AutoencoderSpec, settings: AutoencoderSettings, seed: u32) -> Self {
        let label = format!("autoencoder({})", shape.latent());
        Self { label, shape, settings, seed, encoders: Bank::default(), decoders: Bank::default() }
    }
}

impl Stage for Autoencoder {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(self.shape.latent())
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let (ids, weights) = outgoing(round.gpu, batch)?;
        let make = || {
            let kept: Vec<&Kept> = batch.iter().map(|outgoing| &*outgoing.kept).collect();
            Encoders::new(round.gpu, &self.shape, &kept)
        };
        let codes = self.encoders.with(ids, make, |encoders| encoders.codes(&weights))?;
        put_codes(batch, &codes);
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let (ids, codes) = incoming(round.gpu, batch)?;
        let make = || {
            let shipped = batch.iter().map(|incoming| incoming.kept.expect_bytes(DECODER));
            Decoders::new(round.gpu, &self.shape, &shipped.collect::<Result<Vec<_>>>()?)
        };
        let tensor = self.decoders.with(ids, make, |decoders| decoders.decode(&codes).cloned())?;
        put_lines(batch, &tensor);
        Ok(())
    }

    fn decoder(&self, gpu: &Gpu, kept: &Kept) -> Result<CodeDecoder> {
        halves::decoder(gpu, &self.shape, kept.expect_bytes(DECODER)?)
    }

    fn known_encoder(&self) -> Option<&dyn KnownEncoder> {
        if self.is_linear() { None } else { Some(self) }
    }

    fn setup(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        self.encoders.clear();
        self.learn(job)
    }

    fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        halves::check(&self.shape, bytes)?;
        kept.put_bytes(DECODER, bytes.to_vec());
        self.decoders.clear();
        Ok(())
    }

    fn check_senders(&self, _: Option<usize>, kept: &[&Kept]) -> Result<()> {
        kept::check_encoders(&self.shape, kept)
    }

    fn check_receivers(&self, _: Option<usize>, kept: &[&Kept]) -> Result<()> {
        kept::check_decoders(&self.shape, kept)
    }

    fn check_room(&self, gpu: &Gpu, expected: ExpectedLogs) -> Result<()> {
        let group = self.group(gpu, expected);
        group.check(gpu, "prepass.snapshot_every")?;
        if self.settings.space == Space::Small {
            // Encoders are kept as products with the snapshots, or as they are.
            let products = AutoencoderSpec::linear("products", self.shape.inputs(), group.train);
            check_bank(gpu, &products, expected.collaborators)?;
        }
        check_bank(gpu, &self.shape, expected.collaborators)
    }
}
