//! A report as Markdown, for pages of a repository and for pasting.

use super::{Report, Table, slugs};

/// The report in the order of the page; plots are links to the files beside it.
pub fn markdown(report: &Report) -> String {
    let mut parts = vec![format!("# {}", text(&report.title))];
    parts.extend(report.answer.iter().map(|paragraph| text(paragraph)));
    let figure = |figure: &super::KeyFigure| {
        let unit = if figure.unit.is_empty() { String::new() } else { format!(" {}", figure.unit) };
        let line = format!("- **{}: {}{unit}**", text(&figure.label), text(&figure.value));
        if figure.explanation.is_empty() { line } else { format!("{line} ({})", text(&figure.explanation)) }
    };
    parts.push(report.figures.iter().map(figure).collect::<Vec<_>>().join("\n"));
    for (plot, name) in report.plots.iter().zip(slugs(report.plots.iter().map(|plot| &*plot.id))) {
        parts.push(format!("## {}", text(&plot.title)));
        parts.push(format!("![{}](plots/{name}.svg)", text(&plot.title)));
        parts.push(text(&plot.caption));
    }
    for (pictures, name) in report.pictures.iter().zip(slugs(report.pictures.iter().map(|each| &*each.id))) {
        parts.push(format!("## {}", text(&pictures.title)));
        parts.push(format!("![{}](pictures/{name}.png)", text(&pictures.title)));
        let rows = pictures.rows.iter().map(|row| text(&row.name)).collect::<Vec<_>>();
        parts.push(format!("From top to bottom: {}. {}", rows.join("; "), text(&pictures.caption)));
    }
    for table in &report.tables {
        parts.push(format!("## {}", text(&table.title)));
        parts.push(rows(table));
        parts.push(text(&table.caption));
    }
    let notes = report.notes.iter().map(|note| format!("- {}", text(note)));
    parts.push(notes.collect::<Vec<_>>().join("\n"));
    let facts = report.facts.iter().map(|(name, value)| format!("- {}: {}", text(name), text(value)));
    parts.push(facts.collect::<Vec<_>>().join("\n"));
    if !report.reproduce.is_empty() {
        parts.push(format!("```sh\n{}\n```", report.reproduce.trim()));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

fn rows(table: &Table) -> String {
    let line = |cells: &[String]| {
        let cells =
            (0..table.columns.len()).map(|place| cells.get(place).map_or(String::new(), |cell| text(cell)));
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = format!("|{}", "---|".repeat(table.columns.len()));
    let lines = [line(&table.columns), rule].into_iter().chain(table.rows.iter().map(|row| line(row)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Text on one line, in which nothing is markup.
fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '|' => {
                safe.push('\\');
                safe.push(letter);
            }
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{KeyFigure, Plot};

    #[test]
    fn a_report_is_read_from_top_to_bottom() {
        let mut table = Table::new("t", "Table", &["a", "b"]);
        table.push(["1 | 2"]);
        let report = Report {
            title: "Title_1".into(),
            answer: vec!["Yes.".into()],
            figures: vec![KeyFigure::new("Accuracy", "93 %", "raw: 95 %")],
            plots: vec![Plot::new("p", "Plot", "x", "y")],
            tables: vec![table],
            notes: vec!["Note.".into()],
            reproduce: "fedfunnel demo".into(),
            ..Report::default()
        };
        let due = "# Title\\_1\n\nYes.\n\n- **Accuracy: 93 %** (raw: 95 %)\n\n## Plot\n\n![Plot](plots/p.svg)\n\n\
                   ## Table\n\n| a | b |\n|---|---|\n| 1 \\| 2 |  |\n\n- Note.\n\n```sh\nfedfunnel demo\n```\n";
        assert_eq!(markdown(&report), due);
    }
}
