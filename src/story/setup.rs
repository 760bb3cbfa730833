//! What an experiment on snapshots started from, as the facts of its report.

use super::words::counted;
use crate::report::format;

/// A model by name and size.
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: usize,
}

/// How many images were taken, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first so many.
    pub taken: usize,
    /// All that there are.
    pub all: usize,
}

/// The images that a classifier sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// To train on.
    pub train: Part,
    /// To test on.
    pub test: Part,
}

/// What an experiment on snapshots started from.
pub struct Setup {
    /// What logged the snapshots.
    pub classifier: Model,
    /// What learned them, where the report is about a single one.
    pub autoencoder: Option<Model>,
    /// What the classifier saw.
    pub images: Images,
    /// Snapshots that were logged.
    pub snapshots: usize,
    /// One in so many is held out.
    pub hold_out: usize,
}

impl Setup {
    /// For the facts of a report.
    pub fn facts(&self) -> Vec<(String, String)> {
        let model =
            |model: &Model| format!("{}, {}", model.name, counted(model.parameters as u64, "parameter"));
        let part = |Part { taken, all }: Part| {
            let (taken, all) = (format::count(taken as u64), format::count(all as u64));
            if taken == all { all } else { format!("the first {taken} of {all}") }
        };
        let Images { train, test } = self.images;
        let snapshots =
            format!("{}, one in {} held out", format::count(self.snapshots as u64), self.hold_out);
        let mut facts = vec![("Classifier".to_string(), model(&self.classifier))];
        facts.extend(self.autoencoder.as_ref().map(|autoencoder| ("Autoencoder".into(), model(autoencoder))));
        facts.push(("Images".into(), format!("{} to train on, {} to test", part(train), part(test))));
        facts.push(("Snapshots".into(), snapshots));
        facts
    }
}
