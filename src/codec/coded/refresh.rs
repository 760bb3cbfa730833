//! Axes of late: a collaborator watches what its codes miss, and puts that in the place of its last axes.
//!
//! With `m = w - g - A z` what the code has missed of the update of a round, and `M` those of the rounds since the last
//! refresh, the new axes are the directions `u` of the largest `sum (u . m)^2`. What the replaced ones could say is not
//! lost: under `prior` it lies in the global model.

use crate::autoencoder::pca::Pca;
use crate::codec::{Kept, Options, Round, expect_length};
use crate::{Error, Result};
use serde::Deserialize;

/// When axes are replaced, and how many.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refresh {
    when: When,
    /// How many at a time.
    pub axes: usize,
    pub label: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// After so many rounds.
    Every(u32),
    /// Where codes miss more than this part of an update.
    Beyond(f32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    every: Option<u32>,
    threshold: Option<f32>,
    #[serde(default = "one")]
    axes: usize,
}

fn one() -> usize {
    1
}

/// How many updates a collaborator looks back on at most.
const MOST: usize = 8;

/// What was missed, `[n, P]`, the last one last.
const MISSED: &str = "missed";
/// Which part of the last update that is.
const PART: &str = "part";

impl Refresh {
    /// As the options say.
    pub fn new(options: &Options) -> Result<Self> {
        let Given { every, threshold, axes } = options.parse()?;
        let when = match (every, threshold) {
            (Some(every), None) if every > 0 => When::Every(every),
            (None, Some(part)) if part > 0.0 && part < 1.0 => When::Beyond(part),
            (Some(every), None) => {
                return Err(
                    options.refuse(format!("a refresh every {every} rounds"), "set every to 1 or more")
                );
            }
            (None, Some(part)) => {
                let problem = format!("a threshold of {part} of an update");
                return Err(options.refuse(problem, "set threshold above 0 and below 1, such as 0.9"));
            }
            (None, None) => {
                let mend = "set every, in rounds, or threshold, a part of the update such as 0.9";
                return Err(options.refuse("nothing says when axes are refreshed", mend));
            }
            (Some(_), Some(_)) => {
                let problem = "every and threshold both say when axes are refreshed";
                return Err(options.refuse(problem, "leave one of them out"));
            }
        };
        if axes == 0 || axes > MOST {
            let problem = format!("a refresh of {axes} axes");
            return Err(options.refuse(problem, format!("set axes to 1 to {MOST}")));
        }
        let when_label = match when {
            When::Every(rounds) => format!("every={rounds}"),
            When::Beyond(part) => format!("threshold={part}"),
        };
        Ok(Self { when, axes, label: format!("refresh({when_label},axes={axes})") })
    }

    /// Keeps what a code has missed of an update; `decoded` is what arrives of that.
    pub fn note(&self, kept: &mut Kept, weights: &[f32], decoded: &[f32], global: &[f32]) {
        let missed = weights.iter().zip(decoded).map(|(weight, decoded)| weight - decoded);
        let missed: Vec<f32> = missed.collect();
        let square = |value: f32| f64::from(value) * f64::from(value);
        let of_missed: f64 = missed.iter().map(|&value| square(value)).sum();
        let of_update: f64 = weights.iter().zip(global).map(|(weight, global)| square(weight - global)).sum();
        let part = if of_update > 0.0 { (of_missed / of_update).sqrt() as f32 } else { 0.0 };
        let before = kept.get(MISSED).unwrap_or_default();
        let too_many = (before.len() + missed.len()).saturating_sub(MOST * missed.len());
        let all = [&before[too_many..], &missed].concat();
        kept.put(MISSED, all);
        kept.put(PART, vec![part]);
    }

    /// The axes that are due in a round, `[n, P]`; none where none are. What they are made of is forgotten.
    pub fn due(&self, round: &Round<'_>, kept: &mut Kept) -> Result<Option<Vec<f32>>> {
        let is_due = match self.when {
            When::Every(rounds) => (round.number - 1).is_multiple_of(rounds),
            When::Beyond(part) => kept.get(PART).is_some_and(|missed| missed.iter().any(|&own| own > part)),
        };
        let missed = kept.get(MISSED).unwrap_or_default();
        if !is_due || missed.is_empty() {
            return Ok(None);
        }
        // Each with its opposite: the axes of points around zero are those of sums of squares.
        let width = round.global.len();
        let opposite: Vec<f32> = missed.iter().map(|value| -value).collect();
        let points: Vec<_> = missed.chunks_exact(width).chain(opposite.chunks_exact(width)).collect();
        let pca = Pca::fit(&points, &[])?;
        let axes = self.axes.min(pca.rank());
        let axes = if axes == 0 { None } else { Some(pca.state(axes)?.rows) };
        kept.put(MISSED, Vec::new());
        Ok(axes)
    }

    /// Refuses what a collaborator keeps, as a checkpoint has it, where it is no updates of `width` weights.
    pub fn check(&self, width: Option<usize>, kept: &Kept) -> Result<()> {
        let Some(missed) = kept.get(MISSED) else { return Ok(()) };
        let width = width.unwrap_or(missed.len()).max(1);
        if missed.len() > MOST * width {
            return expect_length(MISSED, missed.len(), MOST * width);
        }
        expect_length(MISSED, missed.len(), missed.len() / width * width)?;
        if missed.iter().chain(kept.get(PART).unwrap_or_default()).all(|value| value.is_finite()) {
            return Ok(());
        }
        Err(Error::message("what codes have missed holds a value that is no number", "send the setup again"))
    }
}
