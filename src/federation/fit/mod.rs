//! Codecs that are learned from logged weights: each collaborator fits its own and ships what decodes it.

mod autoencoder;
mod pca;
mod small;

use super::ledger::{Direction, Ledger};
use super::played::Played;
use super::rounds::Wire;
use super::spec::{Codec, SimulationSpec};
use crate::codec::autoencoder::small::{SmallPoint, Space};
use crate::codec::autoencoder::{CurvePoint, Half};
use crate::codec::{Message, MessageKind, Raw};
use crate::gpu::Gpu;
use crate::model::{AutoencoderSpec, Network};
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Points on the curve of an autoencoder's training.
const CURVE_POINTS: usize = 40;

/// How a codec was learned; nothing for one that is not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Fit {
    /// Floats of a code.
    pub floats: usize,
    /// What is shipped to decode it.
    pub decoder: Decoder,
    /// How training went, for each collaborator.
    pub curves: Vec<Vec<FitPoint>>,
}

/// What a collaborator ships so that its codes can be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoder {
    /// Nothing: updates are sent as they are.
    #[default]
    Nothing,
    /// The decoder's weights.
    Dense,
    /// What the decoder is made of: the snapshots, and what it takes of them.
    Factored,
    /// Principal axes.
    Axes,
}

/// How far one collaborator's autoencoder is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitPoint {
    /// Epochs trained.
    pub epoch: u64,
    /// Steps taken.
    pub steps: u64,
    /// Mean squared error of the standardised snapshots, averaged over the epochs since the point before.
    pub loss: f64,
    /// Error of the snapshots relative to what their mean leaves; 1 is "learned the mean only".
    pub relative_l2: f64,
    /// Part of the snapshots whose largest weight is where it was, where that was looked at.
    pub argmax_match: Option<f64>,
    /// Seconds spent training.
    pub seconds: f64,
}

impl From<&CurvePoint> for FitPoint {
    fn from(point: &CurvePoint) -> Self {
        let &CurvePoint { epoch, steps, loss, relative_l2, argmax_match, seconds, .. } = point;
        Self { epoch, steps, loss, relative_l2, argmax_match: Some(argmax_match), seconds }
    }
}

impl From<&SmallPoint> for FitPoint {
    fn from(point: &SmallPoint) -> Self {
        let &SmallPoint { epoch, steps, loss, relative_l2, argmax_match, seconds, .. } = point;
        Self { epoch, steps, loss, relative_l2, argmax_match, seconds }
    }
}

/// Sends what a collaborator's codes are decoded with; gives the payload that arrives.
type Ship<'a> = dyn FnMut(usize, Vec<u8>) -> Result<Vec<u8>> + 'a;

/// Makes what is between collaborators and aggregator in the rounds after the pre-pass. What is shipped for it
/// goes into the ledger; in a federation that is gone on with it is there already.
pub fn wire(
    run: &mut Run,
    spec: &SimulationSpec,
    autoencoder: Option<&AutoencoderSpec>,
    snapshots: &[Snapshots],
    played: &mut Played,
) -> Result<Wire> {
    let (codec, round) = (played.codec, spec.raw_rounds());
    let mut shipped = Ledger::default();
    let ship = &mut |collaborator: usize, payload: Vec<u8>| {
        let message =
            Message { kind: MessageKind::Decoder, round, collaborator: collaborator as u32, payload };
        Ok(shipped.send(codec, Direction::Up, &message)?.payload)
    };
    let (fit, wire) = match (codec, autoencoder) {
        (Codec::Raw, _) | (_, None) => {
            let (gpu, count, width) = (run.gpu()?, spec.collaborators, played.global.len());
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
    if played.fit.floats == 0 {
        played.fit = fit;
        played.ledger.transfers.extend(shipped.transfers);
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
