//! What a stage says of itself: for `fedfunnel codecs`, and for what looks for the value of an option.

use serde::Serialize;

/// What a stage is, in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// What it makes of an update, in a line.
    pub summary: &'static str,
    /// The paper that it is from; empty where there is none.
    pub source: &'static str,
    /// What can be said about it in a spec.
    pub options: &'static [OptionAbout],
    /// When to use it, in a line.
    pub good_for: &'static str,
    /// A codec with it that can be run as it is: `delta+feedback+topk(part=0.01)`.
    pub example: &'static str,
}

/// An option of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OptionAbout {
    /// Its name.
    pub name: &'static str,
    /// What it is where it is left out; empty where it, or another in its place, has to be given.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// Whether messages can be added up before they are decoded: the mean of their values decodes to the mean of the updates
/// that each of them decodes to, so that secure aggregation can keep all but their sum from the aggregator. For that they
/// have to be values and nothing else, and to be decoded alike, whoever has sent them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Linear {
    /// Each has to be decoded by itself.
    #[default]
    No,
    /// With the option `shared`.
    Shared,
    /// Wherever the stages around it can be added up too.
    Yes,
}

impl Linear {
    /// Whether that holds with these options.
    pub fn holds(self, options: &toml::Table) -> bool {
        match self {
            Self::No => false,
            Self::Shared => options.get("shared").and_then(toml::Value::as_bool) == Some(true),
            Self::Yes => true,
        }
    }
}

/// An option that decides how many bytes a message has, for those that look for the value which a budget leaves. More
/// of it is never fewer bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeOption {
    /// Its name.
    pub name: &'static str,
    /// The values that it can have.
    pub range: FreeRange,
    /// Options that say the same in another way: where one of them is given, nothing is left to look for.
    pub instead: &'static [&'static str],
}

/// The values of a [`FreeOption`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeRange {
    /// Whole numbers from 1 to the number of values that the stage is given.
    Values,
    /// Whole numbers from 1 to that of the axes that snapshots have.
    Axes,
    /// Whole numbers between these, both included.
    Between(usize, usize),
}

impl About {
    /// What stages say that say nothing of themselves.
    pub const NOTHING: Self = Self { summary: "", source: "", options: &[], good_for: "", example: "" };

    /// Whether a stage has said what it is.
    pub fn is_said(&self) -> bool {
        !self.summary.is_empty()
    }
}

impl OptionAbout {
    /// How many values a stage selects, as a part of them.
    pub const PART: Self = Self::new("part", "", "how many are sent, as a part of all values; or count");
    /// The same as a number.
    pub const COUNT: Self = Self::new("count", "", "how many are sent; or part");

    /// An option with what it is where it is left out, and what it does.
    pub const fn new(name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self { name, default, meaning }
    }
}

impl FreeOption {
    /// The count of selected values, where no part of them is given.
    pub const COUNT: Self = Self { name: "count", range: FreeRange::Values, instead: &["part"] };
}

impl FreeRange {
    /// The smallest and the largest number that is tried, where a stage is given `values` values and snapshots have
    /// `axes` axes.
    pub fn bounds(self, values: usize, axes: usize) -> (usize, usize) {
        match self {
            Self::Values => (1, values.max(1)),
            Self::Axes => (1, axes.min(values).max(1)),
            Self::Between(least, most) => (least, most),
        }
    }
}
