//! The stages that codecs are made of, as they are listed and explained.

use crate::codec::{About, Explained, Linear, Stages};
use crate::report::Table;
use crate::story::options::options_text;

/// All stages and presets in a line each.
pub fn stages_table(stages: &Stages) -> Table {
    let columns = ["stage", "options", "adds up", "what it makes of an update", "good for"];
    let mut table = Table::new("codecs", "", &columns);
    for kind in stages.explained() {
        let options: Vec<_> = kind.about.options.iter().map(|option| option.name).collect();
        let options = match options.as_slice() {
            [first, .., _] if options.len() > 3 => format!("{first} and {} more", options.len() - 1),
            _ => options.join(", "),
        };
        let adds_up = match kind.linear {
            Linear::No => "",
            Linear::Shared => "shared",
            Linear::Yes => "yes",
        };
        let About { summary, good_for, .. } = kind.about;
        table.push([kind.name, &options, adds_up, summary, good_for].map(String::from));
    }
    table
}

/// Whether messages can be added up, in words.
fn adds_up(linear: Linear) -> &'static str {
    match linear {
        Linear::No => "no: each message has to be decoded by itself",
        Linear::Shared => {
            "with shared=true: messages can be summed before they are decoded, as by secure aggregation"
        }
        Linear::Yes => "yes: messages can be summed before they are decoded, as by secure aggregation",
    }
}

/// What there is to say of a stage or a preset.
pub fn stage_page(kind: &Explained) -> String {
    let about = &kind.about;
    let mut lines = vec![format!("{}: {}", kind.name, about.summary), String::new()];
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("{name:<10} {text}"));
        }
    };
    line("good for", about.good_for);
    line("source", about.source);
    line("stands for", kind.stands_for);
    line("place", kind.place);
    line("adds up", adds_up(kind.linear));
    let example = match about.example {
        "" => String::new(),
        "raw" => "fedfunnel compare --codecs raw --data mnist-sample".into(),
        example => format!("fedfunnel compare --codecs '{example}' --data mnist-sample"),
    };
    line("example", &example);
    let budget = kind.free.map(|free| {
        format!("fedfunnel compare finds its {} for a --budget or a --ratio where none is given", free.name)
    });
    line("budget", budget.as_deref().unwrap_or_default());
    lines.extend(options_text(about.options));
    lines.join("\n")
}
