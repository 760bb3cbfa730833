//! Projections on the principal axes of each collaborator's snapshots: what every autoencoder has to beat.

mod shipped;

use super::bank::{Bank, check_bank, incoming, outgoing, put_codes, put_lines};
use crate::autoencoder::pca::{Pca, PcaDecoder, PcaEncoder, PcaState};
use crate::codec::{
    About, Context, Decoder, ExpectedLogs, FreeOption, FreeRange, Incoming, Kept, Learned, Linear, Make,
    OptionAbout, Options, Outgoing, Round, SetupJob, ShareJob, Stage, StageKind,
};
use crate::gpu::Gpu;
use crate::model::AutoencoderSpec;
use crate::training::CodeDecoder;
use crate::{Error, Result};
use serde::Deserialize;
use shipped::{Precision, Shipped};

pub(super) const KIND: StageKind = StageKind {
    learns: true,
    needs_autoencoder: |options| !options.contains_key("floats"),
    about: About {
        summary: "projections on the principal axes of the collaborator's snapshots, which are shipped once",
        source: "what every autoencoder of weights (Chandar et al. 2021, arXiv 2108.05670) has to beat",
        options: &[
            OptionAbout::new(
                "floats",
                "as many as the code of [autoencoder]",
                "axes, and so floats of an update",
            ),
            OptionAbout::new("ship", "f32", "how axes are shipped: f32, f16, int8 or int4"),
            OptionAbout::new("shared", "false", "the aggregator makes one set of axes of those of all"),
        ],
        good_for: "the fewest bytes an update; learning goes on with prior before it and tune behind it",
        example: "prior+pca(floats=2)+f16+tune",
    },
    free: Some(FreeOption { name: "floats", range: FreeRange::Axes, instead: &[] }),
    linear: Linear::Shared,
    ..StageKind::new("pca", Make::Plain(make))
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// As many as an autoencoder's code has, where it is left out.
    floats: Option<usize>,
    /// How its axes are shipped.
    #[serde(default)]
    ship: Precision,
    /// Whether the aggregator makes one set of axes for all.
    #[serde(default)]
    shared: bool,
}

fn make(context: &Context<'_>, options: &Options) -> Result<Box<dyn Stage>> {
    let Given { floats: given, ship, shared } = options.parse()?;
    let floats = match given {
        Some(0) => return Err(options.refuse("codes of 0 floats say nothing", "set floats to 1 or more")),
        Some(floats) => floats,
        None => context.autoencoder()?.shape(context.parameters())?.latent(),
    };
    let (encoders, decoders) = (Bank::default(), Bank::default());
    let place = options.place.clone();
    let (width, is_given) = (context.parameters(), given.is_some());
    // What sets it apart from others of as many floats.
    let others = options.table.iter().filter(|(key, _)| *key != "floats");
    let others = others.map(|(key, value)| match value {
        toml::Value::String(value) => value.clone(),
        _ => key.clone(),
    });
    let parts: Vec<_> = given.iter().map(|floats| floats.to_string()).chain(others).collect();
    // How many axes the snapshots have is not known before they are logged.
    let label = if parts.is_empty() { "pca".into() } else { format!("pca({})", parts.join(",")) };
    Ok(Box::new(Projection { label, floats, is_given, ship, shared, place, width, encoders, decoders }))
}

/// What is shipped, and what a collaborator keeps of it.
const AXES: &str = "axes";

/// Projections on axes.
struct Projection {
    label: String,
    /// As many as that, or as the snapshots of all collaborators have axes.
    floats: usize,
    /// Whether the spec says how many, in so many words.
    is_given: bool,
    ship: Precision,
    shared: bool,
    /// The field of the spec.
    place: String,
    /// P
    width: usize,
    encoders: Bank<PcaEncoder>,
    decoders: Bank<PcaDecoder>,
}

impl Projection {
    fn state(&self, kept: &Kept) -> Result<PcaState> {
        Ok(self.shipped(kept)?.state)
    }

    fn shipped(&self, kept: &Kept) -> Result<Shipped> {
        Shipped::from_bytes(self.width, self.ship, kept.expect_bytes(AXES)?)
    }
}

impl Stage for Projection {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn leaves(&self, _: usize, kept: &Kept) -> Option<usize> {
        let kept = kept.bytes(AXES);
        Some(kept.map_or(self.floats, |bytes| self.ship.floats_of(self.width, bytes.len())))
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let (ids, weights) = outgoing(round.gpu, batch)?;
        let make = || {
            let states =
                batch.iter().map(|outgoing| self.state(outgoing.kept)).collect::<Result<Vec<_>>>()?;
            PcaEncoder::new(round.gpu, &states)
        };
        let codes = self.encoders.with(ids, make, |encoder| encoder.codes(&weights))?;
        put_codes(batch, &codes);
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let (ids, codes) = incoming(round.gpu, batch)?;
        let make = || {
            let states =
                batch.iter().map(|incoming| self.state(incoming.kept)).collect::<Result<Vec<_>>>()?;
            PcaDecoder::new(round.gpu, &states)
        };
        let tensor = self.decoders.with(ids, make, |decoder| decoder.decode(&codes).cloned())?;
        put_lines(batch, &tensor);
        Ok(())
    }

