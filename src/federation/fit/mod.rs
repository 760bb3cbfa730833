//! Codecs that are learned from logged weights: each collaborator fits its own and ships what decodes it.

mod autoencoder;
mod pca;
mod ship;
mod small;

use super::ledger::{Direction, Ledger};
use super::results::Fit;
use super::spec::{Codec, SimulationSpec};
use super::state::FederationState;
use super::wire::Wire;
use crate::codec::autoencoder::Half;
use crate::codec::autoencoder::small::Space;
use crate::codec::{Message, MessageKind, Raw};
use crate::gpu::Gpu;
use crate::model::{AutoencoderSpec, Network};
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};

/// Makes what is between collaborators and aggregator in the rounds after the pre-pass. What is shipped for it
/// goes into the ledger; in a federation that is gone on with it is there already.
pub fn learn_codec(
    run: &mut Run,
    spec: &SimulationSpec,
    autoencoder: Option<&AutoencoderSpec>,
    snapshots: &[Snapshots],
    state: &mut FederationState,
) -> Result<Wire> {
    let (codec, round) = (state.codec, spec.raw_rounds());
    let mut shipped = Ledger::default();
    let ship = &mut |collaborator: usize, payload: Vec<u8>| {
        let message =
            Message { kind: MessageKind::Decoder, round, collaborator: collaborator as u32, payload };
        Ok(shipped.send(codec, Direction::Up, &message)?.payload)
    };
    let (fit, wire) = match (codec, autoencoder) {
        (Codec::Raw, _) | (_, None) => {
            let (gpu, count, width) = (run.gpu()?, spec.collaborators, state.global.len());
            let wire = Wire {
                kind: MessageKind::RawUpdate,
                encoder: Box::new(Raw::new(gpu, count, width)?),
                decoder: Box::new(Raw::new(gpu, count, width)?),
            };
            (Fit::default(), wire)
        }
        (Codec::Pca, Some(shape)) => pca::fit(run, shape.latent(), snapshots, ship)?,
        (Codec::Autoencoder, Some(shape)) => match spec.autoencoder()?.space {
            Space::Wide => autoencoder::fit(run, spec, shape, snapshots, ship)?,
            Space::Small => small::fit(run, spec, shape, snapshots, ship)?,
        },
    };
    if state.fit.floats == 0 {
        state.fit = fit;
        state.ledger.transfers.extend(shipped.transfers);
    }
    Ok(wire)
}

/// Refuses what the device has no room for, before it is given any work: how many snapshots there will be follows
/// from the shares of the images.
pub fn check_room(
    gpu: &Gpu,
    spec: &SimulationSpec,
    autoencoder: &AutoencoderSpec,
    shares: &[Vec<usize>],
) -> Result<()> {
    let (collaborators, snapshots) = (shares.len(), spec.most_snapshots(shares)? as usize);
    let (inputs, latent) = (autoencoder.inputs(), autoencoder.latent());
    if spec.codecs.contains(&Codec::Pca) {
        let floats = latent.min(snapshots.saturating_sub(1)).max(1);
        check_bank(gpu, &AutoencoderSpec::linear("pca", inputs, floats), collaborators)?;
    }
    if !spec.codecs.contains(&Codec::Autoencoder) {
        return Ok(());
    }
    match spec.autoencoder()?.space {
        Space::Wide => {
            autoencoder::check_room(gpu, spec, autoencoder, collaborators, snapshots)?;
            check_bank(gpu, autoencoder, collaborators)
        }
        Space::Small => {
            small::check_room(gpu, spec, autoencoder, snapshots)?;
            // Encoders are kept as products with the snapshots, or as they are.
            check_bank(gpu, &AutoencoderSpec::linear("products", inputs, snapshots), collaborators)?;
            check_bank(gpu, autoencoder, collaborators)
        }
    }
}

/// Refuses halves of autoencoders that do not lie side by side on the device for all collaborators.
fn check_bank(gpu: &Gpu, shape: &AutoencoderSpec, collaborators: usize) -> Result<()> {
    let rehearsal = gpu.rehearsal();
    let fits = |collaborators: usize| {
        [Half::Encoder, Half::Decoder].into_iter().try_for_each(|half| {
            let network = Network::new(&rehearsal, &half.layers(shape), collaborators, None)?;
            network.forward(&rehearsal, &network.workspace(&rehearsal, 1, false, None)?).map(drop)
        })
    };
    let Err(error) = fits(collaborators) else { return Ok(()) };
    let Error::Device { problem, .. } = &error else { return Err(error) };
    let problem = format!("their codecs are too many: {problem}");
    Err(Error::setting("collaborators", problem, "use fewer, or a larger --max-binding-bytes"))
}

/// Says in the metrics how a codec was learned.
pub fn log_fit(run: &mut Run<'_>, fit: &Fit) -> Result<()> {
    for (collaborator, curve) in fit.curves.iter().enumerate() {
        for point in curve {
            run.log(
                &serde_json::json!({ "run": "autoencoder", "collaborator": collaborator, "point": point }),
            )?;
        }
    }
    Ok(())
}
