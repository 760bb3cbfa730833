//! What becomes of the updates that arrive: decoded, looked at where some may be damaged or meant to harm, and combined.

use super::ledger::Rejected;
use super::state::{CODEC, FederationState};
use crate::codec::{Kept, Pipeline, Received, Round, Values};
use crate::{Error, Result};

/// An update that arrived: whose it is, and its payload.
pub(super) type Payload = (u32, Vec<u8>);

/// Decodes what arrived. Errors where one cannot be decoded.
pub(super) fn decode(
    pipeline: &Pipeline,
    view: &Round<'_>,
    state: &FederationState,
    payloads: &[Payload],
) -> Result<Vec<(u32, Received)>> {
    if payloads.is_empty() {
        return Ok(Vec::new());
    }
    let received = pipeline.take_in(view, arguments(state, payloads))?;
    Ok(payloads.iter().map(|(who, _)| *who).zip(received).collect())
}

/// The same, but what cannot be decoded, is not finite, or is far longer than the others is rejected, and noted as that
/// in the ledger.
pub(super) fn decode_guarded(
    pipeline: &Pipeline,
    view: &Round<'_>,
    state: &mut FederationState,
    payloads: &[Payload],
    longest: Option<f64>,
) -> Result<Vec<(u32, Received)>> {
    let mut received = match decode(pipeline, view, state, payloads) {
        Err(Error::Message { .. }) => {
            let mut received = Vec::with_capacity(payloads.len());
            for payload in payloads {
                match decode(pipeline, view, state, std::slice::from_ref(payload)) {
                    Ok(one) => received.extend(one),
                    Err(Error::Message { .. }) => state.ledger.reject(payload.0, Rejected::Malformed),
                    Err(error) => return Err(error),
                }
            }
            received
        }
        decoded => decoded?,
    };
    let values = Values::take_all(view.gpu, received.iter_mut().map(|(_, one)| &mut one.values).collect())?;
    for ((_, one), values) in received.iter_mut().zip(values) {
        one.values = Values::Host(values);
    }
    let mut lengths = Vec::with_capacity(received.len());
    received.retain(|(who, one)| {
        let length = length(&one.values, view.global);
        if !length.is_finite() {
            state.ledger.reject(*who, Rejected::NotFinite);
            return false;
        }
        lengths.push(length);
        true
    });
    if let (Some(times), false) = (longest, lengths.is_empty()) {
        let mut sorted = lengths.clone();
        sorted.sort_by(f64::total_cmp);
        let bound = times * sorted[(sorted.len() - 1) / 2];
        let mut lengths = lengths.into_iter();
        received.retain(|(who, _)| {
            let is_short = lengths.next().is_none_or(|length| length <= bound);
            if !is_short {
                state.ledger.reject(*who, Rejected::TooLong);
            }
            is_short
        });
    }
    Ok(received)
}

/// How long the change of the model is that an update makes.
fn length(values: &Values, global: &[f32]) -> f64 {
    let Values::Host(values) = values else { return f64::NAN };
    values.iter().zip(global).map(|(value, global)| f64::from(value - global).powi(2)).sum::<f64>().sqrt()
}

/// Those of the payloads that can be joined, each by itself: what cannot is rejected, and noted as that in the ledger.
pub(super) fn joinable(
    pipeline: &Pipeline,
    view: &Round<'_>,
    state: &mut FederationState,
    payloads: Vec<Payload>,
) -> Result<Vec<Payload>> {
    let mut good = Vec::with_capacity(payloads.len());
    for payload in payloads {
        let alone = std::slice::from_ref(&payload);
        let joined = pipeline.join(view, arguments(state, alone), &[1.0], &mut state.joint.clone());
        match joined {
            Ok(values) if values.iter().all(|value| value.is_finite()) => good.push(payload),
            Ok(_) => state.ledger.reject(payload.0, Rejected::NotFinite),
            Err(Error::Message { .. }) => state.ledger.reject(payload.0, Rejected::Malformed),
            Err(error) => return Err(error),
        }
    }
    Ok(good)
}

/// Payloads as pipelines take them, with what the aggregator keeps of each collaborator.
pub(super) fn arguments<'a>(
    state: &'a FederationState,
    payloads: &'a [Payload],
) -> Vec<(u32, &'a Kept, &'a [u8])> {
    let of = |(who, payload): &'a Payload| (*who, state.aggregator.of(*who).scope(CODEC), payload.as_slice());
    payloads.iter().map(of).collect()
}
