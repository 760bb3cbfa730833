//! Values of filters and units that are trained and sent beside a code: see [`Filters`].
//!
//! With `x` the weights that a code of zeros decodes to (the global model under `prior`), `k(i)` the filter that weight
//! `i` belongs to, and `s` the values, `s[k(i)] x[i]` is added to a weight, and `s[k(i)]` to a bias. Both sides know `x`,
//! so that nothing has to be shipped.

use crate::codec::{Options, PartSpec, Pipeline, PipelineSpec};
use crate::model::{Filters, Layout};
use crate::training::FilterSettings;
use crate::{Error, Result};
use serde::Deserialize;

/// What a spec says of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::codec) struct FilterOptions {
    /// What becomes of the values on the wire.
    #[serde(default = "FilterPart::usual_stages")]
    pub stages: PipelineSpec,
    #[serde(default = "usual_rate")]
    lr: f32,
}

fn usual_rate() -> f32 {
    0.003
}

impl FilterOptions {
    /// As the options say.
    pub fn new(options: &Options) -> Result<Self> {
        let own: Self = options.parse()?;
        if own.lr > 0.0 && own.lr.is_finite() {
            return Ok(own);
        }
        Err(options.refuse(format!("a rate of {}", own.lr), "set lr above 0, such as 0.003"))
    }
}

/// The values on their way.
pub(in crate::codec) struct FilterPart {
    pub filters: Filters,
    /// What becomes of the values on the wire.
    pub tail: Pipeline,
    lr: f32,
}

impl FilterPart {
    /// Of a model with these tensors. Errors where these have no rows.
    pub fn new(given: &FilterOptions, layout: &Layout, tail: Pipeline) -> Result<Self> {
        let filters = Filters::of(layout).ok_or_else(|| {
            let problem = "the weights are one vector, and not the filters and units of layers";
            Error::setting("codecs: filters", problem, "leave filters out")
        })?;
        Ok(Self { filters, tail, lr: given.lr })
    }

    /// What becomes of the values where a spec says nothing.
    pub fn usual_stages() -> PipelineSpec {
        PipelineSpec(vec![PartSpec::named("f16")])
    }

    /// Its part of a label.
    pub fn label(&self) -> String {
        let tail = Some(self.tail.label()).filter(|label| !label.is_empty()).map(str::to_string);
        let rate = (self.lr != usual_rate()).then(|| format!("lr={}", self.lr));
        let parts: Vec<_> = tail.into_iter().chain(rate).collect();
        if parts.is_empty() { "filters".into() } else { format!("filters({})", parts.join(",")) }
    }

    /// How they train beside a code whose rate is `code_rate`.
    pub fn settings(&self, code_rate: f32) -> FilterSettings {
        let (filters, rate) = (self.filters.clone(), self.lr / code_rate);
        FilterSettings { filters, rate, rounding: self.tail.rounding() }
    }
}
