//! What rules that add to every step ask of the optimiser.

use crate::model::{Optimizer, OptimizerKind};
use crate::{Error, Result};

/// Refuses optimisers with whose steps `rule` is another method: what is added to a step is exact for SGD without
/// momentum.
pub(super) fn expect_plain_sgd(rule: &str, optimizer: &Optimizer) -> Result<()> {
    if optimizer.kind != OptimizerKind::Sgd {
        let problem =
            format!("strategy.local {rule} adds to the steps of plain SGD, and this is another optimiser");
        return Err(Error::setting(
            "optimizer.kind",
            problem,
            "set it to sgd, with momentum 0 and a rate such as 0.1",
        ));
    }
    if optimizer.momentum != 0.0 {
        let momentum = optimizer.momentum;
        let problem =
            format!("strategy.local {rule} adds to the steps of SGD without momentum, and it is {momentum}");
        return Err(Error::setting("optimizer.momentum", problem, "set it to 0"));
    }
    Ok(())
}

/// Refuses a penalty that takes models all of the way back in one step. `name` is that of its option.
pub(super) fn expect_pull_below_one(name: &str, penalty: f32, optimizer: &Optimizer) -> Result<()> {
    let pull = penalty * optimizer.lr;
    if pull < 1.0 {
        return Ok(());
    }
    let (rate, most) = (optimizer.lr, 1.0 / optimizer.lr);
    let problem = format!(
        "{name} = {penalty} at a rate of {rate} takes models back by {pull} of the way in every step"
    );
    Err(Error::setting("strategy.local", problem, format!("use less than {most}, or a smaller optimizer.lr")))
}
