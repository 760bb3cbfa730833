//! A report as one HTML file that needs nothing else.

use super::page::{figure, paragraphs, prose, table_section};
use super::plot::escape;
use super::{KeyFigure, Report, slugs};
use crate::Result;

const STYLE: &str = include_str!("style.css");

/// The page loads and runs nothing from outside of the file.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The whole page: the answer first, what it rests on below. Every text of the report is escaped.
pub fn html(report: &Report) -> Result<String> {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"fedfunnel {version}\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<header>\n<h1>{title}</h1>\n",
        version = env!("CARGO_PKG_VERSION"),
        title = escape(&report.title),
    );
    // The first paragraph and the key figures are what fits on the first screen of a phone.
    let (lead, more) = report.answer.split_at(report.answer.len().min(1));
    if !lead.is_empty() {
        page += &format!("<div class=\"answer\">\n{}</div>\n", paragraphs(lead));
    }
    page += "</header>\n";
    if !report.figures.is_empty() {
        page += "<dl class=\"figures\">\n";
        report.figures.iter().for_each(|figure| page += &key_figure(figure));
        page += "</dl>\n";
    }
    if !more.is_empty() {
        page += &format!("<div class=\"more\">\n{}</div>\n", paragraphs(more));
    }
    for (plot, name) in report.plots.iter().zip(slugs(report.plots.iter().map(|plot| &*plot.id))) {
        page += &figure(plot, &name)?;
    }
    for (table, name) in report.tables.iter().zip(slugs(report.tables.iter().map(|table| &*table.id))) {
        page += &table_section(table, &name);
    }
    if !report.notes.is_empty() {
        let items: String = report.notes.iter().map(|note| format!("<li>{}</li>\n", prose(note))).collect();
        page += &section("notes", "Notes", &format!("<ul class=\"notes\">\n{items}</ul>\n"));
    }
    if !report.configuration.trim().is_empty() {
        page += &section("configuration", "Configuration", &preformatted(&report.configuration, ""));
    }
    if !report.facts.is_empty() {
        page += &section("facts", "Facts of the run", &facts(&report.facts));
    }
    if !report.reproduce.trim().is_empty() {
        page +=
            &section("reproduce", "How to reproduce", &preformatted(&report.reproduce, " class=\"wrap\""));
    }
    page += "</main>\n</body>\n</html>\n";
    Ok(page)
}

fn key_figure(figure: &KeyFigure) -> String {
    let mut text = format!(
        "<div><dt>{}</dt><dd class=\"value\">{}",
        escape(&figure.label),
        // A number and its unit stay on one line.
        escape(&figure.value).replace(' ', "&nbsp;")
    );
    if !figure.unit.is_empty() {
        text += &format!(" <span class=\"unit\">{}</span>", escape(&figure.unit));
    }
    text += "</dd>";
    if !figure.explanation.is_empty() {
        text += &format!("<dd class=\"explanation\">{}</dd>", prose(&figure.explanation));
    }
    text + "</div>\n"
}

fn section(id: &str, heading: &str, content: &str) -> String {
    format!("<section id=\"{id}\">\n<h2>{heading}</h2>\n{content}</section>\n")
}

/// Text as it stands. It scrolls sideways in its own box, which keys must be able to reach; a command
/// wraps instead, so that all of it can be read.
fn preformatted(text: &str, class: &str) -> String {
    format!("<pre tabindex=\"0\"{class}>{}</pre>\n", escape(text.trim_matches('\n').trim_end()))
}

fn facts(facts: &[(String, String)]) -> String {
    let rows: String = facts
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value)))
        .collect();
    format!("<dl class=\"facts\">\n{rows}</dl>\n")
}
