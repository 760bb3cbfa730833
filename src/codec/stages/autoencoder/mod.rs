//! The learned codec of Chandar et al. (arXiv 2108.05670): each collaborator trains an autoencoder on its snapshots,
//! keeps the encoder, and ships the decoder.

mod halves;
mod kept;
mod known;
mod learn;
mod share;

use super::bank::{Bank, check_bank, incoming, outgoing, put_codes, put_lines};
use crate::autoencoder::AutoencoderSettings;
use crate::autoencoder::small::Space;
use crate::codec::{
    About, Context, ExpectedLogs, FreeOption, FreeRange, Incoming, Kept, KnownEncoder, Linear, Make,
    OptionAbout, Options, Outgoing, Round, SetupJob, ShareJob, Stage, StageKind,
};
use crate::gpu::Gpu;
use crate::model::AutoencoderSpec;
use crate::training::{CodeDecoder, Snapshots};
use crate::{Result, settings};
use halves::{DECODER, Decoders, Encoders};

pub use halves::keep_encoder;

pub(super) const KIND: StageKind = StageKind {
    learns: true,
    needs_autoencoder: |_| true,
    about: About {
        summary: "the code that an autoencoder makes of weights, whose decoder is shipped once",
        source: "Chandar et al. 2021 (arXiv 2108.05670)",
        options: OPTIONS,
        good_for: "the fewest bytes an update; learning goes on with prior before it and tune behind it",
        example: "prior+autoencoder+f16+tune",
    },
    free: Some(FreeOption { name: "latent", range: FreeRange::Axes, instead: &["model"] }),
    linear: Linear::Shared,
    ..StageKind::new("autoencoder", Make::Plain(make))
};

/// What is not said here is as the spec's table `autoencoder` says.
const OPTIONS: &[OptionAbout] = &[
    OptionAbout::new("model", TABLE, "its spec, by name or path"),
    OptionAbout::new("latent", TABLE, "floats of the code, in place of the model's"),
    OptionAbout::new("hidden", TABLE, "widths between input and code, mirrored in the decoder"),
    OptionAbout::new(
        "space",
        TABLE,
        "where it is trained: wide (on weights) or small (in the span of the snapshots)",
    ),
    OptionAbout::new("epochs", TABLE, "times that every snapshot is seen"),
    OptionAbout::new("look_every", TABLE, "how often losses are looked at, in epochs"),
    OptionAbout::new("hold_out", TABLE, "every so many snapshots one is held out"),
    OptionAbout::new("batch", TABLE, "snapshots per step"),
    OptionAbout::new("optimizer", TABLE, "the rule that it is trained by, a table"),
    OptionAbout::new("layer_rates", TABLE, "learning rates of its layers, a table"),
    OptionAbout::new("shared", "false", "the aggregator makes one decoder of those of all"),
];

/// The default of most options.
const TABLE: &str = "as in [autoencoder]";

fn make(context: &Context<'_>, options: &Options) -> Result<Box<dyn Stage>> {
    let mut own = context.autoencoder()?.clone();
    let mut given = options.table.clone();
    let shared = match given.remove("shared") {
        None => false,
        Some(toml::Value::Boolean(shared)) => shared,
        Some(other) => return Err(options.refuse(format!("shared is {other}"), "set it to true or false")),
    };
    if !given.is_empty() {
        // What the stage's own table says goes before the spec's table.
        let mut table: toml::Table =
            settings::to_toml(&own)?.parse().map_err(|e| options.refuse(format!("{e}"), ""))?;
        settings::merge(&mut table, given.clone());
        own = Options { table, ..options.clone() }.parse()?;
    }
    own.check()?;
    let shape = own.shape(context.parameters())?;
    // What sets it apart from others of the same latent.
    let others = given.iter().filter(|(key, _)| *key != "latent");
    let others = others.map(|(key, value)| format!(",{key}={value}").replace(['"', ' '], ""));
    let others = others.chain(shared.then(|| ",shared".to_string())).collect::<String>();
    let label = format!("autoencoder({}{others})", shape.latent());
    let stage = Autoencoder { label, shared, ..Autoencoder::new(shape, own, context.seed) };
    if shared {
        stage.check_shared()?;
    }
    Ok(Box::new(stage))
}

/// Codes of autoencoders.
pub struct Autoencoder {
    label: String,
    shape: AutoencoderSpec,
    settings: AutoencoderSettings,
    seed: u32,
    shared: bool,
    encoders: Bank<Encoders>,
    decoders: Bank<Decoders>,
}

impl Autoencoder {
    /// Of this shape, trained like that.
    pub fn new(shape: AutoencoderSpec, settings: AutoencoderSettings, seed: u32) -> Self {
        let label = format!("autoencoder({})", shape.latent());
        let (encoders, decoders) = (Bank::default(), Bank::default());
        Self { label, shape, settings, seed, shared: false, encoders, decoders }
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
        let shipped = self.learn(job)?;
        if !self.shared {
            return Ok(shipped);
        }
        let with_codes = |((decoder, log), kept): ((Vec<u8>, &Snapshots), &&mut Kept)| {
            let encoders = Encoders::new(job.gpu, &self.shape, &[&**kept])?;
            let codes = log.rows().into_iter().map(|row| encoders.codes(&[row.to_vec()]));
            let codes = codes.collect::<Result<Vec<_>>>()?.concat();
            Ok(self.with_codes(&decoder, &codes))
        };
        shipped.into_iter().zip(job.logs).zip(&job.kept).map(with_codes).collect()
    }

    fn is_shared(&self) -> bool {
        self.shared
    }

    fn share(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        self.share_one(job)
    }

    fn adopt(&self, gpu: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.encoders.clear();
        self.adopt_one(gpu, bytes, kept)
    }

    fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        self.decoders.clear();
        // What a collaborator ships comes before what is made of all.
        if self.shared && kept.bytes(DECODER).is_none() {
            return self.install_with_codes(bytes, kept);
        }
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
