//! A penalty on the way from the global model.

use super::sgd::{expect_plain_sgd, expect_pull_below_one};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{Drift, Local, LocalKind, PartAbout};
use crate::model::Optimizer;
use serde::Deserialize;

/// As specs name it.
pub const PROX: LocalKind = LocalKind {
    name: "prox",
    about: PartAbout {
        summary: "a penalty on the way from the global model",
        source: "Li et al. 2018, FedProx (arXiv 1812.06127)",
        options: &[OptionAbout::new("mu", "0.01", "how much that way costs")],
        good_for: "shares that differ, with many local steps",
        needs: "optimizer.kind=sgd",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProxOptions {
    #[serde(default = "usual_mu")]
    mu: f32,
}

/// One of the values that the paper looks at: 0.001, 0.01, 0.1 and 1.
fn usual_mu() -> f32 {
    0.01
}

fn make(options: &Options) -> Result<Box<dyn Local>> {
    let ProxOptions { mu } = options.parse()?;
    if !(mu >= 0.0 && mu.is_finite()) {
        return Err(options.refuse(format!("a mu of {mu}"), "use 0 or more, such as 0.01"));
    }
    Ok(Box::new(Prox::new(mu)))
}

/// Local training of `f(w) + mu / 2 * |w - start|^2` (FedProx, Li et al. 2018, arXiv 1812.06127, equation 2), where
/// `start` is the round's global model: every step is `w -= rate * (g + mu * (w - start))`. Nothing more crosses the
/// wire. The paper leaves open how exactly collaborators minimise it; here they take as many steps as without.
#[derive(Debug)]
pub struct Prox {
    /// How much the way from the global model costs.
    pub mu: f32,
    kept: Kept,
}

impl Prox {
    /// With this penalty.
    pub fn new(mu: f32) -> Self {
        Self { mu, kept: Kept::default() }
    }
}

impl Local for Prox {
    fn drift(&self, optimizer: &Optimizer, _: Option<&[f32]>, _: &Kept) -> Option<Drift> {
        Some(Drift { gradient: 1.0, pull: self.mu * optimizer.lr, correction: None })
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn check(&self, optimizer: &Optimizer) -> Result<()> {
        expect_plain_sgd("prox", optimizer)?;
        expect_pull_below_one("mu", self.mu, optimizer)
    }
}
