//! The stages that a spec can name, and the pipelines that are made of them.

use super::coded::{CodePart, CodeParts, Coded, FilterPart, Tails};
use super::presets::{self, Preset};
use super::{
    About, ByteCoder, FreeOption, Given, Kept, Linear, Options, PRESETS, PartSpec, Pipeline, PipelineSpec,
    Stage,
};
use crate::autoencoder::AutoencoderSettings;
use crate::model::Layout;
use crate::{Error, Result, files};

/// What a stage is made for.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The tensors of the weights.
    pub layout: &'a Layout,
    /// The federation's seed.
    pub seed: u32,
    /// The table `autoencoder` of its spec.
    pub autoencoder: Option<&'a AutoencoderSettings>,
}

impl Context<'_> {
    /// P
    pub fn parameters(&self) -> usize {
        self.layout.parameters()
    }

    /// The table `autoencoder`. Errors where the spec has none.
    pub fn autoencoder(&self) -> Result<&AutoencoderSettings> {
        self.autoencoder.ok_or_else(|| {
            let problem = "a codec takes its settings from the table [autoencoder], and there is none";
            Error::setting("autoencoder", problem, "add it, with model and epochs")
        })
    }
}

/// How a stage is made.
#[derive(Clone, Copy)]
pub enum Make {
    /// By itself.
    Plain(fn(&Context<'_>, &Options) -> Result<Box<dyn Stage>>),
    /// Around all stages that are listed behind it, which are none or more, where [`Stage::is_joint`]: the aggregator
    /// joins updates, so that before it only `delta` can be listed.
    Joint(fn(&Context<'_>, &Options, Pipeline) -> Result<Box<dyn Stage>>),
    /// Around all stages that are listed behind it.
    Holding(fn(&Context<'_>, &Options, Pipeline) -> Result<Box<dyn Stage>>),
    /// Around all stages that are listed behind it, of which there may be none.
    HoldingAny(fn(&Context<'_>, &Options, Pipeline) -> Result<Box<dyn Stage>>),
    /// With the learned stage that it is listed around.
    Around(CodePart),
    /// On the bytes of all stages that are listed before it.
    Bytes(fn(&Context<'_>, &Options) -> Result<Box<dyn ByteCoder>>),
}

/// A stage that specs can name.
#[derive(Clone, Copy)]
pub struct StageKind {
    /// Its name in specs.
    pub name: &'static str,
    /// Whether it is learned from logged weights, so that a pre-pass is needed.
    pub learns: bool,
    /// Whether a stage with these options needs the table `autoencoder`.
    pub needs_autoencoder: fn(&toml::Table) -> bool,
    /// How it is made.
    pub make: Make,
    /// What it says of itself.
    pub about: About,
    /// The option that decides how many bytes its messages have, where there is one.
    pub free: Option<FreeOption>,
    /// Whether its messages can be added up before they are decoded.
    pub linear: Linear,
    /// Whether it is for what a system exchanges in place of weights, and would make nothing of these.
    pub for_systems: bool,
}

impl StageKind {
    /// A stage that learns nothing and needs nothing.
    pub const fn new(name: &'static str, make: Make) -> Self {
        let about = About::NOTHING;
        let linear = Linear::No;
        let (needs_autoencoder, learns) = (|_: &toml::Table| false, false);
        Self { name, learns, needs_autoencoder, make, about, free: None, linear, for_systems: false }
    }

    /// The same with what it says of itself.
    pub const fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// The same for what a system exchanges in place of weights.
    pub const fn for_systems(self) -> Self {
        Self { for_systems: true, ..self }
    }

    /// The same with messages that can be added up before they are decoded.
    pub const fn linear(self, linear: Linear) -> Self {
        Self { linear, ..self }
    }

    /// The same with the option that decides how many bytes its messages have.
    pub const fn free(self, free: FreeOption) -> Self {
        Self { free: Some(free), ..self }
    }
}

/// How a preset is used.
struct PresetUse<'a> {
    options: &'a Options,
    /// What stands for its own stages.
    label: String,
    given: Given,
}

/// The stages that specs can name.
#[derive(Clone)]
pub struct Stages(pub(super) Vec<StageKind>);

impl Stages {
    /// One more, in place of any of the same name.
    pub fn with(mut self, kind: StageKind) -> Self {
        self.0.retain(|known| known.name != kind.name);
        self.0.push(kind);
        self
    }

    /// All of them, in the order in which they are listed.
    pub fn all(&self) -> &[StageKind] {
        &self.0
    }

    /// The stage of a name.
    pub fn find(&self, name: &str) -> Result<&StageKind> {
        let known = self.0.iter().map(|kind| kind.name).chain(PRESETS.iter().map(|preset| preset.name));
        let kind = self.0.iter().find(|kind| kind.name == name);
        kind.ok_or_else(|| files::unknown_name("codecs", "stage", name, known))
    }

    /// The preset of a name that no stage has.
    fn preset(&self, part: &PartSpec) -> Option<(&'static Preset, Options)> {
        let name = part.name.as_deref()?;
        let preset = PRESETS.iter().find(|preset| preset.name == name)?;
        let is_stage = self.0.iter().any(|kind| kind.name == name);
        (!is_stage).then(|| (preset, options_of(name, part)))
    }

    /// The stages of a spec, with those of a preset in its place.
    pub fn parts(&self, spec: &PipelineSpec) -> Result<Vec<PartSpec>> {
        let Some((preset, options)) = spec.0.first().and_then(|part| self.preset(part)) else {
            return Ok(spec.0.clone());
        };
        Ok([preset.stages(&options)?, spec.0[1..].to_vec()].concat())
    }

    /// Whether all messages of a codec can be added up before they are decoded.
    pub fn is_linear(&self, spec: &PipelineSpec) -> Result<bool> {
        let mut is_linear = true;
        for part in self.parts(spec)? {
            is_linear &= self.find(part.name.as_deref().unwrap_or_default())?.linear.holds(&part.options);
        }
        Ok(is_linear)
    }

    /// Makes the stages of a spec.
    pub fn pipeline(&self, spec: &PipelineSpec, context: &Context<'_>) -> Result<Pipeline> {
        let Some((preset, options)) = spec.0.first().and_then(|part| self.preset(part)) else {
            return self.listed(&spec.0, context, Given::Weights, spec.is_raw());
        };
        let of = PresetUse { options: &options, label: preset.label(&options), given: Given::Weights };
        self.of_preset(preset.stages(&options)?, of, &spec.0[1..], context)
    }

    /// Makes the stages of what a code misses, behind feedback: what they could not say is added to what they are given
    /// next time. A preset's `delta` is left out, since they are given a difference.
    pub(super) fn residual(&self, spec: &PipelineSpec, context: &Context<'_>) -> Result<Pipeline> {
        self.refuse_system_stages(spec)?;
        let feedback = |names: &[PartSpec]| {
            let first = names.first().and_then(|part| part.name.as_deref());
            (first != Some("feedback")).then(|| PartSpec::named("feedback"))
        };
        match spec.0.first().and_then(|part| self.preset(part)) {
            None => {
                let stages: Vec<_> = feedback(&spec.0).into_iter().chain(spec.0.iter().cloned()).collect();
                self.listed(&stages, context, Given::Missed, false)
            }
            Some((preset, options)) => {
                let own = presets::of_differences(preset.stages(&options)?);
                let lead = feedback(&own);
                let label = if lead.is_some() { "feedback+" } else { "" };
                let label = format!("{label}{}", preset.label(&options));
                let own = lead.into_iter().chain(own).collect();
                let of = PresetUse { options: &options, label, given: Given::Missed };
                self.of_preset(own, of, &spec.0[1..], context)
            }
        }
    }

    /// Refuses stages that would make nothing of weights, nor of differences between them.
    pub fn refuse_system_stages(&self, spec: &PipelineSpec) -> Result<()> {
        for name in spec.names() {
            if self.0.iter().any(|kind| kind.name == name && kind.for_systems) {
                let problem = format!("{name} is for what a system sends in place of weights");
                let mend = "use another stage, or the name of a system: fedfunnel codecs lists them";
                return Err(Error::setting(format!("codecs: {name}"), problem, mend));
            }
        }
        Ok(())
    }

    /// Makes a preset's own stages and those that are listed behind it; `label` stands for its own.
    fn of_preset(
        &self,
        own: Vec<PartSpec>,
        PresetUse { options, label, given }: PresetUse<'_>,
        others: &[PartSpec],
        context: &Context<'_>,
    ) -> Result<Pipeline> {
        // A user who names a preset does not know its stages.
        let named = |error: Error| error.renamed(|field| format!("{} ({field})", options.place));
        let hidden = self.listed(&own, context, given, false).map_err(named)?;
        let whole = self.listed(&[&own[..], others].concat(), context, given, false)?;
        let rest = whole.label().strip_prefix(hidden.label()).unwrap_or_default();
        let label = format!("{label}{rest}");
        Ok(whole.called(label))
    }

    /// Makes a list of stages of which the first is given that.
    fn listed(
        &self,
        parts: &[PartSpec],
        context: &Context<'_>,
        mut given: Given,
        is_raw: bool,
    ) -> Result<Pipeline> {
        if let Some((last, before)) = parts.split_last() {
            let (kind, options) = self.kind_of(last)?;
            if let Make::Bytes(make) = kind.make {
                let coder = make(context, &options)?;
                let stages = self.listed(before, context, given, false)?;
                if stages.is_coded() {
                    let problem = "the bytes of the stages before it are coded already";
                    return Err(options.refuse(problem, "list it once"));
                }
                return Ok(stages.with_coder(coder));
            }
        }
        let mut made: Vec<Box<dyn Stage>> = Vec::new();
        let mut learns = false;
        for (place, part) in parts.iter().enumerate() {
            let (kind, options) = self.kind_of(part)?;
            let rest = &parts[place + 1..];
            if let Some(coded) = self.coded(&parts[place..], context)? {
                refuse_late(true, place, &options)?;
                made.push(Box::new(coded));
                return Ok(Pipeline::new(made, true, is_raw));
            }
            match kind.make {
                Make::Plain(make) => {
                    refuse_late(kind.learns, place, &options)?;
                    learns |= kind.learns;
                    let mut stage = make(context, &options)?;
                    stage.given(given)?;
                    // How many values a code has says nothing about what they are of.
                    if kind.learns || given == Given::Code {
                        given = Given::Code;
                    } else {
                        let count = context.parameters();
                        let is_whole = stage.leaves(count, &Kept::default()) == Some(count);
                        given = if is_whole { stage.gives(given) } else { Given::Rest };
                    }
                    made.push(stage);
                }
                Make::Joint(make) => {
                    if parts[..place].iter().any(|part| part.name.as_deref() != Some("delta")) {
                        let problem =
                            "the aggregator adds up what it makes, which only delta can be undone behind";
                        return Err(options.refuse(problem, "list it first, or right behind delta"));
                    }
                    let tail = self.listed(rest, context, given, false)?;
                    refuse_learned(&tail, "what is added up")?;
                    refuse_joint(&tail)?;
                    made.push(make(context, &options, tail)?);
                    break;
                }
                Make::Holding(make) | Make::HoldingAny(make) => {
                    if rest.is_empty() && matches!(kind.make, Make::Holding(_)) {
                        let mend = "list one behind it, such as topk";
                        return Err(
                            options.refuse("it works on the stages behind it, and there is none", mend)
                        );
                    }
                    let tail = self.listed(rest, context, given, false)?;
                    refuse_late(tail.learns(), place, &options)?;
                    refuse_joint(&tail)?;
                    learns |= tail.learns();
                    let mut stage = make(context, &options, tail)?;
                    stage.given(given)?;
                    made.push(stage);
                    break;
                }
                Make::Around(part) => return Err(CodeParts::nothing_learned(part)),
                Make::Bytes(_) => return Err(refuse_early(parts, place, &options)),
            }
        }
        Ok(Pipeline::new(made, learns, is_raw))
    }

    /// A learned stage with what is listed around it, where these parts are that: `prior` before it, then what becomes of
    /// codes, and at the end what is about the code.
    fn coded(&self, parts: &[PartSpec], context: &Context<'_>) -> Result<Option<Coded>> {
        let mut around = CodeParts::default();
        let (mut learned, mut tail, mut is_coded) = (None, Vec::new(), false);
        for part in parts {
            let (kind, options) = self.kind_of(part)?;
            match kind.make {
                Make::Around(code_part) => {
                    if (code_part == CodePart::Prior) != learned.is_none() {
                        return Err(CodeParts::nothing_learned(code_part));
                    }
                    around.add(code_part, &options)?;
                    is_coded = true;
                }
                Make::Plain(make) if kind.learns && learned.is_none() => {
                    learned = Some(make(context, &options)?)
                }
                _ if learned.is_none() => break,
                _ if around.is_closed() => {
                    let problem = "it stands behind what is about the whole code";
                    return Err(options.refuse(problem, "list it before residual, filters and tune"));
                }
                _ => tail.push(part.clone()),
            }
        }
        let Some(learned) = learned.filter(|_| is_coded) else { return Ok(None) };
        let residual = around.residual.as_ref().map(|stages| self.residual(stages, context)).transpose()?;
        around.check_filters()?;
        let filters = around.filters.as_ref().map(|given| {
            let tail = self.listed(&given.stages.0, context, Given::Code, false)?;
            refuse_learned(&tail, "values of filters")?;
            refuse_joint(&tail)?;
            FilterPart::new(given, context.layout, tail)
        });
        let filters = filters.transpose()?;
        around.check_refresh(learned.own_axes(), &learned.label())?;
        let tail = self.listed(&tail, context, Given::Code, false)?;
        refuse_learned(&tail, "a code")?;
        refuse_joint(&tail)?;
        residual.iter().try_for_each(|stages| refuse_learned(stages, "what a code misses"))?;
        Ok(Some(Coded::new(around, learned, Tails { tail, residual, filters })))
    }

    fn kind_of(&self, part: &PartSpec) -> Result<(&StageKind, Options)> {
        if let Some((preset, options)) = self.preset(part) {
            let problem = format!("it stands for stages of its own ({}), the first of them", preset.stages);
            return Err(options.refuse(problem, "list it first, or list what you want of its stages"));
        }
        let kind = self.find(part.name.as_deref().unwrap_or_default())?;
        Ok((kind, options_of(kind.name, part)))
    }
}

fn options_of(name: &str, part: &PartSpec) -> Options {
    Options { place: format!("codecs: {name}"), table: part.options.clone() }
}

/// Refuses a stage that learns from logged weights and is given something else.
fn refuse_late(learns: bool, place: usize, options: &Options) -> Result<()> {
    if !learns || place == 0 {
        return Ok(());
    }
    let problem = "it learns from logged weights, and the stage before it leaves something else";
    Err(options.refuse(problem, "list it first"))
}

/// The error for a coder of bytes at this place, with stages behind it.
fn refuse_early(parts: &[PartSpec], place: usize, options: &Options) -> Error {
    let name = |part: &PartSpec| part.name.clone().unwrap_or_default();
    let (before, behind) = (&parts[..place], &parts[place + 1..]);
    let order = before.iter().chain(behind).chain(&parts[place..=place]).map(name);
    let order = order.collect::<Vec<_>>().join(", ");
    let behind = behind.first().map(name).unwrap_or_default();
    let problem = format!("it codes the bytes of the stages before it, and {behind} stands behind it");
    options.refuse(problem, format!("list it last: {order}"))
}

/// Refuses stages that the aggregator joins where another stage is around them.
fn refuse_joint(stages: &Pipeline) -> Result<()> {
    if !stages.is_joint() {
        return Ok(());
    }
    let problem = format!("{} is added up by the aggregator, and another stage is around it", stages.label());
    Err(Error::setting("codecs", problem, "list it first, or right behind delta; it has feedback of its own"))
}

/// Refuses stages behind a code where one of them learns from logged weights.
fn refuse_learned(stages: &Pipeline, given: &str) -> Result<()> {
    if !stages.learns() {
        return Ok(());
    }
    let problem = format!("{} learns from logged weights, and is given {given}", stages.label());
    Err(Error::setting("codecs", problem, "list it first, or leave it out"))
}
