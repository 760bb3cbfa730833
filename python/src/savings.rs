//! What compression saves, by formula.

use crate::convert::to_python;
use crate::errors::{kind, raise, value};
use fedfunnel::savings::{Counting, Decoders, Savings, exact_decoder, half_autoencoder};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What compression saves and what it costs, by formula, as `fedfunnel savings --json` has it.
///
/// parameters, latent, rounds, collaborators   P, Z, R and C
/// decoders        "each", "shared", or how many
/// snapshots       S, where autoencoders are trained in the small space
/// paper           count as the paper does: a decoder's parameters alone
/// decoder_parameters  D, where it is not one dense layer
/// target_ratio    says how many rounds it takes until the uplink is so many times smaller
#[pyfunction]
#[pyo3(signature = (parameters, latent, rounds, collaborators, *, decoders = None, snapshots = None, paper = false,
    decoder_parameters = None, target_ratio = None))]
#[expect(clippy::too_many_arguments, reason = "each is a keyword")]
pub fn savings<'py>(
    py: Python<'py>,
    parameters: u64,
    latent: u64,
    rounds: u64,
    collaborators: u64,
    decoders: Option<&Bound<'py, PyAny>>,
    snapshots: Option<u32>,
    paper: bool,
    decoder_parameters: Option<u64>,
    target_ratio: Option<f64>,
) -> PyResult<Bound<'py, PyAny>> {
    let decoders = match decoders {
        None => Decoders::Each,
        Some(given) => given.str()?.to_string().parse().map_err(|_| {
            kind("decoders", format!("{given} is no number of them"), "use \"each\", \"shared\" or a number")
        })?,
    };
    let counting = match snapshots {
        Some(_) if paper => {
            return Err(value("snapshots", "the paper counts none", "leave one of the two out"));
        }
        _ if paper => Counting::Paper,
        Some(snapshots) => Counting::SmallSpace { snapshots },
        None => Counting::Messages,
    };
    let usual = if paper { half_autoencoder } else { exact_decoder };
    let Some(decoder_parameters) = decoder_parameters.or_else(|| usual(parameters, latent)) else {
        return Err(value(
            "latent",
            "a decoder of Z*P + P parameters cannot be counted",
            "use smaller numbers",
        ));
    };
    let savings =
        Savings { parameters, latent, decoder_parameters, rounds, collaborators, decoders, counting };
    savings.check(str::to_string).map_err(raise)?;
    if let Some(target) = target_ratio.filter(|target| !(target.is_finite() && *target > 0.0)) {
        return Err(value("target_ratio", format!("{target} is no ratio to reach"), "use a number above 0"));
    }
    let found = to_python(py, &savings)?;
    let found = found.cast_into::<PyDict>()?;
    found.set_item("decoders_shipped", savings.shipped())?;
    found.set_item("decoder_message_bytes", savings.decoder_message_bytes())?;
    found.set_item("update_message_bytes", savings.message_bytes(parameters))?;
    found.set_item("code_message_bytes", savings.message_bytes(latent))?;
    found.set_item("uplink_ratio", savings.uplink_ratio())?;
    found.set_item("both_ways_ratio", savings.both_ways_ratio())?;
    found.set_item("break_even_rounds", savings.break_even_rounds())?;
    found.set_item("break_even_collaborators", savings.break_even_collaborators())?;
    found.set_item("rounds_for_target", target_ratio.and_then(|target| savings.rounds_for(target)))?;
    Ok(found.into_any())
}
