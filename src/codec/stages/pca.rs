//! Projections on the principal axes of each collaborator's snapshots: what every autoencoder has to beat.

use super::bank::{Bank, check_bank, incoming, outgoing, put_codes, put_lines};
use crate::autoencoder::pca::{Pca, PcaDecoder, PcaEncoder, PcaState};
use crate::codec::{
    Context, Decoder, ExpectedLogs, Incoming, Kept, Learned, Make, Options, Outgoing, Round, SetupJob, Stage,
    StageKind,
};
use crate::gpu::Gpu;
use crate::model::AutoencoderSpec;
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind {
    learns: true,
    needs_autoencoder: |options| !options.contains_key("floats"),
    ..StageKind::new("pca", Make::Plain(make))
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// As many as an autoencoder's code has, where it is left out.
    floats: Option<usize>,
}

fn make(context: &Context<'_>, options: &Options) -> Result<Box<dyn Stage>> {
    let given = options.parse::<Given>()?.floats;
    let floats = match given {
        Some(0) => return Err(options.refuse("codes of 0 floats say nothing", "set floats to 1 or more")),
        Some(floats) => floats,
        None => context.autoencoder()?.shape(context.parameters)?.latent(),
    };
    let (encoders, decoders) = (Bank::default(), Bank::default());
    let place = options.place.clone();
    let (width, is_given) = (context.parameters, given.is_some());
    Ok(Box::new(Projection { floats, is_given, place, width, encoders, decoders }))
}

/// What is shipped, and what a collaborator keeps of it.
const AXES: &str = "axes";

/// Projections on axes.
struct Projection {
    /// As many as that, or as the snapshots of all collaborators have axes.
    floats: usize,
    /// Whether the spec says how many, in so many words.
    is_given: bool,
    /// The field of the spec.
    place: String,
    /// P
    width: usize,
    encoders: Bank<PcaEncoder>,
    decoders: Bank<PcaDecoder>,
}

impl Projection {
    fn state(&self, kept: &Kept) -> Result<PcaState> {
        PcaState::from_bytes(self.width, kept.expect_bytes(AXES)?)
    }
}

impl Stage for Projection {
    fn label(&self) -> String {
        // How many axes the snapshots have is not known before they are logged.
        if self.is_given { format!("pca({})", self.floats) } else { "pca".into() }
    }

    fn leaves(&self, _: usize, kept: &Kept) -> Option<usize> {
        Some(kept.bytes(AXES).map_or(self.floats, |bytes| PcaState::floats_of(bytes.len(), self.width)))
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

    fn directions(&self, _: &Gpu, kept: &Kept) -> Result<Vec<f32>> {
        Ok(self.state(kept)?.rows)
    }

    fn setup(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let observer = &mut *job.run.observer;
        observer.begin("principal axes", "collaborators", job.logs.len() as u64);
        let mut states = Vec::with_capacity(job.logs.len());
        for log in job.logs {
            let rows = log.rows();
            let pca = Pca::fit(&rows, &[])?;
            states.push(pca.state(self.floats.min(pca.rank()))?);
            observer.advance(1);
        }
        // The first axes are those of the largest variance.
        let floats = states.iter().map(|state| state.floats).min().unwrap_or(self.floats);
        let mut shipped = Vec::with_capacity(states.len());
        for (mut state, kept) in states.into_iter().zip(&mut job.kept) {
            state.floats = floats;
            state.rows.truncate(floats * self.width);
            let bytes = state.to_bytes();
            kept.put_bytes(AXES, bytes.clone());
            shipped.push(bytes);
        }
        observer.note(&format!("{floats} floats"));
        observer.end();
        *job.learned = Learned { decoder: Decoder::Axes, curves: Vec::new() };
        self.encoders.clear();
        Ok(shipped)
    }

    fn install(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        PcaState::from_bytes(self.width, bytes)?;
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
        let axes = expected.snapshots.saturating_sub(1);
        if self.is_given && self.floats > axes {
            let problem =
                format!("{} snapshots have {axes} axes at most, not {}", expected.snapshots, self.floats);
            return Err(Error::setting(&self.place, problem, "use fewer floats, or log more snapshots"));
        }
        let floats = self.floats.min(axes).max(1);
        check_bank(gpu, &AutoencoderSpec::linear("pca", self.width, floats), expected.collaborators)
    }
}
