//! The stages that a spec can name, and the pipelines that are made of them.

use super::coded::{CodePart, CodeParts, Coded};
use super::{About, FreeOption, Options, PartSpec, Pipeline, PipelineSpec, Stage};
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
    /// Around all stages that are listed behind it.
    Holding(fn(&Context<'_>, &Options, Pipeline) -> Result<Box<dyn Stage>>),
    /// With the learned stage that it is listed around.
    Around(CodePart),
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
}

impl StageKind {
    /// A stage that learns nothing and needs nothing.
    pub const fn new(name: &'static str, make: Make) -> Self {
        let about = About::NOTHING;
        Self { name, learns: false, needs_autoencoder: |_| false, make, about, free: None }
    }

    /// The same with what it says of itself.
    pub const fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// The same with the option that decides how many bytes its messages have.
    pub const fn free(self, free: FreeOption) -> Self {
        Self { free: Some(free), ..self }
    }
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
        let known = self.0.iter().map(|kind| kind.name);
        let kind = self.0.iter().find(|kind| kind.name == name);
        kind.ok_or_else(|| files::unknown_name("codecs", "stage", name, known))
    }

    /// Makes the stages of a spec.
    pub fn pipeline(&self, spec: &PipelineSpec, context: &Context<'_>) -> Result<Pipeline> {
        self.listed(&spec.0, context, spec.is_raw())
    }

    fn listed(&self, parts: &[PartSpec], context: &Context<'_>, is_raw: bool) -> Result<Pipeline> {
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
                    made.push(make(context, &options)?);
                }
                Make::Holding(make) => {
                    if rest.is_empty() {
                        let mend = "list one behind it, such as topk";
                        return Err(
                            options.refuse("it works on the stages behind it, and there is none", mend)
                        );
                    }
                    let tail = self.listed(rest, context, false)?;
                    refuse_late(tail.learns(), place, &options)?;
                    learns |= tail.learns();
                    made.push(make(context, &options, tail)?);
                    break;
                }
                Make::Around(part) => return Err(CodeParts::nothing_learned(part)),
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
                    return Err(options.refuse(problem, "list it before residual and tune"));
                }
                _ => tail.push(part.clone()),
            }
        }
        let Some(learned) = learned.filter(|_| is_coded) else { return Ok(None) };
        let residual = match &around.residual {
            // What the stages of a residual could not say is added to what they are given next time.
            Some(stages) if stages.names().next() != Some("feedback") => {
                let stages = std::iter::once(PartSpec::named("feedback")).chain(stages.0.iter().cloned());
                Some(self.listed(&stages.collect::<Vec<_>>(), context, false)?)
            }
            Some(stages) => Some(self.listed(&stages.0, context, false)?),
            None => None,
        };
        let tail = self.listed(&tail, context, false)?;
        refuse_learned(&tail, "a code")?;
        residual.iter().try_for_each(|stages| refuse_learned(stages, "what a code misses"))?;
        Ok(Some(Coded::new(around, learned, tail, residual)))
    }

    fn kind_of(&self, part: &PartSpec) -> Result<(&StageKind, Options)> {
        let kind = self.find(part.name.as_deref().unwrap_or_default())?;
        Ok((kind, Options { place: format!("codecs: {}", kind.name), table: part.options.clone() }))
    }
}

/// Refuses a stage that learns from logged weights and is given something else.
fn refuse_late(learns: bool, place: usize, options: &Options) -> Result<()> {
    if !learns || place == 0 {
        return Ok(());
    }
    let problem = "it learns from logged weights, and the stage before it leaves something else";
    Err(options.refuse(problem, "list it first"))
}

/// Refuses stages behind a code where one of them learns from logged weights.
fn refuse_learned(stages: &Pipeline, given: &str) -> Result<()> {
    if !stages.learns() {
        return Ok(());
    }
    let problem = format!("{} learns from logged weights, and is given {given}", stages.label());
    Err(Error::setting("codecs", problem, "list it first, or leave it out"))
}
