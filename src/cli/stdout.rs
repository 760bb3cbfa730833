//! Standard output: what verbs print, unless an output file goes there; and the line for people on stderr.
//!
//! A reader may leave early, as `head` does: what is printed after that is dropped, and is no failure.

use anyhow::Context;
use clap::ArgMatches;
use fedfunnel::{Error, files};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Options that write to a file, where `-` is standard output, or print JSON there.
pub const OUTPUTS: [&str; 6] = ["json", "html", "svg", "csv", "trace", "out"];

/// Whether an output file goes to standard output, so that what people read goes to stderr.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives standard output to the option that wants it. Errors where two do.
pub fn claim(arguments: &ArgMatches) -> fedfunnel::Result<()> {
    let mut verb = arguments;
    while let Some((_, inner)) = verb.subcommand() {
        verb = inner;
    }
    let wants = |option: &&str| match verb.try_get_one::<PathBuf>(option) {
        Ok(path) => path.is_some_and(|path| files::is_standard_output(path)),
        // Not an option of this verb, or one without a file.
        Err(_) => verb.try_get_one::<bool>(option).is_ok_and(|given| given == Some(&true)),
    };
    let mut wanting = OUTPUTS.into_iter().filter(wants);
    let (first, second) = (wanting.next(), wanting.next());
    if let (Some(first), Some(second)) = (first, second) {
        let problem = format!("standard output is for --{first} already");
        return Err(Error::setting(format!("--{second}"), problem, "name a file"));
    }
    TAKEN.store(first.is_some_and(|option| option != "json"), Ordering::Relaxed);
    Ok(())
}

/// Prints a line for people: on stdout, or on stderr where stdout is for an output file.
pub fn say(line: &str) -> anyhow::Result<()> {
    if TAKEN.load(Ordering::Relaxed) {
        whisper(line);
        return Ok(());
    }
    print(line)
}

/// Prints a value as one line of JSON.
pub fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string(value)?)
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Prints help or the version.
pub fn print_help(help: &clap::Error) -> anyhow::Result<()> {
    unless_closed(help.print())
}

/// Unlike `println!` this does not panic where stdout is closed or full.
fn print(line: &str) -> anyhow::Result<()> {
    unless_closed(writeln!(std::io::stdout(), "{line}"))
}

fn unless_closed(printed: std::io::Result<()>) -> anyhow::Result<()> {
    match printed {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Prints a line on stderr; where that is closed, nothing.
pub fn whisper(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
