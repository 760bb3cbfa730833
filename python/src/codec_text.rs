//! A codec's line of text, with values that need no name: `topk(0.01)`, `autoencoder(32)`.

use fedfunnel::Result;
use fedfunnel::codec::{PipelineSpec, Stages};

/// The pipeline of a line. A number by itself between a stage's brackets is the option that decides the bytes of its
/// messages, as labels have it: a count, or a part of all values where the stage takes one and the number is below 1.
pub fn pipeline(text: &str) -> Result<PipelineSpec> {
    let stages = Stages::default();
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('(') {
        let (before, behind) = rest.split_at(open + 1);
        named += before;
        let name = before[..open].rsplit(['+', '(', ',', '=', ' ']).next().unwrap_or_default();
        let end = behind.find([')', ',']).unwrap_or(behind.len());
        let kind = stages.all().iter().find(|kind| kind.name == name);
        if let (Some(free), Ok(number)) =
            (kind.and_then(|kind| kind.free), behind[..end].trim().parse::<f64>())
        {
            let takes_part = number < 1.0 && free.instead.contains(&"part");
            named += if takes_part { "part" } else { free.name };
            named += "=";
        }
        rest = behind;
    }
    PipelineSpec::from_text("codec", &(named + rest))
}
