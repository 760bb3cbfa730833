//! Systems, as `fedfunnel codecs` lists and explains them.

use crate::federation::{SystemKind, Systems};
use crate::report::Table;
use crate::story::options::options_text;

/// All systems, a line each.
pub fn systems_table(systems: &Systems) -> Table {
    let mut table = Table::new("systems", "", &["system", "options", "what its rounds exchange", "good for"]);
    for SystemKind { name, about, .. } in systems.all() {
        let options: Vec<_> = about.options.iter().map(|option| option.name).collect();
        table.push([*name, &options.join(", "), about.summary, about.good_for].map(String::from));
    }
    table
}

/// All about one of them.
pub fn system_page(kind: &SystemKind) -> String {
    let SystemKind { name, about, stages, .. } = kind;
    let mut lines = vec![format!("{name}: {}", about.summary), String::new()];
    let example = format!("fedfunnel simulate demo --out run --set 'codecs=[\"raw\",\"{name}\"]'");
    for (field, text) in [
        ("good for", about.good_for),
        ("source", about.source),
        ("sends", about.sends),
        ("stages", stages),
        ("example", &example),
    ] {
        if !text.is_empty() {
            lines.push(format!("{field:<10} {text}"));
        }
    }
    lines.extend(options_text(about.options));
    lines.join("\n")
}
