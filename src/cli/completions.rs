//! `fedfunnel completions`

use super::stdout::say;
use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

pub const EXAMPLES: &str = "Examples:
  fedfunnel completions bash > ~/.local/share/bash-completion/completions/fedfunnel
  fedfunnel completions zsh > ~/.zfunc/_fedfunnel       with ~/.zfunc in fpath, before compinit
  fedfunnel completions fish > ~/.config/fish/completions/fedfunnel.fish

The script is written to standard output. A new shell has it, and so has one that reads it:
source <(fedfunnel completions bash).";

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script by which a shell completes the arguments of `program`.
pub fn run(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<()> {
    let name = program.get_name().to_string();
    // The generator takes no error of the output, so that it does not write there.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    say(String::from_utf8(script).context("the script is no text")?.trim_end())
}
