//! Principal axes of each collaborator's snapshots.

use super::ship::Ship;
use crate::Result;
use crate::codec::MessageKind;
use crate::codec::pca::{Pca, PcaDecoder, PcaEncoder, PcaState};
use crate::federation::results::{Decoder, Fit};
use crate::federation::wire::Wire;
use crate::run::Run;
use crate::training::Snapshots;

/// Fits axes: `floats` of them, or as many as everybody's snapshots have.
pub fn fit(
    run: &mut Run,
    floats: usize,
    snapshots: &[Snapshots],
    ship: &mut Ship<'_>,
) -> Result<(Fit, Wire)> {
    let gpu = run.gpu()?;
    run.observer.begin("principal axes", "collaborators", snapshots.len() as u64);
    let mut states = Vec::with_capacity(snapshots.len());
    for log in snapshots {
        let rows = log.rows();
        let pca = Pca::fit(&rows, &[])?;
        states.push(pca.state(floats.min(pca.rank()))?);
        run.observer.advance(1);
    }
    // The first axes are those of the largest variance.
    let floats = states.iter().map(|state| state.floats).min().unwrap_or(floats);
    let mut arrived = Vec::with_capacity(states.len());
    for (collaborator, state) in states.iter_mut().enumerate() {
        let width = state.means.len();
        state.floats = floats;
        state.rows.truncate(floats * width);
        let payload = ship(collaborator, state.to_bytes())?;
        arrived.push(PcaState::from_bytes(floats, width, &payload)?);
    }
    run.observer.note(&format!("{floats} floats"));
    run.observer.end();
    let wire = Wire {
        kind: MessageKind::CodedUpdate,
        encoder: Box::new(PcaEncoder::new(gpu, &states)?),
        decoder: Box::new(PcaDecoder::new(gpu, &arrived)?),
    };
    Ok((Fit { floats, decoder: Decoder::Axes, curves: Vec::new() }, wire))
}
