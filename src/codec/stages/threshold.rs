//! The values from a magnitude on, and their places (Strom 2015; Sahu et al. 2021, arXiv 2108.00951): the others are
//! taken as zeros. How many there are is decided by the values, so that a message says it.
//!
//! ```text
//! v' = v where |v| >= t and v is not 0, 0 elsewhere
//! t  = value, or multiple * sqrt(mean of v^2)
//! ```

use super::places::{places_to_bytes, read_scattered};
use crate::codec::{
    About, Context, Incoming, Kept, Make, OptionAbout, Options, Outgoing, Round, Stage, StageKind, Values,
};
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new("threshold", Make::Plain(make)).about(About {
    summary: "the values from a magnitude on, as many as there are, and their places",
    source: "Strom 2015; Dutta et al. 2020, hard thresholds (arXiv 1911.08250)",
    options: &[
        OptionAbout::new("value", "", "the magnitude; or of and multiple"),
        OptionAbout::new("of", "", "rms: multiple counts in root mean squares of the update"),
        OptionAbout::new("multiple", "", "how many of these; 3 leaves about one value in a hundred or fewer"),
    ],
    good_for: "updates whose size changes: much is sent where much has changed; behind delta and feedback",
    example: "delta+feedback+threshold(of=\"rms\",multiple=3.0)",
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    value: Option<f32>,
    of: Option<String>,
    multiple: Option<f32>,
}

/// From where on values are sent.
enum Threshold {
    /// This magnitude.
    Value(f32),
    /// So many times the root mean square of an update.
    Rms(f32),
}

fn make(_: &Context<'_>, options: &Options) -> Result<Box<dyn Stage>> {
    const WAYS: &str = "set value, such as 0.001, or of = \"rms\" and multiple, such as 3.0";
    let Given { value, of, multiple } = options.parse()?;
    let (threshold, number) = match (value, of.as_deref(), multiple) {
        (Some(value), None, None) => (Threshold::Value(value), value),
        (None, Some("rms"), Some(multiple)) => (Threshold::Rms(multiple), multiple),
        (None, Some("rms"), None) => {
            return Err(options.refuse("of has no multiple", "set multiple, such as 3.0"));
        }
        (None, Some(other), _) if other != "rms" => {
            return Err(options.refuse(format!("there is no threshold of {other:?}"), "set of to \"rms\""));
        }
        (None, ..) => return Err(options.refuse("nothing says which values are sent", WAYS)),
        (Some(_), ..) => {
            return Err(options.refuse("value and a multiple both say which values are sent", WAYS));
        }
    };
    if number > 0.0 && number.is_finite() {
        return Ok(Box::new(threshold));
    }
    Err(options.refuse(format!("a threshold of {number}"), "set it above 0"))
}

impl Threshold {
    fn of(&self, values: &[f32]) -> f64 {
        match *self {
            Self::Value(value) => f64::from(value),
            Self::Rms(multiple) => {
                let squares: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
                f64::from(multiple) * (squares / values.len().max(1) as f64).sqrt()
            }
        }
    }
}

/// Leaves the values from the threshold on, in the order of their places; writes the places in bits.
impl Stage for Threshold {
    fn label(&self) -> String {
        match self {
            Self::Value(value) => format!("threshold({value})"),
            Self::Rms(multiple) => format!("threshold({multiple}rms)"),
        }
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        None
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let values = batch.iter_mut().map(|outgoing| &mut outgoing.values).collect();
        let all = Values::take_all(round.gpu, values)?;
        for (outgoing, values) in batch.iter_mut().zip(all) {
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                let problem = format!("collaborator {} has a value of {value} to send", outgoing.who);
                return Err(Error::diverged("codecs: threshold", problem, "use a smaller optimizer.lr"));
            }
            let least = self.of(&values);
            let is_sent = |place: &usize| values[*place] != 0.0 && f64::from(values[*place].abs()) >= least;
            let places: Vec<_> = (0..values.len()).filter(is_sent).collect();
            outgoing.side.bytes(&places_to_bytes(&places, values.len()));
            outgoing.values = Values::Host(places.iter().map(|&place| values[place]).collect());
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let values = incoming.values.take(round.gpu)?;
            incoming.values = Values::Host(read_scattered(values, incoming.due, &mut incoming.side)?);
        }
        Ok(())
    }
}
