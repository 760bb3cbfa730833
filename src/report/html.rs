//! A report as one HTML file that needs nothing else.

use super::elements::{enclosed, paragraphs, prose};
use super::html_table::table_section;
use super::page::figure;
use super::plot::escape;
use super::sort::rules;
use super::{KeyFigure, Report, html_pictures, slugs};
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
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}{sorting}</style>\n\
         </head>\n<body>\n<main>\n<header>\n<h1>{heading}</h1>\n",
        version = env!("CARGO_PKG_VERSION"),
        title = escape(&report.title),
        heading = prose(&report.title),
        sorting = rules(report.tables.iter().map(|table| table.columns.len()).max().unwrap_or(0)),
    );
    // The first paragraph and the key figures are what fits on the first screen of a phone.
    let (lead, more) = report.answer.split_at(report.answer.len().min(1));
    page += &enclosed("<div class=\"answer\">\n", &paragraphs(lead), "</div>\n");
    page += "</header>\n";
    let figures: String = report.figures.iter().map(key_figure).collect();
    page += &enclosed("<dl class=\"figures\">\n", &figures, "</dl>\n");
    page += &enclosed("<div class=\"more\">\n", &paragraphs(more), "</div>\n");
    for (plot, name) in report.plots.iter().zip(slugs(report.plots.iter().map(|plot| &*plot.id))) {
        page += &figure(plot, &name)?;
    }
    for (each, name) in report.pictures.iter().zip(slugs(report.pictures.iter().map(|each| &*each.id))) {
        page += &html_pictures::section(each, &name)?;
    }
    for (table, name) in report.tables.iter().zip(slugs(report.tables.iter().map(|table| &*table.id))) {
        page += &table_section(table, &name);
    }
    let notes: String = report.notes.iter().map(|note| format!("<li>{}</li>\n", prose(note))).collect();
    page += &section("notes", "Notes", &enclosed("<ul class=\"notes\">\n", &notes, "</ul>\n"));
    page += &section("configuration", "Configuration", &preformatted(&report.configuration, ""));
    let fact = |(name, value): &(String, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value))
    };
    let facts: String = report.facts.iter().map(fact).collect();
    page += &section("facts", "Facts of the run", &enclosed("<dl class=\"facts\">\n", &facts, "</dl>\n"));
    page += &section("reproduce", "How to reproduce", &preformatted(&report.reproduce, " class=\"wrap\""));
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
    text += &enclosed(" <span class=\"unit\">", &escape(&figure.unit), "</span>");
    text += "</dd>";
    text += &enclosed("<dd class=\"explanation\">", &prose(&figure.explanation), "</dd>");
    text + "</div>\n"
}

fn section(id: &str, heading: &str, content: &str) -> String {
    enclosed(&format!("<section id=\"{id}\">\n<h2>{heading}</h2>\n"), content, "</section>\n")
}

/// Text as it stands. It scrolls sideways in its own box, which keys must be able to reach; a command
/// wraps instead, so that all of it can be read.
fn preformatted(text: &str, class: &str) -> String {
    let text = escape(text.trim_matches('\n').trim_end());
    enclosed(&format!("<pre tabindex=\"0\"{class}>"), &text, "</pre>\n")
}
