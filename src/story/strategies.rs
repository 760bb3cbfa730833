//! Strategies and their parts, as they are listed and explained.

use crate::federation::{ExplainedPart, Strategies};
use crate::report::Table;
use crate::story::options::options_text;

/// What a preset is made of: "median + replace + plain".
fn made_of(part: &ExplainedPart) -> String {
    part.parts.map_or_else(String::new, |parts| parts.join(" + "))
}

/// All presets and parts in a line each.
pub fn strategies_table(strategies: &Strategies) -> Table {
    let columns = ["name", "field", "parts or options", "what it does", "good for"];
    let mut table = Table::new("strategies", "", &columns);
    for part in strategies.explained() {
        let options: Vec<_> = part.about.options.iter().map(|option| option.name).collect();
        let detail = if part.parts.is_some() { made_of(&part) } else { options.join(", ") };
        let about = part.about;
        let row = [part.name, part.field, &detail, about.summary, about.good_for];
        table.push(row.map(String::from));
    }
    table
}

/// What there is to say of a preset or a part.
pub fn strategy_page(part: &ExplainedPart) -> String {
    let about = &part.about;
    let mut lines = vec![format!("{}: {}", part.name, about.summary), String::new()];
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("{name:<10} {text}"));
        }
    };
    line("good for", about.good_for);
    line("source", about.source);
    line("stands for", &made_of(part));
    line("field", part.field);
    line("sends", about.sends);
    line("needs", about.needs);
    let needs = if about.needs.is_empty() { String::new() } else { format!(" --set {}", about.needs) };
    line("example", &format!("fedfunnel simulate demo --out run --set {}={}{needs}", part.field, part.name));
    lines.extend(options_text(about.options));
    lines.join("\n")
}