    fn decoder(&self, _: &Gpu, kept: &Kept) -> Result<CodeDecoder> {
        Ok(CodeDecoder::Linear(self.state(kept)?.rows))
    }

    fn setup(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let observer = &mut *job.run.observer;
        observer.begin("principal axes", "collaborators", job.logs.len() as u64);
        let mut states = Vec::with_capacity(job.logs.len());
        for log in job.logs {
            let rows = log.rows();
            let pca = Pca::fit(&rows, &[])?;
            let floats = self.floats.min(pca.rank());
            states.push((pca.state(floats)?, pca.spreads(floats)));
            observer.advance(1);
        }
        // The first axes are those of the largest variance.
        let floats = states.iter().map(|(state, _)| state.floats).min().unwrap_or(self.floats);
        let mut shipped = Vec::with_capacity(states.len());
        for ((mut state, mut spreads), kept) in states.into_iter().zip(&mut job.kept) {
            state.floats = floats;
            state.rows.truncate(floats * self.width);
            spreads.truncate(floats);
            let bytes = Shipped { state, spreads: self.shared.then_some(spreads) }.to_bytes(self.ship);
            kept.put_bytes(AXES, bytes.clone());
            shipped.push(bytes);
        }
        observer.note(&format!("{floats} floats"));
        observer.end();
        *job.learned = Learned { decoder: Decoder::Axes, curves: Vec::new() };
        self.encoders.clear();
        Ok(shipped)
    }

    fn own_axes(&self) -> usize {
        if self.shared { 0 } else { self.floats }
    }

    fn replacing(&self, axes: &[f32], _: &Kept) -> Result<Vec<u8>> {
        Ok(self.ship.rows(axes, self.width))
    }

    fn replace_axes(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let replaced = self.ship.replaced(self.width, kept.expect_bytes(AXES)?, bytes)?;
        Shipped::from_bytes(self.width, self.ship, &replaced)?;
        kept.put_bytes(AXES, replaced);
        self.encoders.clear();
        self.decoders.clear();
        Ok(())
    }

    fn is_shared(&self) -> bool {
        self.shared
    }

    /// The principal axes of all that collaborators' weights are spread over, each of these counting alike.
    fn share(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        let shipped = job.kept.iter().map(|kept| self.shipped(kept)).collect::<Result<Vec<_>>>()?;
        let points: Vec<_> = shipped.iter().flat_map(Shipped::points).collect();
        let rows: Vec<_> = points.iter().map(Vec::as_slice).collect();
        let pca = Pca::fit(&rows, &[])?;
        let state = pca.state(self.floats.min(pca.rank()))?;
        Ok(Shipped { state, spreads: None }.to_bytes(self.ship))
    }

    fn adopt(&self, _: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        kept.put_bytes(AXES, bytes.to_vec());
        self.encoders.clear();
        Ok(())
    }

    fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        Shipped::from_bytes(self.width, self.ship, bytes)?;
        kept.put_bytes(AXES, bytes.to_vec());
        self.decoders.clear();
        Ok(())
    }

    fn check_senders(&self, _: Option<usize>, kept: &[&Kept]) -> Result<()> {
        let mut floats = None;
        for kept in kept {
            let state = self.state(kept)?;
            let most = if self.is_given { self.floats } else { usize::MAX };
            let is_known = state.floats == *floats.get_or_insert(state.floats);
            let is_finite = state.rows.iter().chain(&state.means).all(|value| value.is_finite());
            if state.floats == 0 || state.floats > most || !is_known || !is_finite {
                let problem =
                    format!("the {} axes that are kept are none for all collaborators", state.floats);
                return Err(Error::message(problem, "send the setup again"));
            }
        }
        Ok(())
    }

    fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        self.check_senders(count, kept)
    }

    fn check_room(&self, gpu: &Gpu, expected: ExpectedLogs) -> Result<()> {
        // Those of all collaborators have axes between them too.
        let together = if self.shared { expected.collaborators } else { 1 };
        let snapshots = together * expected.snapshots;
        let axes = snapshots.saturating_sub(1);
        if self.is_given && self.floats > axes {
            let problem = format!("{snapshots} snapshots have {axes} axes at most, not {}", self.floats);
            return Err(Error::setting(&self.place, problem, "use fewer floats, or log more snapshots"));
        }
        let floats = self.floats.min(axes).max(1);
        check_bank(gpu, &AutoencoderSpec::linear("pca", self.width, floats), expected.collaborators)
    }
}
