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
        self.entry_beats_null(&self.subject)
    }

    fn entry_beats_null(&self, entry: &Entry) -> bool {
        matches!(self.measure.standing_to_null(entry.value, self.null.value), Standing::Better(_))
    }

    /// The verdict: against the null, and beside the others.
    pub fn sentences(&self) -> String {
        let beside = self.others.iter().map(|other| self.beside(other)).collect::<Vec<_>>();
        if beside.is_empty() {
            return self.against_null();
        }
        format!("{} That is {}.", self.against_null(), beside.join(", and "))
    }

    /// "The autoencoder beat the mean of the snapshots by 0.878: relative L2 error 0.122 against 1.000 on held-out
    /// snapshots."
    pub fn against_null(&self) -> String {
        let Self { measure, subject, null, .. } = self;
        let doubt = measure.difference(measure.doubt_of_null(subject.value, null.value));
        let by = |how: &str, by: f64| format!("{how} {} by {}", null.name, measure.difference(by));
        let (verdict, remark) = match measure.standing_to_null(subject.value, null.value) {
            Standing::Better(points) => (by("beat", points), String::new()),
            Standing::Worse(points) => (by("did worse than", points), String::new()),
            Standing::Alike(_) => {
                (format!("did no better than {}", null.name), format!(", within the doubt of {doubt}"))
            }
            Standing::Equal => (format!("did no better than {}", null.name), ", which is equal".into()),
            Standing::Unknown => (format!("cannot be compared with {}", null.name), String::new()),
        };
        let sentence = format!(
            "{} {verdict}: {} {} against {} {}{remark}.",
            subject.name,
            measure.noun(),
            subject.shown,
            null.shown,
            self.on
        );
        capitalized(&sentence)
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

    /// A headline about the subject and the first of the others, both in the singular.
    pub fn headline(&self) -> String {
        let (own, null) = (&self.subject.name, &self.null.name);
        let Some(other) = self.others.first() else {
            return format!("{own} {} {null}", if self.beats_null() { "beats" } else { "does not beat" });
        };
        let name = &other.name;
        if self.beats_null() {
            return match self.measure.standing(self.subject.value, other.value) {
                Standing::Better(_) => format!("{own} beats {null}, and {name}"),
                Standing::Worse(_) => format!("{own} beats {null}, and {name} beats {own}"),
                Standing::Alike(_) | Standing::Equal => {
                    format!("{own} beats {null}, and {name} does as well as it")
                }
                Standing::Unknown => format!("{own} beats {null}"),
            };
        }
        if self.entry_beats_null(other) {
            return format!("{own} does not beat {null}, and {name} does");
        }
        format!("neither {own} nor {name} beats {null}")
    }

    /// What differences say nothing.
    pub fn doubt(&self) -> String {
        let doubt = self.measure.difference(self.measure.doubt(self.subject.value, self.subject.value));
        match self.measure {
            Measure::Accuracy { tests } => format!(
                "Differences below {doubt} are within the doubt that {} test images leave.",
                format::count(tests as u64)
            ),
            Measure::Error => format!("Errors no further apart than {doubt} count as alike."),
        }
    }
}

