//! Codecs in so many bytes: the largest value of a stage's free option whose message is no longer than that, found by
//! encoding updates.

use super::coded::{CodePart, FilterPart};
use super::{Context, FreeOption, Kept, Make, PartSpec, Pipeline, PipelineSpec, Round, Stages, Values};
use crate::gpu::Gpu;
use crate::model::{Filters, Layout};
use crate::ops::random::uniform_values;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The option of `residual` and `filters` that is a codec itself.
const STAGES: &str = "stages";

/// Measures the messages of codecs before any is run.
pub struct Sizing<'a> {
    /// The stages that codecs are made of.
    pub stages: &'a Stages,
    /// What they are made for.
    pub context: Context<'a>,
    /// Axes that the snapshots of every collaborator have.
    pub axes: usize,
    /// The number of the round whose messages are measured.
    pub round: u32,
    /// The device.
    pub gpu: &'a Gpu,
    /// A global model `[P]`.
    pub global: &'a [f32],
    /// What collaborators have made of it, `[N][P]`. Of what they make messages the longest counts.
    pub weights: &'a [Vec<f32>],
}

/// The value that was found for an option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The stage.
    pub stage: String,
    /// Its option.
    pub option: String,
    /// The value, as a spec writes it.
    pub value: String,
}

/// A codec that keeps to a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// With all options given.
    pub spec: PipelineSpec,
    /// What was looked for, where something was.
    pub found: Option<Found>,
}

/// An option without a value: of the stage at this place of a codec, or of the codec in that stage's options.
struct Slot {
    path: Vec<usize>,
    stage: &'static str,
    option: FreeOption,
    /// Whether the stage is refused where it is left out.
    is_required: bool,
    /// Values that the stage is given at most.
    values: usize,
}

impl Sizing<'_> {
    /// The codec whose payload is no longer than that: of its free option, if one is left open, the largest value. With
    /// no budget the codec as it is.
    pub fn fit(&self, spec: &PipelineSpec, payload: Option<u64>) -> Result<Fitted> {
        let (Some(payload), Some(slot)) = (payload, self.slot(spec)?) else {
            return Ok(Fitted { spec: spec.clone(), found: None });
        };
        let (least, most) = slot.option.range.bounds(slot.values, self.axes);
        let fits = |number: usize| Ok::<_, Error>(self.payload_bytes(&slot.with(spec, number))? <= payload);
        if !fits(least)? {
            let bytes = self.payload_bytes(&slot.with(spec, least))?;
            let problem = format!(
                "{} takes {bytes} bytes with the smallest {} of {}, and the budget leaves {payload}",
                spec.to_text(),
                slot.option.name,
                slot.stage
            );
            return Err(Error::setting("codecs", problem, "leave it out, or allow more bytes"));
        }
        // Doubled until it is too much, so that nothing far beyond the budget is ever made.
        let (mut fitting, mut over) = (least, most + 1);
        while over > fitting + 1 {
            let is_doubling = over == most + 1;
            let middle = if is_doubling { (2 * fitting).min(most) } else { fitting + (over - fitting) / 2 };
            // What a stage refuses is too much for the model, since it takes the smallest.
            let is_within = match fits(middle) {
                Err(error) if error.is_usage() => false,
                other => other?,
            };
            if is_within {
                fitting = middle;
            } else {
                over = middle;
            }
        }
        let value = fitting.to_string();
        let found = Found { stage: slot.stage.into(), option: slot.option.name.into(), value };
        Ok(Fitted { spec: slot.with(spec, fitting), found: Some(found) })
    }

    /// The codec with the smallest value of an option that is left open: what can be checked without a device.
    pub fn smallest(stages: &Stages, context: &Context<'_>, spec: &PipelineSpec) -> Result<PipelineSpec> {
        let slot = chosen(slots(stages, context, spec)?, spec)?;
        Ok(slot.map_or(spec.clone(), |slot| slot.with(spec, slot.option.range.bounds(slot.values, 1).0)))
    }

    /// Whether a codec leaves an option open that could be found.
    pub fn is_open(stages: &Stages, context: &Context<'_>, spec: &PipelineSpec) -> Result<bool> {
        Ok(!slots(stages, context, spec)?.is_empty())
    }

    /// Bytes of the payload of a codec's updates.
    pub fn payload_bytes(&self, spec: &PipelineSpec) -> Result<u64> {
        let learned = spec.0.iter().position(|part| self.learns(part));
        let Some(place) = learned else {
            return self.encoded(&self.listed(&spec.0, self.global.len())?, self.global, self.weights);
        };
        let floats = floats(self.stages, &self.context, &spec.0[place])?;
        let (mut tail, mut bytes) = (Vec::new(), 0);
        for part in &spec.0[place + 1..] {
            match self.stages.find(part.name.as_deref().unwrap_or_default())?.make {
                Make::Around(CodePart::Residual) => {
                    if let Some(stages) = inner(part) {
                        // All of an update stands for what a code of it misses.
                        let change = |weights: &Vec<f32>| {
                            weights.iter().zip(self.global).map(|(weight, global)| weight - global).collect()
                        };
                        let missed: Vec<Vec<f32>> = self.weights.iter().map(change).collect();
                        let stages = self.stages.residual(&stages, &self.context)?;
                        bytes += self.encoded(&stages, &vec![0.0; self.global.len()], &missed)?;
                    }
                }
                Make::Around(CodePart::Filters) => {
                    let stages = inner(part).unwrap_or_else(FilterPart::usual_stages);
                    let count = Filters::of(self.context.layout).map_or(0, |filters| filters.count());
                    let values = uniform_values(count, 1, 0, self.context.seed, 1.0);
                    let stages = self.listed(&stages.0, count)?;
                    bytes += self.encoded(&stages, &vec![0.0; count], &[values])?;
                }
                Make::Around(_) => {}
                _ => tail.push(part.clone()),
            }
        }
        let code = uniform_values(floats, 0, 0, self.context.seed, 1.0);
        Ok(bytes + self.encoded(&self.listed(&tail, floats)?, &vec![0.0; floats], &[code])?)
    }

    fn learns(&self, part: &PartSpec) -> bool {
        let kind = self.stages.find(part.name.as_deref().unwrap_or_default());
        kind.is_ok_and(|kind| kind.learns)
    }

    /// These stages for so many values.
    fn listed(&self, parts: &[PartSpec], values: usize) -> Result<Pipeline> {
        let flat = Layout::flat(values);
        let layout = if values == self.context.parameters() { self.context.layout } else { &flat };
        match parts {
            [] => Ok(Pipeline::new(Vec::new(), false, false)),
            parts => self.stages.pipeline(&PipelineSpec(parts.to_vec()), &Context { layout, ..self.context }),
        }
    }

    /// Bytes that stages make of the values, `[N][V]`, of which most are made; they know nothing yet.
    fn encoded(&self, pipeline: &Pipeline, global: &[f32], values: &[Vec<f32>]) -> Result<u64> {
        let seed = u64::from(self.context.seed);
        let round = Round { number: self.round, seed, global, gpu: self.gpu, local: None };
        let mut kept = vec![Kept::default(); values.len()];
        let updates = (0..).zip(&mut kept).zip(values);
        let updates = updates.map(|((who, kept), values)| (who, kept, Values::Host(values.clone())));
        let sent = pipeline.send(&round, updates.collect())?;
        Ok(sent.iter().map(|bytes| bytes.len() as u64).max().unwrap_or(0))
    }

    fn slot(&self, spec: &PipelineSpec) -> Result<Option<Slot>> {
        chosen(slots(self.stages, &self.context, spec)?, spec)
    }
}

