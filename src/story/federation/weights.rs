//! The first layer's weights as pictures, where each unit of it sees all pixels.

use crate::federation::{FederationOutcome, Outcome};
use crate::model::{ClassifierLayer, ClassifierSpec};
use crate::report::{Picture, PictureRow, Pictures, format};

/// Units that are shown.
const UNITS: usize = 8;

/// Codecs that are shown beside raw updates.
const CODECS: usize = 2;

/// Images of more pixels on a side are larger than a picture here.
const MOST_PIXELS: usize = 128;

/// The weights from pixels to the units of a first layer that sees all of them.
struct FirstLayer {
    channels: usize,
    pixels: usize,
    units: usize,
}

impl FirstLayer {
    /// None where the first layer is of another kind, or images are no pictures.
    fn of(classifier: &ClassifierSpec) -> Option<Self> {
        let [channels, height, width] = classifier.input;
        let mut layers =
            classifier.layers.iter().filter(|layer| !matches!(layer, ClassifierLayer::Flatten {}));
        let Some(ClassifierLayer::Dense { outputs, .. }) = layers.next() else { return None };
        let is_picture = [height, width].iter().all(|size| (2..=MOST_PIXELS).contains(size));
        (is_picture && channels > 0).then_some(Self { channels, pixels: height * width, units: *outputs })
    }

    /// A unit's weights, in the mean of the channels.
    fn weights(&self, model: &[f32], unit: usize) -> Vec<f32> {
        let inputs = self.channels * self.pixels;
        let own = &model[unit * inputs..][..inputs];
        let mean = |pixel| {
            let channels = (0..self.channels).map(|channel| own[channel * self.pixels + pixel]);
            channels.sum::<f32>() / self.channels as f32
        };
        (0..self.pixels).map(mean).collect()
    }

    /// The units with the longest weights, in their order.
    fn strongest(&self, model: &[f32]) -> Vec<usize> {
        let length = |unit: usize| -> f64 {
            self.weights(model, unit).iter().map(|weight| f64::from(*weight).powi(2)).sum()
        };
        let mut units: Vec<_> = (0..self.units).map(|unit| (unit, length(unit))).collect();
        units.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut units: Vec<usize> = units.into_iter().take(UNITS).map(|(unit, _)| unit).collect();
        units.sort_unstable();
        units
    }
}

/// Weights that stand in a row: whose they are, and those of each unit.
struct Row {
    name: String,
    units: Vec<Vec<f32>>,
}

/// The last global models of raw updates and of some codecs, the subject first, and how these differ from raw.
pub fn pictures(outcome: &Outcome, subject: &FederationOutcome) -> Vec<Pictures> {
    let Some(layer) = FirstLayer::of(&outcome.classifier) else { return Vec::new() };
    let raw = outcome.raw();
    let has_come_to_its_end =
        |one: &FederationOutcome| one.diverged.is_none() && one.model.len() == raw.model.len();
    if !has_come_to_its_end(raw) || raw.model.len() < layer.units * layer.channels * layer.pixels {
        return Vec::new();
    }
    let others = outcome.federations.iter().filter(|one| !one.is_raw && one.label != subject.label);
    let codecs = std::iter::once(subject).filter(|one| !one.is_raw).chain(others);
    let codecs: Vec<_> = codecs.filter(|one| has_come_to_its_end(one)).take(CODECS).collect();
    let units = layer.strongest(&raw.model);
    let weights = |model: &[f32]| units.iter().map(|&unit| layer.weights(model, unit)).collect::<Vec<_>>();
    let own = weights(&raw.model);
    let mut rows = vec![Row { name: raw.label.clone(), units: own.clone() }];
    for codec in codecs {
        let decoded = weights(&codec.model);
        let less = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
        let apart = decoded.iter().zip(&own).map(less).collect();
        rows.push(Row { name: codec.label.clone(), units: decoded });
        rows.push(Row { name: format!("{} minus {}", codec.label, raw.label), units: apart });
    }
    vec![drawn(outcome, &units, &rows)]
}

fn drawn(outcome: &Outcome, units: &[usize], rows: &[Row]) -> Pictures {
    let sizes = rows.iter().flat_map(|row| row.units.iter().flatten()).map(|weight| f64::from(weight.abs()));
    let most = sizes.filter(|size| size.is_finite()).fold(0.0, f64::max);
    let limit = if most > 0.0 { most } else { 1.0 };
    let [channels, height, width] = outcome.classifier.input;
    let row = |Row { name, units: weights }: &Row| PictureRow {
        name: name.clone(),
        pictures: units
            .iter()
            .zip(weights)
            .map(|(unit, weights)| Picture::new(format!("unit {unit}"), weights.iter().copied(), limit))
            .collect(),
    };
    let shown = match units.len() {
        all if all == outcome.classifier.layout().tensors()[0].shape[0] => String::new(),
        some => format!(" The {some} units whose weights are longest with raw updates are shown."),
    };
    let colours = if channels > 1 { " Each is the mean over the channels." } else { "" };
    Pictures {
        id: "first-layer".into(),
        title: "What the first layer looks for".into(),
        width,
        height,
        limit,
        rows: rows.iter().map(row).collect(),
        caption: format!(
            "Weights from each pixel to a unit of the first layer, in the last global model. All pictures have one scale: \
             the strongest blue is −{limit}, the strongest orange {limit}, and zero is the ground.{shown}{colours}",
            limit = format::number(limit, 3)
        ),
    }
}
