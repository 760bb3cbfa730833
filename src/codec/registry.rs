//! The stages that a spec can name, and the pipelines that are made of them.

use super::{Options, Pipeline, PipelineSpec, Stage};
use crate::autoencoder::AutoencoderSettings;
use crate::{Error, Result, files};

/// What a stage is made for.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// P
    pub parameters: usize,
    /// The federation's seed.
    pub seed: u32,
    /// The table `autoencoder` of its spec.
    pub autoencoder: Option<&'a AutoencoderSettings>,
}

impl Context<'_> {
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
}

impl StageKind {
    /// A stage that learns nothing and needs nothing.
    pub const fn new(name: &'static str, make: Make) -> Self {
        Self { name, learns: false, needs_autoencoder: |_| false, make }
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

    /// The stage of a name.
    pub fn find(&self, name: &str) -> Result<&StageKind> {
        let known = self.0.iter().map(|kind| kind.name);
        let kind = self.0.iter().find(|kind| kind.name == name);
        kind.ok_or_else(|| files::unknown_name("codecs", "stage", name, known))
    }

    /// Makes the stages of a spec.
    pub fn pipeline(&self, spec: &PipelineSpec, context: &Context<'_>) -> Result<Pipeline> {
        let mut made: Vec<Box<dyn Stage>> = Vec::new();
        let mut learns = false;
        for (place, part) in spec.0.iter().enumerate() {
            let kind = self.find(part.name.as_deref().unwrap_or_default())?;
            let options = Options { place: format!("codecs: {}", kind.name), table: part.options.clone() };
            let (stage, stage_learns, is_last) = match kind.make {
                Make::Plain(make) => (make(context, &options)?, kind.learns, false),
                Make::Holding(make) => {
                    let rest = PipelineSpec(spec.0[place + 1..].to_vec());
                    if rest.0.is_empty() {
                        let mend = "list one behind it, such as topk";
                        return Err(
                            options.refuse("it works on the stages behind it, and there is none", mend)
                        );
                    }
                    let tail = self.pipeline(&rest, context)?;
                    let tail_learns = tail.learns();
                    (make(context, &options, tail)?, tail_learns, true)
                }
            };
            if stage_learns && place > 0 {
                let problem = "it learns from logged weights, and the stage before it leaves something else";
                return Err(options.refuse(problem, "list it first"));
            }
            learns |= stage_learns;
            made.push(stage);
            if is_last {
                break;
            }
        }
        Ok(Pipeline::new(made, learns, spec.is_raw()))
    }
}