fn capitalized(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(measure: Measure, own: f64, null: f64, others: &[(&str, f64)]) -> Comparison {
        Comparison {
            measure,
            subject: measure.entry("the autoencoder", own),
            null: measure.entry("the mean of the snapshots", null),
            others: others.iter().map(|(name, value)| measure.entry(*name, *value)).collect(),
            on: match measure {
                Measure::Accuracy { .. } => "on the test images",
                Measure::Error => "on held-out snapshots",
            },
        }
    }

    fn near(found: Standing, expected: Standing) -> bool {
        match (found, expected) {
            (Standing::Better(a), Standing::Better(b))
            | (Standing::Worse(a), Standing::Worse(b))
            | (Standing::Alike(a), Standing::Alike(b)) => (a - b).abs() < 1e-9,
            (found, expected) => found == expected,
        }
    }

    #[test]
    fn the_doubt_of_an_accuracy_is_that_of_its_test_images() {
        let hundred = Measure::Accuracy { tests: 100 };
        // sqrt(0.5 * 0.5 / 100 + 0.4 * 0.6 / 100) = sqrt(0.0049)
        assert!((hundred.doubt(0.5, 0.4) - 7.0).abs() < 1e-9);
        assert!(near(hundred.standing(0.5, 0.4), Standing::Better(10.0)));
        assert!(near(hundred.standing(0.5, 0.6), Standing::Worse(10.0)));
        assert!(near(hundred.standing(0.5, 0.53), Standing::Alike(3.0)));
        assert_eq!(hundred.standing(0.5, 0.5), Standing::Equal);
        // A hundred times the images leave a tenth of the doubt.
        let many = Measure::Accuracy { tests: 10_000 };
        assert!((many.doubt(0.5, 0.4) - 0.7).abs() < 1e-9);
        assert!(near(many.standing(0.5, 0.53), Standing::Worse(3.0)));
    }

    #[test]
    fn less_error_is_better_and_the_null_has_a_doubt_of_its_own() {
        assert!(near(Measure::Error.standing(0.122, 0.097), Standing::Worse(0.025)));
        assert!(near(Measure::Error.standing(0.097, 0.122), Standing::Better(0.025)));
        assert!(near(Measure::Error.standing(0.33, 0.325), Standing::Alike(0.005)));
        assert!(near(Measure::Error.standing_to_null(0.96, 1.0), Standing::Alike(0.04)));
        assert!(near(Measure::Error.standing_to_null(0.94, 1.0), Standing::Better(0.06)));
        assert!(near(Measure::Error.standing_to_null(1.2, 1.0), Standing::Worse(0.2)));
    }

    #[test]
    fn a_verdict_has_the_numbers_that_it_rests_on() {
        let errors = comparison(Measure::Error, 0.122, 1.0, &[("PCA with 32 floats", 0.097)]);
        assert_eq!(
            errors.sentences(),
            "The autoencoder beat the mean of the snapshots by 0.878: relative L2 error 0.122 against 1.000 on \
             held-out snapshots. That is 0.025 worse than PCA with 32 floats (0.097)."
        );
        let tests = Measure::Accuracy { tests: 10_000 };
        let accuracies = comparison(tests, 0.934, 0.933, &[("raw updates", 0.951), ("PCA", 0.931)]);
        // sqrt(0.934 * 0.066 / 10,000 + 0.933 * 0.067 / 10,000) = 0.0035
        assert_eq!(
            accuracies.sentences(),
            "The autoencoder did no better than the mean of the snapshots: accuracy 93.4 % against 93.3 % on the \
             test images, within the doubt of 0.4 points. That is 1.7 points worse than raw updates (95.1 %), and \
             about as good as PCA (93.1 %)."
        );
        assert_eq!(
            accuracies.doubt(),
            "Differences below 0.4 points are within the doubt that 10,000 test images leave."
        );
    }

    #[test]
    fn the_verdict_turns_with_the_numbers() {
        let tests = Measure::Accuracy { tests: 10_000 };
        let said = |measure, own, null| comparison(measure, own, null, &[]).sentences();
        assert!(said(tests, 0.5, 0.4).contains("beat the mean of the snapshots by 10.0 points"));
        assert!(said(tests, 0.4, 0.5).contains("did worse than the mean of the snapshots by 10.0 points"));
        assert!(said(Measure::Accuracy { tests: 10 }, 0.5, 0.4).contains("within the doubt of 22.1 points"));
        assert!(said(tests, 0.5, 0.5).contains("which is equal"));
        // The same numbers as errors: less is better.
        assert!(said(Measure::Error, 0.4, 0.5).contains("beat the mean"));
        // What is no number beats nothing.
        let unknown = comparison(Measure::Error, f64::NAN, 1.0, &[("PCA", f64::NAN)]);
        assert!(!unknown.beats_null() && unknown.headline().starts_with("neither"));
        assert!(unknown.sentences().contains("cannot be compared"), "{}", unknown.sentences());
    }

    #[test]
    fn headlines_follow_the_errors() {
        let headline = |own, pca| comparison(Measure::Error, own, 1.0, &[("PCA", pca)]).headline();
        assert!(headline(0.35, 0.325).ends_with("PCA beats the autoencoder"));
        assert!(headline(0.33, 0.325).ends_with("PCA does as well as it"));
        assert!(headline(0.2, 0.325).ends_with("and PCA"));
        assert!(headline(1.0, 0.325).ends_with("PCA does"));
        assert!(headline(1.0, 0.99).starts_with("neither"));
    }
}
