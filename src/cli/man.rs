//! `fedfunnel man`

use super::stdout::say;
use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use fedfunnel::files;
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel man ~/.local/share/man/man1   then: man fedfunnel-simulate
  fedfunnel man pages                     then: man ./pages/fedfunnel.1";

/// Arguments of `man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Folder for the pages; one of that name that is there already is replaced
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes a page for `program` and for each of its verbs.
pub fn run(args: &ManArgs, program: Command) -> anyhow::Result<()> {
    files::check_output_folder("DIR", &args.folder)?;
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    collect(&program, &mut pages).context("a page could not be made")?;
    for (name, page) in &pages {
        files::write_atomic(&args.folder.join(name), page)?;
    }
    say(&format!("{}: {} pages", args.folder.display(), pages.len()))
}

/// The pages of a command and of those below it, with the names of their files.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let version = command.get_version().unwrap_or_default();
    let page = Man::new(command.clone()).source(format!("fedfunnel {version}")).manual("fedfunnel");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(examples) = command.get_after_help() {
        // Line by line, as they are: examples that run together cannot be pasted.
        let mut section = Roff::default();
        section.control("SH", ["EXAMPLES"]);
        section.control("nf", []);
        let examples = examples.to_string();
        let lines = examples.lines().filter(|line| *line != "Examples:");
        lines.for_each(|line| {
            section.text([roman(line)]);
        });
        section.control("fi", []);
        section.to_writer(&mut text)?;
    }
    pages.push((page.get_filename(), text));
    command.get_subcommands().filter(|verb| !verb.is_hide_set()).try_for_each(|verb| collect(verb, pages))
}
