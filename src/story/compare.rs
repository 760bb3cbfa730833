//! The comparator of every report: which of two values is better, by how much, and what is within the doubt.

use super::words::decimals;
use crate::report::format;

/// Errors no further apart than this are alike.
const ERROR_DOUBT: f64 = 0.01;

/// An error this near to the null's is no evidence that anything was learned.
const ERROR_DOUBT_OF_NULL: f64 = 0.05;

/// What is compared: which way is better, and what difference counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// The part of the test images that a model gets right, 0 to 1; more is better. The doubt is the standard error of
    /// the difference of two independent counts. Both models see the same images, so that it is too large rather than
    /// too small.
    Accuracy {
        /// Test images.
        tests: usize,
    },
    /// A centred relative L2 error; less is better, and the mean of the snapshots has 1.
    Error,
}

/// How a value stands to another: points of accuracy, or units of error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// Better by more than the doubt.
    Better(f64),
    /// Apart, by no more than the doubt.
    Alike(f64),
    /// The same number.
    Equal,
    /// Worse by more than the doubt.
    Worse(f64),
    /// One of the two is no number.
    Unknown,
}

/// A value and what it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// As it is called within a sentence: "raw updates".
    pub name: String,
    /// In the unit of its [`Measure`].
    pub value: f64,
    /// As it is written: "93.4 %".
    pub shown: String,
}

/// A subject beside the null that it has to beat, and beside others.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is compared.
    pub measure: Measure,
    /// What the report is about.
    pub subject: Entry,
    /// What carries nothing.
    pub null: Entry,
    /// What else could be sent.
    pub others: Vec<Entry>,
    /// What all of them were measured on: "on held-out snapshots".
    pub on: &'static str,
}

impl Measure {
    /// A value with its name, written as the measure is written.
    pub fn entry(self, name: impl Into<String>, value: f64) -> Entry {
        let shown = match self {
            Self::Accuracy { .. } => format::percent(value),
            Self::Error => decimals(value, 3),
        };
        Entry { name: name.into(), value, shown }
    }

    /// The difference up to which two values are alike, in points of accuracy or units of error.
    pub fn doubt(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Accuracy { tests } => {
                let variance = |p: f64| p * (1.0 - p) / tests.max(1) as f64;
                100.0 * (variance(a) + variance(b)).sqrt()
            }
            Self::Error => ERROR_DOUBT,
        }
    }

    /// The same where one of the two carries nothing.
    pub fn doubt_of_null(self, own: f64, null: f64) -> f64 {
        match self {
            Self::Accuracy { .. } => self.doubt(own, null),
            Self::Error => ERROR_DOUBT_OF_NULL,
        }
    }

    /// How a value stands to another.
    pub fn standing(self, own: f64, other: f64) -> Standing {
        self.standing_within(own, other, self.doubt(own, other))
    }

    /// How a value stands to that of what carries nothing.
    pub fn standing_to_null(self, own: f64, null: f64) -> Standing {
        self.standing_within(own, null, self.doubt_of_null(own, null))
    }

    fn standing_within(self, own: f64, other: f64, doubt: f64) -> Standing {
        let advantage = match self {
            Self::Accuracy { .. } => 100.0 * (own - other),
            Self::Error => other - own,
        };
        match advantage {
            by if by.is_nan() => Standing::Unknown,
            by if by > doubt => Standing::Better(by),
            by if by < -doubt => Standing::Worse(-by),
            0.0 => Standing::Equal,
            by => Standing::Alike(by.abs()),
        }
    }

    /// A difference: "2.8 points", "0.025".
    fn difference(self, by: f64) -> String {
        match self {
            Self::Accuracy { .. } => format!("{by:.1} points"),
            Self::Error => format!("{by:.3}"),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Accuracy { .. } => "accuracy",
            Self::Error => "relative L2 error",
        }
    }
}

impl Comparison {
    /// Whether the subject is better than what carries nothing, by more than the doubt.
    pub fn beats_null(&self) -> bool {
        let standing = self.measure.standing_to_null(self.subject.value, self.null.value);
        matches!(standing, Standing::Better(_))
    }

    /// The verdict: against the null, and beside the others.
    pub fn sentences(&self) -> String {
        match self.others.len() {
            0 => self.against_null(),
            _ => format!("{} That is {}.", self.against_null(), self.beside_others()),
        }
    }

    /// "1.7 points worse than raw updates (95.1 %), and about as good as PCA (93.1 %)".
    pub fn beside_others(&self) -> String {
        let mut beside: Vec<_> = self.others.iter().map(|other| self.beside(other)).collect();
        if let [_, .., last] = &mut beside[..] {
            last.insert_str(0, "and ");
        }
        beside.join(", ")
    }

    /// "The autoencoder beat the mean of the snapshots by 0.878: relative L2 error 0.122 against 1.000 on held-out
    /// snapshots."
    pub fn against_null(&self) -> String {
        let Self { measure, subject, null: Entry { name, value, shown }, on, .. } = self;
        let standing = measure.standing_to_null(subject.value, *value);
        let verdict = match standing {
            Standing::Better(by) => format!("beat {name} by {}", measure.difference(by)),
            Standing::Worse(by) => format!("did worse than {name} by {}", measure.difference(by)),
            Standing::Alike(_) | Standing::Equal => format!("did no better than {name}"),
            Standing::Unknown => format!("cannot be compared with {name}"),
        };
        let remark = match standing {
            Standing::Alike(_) => {
                let doubt = measure.doubt_of_null(subject.value, *value);
                format!(", within the doubt of {}", measure.difference(doubt))
            }
            Standing::Equal => ", which is equal".into(),
            _ => String::new(),
        };
        let (noun, own) = (measure.noun(), &subject.shown);
        let sentence = format!("{} {verdict}: {noun} {own} against {shown} {on}{remark}.", subject.name);
        let mut letters = sentence.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
    }

    /// "2.8 points better than raw updates (93.4 %)", "about as good as ...".
    pub fn beside(&self, other: &Entry) -> String {
        let how = match self.measure.standing(self.subject.value, other.value) {
            Standing::Better(by) => format!("{} better than", self.measure.difference(by)),
            Standing::Worse(by) => format!("{} worse than", self.measure.difference(by)),
            Standing::Alike(_) => "about as good as".into(),
            Standing::Equal => "exactly as good as".into(),
            Standing::Unknown => "not comparable with".into(),
        };
        format!("{how} {} ({})", other.name, other.shown)
    }

    /// A headline about the subject and the first of the others.
    pub fn headline(&self) -> String {
        let beats = if self.beats_null() { "beats" } else { "does not beat" };
        let beside = self.others.first().map(|other| format!(", and is {}", self.beside(other)));
        format!("{} {beats} {}{}", self.subject.name, self.null.name, beside.unwrap_or_default())
    }

    /// What differences say nothing.
    pub fn doubt(&self) -> String {
        let doubt = self.measure.difference(self.measure.doubt(self.subject.value, self.subject.value));
        let images = match self.measure {
            Measure::Accuracy { tests } => format!(" that {} test images leave", format::count(tests as u64)),
            Measure::Error => String::new(),
        };
        format!("Differences below {doubt} are within the doubt{images}.")
    }
}
