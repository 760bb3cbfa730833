//! The command line: parses arguments, calls one verb, turns errors into one sentence and an exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // SAFETY: nothing has started a thread yet.
    unsafe { fedfunnel::gpu::quieten_drivers() };
    fedfunnel::data::sample::include_cifar10();
    cli::main()
}
