//! What (epsilon, delta) means, in words.

use crate::federation::privacy::{Guarantee, Neighbours, Sampling};
use crate::story::words::counted;

/// What a federation with noise promises, to whom, and for what.
pub fn guarantee_sentence(guarantee: &Guarantee) -> String {
    let &Guarantee { epsilon, delta, noise, rate, sampling, neighbours, rounds } = guarantee;
    let between = match neighbours {
        Neighbours::ReplaceOne => "all the data of one collaborator are others",
        Neighbours::AddOrRemoveOne => "there is one collaborator more or less",
    };
    let takes = match sampling {
        _ if rate >= 1.0 => "all collaborators".into(),
        Sampling::WithoutReplacement => {
            format!("a fixed part of {} of the collaborators, drawn without replacement", short(rate))
        }
        Sampling::Poisson => {
            format!("each collaborator with a probability of {} (Poisson sampling)", short(rate))
        }
    };
    format!(
        "The global models of a federation, all of its rounds together, are ({}, {}) differentially private at the level \
         of collaborators, between federations in which {between}, as accounted for by Renyi divergence over {} that \
         take {takes} with noise of {} times the norm that updates are clipped to; it is privacy in the central model, \
         so that the aggregator sees each message as it is and has to be trusted with it, and it is not about other \
         numbers of this report.",
        short(epsilon),
        short(delta),
        counted(u64::from(rounds), "round"),
        short(noise),
    )
}

/// A number of privacy to three digits: 3.01, 1e-5.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "no bound".into();
    }
    if value != 0.0 && !(1e-3..1e6).contains(&value) {
        return format!("{value:.2e}").replace(".00e", "e");
    }
    let digits = if value < 1.0 { 4 } else { 2 };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