impl Slot {
    /// The codec with this number in its place.
    fn with(&self, spec: &PipelineSpec, number: usize) -> PipelineSpec {
        let mut spec = spec.clone();
        self.put(&mut spec, &self.path, number);
        spec
    }

    fn put(&self, spec: &mut PipelineSpec, path: &[usize], number: usize) {
        let Some((&place, deeper)) = path.split_first() else { return };
        let part = &mut spec.0[place];
        if deeper.is_empty() {
            part.options.insert(self.option.name.into(), toml::Value::Integer(number as i64));
        } else if let Some(mut own) = inner(part) {
            self.put(&mut own, deeper, number);
            part.options.insert(STAGES.into(), toml::Value::String(own.to_text()));
        }
    }
}

/// The codec in a part's own options.
fn inner(part: &PartSpec) -> Option<PipelineSpec> {
    part.options.get(STAGES).and_then(|value| PipelineSpec::try_from(value.clone()).ok())
}

/// Values that a learned stage leaves.
fn floats(stages: &Stages, context: &Context<'_>, part: &PartSpec) -> Result<usize> {
    let pipeline = stages.pipeline(&PipelineSpec(vec![part.clone()]), context)?;
    pipeline.floats(context.parameters(), &Kept::default()).ok_or_else(|| {
        let problem = format!("how many bytes {} takes is not known beforehand", pipeline.label());
        Error::setting("codecs", problem, "give its options, or leave the budget out")
    })
}

/// The options of a codec that decide its bytes and are left open.
fn slots(stages: &Stages, context: &Context<'_>, spec: &PipelineSpec) -> Result<Vec<Slot>> {
    let (mut found, mut values) = (Vec::new(), context.parameters());
    for (place, part) in spec.0.iter().enumerate() {
        let kind = stages.explain(part.name.as_deref().unwrap_or_default())?;
        let is_given = |name: &str| part.options.contains_key(name);
        let is_open =
            |free: &FreeOption| !is_given(free.name) && !free.instead.iter().any(|name| is_given(name));
        let free = kind.free.filter(is_open);
        found.extend(free.map(|option| Slot {
            path: vec![place],
            stage: kind.name,
            option,
            is_required: kind.about.options.iter().any(|o| o.name == option.name && o.default.is_empty()),
            values,
        }));
        if let Some(own) = inner(part) {
            found.extend(slots(stages, context, &own)?.into_iter().map(|mut slot| {
                slot.path.insert(0, place);
                slot
            }));
        }
        // What stands behind a code is given that.
        if kind.learns && free.is_none() {
            values = floats(stages, context, part)?;
        }
    }
    Ok(found)
}

/// The one that is looked for: the only one, or the only one that has to be given.
fn chosen(mut slots: Vec<Slot>, spec: &PipelineSpec) -> Result<Option<Slot>> {
    if slots.len() > 1 && slots.iter().any(|slot| slot.is_required) {
        slots.retain(|slot| slot.is_required);
    }
    if slots.len() > 1 {
        let names: Vec<_> =
            slots.iter().map(|slot| format!("{} of {}", slot.option.name, slot.stage)).collect();
        let problem = format!("{} leaves {} open, and one can be found", spec.to_text(), names.join(" and "));
        return Err(Error::setting("codecs", problem, "give all of them but one"));
    }
    Ok(slots.pop())
}
