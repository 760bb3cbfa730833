//! Control variates with momentum.

use super::Scaffold;
use crate::Result;
use crate::codec::{OptionAbout, Options};
use crate::federation::strategy::{Local, LocalKind, PartAbout};
use serde::Deserialize;

/// As specs name it: [`Scaffold`] with momentum.
pub const SCAFFOLD_M: LocalKind = LocalKind {
    name: "scaffold-m",
    about: PartAbout {
        summary: "the same with momentum: a part of each step is the last round's direction",
        source: "Cheng et al. 2024, SCAFFOLD-M (arXiv 2306.16504)",
        options: &[OptionAbout::new("beta", "0.1", "part of a step that is the gradient's")],
        good_for: "the same, with few participants a round",
        sends: "as many values as the model has, each way, and none down in the first round",
        needs: "optimizer={kind=\"sgd\",momentum=0.0}",
    },
    make,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MomentumOptions {
    #[serde(default = "usual_beta")]
    beta: f32,
}

/// A momentum of 0.9, in the paper's terms.
fn usual_beta() -> f32 {
    0.1
}

fn make(options: &Options) -> Result<Box<dyn Local>> {
    let MomentumOptions { beta } = options.parse()?;
    if !(beta > 0.0 && beta <= 1.0) {
        let mend = "use above 0 to 1, where 1 is without momentum, such as 0.1";
        return Err(options.refuse(format!("a beta of {beta}"), mend));
    }
    Ok(Box::new(Scaffold::with_momentum(beta)))
}
