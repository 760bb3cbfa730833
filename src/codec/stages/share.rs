//! How many values a stage selects, as its options say: a part of them, or a count.

use crate::codec::Options;
use crate::{Error, Result};

/// How many values are sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Share {
    /// This part of them, and at least one.
    Part(f64),
    /// So many.
    Count(usize),
}

impl Share {
    /// As the options say, of at most `of` values.
    pub fn new(options: &Options, part: Option<f64>, count: Option<usize>, of: usize) -> Result<Self> {
        let (problem, mend) = match (part, count) {
            (Some(part), None) if part > 0.0 && part <= 1.0 => return Ok(Self::Part(part)),
            (None, Some(count)) if (1..=of).contains(&count) => return Ok(Self::Count(count)),
            (Some(part), None) => (
                format!("a part of {part} of the values"),
                "set part above 0 and up to 1, such as 0.01".into(),
            ),
            (None, Some(count)) => (
                format!("a count of {count} of {of} values"),
                format!("set count to 1 or more and up to {of}"),
            ),
            (None, None) => (
                "nothing says how many values are sent".into(),
                "set part, such as 0.01, or count, such as 90".into(),
            ),
            (Some(_), Some(_)) => {
                ("part and count both say how many values are sent".into(), "leave one of them out".into())
            }
        };
        Err(options.refuse(problem, mend))
    }

    /// How many values are sent of `of`. A count of more than that is an error where it is used.
    pub fn of(self, of: usize) -> usize {
        match self {
            Self::Part(part) => ((of as f64 * part).ceil() as usize).max(1).min(of),
            Self::Count(count) => count,
        }
    }

    /// The same, or what is wrong where there are fewer values than that.
    pub fn checked(self, of: usize) -> std::result::Result<usize, String> {
        let count = self.of(of);
        if count <= of { Ok(count) } else { Err(format!("{count} of {of} values are to be sent")) }
    }

    /// The same on the sender's side, where the spec has to change.
    pub fn to_send(self, field: &str, of: usize) -> Result<usize> {
        self.checked(of).map_err(|problem| Error::setting(field, problem, "set a smaller count, or part"))
    }

    /// The same on the receiver's side.
    pub fn to_receive(self, of: usize) -> Result<usize> {
        self.checked(of)
            .map_err(|problem| Error::message(problem, "use the same model and codec on both sides"))
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // A part of 1.0 is told from a count of 1 by its point.
            Self::Part(part) => write!(f, "{part:?}"),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}
