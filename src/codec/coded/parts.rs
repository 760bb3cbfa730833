//! What a spec lists around a learned stage: `prior` before it, and the other parts behind it.

use super::Tune;
use super::filters::FilterOptions;
use super::refresh::Refresh;
use crate::codec::{NoOptions, Options, PipelineSpec};
use crate::ops::{Optimizer, OptimizerKind};
use crate::{Error, Result};
use serde::Deserialize;

/// A part of what is done about a learned code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CodePart {
    /// What the code cannot say comes from the global model.
    Prior,
    /// What the code misses goes through stages of its own.
    Residual,
    /// Values of filters and units go beside the code.
    Filters,
    /// The code is trained through its decoder.
    Tune,
    /// What codes have come to miss becomes axes.
    Refresh,
}

impl CodePart {
    /// Its name in specs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prior => "prior",
            Self::Residual => "residual",
            Self::Filters => "filters",
            Self::Tune => "tune",
            Self::Refresh => "refresh",
        }
    }
}

/// The parts of a list, as a spec gives them.
#[derive(Debug, Default)]
pub(in crate::codec) struct CodeParts {
    pub prior: bool,
    pub residual: Option<PipelineSpec>,
    pub filters: Option<FilterOptions>,
    pub tune: Option<Tune>,
    pub(super) refresh: Option<Refresh>,
    last: Option<CodePart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResidualOptions {
    stages: PipelineSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TuneOptions {
    #[serde(default = "usual_epochs")]
    epochs: u64,
    batch: Option<usize>,
    #[serde(default = "usual_rate")]
    lr: f32,
    #[serde(default)]
    optimizer: OptimizerKind,
    #[serde(default)]
    decay: f32,
}

fn usual_epochs() -> u64 {
    1
}

fn usual_rate() -> f32 {
    0.03
}

impl CodeParts {
    /// Takes the next part of the list.
    pub fn add(&mut self, part: CodePart, options: &Options) -> Result<()> {
        if self.last >= Some(part) {
            let problem = format!("{} stands behind {}", part.name(), self.last.map_or("", CodePart::name));
            return Err(options
                .refuse(problem, "list prior first, then residual, filters, tune and refresh, each once"));
        }
        self.last = Some(part);
        match part {
            CodePart::Prior => {
                options.parse::<NoOptions>()?;
                self.prior = true;
            }
            CodePart::Residual => self.residual = Some(options.parse::<ResidualOptions>()?.stages),
            CodePart::Filters => self.filters = Some(FilterOptions::new(options)?),
            CodePart::Tune => self.tune = Some(tune(options)?),
            CodePart::Refresh => {
                self.refresh = Some(Refresh::new(options)?);
                if !self.prior {
                    let problem = "it takes from the global model what replaced axes could say";
                    return Err(options.refuse(problem, "list prior first"));
                }
            }
        }
        Ok(())
    }

    /// Whether nothing is done to the code itself any more.
    pub fn is_closed(&self) -> bool {
        self.last > Some(CodePart::Prior)
    }

    /// Refuses values of filters that nothing trains.
    pub fn check_filters(&self) -> Result<()> {
        if self.filters.is_none() || self.tune.is_some() {
            return Ok(());
        }
        let problem = "values of filters are trained with the code, and nothing trains it";
        Err(Error::setting("codecs: filters", problem, "list tune behind filters"))
    }

    /// Refuses to refresh more than the axes that a learned stage has of its own, or as many.
    pub fn check_refresh(&self, own_axes: usize, label: &str) -> Result<()> {
        let (problem, mend) = match &self.refresh {
            Some(_) if own_axes == 0 => (
                format!("{label} has no axes that a collaborator could replace"),
                "use it with pca that is not shared",
            ),
            Some(refresh) if refresh.axes >= own_axes => (
                format!("{} of the {own_axes} axes of {label} would be replaced", refresh.axes),
                "use fewer axes of refresh, or more floats of pca",
            ),
            _ => return Ok(()),
        };
        Err(Error::setting("codecs: refresh", problem, mend))
    }

    /// The error for a list in which a part has no learned stage to be about.
    pub fn nothing_learned(part: CodePart) -> Error {
        let problem = format!("{} is about the code of a learned stage, and there is none", part.name());
        let mend = "list it behind pca or autoencoder, and prior before it";
        Error::setting(format!("codecs: {}", part.name()), problem, mend)
    }
}

fn tune(options: &Options) -> Result<Tune> {
    let TuneOptions { epochs, batch, lr, optimizer, decay } = options.parse()?;
    if batch == Some(0) {
        return Err(options.refuse("batches of 0 images", "set batch to 1 or more"));
    }
    if epochs == 0 {
        return Err(options.refuse("0 epochs tune nothing", "set epochs to 1 or more, or leave tune out"));
    }
    if !(0.0..=2.0).contains(&decay) {
        return Err(options.refuse(format!("a decay of {decay}"), "use 0, which keeps the rate, to 2"));
    }
    let optimizer = Optimizer { kind: optimizer, lr, ..Optimizer::default() };
    optimizer.check(&options.place)?;
    let given: Vec<_> = options.table.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let given = given.join(",").replace(['"', ' '], "");
    let label = if given.is_empty() { "tune".into() } else { format!("tune({given})") };
    Ok(Tune { epochs, batch, optimizer, decay, label })
}
