//! Federated dropout (Caldas et al. 2018, arXiv 1812.07210, section 3.2): each collaborator trains a sub-model, which
//! lacks a part of the units of each hidden layer, and only the weights of that cross, both ways.
//!
//! Which units are left out is drawn from counters for each collaborator and round, so that both sides know it and no
//! place is sent. Of a layer of `n` units, `floor(part n)` are left out and at least one stays: rows of its weights and
//! biases, and the columns of the next layer that take their outputs. A unit of a convolution is a filter, whose columns
//! in a dense layer are the pixels of its plane. The classes are never left out. With `k` of `n` units left in two layers
//! that follow each other, `k k' / n n'` of the weights between them are sent.
//!
//! A collaborator trains the whole model with zeros in place of what it lacks: a unit without weights puts out zero, and
//! its weights have no gradient, so that this is the training of the sub-model. What arrives of weights outside of it is
//! the global model, so that an average moves a weight by what those changed that had it, over all.

use crate::codec::{
    About, Context, Given, Incoming, Kept, Make, OptionAbout, Options, Outgoing, Round, Stage, StageKind,
    SubModel, Values,
};
use crate::model::Layout;
use crate::ops::random;
use crate::{Error, Result};
use serde::Deserialize;
use std::ops::Range;

pub(super) const KIND: StageKind = StageKind::new("dropout", Make::Plain(make)).about(About {
    summary: "the weights of a sub-model, which lacks a part of the units of each hidden layer; it goes \
         down and is trained too",
    source: "Caldas et al. 2018, federated dropout (arXiv 1812.07210)",
    options: &[OptionAbout::new("part", "", "the part of the units of each hidden layer that is left out")],
    good_for: "collaborators that are too small for the whole model; saves in both directions",
    example: "dropout(part=0.25)",
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    part: f64,
}

fn make(context: &Context<'_>, options: &Options) -> Result<Box<dyn Stage>> {
    let Settings { part } = options.parse()?;
    if !(part > 0.0 && part < 1.0) {
        let problem = format!("a part of {part} of the units is left out");
        return Err(options.refuse(problem, "set part above 0 and below 1, such as 0.25"));
    }
    let layers = layers(context.layout).map_err(|problem| {
        options.refuse(problem, "leave dropout out, or use a model of dense layers and convolutions")
    })?;
    let stage = Dropout { part, layers, parameters: context.parameters(), from_global: true };
    if stage.sub_model_of(0, 0, 0).len() == context.parameters() {
        let problem = format!("a part of {part} leaves no unit out of any hidden layer");
        return Err(options.refuse(problem, "set a larger part, such as 0.25"));
    }
    Ok(Box::new(stage))
}

/// A layer with weights.
#[derive(Debug)]
struct Layer {
    weights: Range<usize>,
    /// O: how many units it has.
    units: usize,
    /// Weights of each unit.
    columns: usize,
    /// Of these, those that take the output of one unit of the layer before.
    block: usize,
    /// One for each unit.
    biases: Option<Range<usize>>,
}

/// The layers of a model, or what keeps it from having any.
fn layers(layout: &Layout) -> std::result::Result<Vec<Layer>, String> {
    let mut layers: Vec<Layer> = Vec::new();
    for tensor in layout.tensors() {
        let [units, columns] = tensor.matrix();
        let last = layers.last_mut().filter(|last| last.units == units && last.biases.is_none());
        if tensor.shape.len() > 1 {
            let inputs = tensor.shape[1];
            let before = layers.last().map_or(inputs, |layer| layer.units);
            if before == 0 || inputs % before != 0 || columns == 0 {
                let name = &tensor.name;
                return Err(format!("{name} takes {inputs} values of a layer of {before} units"));
            }
            let (weights, block) = (tensor.range.clone(), columns / before);
            layers.push(Layer { weights, units, columns, block, biases: None });
        } else if let Some(layer) = last {
            layer.biases = Some(tensor.range.clone());
        } else {
            return Err(format!("{} is no layer, and no layer's biases", tensor.name));
        }
    }
    if layers.len() < 2 { Err("the model has no hidden layer".into()) } else { Ok(layers) }
}

struct Dropout {
    part: f64,
    layers: Vec<Layer>,
    parameters: usize,
    /// Whether it is given weights, so that those which do not arrive are the global model's; changes of them are zero.
    from_global: bool,
}

impl Dropout {
    /// Which of `units` units of a layer a collaborator has in a round, in order.
    fn units(&self, layer: usize, units: usize, number: u32, seed: u64, who: u32) -> Vec<usize> {
        let left_out = ((units as f64 * self.part) as usize).min(units.saturating_sub(1));
        // A stream of its own for each layer, apart from all others that begin with the seed.
        let stream = random::pcg4d([layer as u32, 0x6472_6f70, seed as u32, (seed >> 32) as u32])[0];
        let mut drawn: Vec<usize> = (0..units).collect();
        // Of equal draws the first unit comes first, so that both sides agree.
        drawn.sort_by_key(|&unit| (random::bits(unit as u32, who, number, stream), unit));
        drawn.drain(..left_out);
        drawn.sort_unstable();
        drawn
    }

    fn sub_model_of(&self, number: u32, seed: u64, who: u32) -> SubModel {
        let mut runs = Vec::new();
        // The units of the layer before; all inputs of the first.
        let mut inputs: Option<Vec<usize>> = None;
        for (place, layer) in self.layers.iter().enumerate() {
            let is_last = place + 1 == self.layers.len();
            let units = if is_last {
                (0..layer.units).collect()
            } else {
                self.units(place, layer.units, number, seed, who)
            };
            for row in units.iter().map(|unit| layer.weights.start + unit * layer.columns) {
                match &inputs {
                    None => runs.push(row..row + layer.columns),
                    Some(inputs) => {
                        let starts = inputs.iter().map(|input| row + input * layer.block);
                        runs.extend(starts.map(|start| start..start + layer.block));
                    }
                }
            }
            if let Some(biases) = &layer.biases {
                runs.extend(units.iter().map(|unit| biases.start + unit..biases.start + unit + 1));
            }
            inputs = Some(units);
        }
        SubModel::new(runs)
    }

    fn of_round(&self, round: &Round<'_>, who: u32) -> SubModel {
        self.sub_model_of(round.number, round.seed, who)
    }
}

impl Stage for Dropout {
    fn label(&self) -> String {
        format!("dropout({})", self.part)
    }

    fn given(&mut self, given: Given) -> Result<()> {
        let (problem, mend) = match given {
            Given::Weights | Given::Changes => {
                self.from_global = given == Given::Weights;
                return Ok(());
            }
            Given::Missed | Given::Code => {
                ("a code is of a whole model, and dropout of a part of it", "leave one of them out")
            }
            Given::Rest => (
                "it sends the weights of a part of the model, and is given something else",
                "list it before the stages that leave fewer values",
            ),
        };
        Err(Error::setting("codecs: dropout", problem, mend))
    }

    fn leaves(&self, count: usize, _: &Kept) -> Option<usize> {
        // As many of each layer, whichever they are.
        Some(self.sub_model_of(0, 0, 0).len().min(count))
    }

    fn sub_model(&self, number: u32, seed: u64, who: u32) -> Option<SubModel> {
        Some(self.sub_model_of(number, seed, who))
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            if values.len() != self.parameters {
                let problem = format!("{} values of a model of {} weights", values.len(), self.parameters);
                return Err(Error::setting("codecs: dropout", problem, "list it first or behind delta"));
            }
            outgoing.values = Values::Host(self.of_round(round, outgoing.who).take(&values));
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let due = self.parameters;
            if incoming.due != due || round.global.len() != due {
                let problem = format!("an update of {} values for a model of {due} weights", incoming.due);
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            let mut whole = if self.from_global { round.global.to_vec() } else { vec![0.0; due] };
            self.of_round(round, incoming.who).put(&incoming.values.take(round.gpu)?, &mut whole);
            incoming.values = Values::Host(whole);
        }
        Ok(())
    }
}
