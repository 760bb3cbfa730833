//! A penalty that changes with what it has cost.

use super::sgd::{expect_plain_sgd, expect_pull_below_one};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options, expect_length};
use crate::federation::strategy::{Drift, Local, LocalKind, LocalResult, PartAbout};
use crate::model::Optimizer;
use serde::Deserialize;

/// As specs name it.
pub const DYN: LocalKind = LocalKind {
    name: "dyn",
    about: PartAbout {
        summary: "a penalty on the way from the global model, less what it has cost so far",
        source: "Acar et al. 2021, FedDyn (arXiv 2111.04263)",
        options: &[OptionAbout::new("alpha", "0.01", "how much that way costs")],
        good_for: "shares that differ, where nothing more may be sent",
        needs: "optimizer.kind=sgd",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DynamicOptions {
    #[serde(default = "usual_alpha")]
    alpha: f32,
}

/// One of the paper's: 0.1, 0.01 or 0.001 by data set.
fn usual_alpha() -> f32 {
    0.01
}

fn make(options: &Options) -> Result<Box<dyn Local>> {
    let DynamicOptions { alpha } = options.parse()?;
    if !(alpha > 0.0 && alpha.is_finite()) {
        return Err(options.refuse(format!("an alpha of {alpha}"), "use one above 0, such as 0.01"));
    }
    Ok(Box::new(Dynamic::new(alpha)))
}

/// What a collaborator calls the gradient of its loss where its last round ended.
const GRADIENT: &str = "gradient";

/// Local training of `f(w) - h * w + alpha / 2 * |w - start|^2` (FedDyn, Acar et al. 2021, arXiv 2111.04263, algorithm
/// 1), where `start` is the round's global model and `h`, zero at first, becomes `h - alpha * (w - start)` at the end of
/// each round that the collaborator takes part in: every step is `w -= rate * (g - h + alpha * (w - start))`. Nothing
/// more crosses the wire. The aggregator's part is the server rule `dyn`, and the mean is one without weights, as in the
/// preset `feddyn`. The paper minimises exactly in its analysis; here, as in its experiments, collaborators take steps of
/// SGD.
#[derive(Debug)]
pub struct Dynamic {
    /// How much the way from the global model costs.
    pub alpha: f32,
    kept: Kept,
}

impl Dynamic {
    /// With this penalty.
    pub fn new(alpha: f32) -> Self {
        Self { alpha, kept: Kept::default() }
    }
}

impl Local for Dynamic {
    fn drift(&self, optimizer: &Optimizer, _: Option<&[f32]>, kept: &Kept) -> Option<Drift> {
        let rate = optimizer.lr;
        let correction = kept.get(GRADIENT).map(|own| own.iter().map(|own| -rate * own).collect());
        Some(Drift { gradient: 1.0, pull: self.alpha * rate, correction })
    }

    fn report(&self, done: &LocalResult<'_>, kept: &mut Kept) -> Option<Vec<f32>> {
        let moved = done.weights.iter().zip(done.global).map(|(now, begun)| self.alpha * (now - begun));
        let gradient = match kept.get(GRADIENT) {
            None => moved.map(|moved| -moved).collect(),
            Some(own) => own.iter().zip(moved).map(|(own, moved)| own - moved).collect(),
        };
        kept.put(GRADIENT, gradient);
        None
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn check_collaborator(&self, parameters: usize, kept: &Kept) -> Result<()> {
        kept.get(GRADIENT).map_or(Ok(()), |own| expect_length(GRADIENT, own.len(), parameters))
    }

    fn check(&self, optimizer: &Optimizer) -> Result<()> {
        expect_plain_sgd("dyn", optimizer)?;
        expect_pull_below_one("alpha", self.alpha, optimizer)
    }
}
